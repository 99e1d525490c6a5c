"""What is due and what is known of it: every control of every host that a client pays for, at one moment.

The inventory decides what is due, not the ledger: a host no run ever reached is there, unknown on every
control. What the ledger holds is laid over that, as far as it is still valid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from vigie.ledger.evaluation import evaluate, shipped_controls
from vigie.ledger.records import HostResults, ResultRecord
from vigie.ledger.states import State
from vigie.subscriptions import Fleet, Inventory

NEVER_MEASURED = "no run has measured this host"
Promised = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""The thresholds in force, by client and host."""


@dataclass(frozen=True)
class Finding:
    """A control on a host, as of now."""

    client: str
    tier: str
    host: str
    run: str | None
    """The run that brought the newest measurement of the host; None when there is none."""
    result: ResultRecord

    @property
    def state(self) -> State:
        """The state now."""
        return self.result.state


def promised(fleets: Mapping[str, Fleet], inventory: Inventory) -> dict[str, dict[str, Mapping[str, Any]]]:
    """The thresholds each host is judged by today, as Ansible sees them."""
    return {
        slug: {
            host: inventory.hosts[host].get("compliance_audit_parameters", fleet.tier.audit_parameters)
            for host in fleet.hosts
        }
        for slug, fleet in fleets.items()
    }


def findings(
    fleets: Mapping[str, Fleet], thresholds: Promised, known: Iterable[HostResults], now: datetime
) -> list[Finding]:
    """Every control of every host of ``fleets``, those that do not apply included.

    Args:
        fleets: The clients and hosts asked about.
        thresholds: What ``promised`` said of them.
        known: What the ledger knows, judged at ``now``: ages are not counted here.
        now: Results whose validity ended before are unknown.
    """
    newest = {(one.client, one.host): one for one in known}
    requirements = {control.id: tuple(control.requires) for control in shipped_controls()}
    found = []
    for slug, fleet in fleets.items():
        for host in fleet.hosts:
            seen = newest.get((slug, host))
            results = _of_host(thresholds[slug][host], seen, requirements, now)
            run = seen.run if seen else None
            found += [Finding(slug, fleet.tier.name, host, run, result) for result in results]
    return found


def _of_host(
    parameters: Mapping[str, Any],
    seen: HostResults | None,
    requirements: Mapping[str, tuple[str, ...]],
    now: datetime,
) -> list[ResultRecord]:
    due = [
        ResultRecord(**{**result, "state": State(result["state"])})
        for result in evaluate({}, parameters, now)
    ]
    if seen is None:
        return [
            replace(result, detail=NEVER_MEASURED) if result.state is State.UNKNOWN else result
            for result in due
        ]
    stored = {result.control: result for result in seen.results}
    current = {result.control: _current(result, stored.get(result.control), now) for result in due}
    return [_with_requirements(result, current, requirements) for result in current.values()]


def _current(due: ResultRecord, stored: ResultRecord | None, now: datetime) -> ResultRecord:
    """What is still true of ``stored``; ``due`` is what an unmeasured host would get."""
    if stored is None or due.state is State.NOT_APPLICABLE:
        return due
    if stored.valid_until is None or now <= stored.valid_until:
        return stored
    if stored.state is State.UNKNOWN:
        return stored
    return replace(stored, state=State.UNKNOWN, detail=_expired(stored.measured_at, stored.valid_until))


def _expired(measured: datetime | None, until: datetime) -> str:
    when = f"measured {moment(measured)}, " if measured else ""
    return f"{when}no longer valid since {moment(until)}"


def _with_requirements(
    result: ResultRecord, current: Mapping[str, ResultRecord], requirements: Mapping[str, tuple[str, ...]]
) -> ResultRecord:
    """A control that leans on another cannot stay compliant once the other is not, be it by age alone."""
    if result.state is not State.COMPLIANT:
        return result
    for needed in requirements.get(result.control, ()):
        other = current.get(needed)
        if other is None or other.state is not State.COMPLIANT:
            words = str(other.state).replace("_", " ") if other else "not evaluated"
            return replace(result, state=State.UNKNOWN, detail=f"cannot be known while {needed} is {words}")
    return result


def moment(time: datetime) -> str:
    """A time as people read it."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
