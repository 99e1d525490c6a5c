"""The last rung of the patch clock: since when the fleet has seen a package version waiting.

An audit dates an update where the archive allows it (``issued``, ``package_build``). Where nothing does, the
earliest date the ledger ever had for the same package and version stands in, as ``first_seen``: when any
host was seen waiting for it, or the date that an earlier audit could still give it. An archive that stops
answering must not make an update younger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import NoneType
from typing import Any

from vigie.ledger.models import Measurement, Run, UpdateSeen

MEASUREMENT = "packages.updates"
BATCH = 500
Update = tuple[str, str]
"""A package's name and the version it waits for."""


def remember(run: Run) -> None:
    """Note every update that ``run`` saw waiting, with the earliest date known of it."""
    seen: dict[Update, datetime] = {}
    for row in Measurement.objects.filter(outcome__run=run, name=MEASUREMENT):
        for package in _packages(row.value):
            key = (package["name"], package["to"])
            time = _earliest(package, row.measured_at)
            seen[key] = min(time, seen.get(key, time))
    rows = [UpdateSeen(package=name, version=to, first_seen=seen[name, to]) for name, to in sorted(seen)]
    UpdateSeen.objects.bulk_create(rows, batch_size=BATCH, ignore_conflicts=True)
    known = _first_seen(seen)
    for key, time in sorted(seen.items()):
        if time < known.get(key, time):  # an older file collected late, or the first that dates it
            later = UpdateSeen.objects.filter(package=key[0], version=key[1], first_seen__gt=time)
            later.update(first_seen=time)


def _earliest(package: Mapping[str, Any], measured_at: datetime) -> datetime:
    """Since when the update is known to be available: seen at ``measured_at``, perhaps dated earlier."""
    from ansible_collections.vigie.msp.plugins.module_utils.control_rules import RuleError, parse_time

    try:
        available: datetime = parse_time(package["available"])  # type: ignore[no-untyped-call]
    except RuleError:  # no date, or something that is none: a host can say anything
        return measured_at
    return min(measured_at, available)


def dated(measured: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """A copy of ``measured`` whose undated updates are dated by when they were first seen."""
    from ansible_collections.vigie.msp.plugins.module_utils.measuring.packages import summarise

    found = dict(measured)
    value = found.get(MEASUREMENT, {}).get("value")
    undated = [package for package in _packages(value) if package.get("basis") == "unknown"]
    if not undated or not isinstance(value, dict) or not _is_whole(value):
        return found
    known = _first_seen((package["name"], package["to"]) for package in undated)
    packages = [_dated(package, known) for package in value["packages"]]
    summary: dict[str, Any] = summarise(packages)  # type: ignore[no-untyped-call]
    found[MEASUREMENT] = {**found[MEASUREMENT], "value": {**value, **summary, "packages": packages}}
    return found


def _dated(package: dict[str, Any], known: Mapping[Update, datetime]) -> dict[str, Any]:
    if package.get("basis") != "unknown":
        return package
    time = known.get((package["name"], package["to"]))
    if time is None:
        return package
    text = time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
    return {**package, "available": text, "basis": "first_seen"}


def _first_seen(updates: Any) -> dict[Update, datetime]:
    wanted = set(updates)
    names = sorted({name for name, _version in wanted})
    found: dict[Update, datetime] = {}
    for start in range(0, len(names), BATCH):
        rows = UpdateSeen.objects.filter(package__in=names[start : start + BATCH])
        found.update({(row.package, row.version): row.first_seen for row in rows})
    return {key: time for key, time in found.items() if key in wanted}


def _packages(value: Any) -> Iterator[dict[str, Any]]:
    """The packages of a measurement's value, whatever a host may have sent."""
    packages = value.get("packages") if isinstance(value, dict) else None
    return (
        (package for package in packages if _is_package(package)) if isinstance(packages, list) else iter(())
    )


def _is_package(package: Any) -> bool:
    return (
        isinstance(package, dict)
        and isinstance(package.get("name"), str)
        and isinstance(package.get("to"), str)
        and isinstance(package.get("security"), bool)
        and isinstance(package.get("available"), (str, NoneType))
    )


def _is_whole(value: Mapping[str, Any]) -> bool:
    """Whether the list is as long as its groups say: one that was cut short cannot be summed up again."""
    groups = [value.get("security"), value.get("other")]
    counts = [group.get("count") if isinstance(group, dict) else None for group in groups]
    known = [count for count in counts if isinstance(count, int)]
    return len(known) == len(groups) and len(list(_packages(value))) == len(value["packages"]) == sum(known)
