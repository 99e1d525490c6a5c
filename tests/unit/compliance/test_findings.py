"""What is due and what is still known of it; what is open, in words; the exit status."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from vigie.compliance.findings import Finding, findings
from vigie.compliance.tables import exit_code, problems, score_of
from vigie.errors import ExitCode
from vigie.ledger.evaluation import evaluate, shipped_controls
from vigie.ledger.records import HostResults, ResultRecord
from vigie.ledger.states import State

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PARAMETERS = {"audit_seconds": 86400, "security_update_days": 14, "index_age_days": 2}
NONE_WAITING = {"count": 0, "undated": 0, "oldest": None, "oldest_name": None}


@dataclass
class Named:
    slug: str = ""
    name: str = ""


@dataclass
class FakeFleet:
    client: Named
    tier: Named
    hosts: tuple[str, ...]


FLEETS = {"cabinet": FakeFleet(Named("cabinet"), Named(name="silver"), ("a", "b"))}
PROMISED = {"cabinet": {"a": PARAMETERS, "b": PARAMETERS}}


def measured(**values):
    """Measurements at noon; ``x__y`` stands for ``x.y``."""
    named = {key.replace("__", "."): value for key, value in values.items()}
    return {name: {"value": value, "time": "2026-03-01T12:00:00Z"} for name, value in named.items()}


UPDATED = measured(
    packages__updates={"security": NONE_WAITING, "other": NONE_WAITING, "packages": []},
    packages__index={
        "refreshed": "2026-03-01T11:00:00Z",
        "sources": 1,
        "missing": [],
        "unsigned": [],
        "security_release": "2026-02-28T00:00:00Z",
    },
    access__superusers=["root"],
)


def known(host="a", client="cabinet", measurements=UPDATED, parameters=PARAMETERS):
    results = evaluate(measurements, parameters, NOON)
    records = tuple(ResultRecord(**{**result, "state": State(result["state"])}) for result in results)
    return HostResults(client, host, "run-1", NOON, records)


def of(host, found):
    return {one.result.control: one for one in found if one.host == host}


def ask(*seen, now=NOON, promised=PROMISED, fleets=FLEETS):
    return findings(fleets, promised, seen, now)


def test_a_host_no_run_reached_is_unknown_on_every_control_due():
    found = of("b", ask(known("a")))
    assert len(found) == len(shipped_controls())
    states = {one.state for one in found.values()}
    assert states == {State.UNKNOWN, State.NOT_APPLICABLE}
    assert found["PAT-01"].result.detail == "no run has measured this host"
    assert found["PAT-01"].run is None
    assert found["BAK-01"].state is State.NOT_APPLICABLE
    assert score_of(found.values()).score is None


def test_hosts_never_reached_lower_the_coverage():
    everything, reached = score_of(ask(known("a"))), score_of(of("a", ask(known("a"))).values())
    assert everything.due == 2 * reached.due
    assert everything.assessed == reached.assessed > 0
    assert everything.score < reached.score


def test_results_hold_while_they_are_valid_and_are_unknown_afterwards():
    fresh = of("a", ask(known("a")))
    assert fresh["PAT-01"].state is State.COMPLIANT
    until = fresh["HRD-06"].result.valid_until
    assert of("a", ask(known("a"), now=until))["HRD-06"].state is State.COMPLIANT
    stale = of("a", ask(known("a"), now=until + timedelta(seconds=1)))["HRD-06"]
    assert stale.state is State.UNKNOWN
    assert stale.result.detail == "measured 2026-03-01 12:00 UTC, no longer valid since 2026-03-03 13:00 UTC"


def test_nothing_valid_any_more_is_nothing_assessed():
    found = ask(known("a"), known("b"), now=NOON + timedelta(days=3000))
    assert score_of(found).score is None
    assert exit_code(found) is ExitCode.UNKNOWN


def test_a_control_does_not_outlive_the_one_it_leans_on():
    (control,) = [control for control in shipped_controls() if control.id == "PAT-01"]
    assert control.requires == ("PAT-04",) or control.requires == ["PAT-04"]
    seen = known("a")
    aged = [
        replace(result, valid_until=NOON) if result.control == "PAT-04" else result for result in seen.results
    ]
    found = of("a", ask(replace(seen, results=tuple(aged)), now=NOON + timedelta(hours=1)))
    assert found["PAT-04"].state is State.UNKNOWN
    assert found["PAT-01"].state is State.UNKNOWN
    assert "PAT-04" in found["PAT-01"].result.detail


def test_what_the_tier_no_longer_promises_does_not_apply():
    promised = {"cabinet": {host: {"audit_seconds": 86400} for host in "ab"}}
    assert of("a", ask(known("a"), promised=promised))["PAT-01"].state is State.NOT_APPLICABLE


def test_results_from_another_client_do_not_count():
    assert of("a", ask(known("a", client="usine")))["HRD-06"].state is State.UNKNOWN


# ── words ────────────────────────────────────────────────────────────────────────────────────────
def test_the_same_problem_on_several_hosts_is_told_once_the_worst_first():
    bad = measured(access__superusers=["root", "toor"], packages__database=["broken"])
    found = problems(ask(known("a", measurements=bad), known("b", measurements=bad)))
    assert (found[0].control, found[0].severity, found[0].hosts) == ("HRD-06", "critical", ("a", "b"))
    assert found[0].state is State.NON_COMPLIANT
    assert "toor" in found[0].observed
    assert found[0].remedy
    states = [one.state for one in found]
    assert states == sorted(states, key=(State.NON_COMPLIANT, State.ERROR, State.UNKNOWN).index)


def test_hosts_nothing_is_known_of_take_one_line():
    (found,) = problems(ask())
    assert found.hosts == ("a", "b")
    assert found.control.startswith("all ")
    assert "vigie run audit --client cabinet" in found.remedy


def finding(state: str) -> Finding:
    (result,) = [one for one in known().results if one.control == "HRD-06"]
    return Finding("cabinet", "silver", "a", "run-1", replace(result, state=State(state)))


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([], ExitCode.UNKNOWN),
        (["compliant"], ExitCode.OK),
        (["compliant", "waived", "not_applicable"], ExitCode.OK),
        (["waived"], ExitCode.OK),
        (["not_applicable"], ExitCode.UNKNOWN),
        (["unknown"], ExitCode.UNKNOWN),
        (["compliant", "unknown"], ExitCode.UNKNOWN),
        (["compliant", "unknown", "error"], ExitCode.NON_COMPLIANT),
        (["compliant", "non_compliant"], ExitCode.NON_COMPLIANT),
    ],
)
def test_the_exit_status_is_zero_only_when_all_is_known_and_right(states, code):
    assert exit_code([finding(state) for state in states]) is code
