"""Tiers side by side: every number they promise, in rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.vigie.msp.plugins.module_utils.subscriptions import RETENTION, SERVICES
from vigie.subscriptions.models import Catalogue, Tier

ABSENT = "-"
"""Shown where a tier promises nothing."""


@dataclass(frozen=True)
class Row:
    """One setting, with its value in each tier."""

    service: str
    """``fee``, ``support`` or the name of a service."""
    setting: str
    values: tuple[Any, ...]
    """In the order of the tiers; None where a tier promises nothing."""

    @property
    def differs(self) -> bool:
        """Whether the tiers do not all promise the same."""
        return any(value != self.values[0] for value in self.values[1:])


def rows(catalogue: Catalogue, names: Sequence[str]) -> list[Row]:
    """What the named tiers promise, setting by setting; settings that none of them has are left out."""
    tiers = [catalogue.tiers[name] for name in names]
    settings = [dict(_settings(tier, catalogue.currency)) for tier in tiers]
    found = [
        Row(service, setting, tuple(one.get((service, setting)) for one in settings))
        for service, setting in _labels()
    ]
    return [row for row in found if any(value is not None for value in row.values)]


def _labels() -> Iterator[tuple[str, str]]:
    for service, keys in SERVICES.items():
        for key, kind in keys.items():
            if kind == "retention":
                yield from ((service, f"kept {name}") for name in RETENTION)
            else:
                yield service, key.replace("_", " ")
    yield from (("support", key) for key in ("hours", "on call", "p1", "p2", "p3"))
    yield from (("fee", key) for key in ("base", "per host"))


def _settings(tier: Tier, currency: str) -> Iterator[tuple[tuple[str, str], Any]]:
    for service, keys in tier.plain_services.items():
        for key, value in keys.items():
            if SERVICES[service][key] == "retention":
                for name, kept in value.items():
                    yield (service, f"kept {name}"), None if kept == "0d" else kept
            else:
                yield (service, key.replace("_", " ")), value
    if tier.support:
        support = tier.support.model_dump(mode="json")
        yield ("support", "hours"), support["hours"]
        yield ("support", "on call"), support["on_call"] or None
        for priority, answer in support["response"].items():
            yield ("support", priority), answer
    yield ("fee", "base"), f"{tier.monthly_fee.base} {currency}"
    yield ("fee", "per host"), f"{tier.monthly_fee.per_host} {currency}"


def shown(value: Any) -> str:
    """A value as a table shows it."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return str(value)
