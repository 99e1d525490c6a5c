"""Results files as the callback writes them, made by the callback's own functions."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.vigie.msp.plugins.module_utils import results

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PARAMETERS = {"audit_seconds": 86400, "security_update_days": 14, "index_age_days": 2}
COUNTS = dict.fromkeys(results.COUNTS, 0)


class Writing:
    """One run's lines, with clock and sequence."""

    def __init__(
        self, client="cabinet", service="audit", run_id=None, start=NOON, check=False, revision="abc"
    ):
        self.id = run_id or str(uuid.uuid4())
        self.now = start
        self._run = results.Run(self.id, clock=lambda: self.now)
        self.lines: list[dict[str, Any]] = []
        self.add(
            "run_started",
            client=client,
            service=service,
            playbook=f"{service}.yml",
            check=check,
            revision=revision,
            versions={"vigie": "0.1.0", "ansible": "2.19.14"},
        )

    def add(self, kind: str, /, **fields: Any) -> Writing:
        self.lines.append(self._run.record(kind, **fields))
        return self

    def later(self, **span: float) -> Writing:
        self.now += timedelta(**span)
        return self

    def host(self, host: str, tier="silver", parameters: Mapping[str, Any] | None = None) -> Writing:
        return self.add("host", host=host, tier=tier, parameters=dict(parameters or PARAMETERS))

    def measured(self, host: str, name: str, value: Any, at: datetime | None = None) -> Writing:
        time = results.utc_text(at or self.now)
        return self.add("measurement", host=host, name=name, value=value, source="measure", measured_at=time)

    def change(self, host: str, name="openssl", before="1", after="2", kind="package") -> Writing:
        fields = {"role": "patch_baseline", "task": "Install", "kind": kind, "name": name}
        return self.add("change", host=host, before=before, after=after, **fields)

    def failure(self, host: str, message="it broke", unreachable=False) -> Writing:
        fields = {"role": None, "task": "Ping", "message": message, "unreachable": unreachable}
        return self.add("failure", host=host, **fields)

    def outcome(self, host: str, status="ok", **counts: int) -> Writing:
        return self.add("outcome", host=host, status=status, duration=1.5, **{**COUNTS, "ok": 3, **counts})

    def finish(self) -> Writing:
        return self.add("run_finished", processed=sum(line["type"] == "outcome" for line in self.lines))

    @property
    def raw(self) -> bytes:
        return b"".join(map(results.to_line, self.lines))

    def to(self, path: Path) -> Path:
        path.write_bytes(self.raw)
        return path


def whole(hosts: Iterable[str] = ("a", "b"), status="ok", **options: Any) -> Writing:
    """A finished run that measured one thing on every host."""
    run = Writing(**options)
    for host in hosts:
        run.host(host)
    run.later(seconds=5)
    for host in hosts:
        run.measured(host, "access.superusers", ["root"])
        run.outcome(host, status)
    return run.later(seconds=5).finish()


def update(name="openssl", to="3.0-2", available: str | None = None, basis="unknown", security=True):
    """One entry of packages.updates."""
    return {
        "name": name,
        "from": "3.0-1",
        "to": to,
        "security": security,
        "origin": "Debian:12/stable-security",
        "uri": None,
        "held": False,
        "available": available,
        "basis": basis,
    }


def updates(*packages: dict[str, Any]) -> dict[str, Any]:
    """The value of packages.updates, summed up by the measuring side's own function."""
    from ansible_collections.vigie.msp.plugins.module_utils.measuring.packages import summarise

    return {**summarise(list(packages)), "packages": list(packages), "reader": "python3-apt"}
