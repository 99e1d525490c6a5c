"""What is asked of the runner, and what it answers."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from vigie.errors import ExitCode
from vigie.ledger.states import RunStatus
from vigie.state import StateDirectory

_EXIT_CODES = {
    RunStatus.RUNNING: ExitCode.UNKNOWN,
    RunStatus.OK: ExitCode.OK,
    RunStatus.FAILED: ExitCode.HOSTS_FAILED,
    RunStatus.UNREACHABLE: ExitCode.UNREACHABLE,
    RunStatus.UNKNOWN: ExitCode.UNKNOWN,
    RunStatus.LOST: ExitCode.UNKNOWN,
    RunStatus.CANCELLED: ExitCode.CANCELLED,
    RunStatus.TIMED_OUT: ExitCode.TIMEOUT,
}


def exit_code(status: RunStatus) -> ExitCode:
    """The exit status of a command whose worst run ended so."""
    return _EXIT_CODES[status]


class Isolation(StrEnum):
    """How far a run is kept apart from the rest of the machine."""

    SANDBOX = "sandbox"
    """bubblewrap: a view of the file system of its own, and a process namespace that dies as a whole."""
    PROCESSES = "processes"
    """bubblewrap for processes alone: the play works on this very machine and has to see it."""
    NONE = "none"
    """No bubblewrap here: processes are found by their environment and ended one by one."""


@dataclass(frozen=True)
class RunRequest:
    """One service, for one client, on some of its hosts.

    Args:
        state: The provider's state directory.
        directory: The provider's directory; its known_hosts are used.
        client: Slug of the client, or ``provider`` for the provider's own servers.
        service: What is delivered.
        playbook: The playbook that delivers it.
        hosts: Variables of each host, merged; only these hosts exist for the run.
        groups: Hosts of each inventory group; restricted to ``hosts`` for the run.
        timeout: After this time the run is stopped.
        check: Ansible's check mode: nothing is changed.
        extra_vars: Given to the playbook through a 0600 file.
        revision: Commit of the provider's directory.
        reason: Why the run is made outside the client's windows, when it is.
        tier: The client's tier at this moment.
        limited: Only a part of the fleet was asked for: such a run does not deliver the occurrence.
        not_after: The end of the opening of the client's windows in which the run was asked for: it must not
            begin then or later. None when it needs no window.
        requested_by: Who asked for it: a user's name, or ``schedule``.
        isolation: Overrides the choice of how far the run is kept apart; for tests.
    """

    state: StateDirectory
    directory: Path
    client: str
    service: str
    playbook: Path
    hosts: Mapping[str, Mapping[str, Any]] = field(repr=False)
    groups: Mapping[str, tuple[str, ...]] = field(repr=False)
    timeout: timedelta
    check: bool = False
    extra_vars: Mapping[str, Any] = field(default_factory=dict, repr=False)
    revision: str | None = None
    reason: str = ""
    tier: str = ""
    limited: bool = False
    not_after: datetime | None = None
    requested_by: str = ""
    isolation: Isolation | None = None
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def artifacts(self) -> Path:
        """Where what is kept of the run goes."""
        return self.state.run(self.client, self.run_id)

    @property
    def results(self) -> Path:
        """The run's results.jsonl."""
        return self.artifacts / "results.jsonl"


@dataclass(frozen=True)
class RunReport:
    """How a run ended.

    Args:
        hosts: The verdict of each expected host.
        message: Why the run is not ok, where no host's verdict says it; redacted.
        reasons: The first failure of each host that failed, one line; redacted.
        warnings: What the operator should know: weaker isolation, results that could not be recorded.
    """

    run_id: str
    client: str
    service: str
    status: RunStatus
    hosts: Mapping[str, RunStatus]
    artifacts: Path
    seconds: float
    check: bool = False
    isolation: Isolation = Isolation.NONE
    message: str = ""
    hint: str = ""
    warnings: tuple[str, ...] = ()
    changed: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For ``--json`` and for the file kept with the run."""
        return {
            "run": self.run_id,
            "client": self.client,
            "service": self.service,
            "status": str(self.status),
            "check": self.check,
            "seconds": round(self.seconds, 2),
            "isolation": str(self.isolation),
            "hosts": {host: str(status) for host, status in self.hosts.items()},
            "changed": dict(self.changed),
            "reasons": dict(self.reasons),
            "message": self.message,
            "hint": self.hint,
            "warnings": list(self.warnings),
            "artifacts": str(self.artifacts),
        }
