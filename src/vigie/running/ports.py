"""What the runner asks of the ledger; the real one is ``vigie.running.recording``, tests bring their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vigie.ledger.records import Owner
from vigie.running.model import RunReport, RunRequest


@dataclass(frozen=True)
class OpenRun:
    """A run the ledger believes to be going on."""

    run_id: str
    client: str
    service: str
    owner: Owner | None


class LedgerPort(Protocol):
    """The runner's side of the ledger."""

    def start(self, request: RunRequest) -> None:
        """Record that the run begins, and that this process answers for it."""

    def collect(self, results: Path, partial: bool) -> None:
        """Take a results file in; ``partial`` when the run may not have finished it.

        Raises:
            VigieError: The file cannot be taken.
        """

    def finish(self, report: RunReport) -> None:
        """Record how the run ended."""

    def open_runs(self) -> tuple[OpenRun, ...]:
        """All runs that nobody has finished yet."""

    def lost(self, run_id: str) -> None:
        """Record that the run's process died."""
