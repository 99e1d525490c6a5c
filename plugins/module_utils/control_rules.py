# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The closed set of comparisons a control may use, each a small pure function.

A comparison gets the measured value, the condition as written in the control's file, the limit (from the
condition or from the tier) and the time of judgement. It returns an Outcome. A value of an unexpected type
raises RuleError, which the evaluator turns into the state ``error``: a wrong value is never compliant.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, timezone

COMPLIANT, NON_COMPLIANT, ERROR, UNKNOWN = "compliant", "non_compliant", "error", "unknown"

UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}
CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far a host's clock may be ahead of ours before its times are refused."""


class RuleError(ValueError):
    """The value or the parameter cannot be compared; the message says which part of it."""


class Outcome:
    """What one condition found: a state, and what was seen and asked for, in words."""

    def __init__(self, state, observed, expected, detail=""):
        self.state, self.observed, self.expected, self.detail = state, observed, expected, detail


def parse_time(text):
    """An ISO 8601 time with a zone as a datetime in UTC.

    Raises:
        RuleError: Not such a time.
    """
    if not isinstance(text, str):
        raise RuleError("%s is not a time" % shown(text))
    trimmed = re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", text.strip())
    try:
        moment = datetime.fromisoformat(trimmed[:-1] + "+00:00" if trimmed.endswith("Z") else trimmed)
        if moment.tzinfo is None:
            raise RuleError("the time %s has no zone" % shown(text))
        return moment.astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        if isinstance(error, RuleError):
            raise
        raise RuleError("%s is not a time" % shown(text)) from error


def shown(value):
    """A value as short text for a message; hosts can say anything."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def span(seconds):
    """Seconds in words: the largest fitting unit, one decimal at most."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if abs(seconds) >= size:
            return "%g %s" % (math.floor(seconds / size * 10) / 10, unit)
    return "%g s" % math.floor(seconds)


