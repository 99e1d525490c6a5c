"""What the ledger gives out and takes in: plain records, never database objects."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psutil

from vigie.ledger.states import OutcomeStatus, RunStatus, State


@dataclass(frozen=True)
class Owner:
    """The process that answers for a run. All four together never name another process."""

    host: str
    boot: str
    pid: int
    started: float
    """Seconds since the epoch."""

    @classmethod
    def current(cls) -> Owner:
        """This process."""
        boot = Path("/proc/sys/kernel/random/boot_id")
        return cls(
            host=socket.gethostname(),
            boot=boot.read_text(encoding="ascii").strip() if boot.exists() else str(int(psutil.boot_time())),
            pid=os.getpid(),
            started=psutil.Process().create_time(),
        )


@dataclass(frozen=True)
class RunRecord:
    """A run, without what happened on each host."""

    id: str
    client: str
    service: str
    tier: str
    status: RunStatus
    check: bool
    limited: bool
    started_at: datetime
    finished_at: datetime | None
    requested_by: str
    reason: str
    revision: str | None
    playbook: str
    vigie_version: str
    ansible_version: str
    owner: Owner | None
    source: str
    complete: bool
    hosts: Mapping[str, int] = field(default_factory=dict)
    """How many hosts ended in each outcome status."""


@dataclass(frozen=True)
class ChangeRecord:
    """Something a run altered."""

    host: str
    role: str
    task: str
    kind: str
    name: str
    before: str | None
    after: str | None
    time: datetime


@dataclass(frozen=True)
class FailureRecord:
    """A task that failed, or a host not reached."""

    host: str
    role: str
    task: str
    message: str
    unreachable: bool
    time: datetime


@dataclass(frozen=True)
class OutcomeRecord:
    """What a run did on one host."""

    host: str
    tier: str
    status: OutcomeStatus
    ok: int
    changed: int
    failures: int
    unreachable: int
    skipped: int
    rescued: int
    ignored: int
    duration: float | None


@dataclass(frozen=True)
class RunDetail:
    """A run and all that happened in it."""

    run: RunRecord
    outcomes: tuple[OutcomeRecord, ...]
    changes: tuple[ChangeRecord, ...]
    failures: tuple[FailureRecord, ...]


@dataclass(frozen=True)
class ResultRecord:
    """A control judged on one host; whether it still holds is for whoever asks (``valid_until``)."""

    control: str
    title: str
    family: str
    severity: str
    state: State
    detail: str
    observed: str
    expected: str
    remedy: str
    measured_at: datetime | None
    valid_until: datetime | None


@dataclass(frozen=True)
class HostResults:
    """What is known of one host, judged when it was asked for."""

    client: str
    host: str
    run: str
    """The run that measured last."""
    evaluated_at: datetime
    """When that run ended: nothing measured later is in the results."""
    results: tuple[ResultRecord, ...]


@dataclass(frozen=True)
class IngestedRun:
    """What one run's lines in a results file became."""

    run: str
    client: str
    service: str
    status: RunStatus
    """The run's status in the ledger now; ``running`` while its owner has not finished it."""
    verdict: RunStatus
    """What the lines themselves amount to; ``lost`` without ``run_finished``."""
    complete: bool
    fresh: bool
    """False when the ledger had all of it already."""
    hosts: int = 0
    measurements: int = 0
    results: int = 0
    changes: int = 0
    failures: int = 0


@dataclass(frozen=True)
class IngestReport:
    """What became of a results file."""

    path: Path
    runs: tuple[IngestedRun, ...]

    @property
    def run(self) -> IngestedRun:
        """The file's only run."""
        (only,) = self.runs
        return only
