"""The last rung of the patch clock: since when the fleet has seen a package version waiting.

An audit dates an update where the archive allows it (``issued``, ``package_build``). Where nothing does, the
earliest time any host of the ledger was seen waiting for the same package and version stands in, as
``first_seen``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from vigie.ledger.models import Measurement, Run, UpdateSeen

MEASUREMENT = "packages.updates"
BATCH = 500
Update = tuple[str, str]
"""A package's name and the version it waits for."""


def remember(run: Run) -> None:
    """Note every update that ``run`` saw waiting, with the earliest time it was seen."""
    seen: dict[Update, datetime] = {}
    for row in Measurement.objects.filter(outcome__run=run, name=MEASUREMENT):
        for package in _packages(row.value):
            key = (package["name"], package["to"])
            seen[key] = min(row.measured_at, seen.get(key, row.measured_at))
    rows = [UpdateSeen(package=name, version=to, first_seen=seen[name, to]) for name, to in sorted(seen)]
    UpdateSeen.objects.bulk_create(rows, batch_size=BATCH, ignore_conflicts=True)
    known = _first_seen(seen)
    for key, time in sorted(seen.items()):
        if time < known.get(key, time):  # an older file, collected late
            UpdateSeen.objects.filter(package=key[0], version=key[1]).update(first_seen=time)


def dated(measured: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """A copy of ``measured`` whose undated updates are dated by when they were first seen."""
    from ansible_collections.vigie.msp.plugins.module_utils.measuring.packages import summarise

    found = dict(measured)
    value = found.get(MEASUREMENT, {}).get("value")
    undated = [package for package in _packages(value) if package.get("basis") == "unknown"]
    if not undated or not isinstance(value, dict):
        return found
    known = _first_seen((package["name"], package["to"]) for package in undated)
    packages = [_dated(package, known) for package in value["packages"]]
    summary: dict[str, Any] = summarise(packages)  # type: ignore[no-untyped-call]
    if len(packages) == _count(value):  # a list that was cut short cannot be summed up again
        found[MEASUREMENT] = {
            **found[MEASUREMENT],
            "value": {**value, **summary, "packages": packages},
        }
    return found


def _dated(package: Any, known: Mapping[Update, datetime]) -> Any:
    if not _is_package(package) or package.get("basis") != "unknown":
        return package
    time = known.get((package["name"], package["to"]))
    if time is None:
        return package
    text = time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
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
    )


def _count(value: Mapping[str, Any]) -> int | None:
    """How many updates the groups speak of; None when they are not what they should be."""
    counts = [
        group.get("count") if isinstance(group, dict) else None
        for group in (value.get("security"), value.get("other"))
    ]
    if not all(isinstance(count, int) for count in counts) or not all(map(_is_package, value["packages"])):
        return None
    return sum(count for count in counts if isinstance(count, int))
