"""Evaluating the controls of every host a run measured: at ingest, as a record, and whenever somebody asks.

A run that measured little (a backup knows nothing of patches) is judged together with the newest earlier
measurements of the same host for the same client; a result's validity counts from its own measurement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from vigie.ledger import clock
from vigie.ledger.evaluation import evaluate
from vigie.ledger.models import Measurement, Outcome, Result, Run

BATCH = 500
RESULT_FIELDS = (
    "control",
    "title",
    "family",
    "severity",
    "state",
    "detail",
    "observed",
    "expected",
    "remedy",
    "measured_at",
    "valid_until",
)


def judge(run: Run, outcomes: Mapping[str, Outcome], now: datetime) -> int:
    """Store the results of each host that ``run`` measured; returns how many.

    Args:
        run: The run just read.
        outcomes: Its hosts.
        now: When the run ended: judging the same file again gives the same results.
    """
    clock.remember(run)
    measured = set(run.outcomes.filter(measurements__isnull=False).values_list("host", flat=True))
    judged = [outcome for host, outcome in sorted(outcomes.items()) if host in measured]
    rows = [row for outcome in judged for row in _rows(outcome, now)]
    Result.objects.bulk_create(rows, batch_size=BATCH)
    Outcome.objects.filter(id__in=[outcome.pk for outcome in judged]).update(evaluated_at=now)
    return len(rows)


def _rows(outcome: Outcome, now: datetime) -> Iterable[Result]:
    for result in results(outcome, outcome.parameters or {}, now, until=now):
        yield Result(outcome=outcome, **{name: result[name] for name in RESULT_FIELDS})


def results(
    outcome: Outcome, parameters: Mapping[str, Any], now: datetime, until: datetime
) -> list[dict[str, Any]]:
    """Judge by ``parameters``, as of ``now``, what had been measured on the outcome's host at ``until``."""
    return evaluate(clock.dated(_newest(outcome, until)), parameters, now)


def _newest(outcome: Outcome, until: datetime) -> dict[str, dict[str, Any]]:
    """The newest measurement of each name: this run's own, else what was measured before it ended."""
    newest: dict[str, dict[str, Any]] = {}
    for row in outcome.measurements.order_by("-measured_at", "-id"):
        newest.setdefault(row.name, as_measured(row))
    earlier = (
        Measurement.objects.filter(client=outcome.client, host=outcome.host, measured_at__lte=until)
        .exclude(outcome=outcome)
        .exclude(name__in=newest)
    )
    names = earlier.order_by().values_list("name", flat=True).distinct()
    for name in list(names):
        last = earlier.filter(name=name).order_by("-measured_at", "-id").first()
        if last is not None:
            newest[name] = as_measured(last)
    return newest


def as_measured(row: Measurement) -> dict[str, Any]:
    """A stored measurement in the shape the evaluator reads."""
    time = row.measured_at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    said = {"error": row.error} if row.error is not None else {"value": row.value}
    return {"name": row.name, **said, "time": time, "source": row.source}
