"""What the ledger is asked: runs and what happened in them, and what is known of each host now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Q, QuerySet

from vigie.errors import UsageError
from vigie.ledger import judging
from vigie.ledger.models import Change, Failure, Outcome, Run
from vigie.ledger.records import (
    ChangeRecord,
    FailureRecord,
    HostResults,
    OutcomeRecord,
    Owner,
    ResultRecord,
    RunDetail,
    RunRecord,
)
from vigie.ledger.states import DONE, OutcomeStatus, RunStatus, State

SHORTEST_PREFIX = 4
BATCH = 500


def runs(
    client: str | None = None,
    service: str | None = None,
    status: str | None = None,
    limit: int | None = None,
) -> tuple[RunRecord, ...]:
    """Runs that match, newest first."""
    asked = {"client": client, "service": service, "status": status}
    found = Run.objects.filter(**{key: value for key, value in asked.items() if value is not None})
    return _records(found.order_by("-started_at", "id")[:limit])


def running_runs() -> tuple[RunRecord, ...]:
    """Runs nobody has finished yet, oldest first."""
    return _records(Run.objects.filter(status=RunStatus.RUNNING).order_by("started_at"))


def run(name: str) -> RunDetail:
    """The run whose id is ``name`` or begins with it.

    Raises:
        UsageError: No run does, or several do.
    """
    row = find(name)
    return RunDetail(
        run=_records(Run.objects.filter(id=row.id))[0],
        outcomes=tuple(_outcome(outcome) for outcome in row.outcomes.order_by("host")),
        changes=tuple(
            _change(change)
            for change in Change.objects.filter(outcome__run=row)
            .select_related("outcome")
            .order_by("outcome__host", "id")
        ),
        failures=tuple(
            _failure(failure)
            for failure in Failure.objects.filter(outcome__run=row)
            .select_related("outcome")
            .order_by("outcome__host", "id")
        ),
    )


def find(name: str) -> Run:
    """The row behind ``run``."""
    name = name.strip().lower()
    if len(name) < SHORTEST_PREFIX:
        raise UsageError(f"'{name}' is too short for a run", f"give {SHORTEST_PREFIX} characters at least")
    found = list(Run.objects.filter(id__startswith=name).order_by("-started_at")[:6])
    if not found:
        raise UsageError(f"the ledger has no run '{name}'", "`vigie runs` lists them")
    if len(found) > 1:
        few = ", ".join(row.id for row in found[:5])
        raise UsageError(f"several runs begin with '{name}': {few}", "give more characters")
    return found[0]


def last_good_runs(
    fleets: Mapping[str, Collection[str]] | None = None,
) -> dict[tuple[str, str], datetime]:
    """When each client's services last ran well: the start of the newest such run, by (client, service).

    Neither check-mode runs nor runs asked for a part of the fleet count.

    Args:
        fleets: The hosts of each client today. When given, a run counts only if it did its work on all of
            them: a host that joined since then makes its client's services due.
    """
    good = Run.objects.filter(status=RunStatus.OK, check_mode=False, limited=False)
    if fleets is None:
        newest = good.values_list("client", "service").annotate(newest=Max("started_at")).order_by()
        return {(client, service): started for client, service, started in newest}
    found = {}
    for client, hosts in fleets.items():
        pairs = good.filter(client=client).order_by().values_list("service", flat=True).distinct()
        for service in pairs:
            covering = _covering(good.filter(client=client, service=service), hosts)
            started = covering.order_by("-started_at").values_list("started_at", flat=True).first()
            if started is not None:
                found[client, service] = started
    return found


def _covering(good: QuerySet[Run], hosts: Collection[str]) -> QuerySet[Run]:
    done = Q(outcomes__host__in=list(hosts), outcomes__status__in=DONE)
    return good.annotate(covered=Count("outcomes", filter=done)).filter(covered=len(set(hosts)))


def latest_results(
    promised: Mapping[str, Mapping[str, Mapping[str, Any]]], now: datetime
) -> tuple[HostResults, ...]:
    """The newest results of every host asked for that was ever measured.

    They are judged at ``now`` from what was measured, by the thresholds in force today: ages go on counting
    between two runs, and a backup that was recent at the audit is not recent for as long as the audit is
    valid. The results stored at ingest are what was said then.

    Args:
        promised: By client and host, the thresholds in force today. What was found on a host while it was
            another client's is not given.
        now: The moment at which results are judged.
    """
    return tuple(
        _judged(outcome, hosts[outcome.host], now)
        for client, hosts in promised.items()
        for outcome in _newest_outcomes(client, list(hosts))
    )


def _newest_outcomes(client: str, hosts: list[str]) -> list[Outcome]:
    newest: dict[str, int] = {}
    for start in range(0, len(hosts), BATCH):
        rows = Outcome.objects.filter(
            client=client, host__in=hosts[start : start + BATCH], evaluated_at__isnull=False
        ).order_by("host", "-evaluated_at", "-id")
        for host, key in rows.values_list("host", "id"):
            newest.setdefault(host, key)
    return list(Outcome.objects.in_bulk(list(newest.values())).values()) if newest else []


def _judged(outcome: Outcome, parameters: Mapping[str, Any], now: datetime) -> HostResults:
    until = outcome.evaluated_at
    if until is None:
        raise AssertionError("results without the time of their judgement")
    results = judging.results(outcome, parameters, now, until=until)
    return HostResults(outcome.client, outcome.host, outcome.run_id, until, tuple(map(_result, results)))


def _records(rows: Iterable[Run]) -> tuple[RunRecord, ...]:
    kept = list(rows)
    counts: dict[str, dict[str, int]] = {row.id: {} for row in kept}
    grouped = Outcome.objects.filter(run__in=list(counts)).values_list("run", "status")
    for run_id, status, number in grouped.annotate(number=Count("id")).order_by():
        counts[run_id][status] = number
    return tuple(_record(row, counts[row.id]) for row in kept)


def _record(row: Run, hosts: Mapping[str, int]) -> RunRecord:
    return RunRecord(
        id=row.id,
        client=row.client,
        service=row.service,
        tier=row.tier,
        status=RunStatus(row.status),
        check=row.check_mode,
        limited=row.limited,
        started_at=row.started_at,
        finished_at=row.finished_at,
        requested_by=row.requested_by,
        reason=row.reason,
        revision=row.revision,
        playbook=row.playbook,
        vigie_version=row.vigie_version,
        ansible_version=row.ansible_version,
        owner=_owner(row),
        source=row.source,
        complete=row.complete,
        hosts=hosts,
    )


def _owner(row: Run) -> Owner | None:
    if row.owner_pid is None or row.owner_started is None:
        return None
    return Owner(row.owner_host, row.owner_boot, row.owner_pid, row.owner_started)


def _outcome(row: Outcome) -> OutcomeRecord:
    return OutcomeRecord(
        host=row.host,
        tier=row.tier,
        status=OutcomeStatus(row.status),
        ok=row.ok,
        changed=row.changed,
        failures=row.failures,
        unreachable=row.unreachable,
        skipped=row.skipped,
        rescued=row.rescued,
        ignored=row.ignored,
        duration=row.duration,
    )


def _change(row: Change) -> ChangeRecord:
    return ChangeRecord(
        row.outcome.host, row.role, row.task, row.kind, row.name, row.before, row.after, row.time
    )


def _failure(row: Failure) -> FailureRecord:
    return FailureRecord(row.outcome.host, row.role, row.task, row.message, row.unreachable, row.time)


def _result(result: Mapping[str, Any]) -> ResultRecord:
    return ResultRecord(**{**result, "state": State(result["state"])})
