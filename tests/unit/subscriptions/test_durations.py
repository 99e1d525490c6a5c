"""Durations: written, read, and given to roles in the unit of the name."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vigie.msp.plugins.module_utils.subscriptions import (
    DAY,
    HOUR,
    MAX_SECONDS,
    SECONDS,
    backup_deadline,
    duration_seconds,
    duration_text,
    in_units,
)
from vigie.subscriptions.fields import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15s", 15), ("10m", 600), ("6h", 21600), ("30d", 2592000), ("2w", 1209600), ("0d", 0)],
)
def test_examples(text: str, seconds: int) -> None:
    assert duration_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "30", "d", "1.5d", "-1d", "1 d", "1D", "1mo", "30d ", "30d\n", "٣d", None, 30, True, []]
)
def test_anything_else_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        duration_seconds(text)


def test_a_century_is_enough() -> None:
    with pytest.raises(ValueError, match="longer than a century"):
        duration_seconds("999999999w")


@given(seconds=st.integers(0, MAX_SECONDS))
def test_text_is_exact(seconds: int) -> None:
    text = duration_text(seconds)
    if seconds < 10**9:
        assert duration_seconds(text) == seconds
        assert format_duration(parse_duration(text)) == text


@given(number=st.integers(0, 5000), unit=st.sampled_from(sorted(SECONDS)))
def test_every_spelling_means_number_times_unit(number: int, unit: str) -> None:
    assert parse_duration(f"{number}{unit}") == timedelta(seconds=number * SECONDS[unit])


@given(seconds=st.integers(0, MAX_SECONDS), unit=st.sampled_from([HOUR, DAY]))
def test_units_are_whole_when_they_divide(seconds: int, unit: int) -> None:
    value = in_units(seconds, unit)
    assert isinstance(value, int) == (seconds % unit == 0)
    assert abs(value * unit - seconds) < 10


@pytest.mark.parametrize(("rpo", "hours"), [(4, 5), (12, 13), (24, 26)])
def test_backup_deadline_is_bak_01(rpo: int, hours: int) -> None:
    assert backup_deadline(rpo * HOUR) == hours * HOUR


@given(rpo=st.integers(60, 60 * DAY))
def test_backup_deadline_is_after_the_rpo(rpo: int) -> None:
    assert rpo < backup_deadline(rpo) <= rpo + 2 * HOUR