def number(value, what):
    """``value`` when it is a finite number and not a boolean."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise RuleError("%s is %s, not a number" % (what, shown(value)))
    return value


def count(value, what):
    """``value`` when it is a number from zero up."""
    if number(value, what) < 0:
        raise RuleError("%s is %s, which is below zero" % (what, shown(value)))
    return value


def field_of(value, path):
    """The part of ``value`` at a dotted path; the whole for no path. A missing key is an error."""
    for key in path.split(".") if path else ():
        if not isinstance(value, dict) or key not in value:
            raise RuleError("the value has no %s" % path)
        value = value[key]
    return value


def listed(value, path):
    """The list at a path."""
    items = field_of(value, path)
    if not isinstance(items, list):
        raise RuleError("%s is %s, not a list" % (path or "the value", shown(items)))
    return items


def names_in(items, most=3):
    """The first few of a list in words."""
    words = [str(item.get("name", item)) if isinstance(item, dict) else str(item) for item in items[:most]]
    return ", ".join(word[:80] for word in words) + (
        ", … %d in all" % len(items) if len(items) > most else ""
    )


def seconds_of(limit, condition):
    """The limit in seconds, from its unit."""
    try:
        return count(limit, "the limit") * UNITS[condition["unit"]]
    except OverflowError as error:
        raise RuleError("the limit is too large") from error


def age_of(text, now):
    """Seconds since a time. Raises RuleError for a time in the future: a clock, or somebody, is wrong."""
    age = now - parse_time(text)
    if age < -CLOCK_TOLERANCE:
        raise RuleError("%s lies in the future" % text)
    return max(0.0, age.total_seconds())


# -- comparisons ---------------------------------------------------------------------------------------


def age_at_most(value, condition, limit, now):
    """The time at ``field`` is no older than the limit; null has the state ``when_null`` says."""
    allowed = seconds_of(limit, condition)
    moment = _optional(value, condition["field"])
    if moment is None:
        return Outcome(condition.get("when_null", NON_COMPLIANT), "never", "at most %s" % span(allowed))
    age = age_of(moment, now)
    return Outcome(
        COMPLIANT if age <= allowed else NON_COMPLIANT, span(age) + " ago", "at most %s" % span(allowed)
    )


def _optional(value, path):
    """The part at a path, None when a parent of it is null (no snapshot has no time)."""
    parent, _dot, _last = path.rpartition(".")
    if parent and field_of(value, parent) is None:
        return None
    return field_of(value, path)


def time_left_at_least(value, condition, limit, now):
    """The time at ``field`` is still that far ahead; null is unknown."""
    wanted, moment = seconds_of(limit, condition), field_of(value, condition["field"])
    if moment is None:
        return Outcome(UNKNOWN, "no known end", "%s left" % span(wanted))
    left = (parse_time(moment) - now).total_seconds()
    observed = "ended %s ago" % span(-left) if left < 0 else "%s left" % span(left)
    return Outcome(
        COMPLIANT if left >= wanted and left > 0 else NON_COMPLIANT,
        observed,
        "at least %s left" % span(wanted),
    )


def oldest_at_most(value, condition, limit, now):
    """Of a group ``{count, undated, oldest, oldest_name, unread}``, nothing waits for longer than the limit.

    One that is overdue fails; else one without a date, or one that could not be looked at, leaves it unknown.
    """
    allowed, group = seconds_of(limit, condition), field_of(value, condition.get("field", ""))
    total, undated = (count(field_of(group, key), key) for key in ("count", "undated"))
    unread = count(group.get("unread", 0), "unread")
    expected = "none older than %s" % span(allowed)
    oldest = field_of(group, "oldest")
    if oldest is not None:
        age = age_of(oldest, now)
        observed = "%d pending, oldest %s (%s)" % (total, span(age), str(group.get("oldest_name"))[:80])
        if age > allowed:
            return Outcome(NON_COMPLIANT, observed, expected)
    elif total > undated:
        raise RuleError("%d of %d are dated but the oldest is missing" % (total - undated, total))
    if undated or unread:
        gaps = ["%d without a known date" % undated] * bool(undated) + [
            "%d could not be read" % unread
        ] * bool(unread)
        return Outcome(UNKNOWN, "%d pending, %s" % (total, ", ".join(gaps)), expected)
    return Outcome(COMPLIANT, "%d pending" % total if not total else observed, expected)


def at_most(value, condition, limit, _now):
    """The number at ``field`` is at most the limit; null passes only where ``when_null`` says so."""
    found = field_of(value, condition.get("field", ""))
    limit = number(limit, "the limit")
    if found is None:
        return Outcome(condition.get("when_null", UNKNOWN), "not known", "at most %g" % limit)
    found = number(found, condition.get("field") or "the value")
    return Outcome(COMPLIANT if found <= limit else NON_COMPLIANT, "%g" % found, "at most %g" % limit)


def at_least(value, condition, limit, _now):
    """The number at ``field`` is at least the limit."""
    found = number(field_of(value, condition.get("field", "")), condition.get("field") or "the value")
    limit = number(limit, "the limit")
    return Outcome(COMPLIANT if found >= limit else NON_COMPLIANT, "%g" % found, "at least %g" % limit)


def each_at_most(value, condition, limit, _now):
    """Of every item, the number at ``field`` is at most the limit; items where it is null have none.

    When no item has one, ``when_none`` says what that means (default: unknown); no item at all is unknown.
    """
    limit = number(limit, "the limit")
    found, items = [], listed(value, condition.get("items", ""))
    for item in items:
        amount = field_of(item, condition["field"])
        if amount is not None:
            found.append((number(amount, condition["field"]), str(field_of(item, condition["label"]))[:80]))
    if not found:
        state = condition.get("when_none", UNKNOWN) if items else UNKNOWN
        return Outcome(state, "nothing to compare", "at most %g" % limit)
    most = max(found)
    return Outcome(
        COMPLIANT if most[0] <= limit else NON_COMPLIANT, "%s %g" % (most[1], most[0]), "at most %g" % limit
    )


def is_true(value, condition, _limit, _now):
    """The boolean at ``field`` is true."""
    return _boolean(value, condition, True)


def is_false(value, condition, _limit, _now):
    """The boolean at ``field`` is false."""
    return _boolean(value, condition, False)


def _boolean(value, condition, wanted):
    found = field_of(value, condition["field"])
    if not isinstance(found, bool):
        raise RuleError("%s is %s, neither true nor false" % (condition["field"], shown(found)))
    words = condition["field"].replace("_", " ")
    reason = value.get("reason") if isinstance(value, dict) else None
    state = COMPLIANT if found is wanted else NON_COMPLIANT
    observed = "%s: %s" % (words, "yes" if found else "no")
    return Outcome(
        state, observed, "%s: %s" % (words, "yes" if wanted else "no"), str(reason)[:200] if reason else ""
    )


def empty(value, condition, _limit, _now):
    """The list at ``field`` holds nothing."""
    items = listed(value, condition.get("field", ""))
    return Outcome(NON_COMPLIANT if items else COMPLIANT, names_in(items) if items else "none", "none")


def only(value, condition, _limit, _now):
    """The list at ``field`` holds nothing but the ``allowed`` words, and something."""
    items, allowed = listed(value, condition.get("field", "")), condition["allowed"]
    if not items:
        raise RuleError("the list is empty")
    others = [item for item in items if item not in allowed]
    return Outcome(NON_COMPLIANT if others else COMPLIANT, names_in(items), "only %s" % ", ".join(allowed))


def covers(value, condition, limit, _now):
    """Every path of the limit is one of the paths at ``field``, or lies below one."""
    if not isinstance(limit, list) or not all(isinstance(path, str) for path in limit):
        raise RuleError("the promised paths are %s, not a list of paths" % shown(limit))
    expected = names_in(limit) if limit else "no path"
    if _optional(value, condition["field"]) is None:
        return Outcome(NON_COMPLIANT, "no snapshot", expected)
    kept = [path.rstrip("/") + "/" for path in listed(value, condition["field"]) if isinstance(path, str)]
    lost = [path for path in limit if not any((path.rstrip("/") + "/").startswith(root) for root in kept)]
    return Outcome(
        NON_COMPLIANT if lost else COMPLIANT,
        "missing: " + names_in(lost) if lost else "all covered",
        expected,
    )


def reaches_back(value, condition, limit, now):
    """The oldest snapshot kept is as old as the retention, or as the repository when that is younger.

    One ``slack_hours`` is allowed: between creating a repository and its first backup, and because of a
    day's snapshots only one is kept. A young oldest snapshot in a repository whose age is not known is
    unknown: it may be young, or history may have been lost.
    """
    wanted, slack = seconds_of(limit, condition), condition["slack_hours"] * 3600
    expected = "back to %s, or to the first backup" % span(wanted)
    oldest = field_of(value, condition["field"])
    if oldest is None:
        return Outcome(NON_COMPLIANT, "no snapshot", expected)
    reach = age_of(oldest, now)
    if reach + slack >= wanted:
        return Outcome(COMPLIANT, "back to %s" % span(reach), expected)
    created = value.get(condition["since"])
    if created is None:
        return Outcome(UNKNOWN, "back to %s; age of the repository not known" % span(reach), expected)
    life = age_of(created, now)
    observed = "back to %s, repository is %s old" % (span(reach), span(life))
    return Outcome(COMPLIANT if reach + slack >= min(life, wanted) else NON_COMPLIANT, observed, expected)


class Comparison:
    """A comparison, and the keys its condition needs and may have, and the kind of limit it takes."""

    def __init__(self, function, needs=(), may=(), limit=None):
        self.function, self.needs, self.may, self.limit = function, needs, may, limit


COMPARISONS = {
    "age_at_most": Comparison(age_at_most, ("field",), ("when_null",), "span"),
    "time_left_at_least": Comparison(time_left_at_least, ("field",), (), "span"),
    "oldest_at_most": Comparison(oldest_at_most, (), ("field",), "span"),
    "at_most": Comparison(at_most, (), ("field", "when_null"), "number"),
    "at_least": Comparison(at_least, (), ("field",), "number"),
    "each_at_most": Comparison(each_at_most, ("field", "label"), ("items", "when_none"), "number"),
    "is_true": Comparison(is_true, ("field",)),
    "is_false": Comparison(is_false, ("field",)),
    "empty": Comparison(empty, (), ("field",)),
    "only": Comparison(only, ("allowed",), ("field",)),
    "covers": Comparison(covers, ("field",), (), "list"),
    "reaches_back": Comparison(reaches_back, ("field", "since", "slack_hours"), (), "span"),
}
