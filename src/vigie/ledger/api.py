"""The ledger, for the rest of Vigie: open it, record runs, take in what they learnt, ask what is known.

Only this module, ``records`` and ``states`` are to be imported from elsewhere.
"""

from __future__ import annotations

import functools
import os
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from vigie.errors import UsageError, VigieError
from vigie.ledger.database import URL_VARIABLE, LedgerError, connect, database_errors, disconnect
from vigie.ledger.records import HostResults, IngestReport, Owner, RunDetail, RunRecord
from vigie.ledger.states import RunStatus

if TYPE_CHECKING:
    from vigie.state import StateDirectory

__all__ = ["Ledger", "LedgerError", "open_for", "open_ledger"]

P = ParamSpec("P")
R = TypeVar("R")


def _in_database(method: Callable[Concatenate[Ledger, P], R]) -> Callable[Concatenate[Ledger, P], R]:
    """What the database complains of in ``method`` becomes a LedgerError."""

    @functools.wraps(method)
    def wrapper(self: Ledger, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with database_errors(self.name):
            return method(self, *args, **kwargs)

    return wrapper


def open_ledger(target: Path | str | None = None, provider: str | None = None) -> Ledger:
    """Open the ledger, creating it or bringing its schema up to date as needed.

    Args:
        target: A file (SQLite), or a ``postgresql://`` URL; by default what ``VIGIE_DATABASE_URL`` says.
        provider: Whose ledger this must be. A ledger takes the first provider that opens it.

    Raises:
        LedgerError: The database cannot be reached, is another provider's, or a newer Vigie wrote it.
    """
    target = target or os.environ.get(URL_VARIABLE)
    if not target:
        raise UsageError("no ledger was named", f"give a file, or set {URL_VARIABLE}")
    ledger = Ledger(connect(target))
    if provider:
        ledger.belongs_to(provider)
    return ledger


def open_for(state: StateDirectory) -> Ledger:
    """The ledger of the provider whose state this is: ``VIGIE_DATABASE_URL``, or the file of its state."""
    return open_ledger(os.environ.get(URL_VARIABLE) or state.ledger, provider=state.root.name)


class Ledger:
    """An open ledger. Its methods may be called from several threads; each has a connection of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        """Where it is, without a password."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close this thread's connection; the next use opens another."""
        disconnect()

    @_in_database
    def belongs_to(self, provider: str) -> None:
        """Note whose ledger this is.

        Raises:
            LedgerError: It is another provider's; their clients would be mixed up.
        """
        from vigie.ledger.models import Identity

        owner = Identity.objects.values_list("provider", flat=True).first()
        if owner is None:
            owner = Identity.objects.get_or_create(id=1, defaults={"provider": provider})[0].provider
        if owner != provider:
            raise LedgerError(
                f"the ledger at {self.name} belongs to provider '{owner}', not to '{provider}'",
                f"give each provider a database of its own in {URL_VARIABLE}",
            )

    # ── recording ────────────────────────────────────────────────────────────────────────────────
    @_in_database
    def start_run(
        self,
        *,
        client: str,
        service: str,
        tier: str,
        hosts: Iterable[str],
        run_id: str | None = None,
        owner: Owner | None = None,
        requested_by: str = "",
        reason: str = "",
        revision: str | None = None,
        playbook: str = "",
        check: bool = False,
        limited: bool = False,
        started_at: datetime | None = None,
    ) -> str:
        """Record that a run begins, before it reaches any host; returns its id.

        ``hosts`` are all it is meant for; ``owner`` is the process that answers for it, by default this one;
        ``limited`` says that a part of the client's fleet was asked for, which does not satisfy the schedule.
        """
        from vigie.ledger import recording

        owner = owner or Owner.current()
        return recording.start(
            run_id or str(uuid.uuid4()),
            owner,
            hosts,
            client=client,
            service=service,
            tier=tier,
            requested_by=requested_by,
            reason=reason,
            revision=revision,
            playbook=playbook,
            check_mode=check,
            limited=limited,
            started_at=started_at or datetime.now(UTC),
        )

    @_in_database
    def finish_run(self, run_id: str, status: RunStatus | str, finished_at: datetime | None = None) -> bool:
        """End a run; hosts that never ended are lost.

        Returns:
            False when it had ended already: the first end stands.
        """
        from vigie.ledger import recording

        wanted = RunStatus(status)
        if wanted is RunStatus.RUNNING:
            raise VigieError(f"run {run_id} cannot end as running")
        return recording.finish(run_id, wanted, finished_at or datetime.now(UTC))

    def mark_lost(self, run_id: str) -> bool:
        """End a run whose process died."""
        return self.finish_run(run_id, RunStatus.LOST)

    @_in_database
    def ingest(self, path: Path, allow_partial: bool = False) -> IngestReport:
        """Take a results file in: all of it or nothing, and twice is as good as once.

        Args:
            path: A ``results.jsonl``.
            allow_partial: Also take a run that was interrupted, with every line it had written whole.

        Raises:
            BadInputError: The file is wrong, or contradicts the ledger.
        """
        from vigie.ledger.ingest import ingest

        return ingest(path, allow_partial)

    # ── asking ───────────────────────────────────────────────────────────────────────────────────
    @_in_database
    def running_runs(self) -> tuple[RunRecord, ...]:
        """Runs nobody has finished yet, oldest first."""
        from vigie.ledger import queries

        return queries.running_runs()

    @_in_database
    def runs(
        self,
        client: str | None = None,
        service: str | None = None,
        status: str | None = None,
        limit: int | None = None,
    ) -> tuple[RunRecord, ...]:
        """Runs that match, newest first."""
        from vigie.ledger import queries

        return queries.runs(client, service, status, limit)

    @_in_database
    def run(self, name: str) -> RunDetail:
        """A run and all that happened in it, by its id or the beginning of it.

        Raises:
            UsageError: No run has it, or several do.
        """
        from vigie.ledger import queries

        return queries.run(name)

    @_in_database
    def last_good_runs(
        self, fleets: Mapping[str, Collection[str]] | None = None
    ) -> dict[tuple[str, str], datetime]:
        """When each service last ran well, by (client, service); see ``queries.last_good_runs``."""
        from vigie.ledger import queries

        return queries.last_good_runs(fleets)

    @_in_database
    def latest_results(
        self, promised: Mapping[str, Mapping[str, Mapping[str, Any]]], now: datetime | None = None
    ) -> tuple[HostResults, ...]:
        """Every host ever measured, judged at ``now`` by the thresholds in force today.

        ``promised`` holds the thresholds by client and host; see ``queries.latest_results``.
        """
        from vigie.ledger import queries

        return queries.latest_results(promised, now or datetime.now(UTC))
