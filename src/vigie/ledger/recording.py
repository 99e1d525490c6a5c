"""The beginning and the end of a run in the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction

from vigie.errors import VigieError
from vigie.ledger.models import Outcome, Run
from vigie.ledger.records import Owner
from vigie.ledger.states import OutcomeStatus, RunStatus

BATCH = 500


def start(run_id: str, owner: Owner, hosts: Iterable[str], **fields: Any) -> str:
    """Make the run's row, and one per host it is meant for."""
    with transaction.atomic():
        if Run.objects.filter(id=run_id).exists():
            raise VigieError(f"the ledger has a run {run_id} already")
        run = Run.objects.create(
            id=run_id,
            owner_host=owner.host,
            owner_boot=owner.boot,
            owner_pid=owner.pid,
            owner_started=owner.started,
            **fields,
        )
        rows = (Outcome(run=run, client=run.client, host=host, tier=run.tier) for host in sorted(set(hosts)))
        Outcome.objects.bulk_create(rows, batch_size=BATCH)
    return run_id


def finish(run_id: str, status: RunStatus, finished_at: datetime) -> bool:
    """End a run that is still going on; False when it is not."""
    with transaction.atomic():
        ended = Run.objects.filter(id=run_id, status=RunStatus.RUNNING).update(
            status=status, finished_at=finished_at
        )
        if not ended and not Run.objects.filter(id=run_id).exists():
            raise VigieError(f"the ledger has no run {run_id}")
        if ended:
            lose(run_id)
    return bool(ended)


def lose(run_id: str) -> None:
    """Hosts of the run that never ended are lost."""
    Outcome.objects.filter(run=run_id, status=OutcomeStatus.RUNNING).update(status=OutcomeStatus.LOST)
