"""The verdict of a run: from the play recap, never from a return code.

An empty inventory, a pattern or tags that match nothing end with return code 0 in ansible-playbook:
a host that is not in the recap was not looked at, whatever the return code says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vigie.ledger.states import RunStatus

Recap = Mapping[str, Mapping[str, int]]
"""``playbook_on_stats``: ok, failures, dark, changed, processed, ... each with a count per host."""

WORST_FIRST = (
    RunStatus.CANCELLED,
    RunStatus.TIMED_OUT,
    RunStatus.FAILED,
    RunStatus.UNREACHABLE,
    RunStatus.LOST,
    RunStatus.UNKNOWN,
    RunStatus.OK,
)


def host_verdict(host: str, recap: Recap | None) -> RunStatus:
    """The verdict of one expected host. Rescued and ignored failures are none.

    A host on which every task was skipped is unknown: nothing was done there.
    """
    if recap is None or host not in recap.get("processed", {}):
        return RunStatus.UNKNOWN
    if recap.get("dark", {}).get(host):
        return RunStatus.UNREACHABLE
    if recap.get("failures", {}).get(host):
        return RunStatus.FAILED
    return RunStatus.OK if recap.get("ok", {}).get(host) else RunStatus.UNKNOWN


def verdicts(expected: Iterable[str], recap: Recap | None) -> dict[str, RunStatus]:
    """The verdict of every host the run was for."""
    return {host: host_verdict(host, recap) for host in expected}


def worst(statuses: Iterable[RunStatus]) -> RunStatus:
    """The worst of ``statuses``; nothing at all is unknown."""
    found = set(statuses)
    return next((status for status in WORST_FIRST if status in found), RunStatus.UNKNOWN)


def run_verdict(hosts: Mapping[str, RunStatus], stopped: RunStatus | None = None) -> RunStatus:
    """The verdict of a run.

    Args:
        hosts: Verdicts of the expected hosts.
        stopped: ``cancelled``, ``timed_out`` or ``lost`` when the run did not come to its end by itself.
    """
    return stopped or worst(hosts.values())
