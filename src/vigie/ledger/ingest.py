"""From a results file to the ledger: all of it or nothing, and twice is as good as once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from django.db import transaction

from vigie.errors import BadInputError
from vigie.ledger import judging, recording
from vigie.ledger.lines import OutcomeLine
from vigie.ledger.models import Change, Failure, Measurement, Outcome, Run
from vigie.ledger.reading import RunLines, read_results
from vigie.ledger.records import IngestedRun, IngestReport
from vigie.ledger.states import OutcomeStatus, RunStatus, verdict

BATCH = 500
_COUNTS = ("ok", "changed", "failures", "unreachable", "skipped", "rescued", "ignored", "duration")


def ingest(path: Path, allow_partial: bool = False) -> IngestReport:
    """Take every run of ``path`` into the ledger.

    Args:
        path: A ``results.jsonl``.
        allow_partial: Also take an interrupted run, as ``lost``.

    Raises:
        BadInputError: The file is wrong, or contradicts what the ledger has; nothing of it was taken.
    """
    runs = read_results(path, allow_partial)
    with transaction.atomic():
        return IngestReport(path, tuple(_take(path, run) for run in runs))


def _take(path: Path, lines: RunLines) -> IngestedRun:
    run = _row(path, lines)
    _check_same_run(path, run, lines)
    if run.digest == lines.digest or (not run.complete and run.lines > lines.count):
        return _report(run, lines, fresh=False)
    if run.complete:
        raise BadInputError(
            f"{path}: the ledger has run {run.id} already, with other content (from {run.source})",
            "results are never overwritten; find out which of the two files was altered",
        )
    outcomes = _outcomes(run, lines)
    counts = _children(run, lines, outcomes)
    _close(path, run, lines)
    results = judging.judge(run, outcomes, lines.last.time if lines.last else run.started_at)
    return _report(run, lines, fresh=True, results=results, **counts)


def _row(path: Path, lines: RunLines) -> Run:
    """The run's row, locked until the end of the transaction; made when the run was not started by Vigie."""
    started = lines.started
    tiers = {host.tier for host in lines.hosts.values() if host.tier}
    Run.objects.get_or_create(
        id=started.run,
        defaults={
            "client": started.client or "",
            "service": started.service,
            "tier": min(tiers, default=""),
            "playbook": started.playbook,
            "check_mode": started.check,
            "revision": started.revision,
            "status": RunStatus.RUNNING,
            "started_at": started.time,
            "reason": f"collected from {path.name}",
        },
    )
    return Run.objects.select_for_update().get(id=started.run)


def _check_same_run(path: Path, run: Run, lines: RunLines) -> None:
    started = lines.started
    for what, ours, theirs in (
        ("client", run.client, started.client or ""),
        ("service", run.service, started.service),
        ("check mode", run.check_mode, started.check),
    ):
        if ours != theirs:
            raise BadInputError(f"{path}: run {run.id} has {what} {theirs!r} here but {ours!r} in the ledger")


def _outcomes(run: Run, lines: RunLines) -> dict[str, Outcome]:
    """One row per targeted host; replaces what an earlier, partial file left (its children go with it)."""
    run.outcomes.filter(host__in=lines.hosts).delete()
    Outcome.objects.bulk_create(
        (
            Outcome(
                run=run,
                client=run.client,
                host=host,
                tier=line.tier or "",
                parameters=line.parameters,
                **_counts(lines.outcomes.get(host)),
            )
            for host, line in lines.hosts.items()
        ),
        batch_size=BATCH,
    )
    return {outcome.host: outcome for outcome in run.outcomes.filter(host__in=lines.hosts)}


def _counts(line: OutcomeLine | None) -> Mapping[str, str | float]:
    if line is None:
        return {"status": OutcomeStatus.RUNNING}
    return {"status": line.status, **{name: getattr(line, name) for name in _COUNTS}}


def _children(run: Run, lines: RunLines, outcomes: Mapping[str, Outcome]) -> dict[str, int]:
    measurements = [
        Measurement(
            outcome=outcomes[line.host],
            client=run.client,
            host=line.host,
            name=line.name,
            value=line.value,
            error=line.error if line.failed else None,
            source=line.source,
            measured_at=line.measured_at,
        )
        for line in lines.measurements
    ]
    changes = [
        Change(
            outcome=outcomes[line.host],
            role=line.role or "",
            task=line.task,
            kind=line.kind,
            name=line.name,
            before=line.before,
            after=line.after,
            time=line.time,
        )
        for line in lines.changes
    ]
    failures = [
        Failure(
            outcome=outcomes[line.host],
            role=line.role or "",
            task=line.task,
            message=line.message,
            unreachable=line.unreachable,
            time=line.time,
        )
        for line in lines.failures
    ]
    Measurement.objects.bulk_create(measurements, batch_size=BATCH)
    Change.objects.bulk_create(changes, batch_size=BATCH)
    Failure.objects.bulk_create(failures, batch_size=BATCH)
    return {"measurements": len(measurements), "changes": len(changes), "failures": len(failures)}


def _close(path: Path, run: Run, lines: RunLines) -> None:
    """Note what was read. A run that somebody owns is ended by its owner, or by the sweep that buries it."""
    run.source, run.digest, run.lines = str(path.absolute()), lines.digest, lines.count
    run.complete = lines.finished is not None
    run.playbook, run.revision = lines.started.playbook, lines.started.revision
    run.vigie_version, run.ansible_version = lines.started.versions.vigie, lines.started.versions.ansible
    ownerless = run.owner_pid is None and run.status == RunStatus.RUNNING
    if ownerless or run.status == RunStatus.LOST:
        run.status = _verdict(run, lines)
        run.finished_at = lines.last.time if lines.last else run.started_at
        recording.lose(run.id)
    run.save()


def _verdict(run: Run, lines: RunLines) -> RunStatus:
    if lines.finished is None:
        return RunStatus.LOST
    return verdict(run.outcomes.values_list("status", flat=True))


def _report(run: Run, lines: RunLines, fresh: bool, **counts: int) -> IngestedRun:
    return IngestedRun(
        run=run.id,
        client=run.client,
        service=run.service,
        status=RunStatus(run.status),
        verdict=_verdict(run, lines),
        complete=run.complete,
        fresh=fresh,
        hosts=len(lines.hosts),
        **counts,
    )
