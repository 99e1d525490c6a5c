"""After a crash: runs whose process died are closed as lost, and nothing of them keeps running."""

from __future__ import annotations

from dataclasses import dataclass

from vigie.errors import VigieError
from vigie.running import artifacts
from vigie.running.ports import LedgerPort, OpenRun
from vigie.running.processes import is_gone, kill_marked
from vigie.running.scratch import remove_leftover
from vigie.state import StateDirectory


@dataclass(frozen=True)
class LostRun:
    """A run that was found without its process."""

    run_id: str
    client: str
    service: str
    killed: int
    """Processes of it that were still there."""
    note: str = ""

    def __str__(self) -> str:
        killed = f"; {self.killed} processes of it were killed" if self.killed else ""
        note = f"; {self.note}" if self.note else ""
        return f"run {self.run_id} ({self.client}, {self.service}) was lost: its process died{killed}{note}"


def sweep_lost(state: StateDirectory, ledger: LedgerPort) -> tuple[LostRun, ...]:
    """Close every run whose owner is dead: kill what is left of it, take in what it recorded, mark it lost.

    Runs of other machines that share the ledger are left to those machines.
    """
    return tuple(
        _close(state, ledger, run) for run in ledger.open_runs() if run.owner is None or is_gone(run.owner)
    )


def _close(state: StateDirectory, ledger: LedgerPort, run: OpenRun) -> LostRun:
    killed = kill_marked([run.run_id])
    remove_leftover(run.run_id)
    note = _take_partial(state, ledger, run)
    ledger.lost(run.run_id)
    return LostRun(run.run_id, run.client, run.service, killed, note)


def _take_partial(state: StateDirectory, ledger: LedgerPort, run: OpenRun) -> str:
    folder = state.run(run.client, run.run_id)
    results = folder / "results.jsonl"
    if not results.exists() or not results.stat().st_size:
        return "it had recorded nothing"
    try:
        ledger.collect(results, partial=True)
    except VigieError as error:
        return f"what it had recorded cannot be used: {error}"
    artifacts.mark_ingested(folder)
    return ""
