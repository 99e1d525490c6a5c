"""A client's maintenance windows as stretches of real time, safe when the clocks change.

Windows are written in the client's wall-clock time. Every opening is localised on its own: a time that
the spring change skips opens as much later, a time that the autumn change repeats opens at its first passing.
Durations are real time, so ends are computed in UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from vigie.subscriptions import Window

HORIZON = timedelta(days=8)
"""No window recurs less often than weekly; a day more for clock changes."""


@dataclass(frozen=True, order=True)
class Opening:
    """One occurrence of a window: from ``start`` up to, and not including, ``end``; both in UTC."""

    start: datetime
    end: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


def localised(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """The moment, in UTC, at which the wall clock of ``zone`` shows ``clock`` on ``day``.

    A time in the gap of spring is shifted by the gap's length; of a repeated time the first is meant.
    """
    # With fold=0 zoneinfo reads a time inside a gap with the offset before it: exactly that shift.
    return datetime.combine(day, clock, tzinfo=zone).replace(fold=0).astimezone(UTC)


def openings(windows: Sequence[Window], zone: ZoneInfo, since: datetime, until: datetime) -> list[Opening]:
    """The openings that overlap ``since`` to ``until``, joined where they touch, in order."""
    return list(_joined(sorted(_single(windows, zone, since, until))))


def _single(windows: Sequence[Window], zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[Opening]:
    for window in windows:
        # A window that opened before `since` may still be open; one more day on both sides for the zone.
        day = (since.astimezone(zone) - window.duration).date() - timedelta(days=1)
        last = until.astimezone(zone).date() + timedelta(days=1)
        while day <= last:
            if day.weekday() in window.days:
                start = localised(day, window.start, zone)
                opening = Opening(start, start + window.duration)
                if opening.end > since and opening.start < until:
                    yield opening
            day += timedelta(days=1)


def _joined(found: Sequence[Opening]) -> Iterator[Opening]:
    """Overlapping or touching openings are one."""
    current: Opening | None = None
    for opening in found:
        if current and opening.start <= current.end:
            current = Opening(current.start, max(current.end, opening.end))
            continue
        if current:
            yield current
        current = opening
    if current:
        yield current


def opening_at(windows: Sequence[Window], zone: ZoneInfo, moment: datetime) -> Opening | None:
    """The opening that holds ``moment``, single windows apart: its start is the latest one's."""
    held = [
        one for one in _single(windows, zone, moment, moment + timedelta(microseconds=1)) if moment in one
    ]
    return max(held, default=None)


def next_opening(windows: Sequence[Window], zone: ZoneInfo, moment: datetime) -> Opening | None:
    """The opening that holds ``moment``, or else the first one after it."""
    return next(iter(openings(windows, zone, moment, moment + HORIZON)), None)
