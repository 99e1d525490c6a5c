# Copyright (c) 2026 The Vigie authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Building the records of results.jsonl, version 1: pure functions, standard library only.

The callback ``vigie.msp.results`` feeds them; ``vigie run`` uses the names and the version. The format is
described in
docs/interfaces.md and by docs/schemas/results-1.schema.json.
"""

from __future__ import annotations

import json
import math
import re
from datetime import datetime, timezone

SCHEMA = 1
"""Version of the format; a reader refuses any other."""

CHANGE_KINDS = ("package", "file", "unit", "repository", "reboot", "other")
MEASUREMENTS_KEY = "vigie_measurements"
CHANGES_KEY = "vigie_changes"

MAX_MESSAGE = 4000
"""Characters kept of a failure message: its beginning and its end, where causes are named."""
MAX_VALUE = 256 * 1024
"""Characters of one value as JSON; a larger one is recorded as an error, never cut in silence."""
MAX_CHANGE_TEXT = 8192
"""Characters of ``before`` and ``after`` of one change."""

_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$")


def utc_text(moment):
    """``moment`` (aware) as ISO 8601 in UTC with milliseconds and ``Z``."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def is_utc_text(text):
    """Is ``text`` a moment as the format wants it, and one that exists?"""
    if not isinstance(text, str) or not _TIME.match(text):
        return False
    try:
        datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return False
    return True


def plain(value, strict=False):
    """``value`` as plain JSON types: Ansible's tagged strings and containers lose their wrappers.

    Characters no database stores (NUL, and lone surrogates, which stand for bytes that are no UTF-8) are
    written as escapes; numbers JSON cannot hold become text.

    Raises:
        ValueError: for such a number, when ``strict``.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        if strict:
            raise ValueError("%r is not a number JSON can hold" % value)
        return str(value)
    if isinstance(value, dict):
        return {clean_text(str(key)): plain(item, strict) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item, strict) for item in value]
    return clean_text(str(value))


def clean_text(text):
    """``text`` as a plain string that can be encoded and stored anywhere."""
    return "".join(text).replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


def shorten(text, limit):
    """``text`` cut to about ``limit`` characters in its middle, saying how many are missing."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return "%s\n[... %d characters left out ...]\n%s" % (text[:half], len(text) - 2 * half, text[-half:])


def to_line(record):
    """``record`` as the one line that stands for it in the file, in UTF-8."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8") + b"\n"


class Run:
    """Numbers and stamps the records of one run.

    Args:
        run_id: UUID of the run.
        clock: returns the present moment (aware); another one is given by tests.
    """

    def __init__(self, run_id, clock=None):
        self.run_id = run_id
        self._clock = clock or (lambda: datetime.now(timezone.utc))
        self._seq = 0

    def record(self, record_type, **fields):
        """The next record of type ``record_type``."""
        record = {
            "schema": SCHEMA,
            "type": record_type,
            "run": self.run_id,
            "seq": self._seq,
            "time": self.now(),
        }
        record.update(fields)
        self._seq += 1
        return record

    def now(self):
        """The present moment as the format writes it."""
        return utc_text(self._clock())


# ── what a task returned ─────────────────────────────────────────────────────────────────────────
def returned(result, key):
    """Everything a task's result carries below ``key``: its own, and that of each item of its loop."""
    found = [result[key]] if key in result else []
    items = result.get("results")
    items = items if isinstance(items, list) else ()
    return found + [item[key] for item in items if isinstance(item, dict) and key in item]


def measurement_fields(host, raw, task, now):
    """The fields of the ``measurement`` records for one ``vigie_measurements`` value, whatever its shape."""
    if not isinstance(raw, (list, tuple)):
        return [_broken(host, MEASUREMENTS_KEY, "is %s, not a list" % _kind(raw), task, now)]
    return [_measurement(host, item, task, now) for item in raw]


def _measurement(host, item, task, now):
    if not isinstance(item, dict):
        return _broken(host, MEASUREMENTS_KEY, "holds %s, not a mapping" % _kind(item), task, now)
    name = item.get("name")
    if not isinstance(name, str) or not name:
        return _broken(host, MEASUREMENTS_KEY, "holds a measurement without a name", task, now)
    if ("value" in item) == (item.get("error") is not None):
        return _broken(host, name, "needs either a value or an error", task, now)
    if not is_utc_text(item.get("time")):
        return _broken(host, name, "has no time in UTC (2026-01-31T12:00:00Z)", task, now)
    fields = {"host": host, "name": "".join(name)}
    try:
        if "value" in item:
            fields["value"] = _bounded(item["value"])
        else:
            fields["error"] = shorten(str(item["error"]), MAX_MESSAGE)
    except ValueError as error:
        return _broken(host, name, str(error), task, now)
    fields["source"] = str(item.get("source") or task)
    fields["measured_at"] = "".join(item["time"])
    return fields


