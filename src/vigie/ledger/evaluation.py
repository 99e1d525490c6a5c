"""Judging a host's measurements, by the controls that ship with the collection."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

Measured = Mapping[str, Mapping[str, Any]]
"""Measurements by name, each ``{name, value | error, time, source}``."""


@cache
def shipped_controls() -> tuple[Any, ...]:
    """The controls of ``roles/compliance_audit/files/controls``."""
    from ansible_collections.vigie.msp.plugins.module_utils import controls

    collection = Path(controls.__file__).parents[2]
    return tuple(controls.load_controls(str(collection / "roles/compliance_audit/files/controls")))


def evaluate(measured: Measured, parameters: Mapping[str, Any], now: datetime) -> list[dict[str, Any]]:
    """One result per control, with times as datetimes."""
    from ansible_collections.vigie.msp.plugins.module_utils import controls

    results = controls.evaluate(shipped_controls(), measured, parameters, now)
    return [
        {**result, "measured_at": moment(result["measured_at"]), "valid_until": moment(result["valid_until"])}
        for result in results
    ]


def moment(time: str | datetime | None) -> datetime | None:
    """``time`` as an aware datetime in UTC."""
    if time is None:
        return None
    parsed = datetime.fromisoformat(time) if isinstance(time, str) else time
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
