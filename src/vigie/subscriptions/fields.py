"""Types of single values in the provider's files: durations, time zones, days, times, slugs."""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from enum import IntEnum
from functools import cache
from pathlib import PurePosixPath
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

from ansible_collections.vigie.msp.plugins.module_utils.documents import suggestion
from ansible_collections.vigie.msp.plugins.module_utils.subscriptions import (
    SLUG,
    duration_seconds,
    duration_text,
)


class Weekday(IntEnum):
    """Days of a maintenance window, numbered as ``datetime.weekday()``."""

    MON = 0
    TUE = 1
    WED = 2
    THU = 3
    FRI = 4
    SAT = 5
    SUN = 6

    @property
    def word(self) -> str:
        """How the day is written in files: ``mon``."""
        return self.name.lower()


DAY_WORDS = (*(day.word for day in Weekday), "daily")


def parse_duration(value: object) -> timedelta:
    """``30d`` as a timedelta.

    Raises:
        ValueError: Not a duration.
    """
    return value if isinstance(value, timedelta) else timedelta(seconds=duration_seconds(value))


def format_duration(value: timedelta) -> str:
    """The shortest exact way to write a duration; the inverse of ``parse_duration``."""
    return duration_text(value.total_seconds())


def _some(value: timedelta) -> timedelta:
    if not value:
        raise ValueError("must be longer than nothing")
    return value


def _recurrence(value: timedelta) -> timedelta:
    if value < timedelta(minutes=1):
        raise ValueError("must be at least 1m")
    return value


def _time_zone(value: str) -> str:
    if value not in _known_zones():
        raise ValueError(f"unknown time zone '{value}'{suggestion(value, _known_zones())}")
    return value


@cache
def _known_zones() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def zone(name: str) -> ZoneInfo:
    """The time zone of that name, read once."""
    return ZoneInfo(name)


def _clock(value: object) -> time:
    if isinstance(value, time):
        return value
    found = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])", value) if isinstance(value, str) else None
    if not found:
        raise ValueError(f"'{value}' is not a time of day: write it like \"22:00\"")
    return time(int(found[1]), int(found[2]))


def _date(value: object) -> date:
    if isinstance(value, date):
        return value
    try:
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
            return date.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"'{value}' is not a date: {error}") from error
    raise ValueError(f"'{value}' is not a date: write it like 2026-01-15")


def _days(value: object) -> frozenset[Weekday]:
    if isinstance(value, frozenset):
        return value
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not words:
        raise ValueError("must be 'daily' or a list of days like [sat, sun]")
    for word in words:
        if word not in DAY_WORDS:
            raise ValueError(f"unknown day '{word}'{suggestion(word, DAY_WORDS)}")
    if "daily" in words:
        return frozenset(Weekday)
    return frozenset(Weekday[word.upper()] for word in words)


def _day_words(value: frozenset[Weekday]) -> list[str]:
    return ["daily"] if len(value) == len(Weekday) else [day.word for day in sorted(value)]


def _absolute(value: str) -> str:
    path = PurePosixPath(value)
    if not path.is_absolute() or ".." in path.parts:
        raise ValueError(f"'{value}' must be an absolute path without '..'")
    if any(character in value for character in "\n\0"):
        raise ValueError("a path cannot hold a line break")
    return value


def _slug(value: str) -> str:
    if not SLUG.match(value):
        raise ValueError(f"'{value}' must be 2 to 31 of a-z, 0-9 and -, starting with a letter")
    return value


def _email(value: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", value):
        raise ValueError(f"'{value}' is not an e-mail address")
    return value


def _schema(pattern: str, example: str, what: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "description": what, "examples": [example]})


_DURATION_SCHEMA = _schema(r"^[0-9]{1,9}[smhdw]$", "30d", "A duration: 15s 10m 6h 30d 2w.")
_AS_TEXT = PlainSerializer(format_duration, when_used="json")

Duration = Annotated[timedelta, BeforeValidator(parse_duration), _AS_TEXT, _DURATION_SCHEMA]
"""A duration, ``0d`` included."""
Length = Annotated[
    timedelta, BeforeValidator(parse_duration), AfterValidator(_some), _AS_TEXT, _DURATION_SCHEMA
]
"""A duration longer than nothing."""
Every = Annotated[
    timedelta, BeforeValidator(parse_duration), AfterValidator(_recurrence), _AS_TEXT, _DURATION_SCHEMA
]
"""A recurrence: at least a minute."""
TimeZone = Annotated[
    str, AfterValidator(_time_zone), WithJsonSchema({"type": "string", "examples": ["Europe/Paris"]})
]
Clock = Annotated[
    time,
    BeforeValidator(_clock),
    PlainSerializer(lambda value: value.strftime("%H:%M"), when_used="json"),
    _schema(r"^([01][0-9]|2[0-3]):[0-5][0-9]$", "22:00", "A time of day, in the client's time zone."),
]
Date = Annotated[
    date,
    BeforeValidator(_date),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-01-15"]}),
]
Days = Annotated[
    frozenset[Weekday],
    BeforeValidator(_days),
    PlainSerializer(_day_words, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": "daily"},
                {"type": "array", "items": {"enum": list(DAY_WORDS)}, "minItems": 1},
            ]
        }
    ),
]
AbsolutePath = Annotated[str, AfterValidator(_absolute), _schema(r"^/", "/etc", "An absolute path.")]
Slug = Annotated[str, AfterValidator(_slug), _schema(r"^[a-z][a-z0-9-]{1,30}$", "cabinet", "A short name.")]
Email = Annotated[str, AfterValidator(_email), WithJsonSchema({"type": "string", "format": "email"})]

Overrides = dict[str, Any]