def _bounded(value):
    cleaned = plain(value, strict=True)
    size = len(json.dumps(cleaned))
    if size > MAX_VALUE:
        raise ValueError("is too large to keep: %d characters, at most %d" % (size, MAX_VALUE))
    return cleaned


def _broken(host, name, reason, task, now):
    message = "task '%s': measurement '%s' %s" % (task, name, reason)
    return {"host": host, "name": "".join(name), "error": message, "source": str(task), "measured_at": now}


def _kind(value):
    return type(value).__name__.lstrip("_")


def change_fields(host, role, task, result, changed):
    """The fields of the ``change`` records of one task result.

    A task that says it changed something without saying what is recorded as one change of kind ``other``.
    """
    declared = returned(result, CHANGES_KEY)
    fields = []
    for raw in declared:
        items = raw if isinstance(raw, (list, tuple)) else [raw]
        fields.extend(_change(host, role, task, item) for item in items)
    if not declared and changed:
        fields.append(_change(host, role, task, {"kind": "other", "name": task}))
    return fields


def _change(host, role, task, item):
    if not isinstance(item, dict):
        item = {"kind": "other", "name": task, "after": item}
    kind = item.get("kind") if item.get("kind") in CHANGE_KINDS else "other"
    return {
        "host": host,
        "role": role,
        "task": task,
        "kind": kind,
        "name": str(item.get("name") or task),
        "before": _side(item.get("before")),
        "after": _side(item.get("after")),
    }


def _side(value):
    """``before`` or ``after`` as text or null; structures become JSON."""
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(plain(value), sort_keys=True, default=str)
    return shorten("".join(text), MAX_CHANGE_TEXT)


# ── failures and outcomes ────────────────────────────────────────────────────────────────────────
def failure_message(result):
    """What a failed task says, for people: its message, and what its program printed on standard error."""
    if "censored" in result:
        return "The task failed; it hides its output (no_log)."
    parts = [_text(result.get("msg"))]
    items = result.get("results")
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and item.get("failed"):
            parts.append("item %s: %s" % (_text(item.get("item")) or "?", failure_message(item)))
            break
    for key in ("module_stderr", "stderr"):
        text = _text(result.get(key)).strip()
        if text and text not in parts[0]:
            parts.append(text)
            break
    return shorten(
        "\n".join(part for part in parts if part) or "The task failed without a message.", MAX_MESSAGE
    )


def _text(value):
    if value is None:
        return ""
    return "".join(value) if isinstance(value, str) else json.dumps(plain(value), default=str)


def outcome_fields(host, summary, duration):
    """The fields of a host's ``outcome`` record, from its line in the play recap.

    Args:
        host: name of the host in the inventory.
        summary: the recap's counts: ok, changed, failures, unreachable, skipped, rescued, ignored.
        duration: seconds from the play's start to the host's last task.
    """
    counts = {key: int(summary.get(key, 0)) for key in COUNTS}
    fields = {"host": host, "status": outcome_status(counts)}
    fields.update(counts)
    fields["duration"] = round(max(duration, 0.0), 3)
    return fields


COUNTS = ("ok", "changed", "failures", "unreachable", "skipped", "rescued", "ignored")


def outcome_status(counts):
    """One word for a host's recap. Rescued and ignored failures are in no way failures.

    A host on which no task succeeded was skipped, whatever else its recap says: nothing was done there.
    """
    if counts["unreachable"]:
        return "unreachable"
    if counts["failures"]:
        return "failed"
    if counts["changed"]:
        return "changed"
    return "ok" if counts["ok"] else "skipped"


def really_failed(pending, rescued):
    """Of a host's failures within blocks that have a rescue, in order: those no rescue made good.

    Ansible reports each as failed before the rescue runs; the recap then counts the rescued ones. A host does
    nothing more after a failure that was not rescued, so the rescued ones come first.
    """
    return pending[min(rescued, len(pending)) :]
