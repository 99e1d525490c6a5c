"""Windows as real time, through both clock changes of Europe/Paris in 2026 and 2027."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vigie.planning.windows import Opening, localised, next_opening, opening_at, openings
from vigie.subscriptions import Window

PARIS = ZoneInfo("Europe/Paris")
HOUR = timedelta(hours=1)


def window(days: list[str], start: str, duration: str) -> Window:
    return Window.model_validate({"days": days, "start": start, "duration": duration})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "clock", "expected"),
    [
        (date(2026, 3, 28), "02:30", "2026-03-28T01:30"),
        (date(2026, 3, 29), "01:59", "2026-03-29T00:59"),
        (date(2026, 3, 29), "02:30", "2026-03-29T01:30"),  # the gap: the clock shows 03:30
        (date(2026, 3, 29), "03:00", "2026-03-29T01:00"),
        (date(2026, 10, 25), "02:30", "2026-10-25T00:30"),  # shown twice: the first, still summer time
        (date(2026, 10, 25), "03:00", "2026-10-25T02:00"),
        (date(2027, 3, 28), "02:00", "2027-03-28T01:00"),
        (date(2027, 10, 31), "02:00", "2027-10-31T00:00"),
    ],
)
def test_wall_clock_to_real_time(day: date, clock: str, expected: str) -> None:
    assert localised(day, time.fromisoformat(clock), PARIS) == utc(expected)


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25", "2027-03-28", "2027-10-31"])
def test_a_window_over_a_clock_change_lasts_real_hours(day: str) -> None:
    night = window(["daily"], "00:00", "6h")
    start = localised(date.fromisoformat(day), time(), PARIS)
    found = openings([night], PARIS, start, start + HOUR)
    assert found == [Opening(start, start + 6 * HOUR)]


def test_a_window_from_the_evening_before_is_still_open() -> None:
    saturday = window(["sat"], "22:00", "8h")
    assert next_opening([saturday], PARIS, utc("2026-11-29T03:00")) == Opening(
        utc("2026-11-28T21:00"), utc("2026-11-29T05:00")
    )


def test_the_end_is_not_inside() -> None:
    opening = Opening(utc("2026-01-01T00:00"), utc("2026-01-01T01:00"))
    assert utc("2026-01-01T00:00") in opening
    assert utc("2026-01-01T01:00") not in opening


def test_25_hours_a_day_are_always_open_through_the_long_day() -> None:
    always = window(["daily"], "00:00", "25h")
    found = openings([always], PARIS, utc("2026-10-20T00:00"), utc("2026-10-30T00:00"))
    assert len(found) == 1


def test_24_hours_leave_the_repeated_hour_of_autumn_closed() -> None:
    found = openings(
        [window(["daily"], "00:00", "24h")], PARIS, utc("2026-10-25T00:00"), utc("2026-10-27T00:00")
    )
    assert [one.start for one in found][1] - found[0].end == HOUR


def test_without_windows_nothing_opens() -> None:
    assert next_opening([], PARIS, utc("2026-01-01T00:00")) is None
    assert opening_at([], PARIS, utc("2026-01-01T00:00")) is None


MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
WINDOWS = st.builds(
    window,
    st.lists(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), min_size=1, max_size=3),
    st.times().map(lambda clock: clock.strftime("%H:%M")),
    st.integers(1, 7 * 24 * 60).map(lambda minutes: f"{minutes}m"),
)
ZONES = st.sampled_from(["Europe/Paris", "UTC", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kolkata"])


@given(windows=st.lists(WINDOWS, min_size=1, max_size=3), moment=MOMENTS, name=ZONES)
def test_next_opening_is_the_first_moment_a_window_allows(
    windows: list[Window], moment: datetime, name: str
) -> None:
    zone = ZoneInfo(name)
    found = next_opening(windows, zone, moment)
    assert found is not None
    assert found.end > moment
    assert found.start <= moment + timedelta(days=8)
    held = opening_at(windows, zone, moment)
    assert (moment in found) == (held is not None)
    if moment not in found:  # nothing opens in between
        probe = moment + (found.start - moment) / 2
        assert opening_at(windows, zone, probe) is None


@given(single=WINDOWS, moment=MOMENTS, name=ZONES)
def test_each_opening_starts_on_a_listed_day_and_lasts_its_duration(
    single: Window, moment: datetime, name: str
) -> None:
    zone = ZoneInfo(name)
    held = opening_at([single], zone, moment)
    assume(held is not None)
    assert held is not None
    assert held.end - held.start == single.duration
    shown = held.start.astimezone(zone)
    shifted = localised(shown.date(), single.start, zone) == held.start
    assert shown.weekday() in single.days
    assert shown.time() == single.start or shifted


@given(windows=st.lists(WINDOWS, min_size=1, max_size=3), moment=MOMENTS, days=st.integers(0, 20))
def test_openings_are_ordered_and_apart(windows: list[Window], moment: datetime, days: int) -> None:
    found = openings(windows, PARIS, moment, moment + timedelta(days=days))
    assert all(one.start < one.end for one in found)
    assert all(before.end < after.start for before, after in pairwise(found))
