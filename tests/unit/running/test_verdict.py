"""Every row of the table of traps: the verdict comes from the recap, never from a return code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigie.errors import ExitCode
from vigie.ledger.states import RunStatus
from vigie.running.model import exit_code
from vigie.running.verdict import run_verdict, verdicts, worst

OK, FAILED, UNREACHABLE, UNKNOWN = RunStatus.OK, RunStatus.FAILED, RunStatus.UNREACHABLE, RunStatus.UNKNOWN


def recap(processed=(), **counts):
    return {"processed": dict.fromkeys(processed, 1), **counts}


@pytest.mark.parametrize(
    ("name", "given", "hosts", "status"),
    [
        ("all well", recap("ab", ok={"a": 1, "b": 1}), {"a": OK, "b": OK}, OK),
        ("one failed", recap("ab", ok={"a": 1}, failures={"b": 1}), {"a": OK, "b": FAILED}, FAILED),
        ("one down", recap("ab", dark={"a": 1}, ok={"b": 1}), {"a": UNREACHABLE, "b": OK}, UNREACHABLE),
        (
            "failed and down",
            recap("ab", dark={"a": 1}, failures={"b": 1}),
            {"a": UNREACHABLE, "b": FAILED},
            FAILED,
        ),
        ("rescued", recap("ab", ok={"a": 1, "b": 1}, rescued={"a": 1}), {"a": OK, "b": OK}, OK),
        ("ignored", recap("ab", ok={"a": 1, "b": 1}, ignored={"a": 1}), {"a": OK, "b": OK}, OK),
        ("syntax error: no recap", None, {"a": UNKNOWN, "b": UNKNOWN}, UNKNOWN),
        ("nothing matched", recap(), {"a": UNKNOWN, "b": UNKNOWN}, UNKNOWN),
        ("one host not reached by the play", recap("a", ok={"a": 1}), {"a": OK, "b": UNKNOWN}, UNKNOWN),
        (
            "unknown beside unreachable",
            recap("a", dark={"a": 1}),
            {"a": UNREACHABLE, "b": UNKNOWN},
            UNREACHABLE,
        ),
        ("all skipped", recap("ab", ok={"a": 2}, skipped={"b": 3}), {"a": OK, "b": UNKNOWN}, UNKNOWN),
        ("another host only", recap("z"), {"a": UNKNOWN, "b": UNKNOWN}, UNKNOWN),
    ],
)
def test_table(name, given, hosts, status):
    found = verdicts(["a", "b"], given)

    assert found == hosts, name
    assert run_verdict(found) is status, name


@pytest.mark.parametrize("stopped", [RunStatus.CANCELLED, RunStatus.TIMED_OUT, RunStatus.LOST])
def test_a_run_that_was_stopped_is_never_ok(stopped):
    assert run_verdict({"a": OK}, stopped) is stopped


def test_no_hosts_at_all_is_unknown():
    assert run_verdict({}) is UNKNOWN
    assert worst([]) is UNKNOWN


@given(st.lists(st.sampled_from([OK, FAILED, UNREACHABLE, UNKNOWN]), min_size=1))
def test_ok_means_that_every_host_is_ok(statuses):
    assert (worst(statuses) is OK) == (set(statuses) == {OK})


def test_every_status_but_ok_has_an_exit_code_that_is_not_zero():
    for status in RunStatus:
        assert (exit_code(status) == ExitCode.OK) == (status is OK)
