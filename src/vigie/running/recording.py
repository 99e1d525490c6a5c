"""The runner's ledger: ``LedgerPort`` over ``vigie.ledger.api``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vigie.running.model import RunReport, RunRequest
from vigie.running.ports import OpenRun
from vigie.state import StateDirectory

if TYPE_CHECKING:
    from vigie.ledger.api import Ledger as Database


class Ledger:
    """Records runs in the provider's ledger.

    Args:
        database: The open ledger; its methods may be called from several threads.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def start(self, request: RunRequest) -> None:
        """Record that the run begins, and that this process answers for it."""
        self.database.start_run(
            run_id=request.run_id,
            client=request.client,
            service=request.service,
            tier=request.tier,
            hosts=request.hosts,
            requested_by=request.requested_by,
            reason=request.reason,
            revision=request.revision,
            playbook=request.playbook.name,
            check=request.check,
            limited=request.limited,
        )

    def collect(self, results: Path, partial: bool) -> None:
        """Take a results file in."""
        self.database.ingest(results, allow_partial=partial)

    def finish(self, report: RunReport) -> None:
        """Record how the run ended."""
        self.database.finish_run(report.run_id, report.status)

    def open_runs(self) -> tuple[OpenRun, ...]:
        """All runs that nobody has finished yet."""
        return tuple(
            OpenRun(run.id, run.client, run.service, run.owner) for run in self.database.running_runs()
        )

    def lost(self, run_id: str) -> None:
        """Record that the run's process died."""
        self.database.mark_lost(run_id)

    def release(self) -> None:
        """Close the calling thread's connection."""
        self.database.close()


@contextmanager
def open_recorded(state: StateDirectory) -> Iterator[Ledger]:
    """The ledger of the provider whose state this is, closed afterwards."""
    from vigie.ledger.api import open_for  # here: Django takes its time, and `vigie --help` should not wait

    with open_for(state) as database:
        yield Ledger(database)
