"""Scores: exact figures, and what must hold for any set of results."""

from __future__ import annotations

from functools import reduce
from operator import add

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigie.compliance.score import WEIGHTS, Score, score
from vigie.ledger.states import Severity, State

RESULT = st.fixed_dictionaries(
    {"severity": st.sampled_from(list(Severity)), "state": st.sampled_from(list(State))}
)
RESULTS = st.lists(RESULT, max_size=40)


def made(**counts: str) -> Score:
    """A score from words like ``compliant="critical high"``."""
    return score(
        {"state": state, "severity": word} for state, words in counts.items() for word in words.split()
    )


@pytest.mark.parametrize(
    ("counts", "figures"),
    [
        ({}, (None, None, None, 0, None)),
        ({"not_applicable": "critical"}, (None, None, None, 0, None)),
        ({"unknown": "critical low"}, (None, None, 0.0, 0, None)),
        ({"error": "high"}, (None, None, 0.0, 0, None)),
        ({"compliant": "critical high medium low"}, (100.0, 100.0, 100.0, 0, "A")),
        ({"non_compliant": "low"}, (0.0, 0.0, 100.0, 0, "F")),
        ({"compliant": "critical", "non_compliant": "high"}, (66.6, 66.6, 100.0, 0, "D")),
        ({"compliant": "critical", "error": "high"}, (66.6, 66.6, 50.0, 0, "D")),
        ({"compliant": "critical", "unknown": "high"}, (66.6, 66.6, 50.0, 0, "D")),
        ({"compliant": "critical", "waived": "high"}, (100.0, 66.6, 100.0, 0, "A")),
        ({"waived": "high"}, (None, 0.0, 100.0, 0, None)),
        ({"compliant": "critical " * 30, "non_compliant": "critical"}, (96.7, 96.7, 100.0, 1, "C")),
        ({"compliant": "critical " * 30, "error": "critical"}, (96.7, 96.7, 96.7, 1, "C")),
        ({"compliant": "critical " * 30, "non_compliant": "low"}, (99.5, 99.5, 100.0, 0, "A")),
        ({"compliant": "low", "non_compliant": "critical"}, (11.1, 11.1, 100.0, 1, "F")),
        ({"compliant": "low " * 1999, "non_compliant": "low"}, (99.9, 99.9, 99.9 + 0.1, 0, "A")),
    ],
)
def test_figures(counts, figures):
    found = made(**counts)
    shown = (found.score, found.raw_score, found.coverage, found.open_criticals, found.grade)
    assert shown == figures


def test_a_hundred_means_all():
    assert made(compliant="critical " * 100_000, unknown="low").score == 99.9


@given(RESULTS)
def test_figures_are_within_bounds_and_together(results):
    found = score(results)
    for value in (found.score, found.raw_score, found.coverage):
        assert value is None or 0 <= value <= 100
    assert found.assessed <= found.due <= len(results)
    assert (found.grade is None) == (found.score is None)
    if found.score is not None:
        assert found.raw_score is not None
        assert found.raw_score <= found.score
    if found.score == 100:
        assert not found.count(State.NON_COMPLIANT, State.ERROR, State.UNKNOWN)


@given(
    RESULTS,
    st.sampled_from(list(Severity)),
    st.sampled_from([State.NON_COMPLIANT, State.ERROR, State.UNKNOWN]),
)
def test_another_failure_or_unknown_never_raises_anything(results, severity, state):
    before, after = score(results), score([*results, {"severity": severity, "state": state}])
    assert (after.score or 0) <= (before.score or 0)
    assert (after.raw_score or 0) <= (before.raw_score or 0)
    assert after.open_criticals >= before.open_criticals
    if before.grade and after.grade:
        assert after.grade >= before.grade
    if state is not State.NON_COMPLIANT and before.coverage is not None:
        assert after.coverage <= before.coverage


@given(RESULTS)
def test_a_failing_critical_caps_the_grade(results):
    failing = {"severity": Severity.CRITICAL, "state": State.NON_COMPLIANT}
    assert score([*results, failing]).grade in ("C", "D", "E", "F")


@given(st.lists(RESULTS, max_size=5))
def test_an_aggregate_is_the_sum_of_its_parts(parts):
    together = reduce(add, map(score, parts), Score())
    whole = score([result for part in parts for result in part])
    assert together.as_dict() == whole.as_dict()


@given(RESULTS)
def test_nothing_assessed_has_no_score(results):
    hidden = [one for one in results if one["state"] in (State.UNKNOWN, State.ERROR, State.NOT_APPLICABLE)]
    found = score(hidden)
    assert (found.score, found.raw_score, found.grade) == (None, None, None)
    assert "no score" in str(found)


@given(RESULTS, RESULT)
def test_not_applicable_changes_nothing(results, result):
    more = [*results, {**result, "state": State.NOT_APPLICABLE}]
    before, after = score(results).as_dict(), score(more).as_dict()
    assert {**before, "states": 0} == {**after, "states": 0}


def test_every_severity_has_a_weight_and_nothing_else_is_taken():
    assert set(WEIGHTS) == set(Severity)
    with pytest.raises(ValueError, match="important"):
        score([{"severity": "important", "state": "compliant"}])
    with pytest.raises(ValueError, match="fine"):
        score([{"severity": "low", "state": "fine"}])


def test_words_hold_all_figures():
    words = str(made(compliant="critical high", non_compliant="critical", waived="low"))
    for figure in ("60.0 %", "57.1 %", "100.0 %", "1 open critical", "grade D"):
        assert figure in words
