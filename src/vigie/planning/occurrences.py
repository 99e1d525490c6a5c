"""What is due, for whom, and when next. Pure: the caller gives the clock and what the ledger knows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path

from ansible_collections.vigie.msp.plugins.module_utils import subscriptions
from vigie.planning.windows import Opening, localised, next_opening, opening_at
from vigie.subscriptions import SERVICE_ORDER, WINDOWED, Client, Fleet, Provider


class State(StrEnum):
    """Where an occurrence stands now."""

    DUE = "due"
    """It may and should run now."""
    WAITING = "waiting_for_window"
    """It should run, but only inside one of the client's windows, and none is open."""
    LATER = "later"
    """Its time has not come."""
    NOT_DELIVERABLE = "not_deliverable"
    """This version of Vigie has no playbook for the service: promised, and not delivered."""


@dataclass(frozen=True)
class Occurrence:
    """The next moment at which a service is due for a client. Times are in UTC."""

    client: str
    tier: str
    service: str
    state: State
    last_good: datetime | None
    """When the service last ran well; None when the ledger knows of no such run."""
    due: datetime
    """When it became, or becomes, due."""
    starts: datetime
    """The first moment from now on at which it may run."""
    window: Opening | None
    """For a service that needs a window: the one it may run in."""


def deliverable_services() -> frozenset[str]:
    """The services for which the collection has a playbook."""
    playbooks = Path(subscriptions.__file__).resolve().parents[2] / "playbooks"
    return frozenset(name for name in SERVICE_ORDER if (playbooks / f"{name}.yml").is_file())


def plan(
    provider: Provider,
    fleets: Mapping[str, Fleet],
    last_good: Mapping[tuple[str, str], datetime],
    now: datetime,
    horizon: timedelta,
    *,
    deliverable: Collection[str] | None = None,
) -> list[Occurrence]:
    """The next occurrence of every service of every client, up to ``horizon`` from now.

    Args:
        provider: Gives the order of the clients.
        fleets: The clients to plan for, by slug.
        last_good: When (client, service) last ran well. A time after ``now`` is impossible, hence ignored.
        now: The moment to plan from, with its time zone.
        horizon: Occurrences that become due later than this are left out.
        deliverable: The services that have a playbook; by default those of this collection.

    Returns:
        By client, and within a client in the order services run.
    """
    able = deliverable_services() if deliverable is None else deliverable
    now = _aware(now).astimezone(UTC)
    return [
        occurrence
        for slug in provider.clients
        if slug in fleets
        for occurrence in _of_client(fleets[slug], last_good, now, able)
        if occurrence.due <= now + horizon
    ]


def due(occurrences: Collection[Occurrence]) -> list[Occurrence]:
    """Those that should run now."""
    return [occurrence for occurrence in occurrences if occurrence.state is State.DUE]


def _of_client(
    fleet: Fleet, last_good: Mapping[tuple[str, str], datetime], now: datetime, able: Collection[str]
) -> Iterator[Occurrence]:
    for service in fleet.tier.services.offered:
        last = last_good.get((fleet.client.slug, service))
        last = _aware(last).astimezone(UTC) if last else None
        yield _occurrence(fleet, service, last if last and last <= now else None, now, able)


def _occurrence(
    fleet: Fleet, service: str, last: datetime | None, now: datetime, able: Collection[str]
) -> Occurrence:
    windowed = service in WINDOWED
    due_at = _due_at(fleet, service, last, windowed)
    earliest = max(due_at, now)
    window = next_opening(fleet.client.windows, fleet.client.zone, earliest) if windowed else None
    starts = max(earliest, window.start) if window else earliest
    return Occurrence(
        client=fleet.client.slug,
        tier=fleet.tier.name,
        service=service,
        state=_state(service, due_at, starts, now, able),
        last_good=last,
        due=due_at,
        starts=starts,
        window=window,
    )


def _state(service: str, due_at: datetime, starts: datetime, now: datetime, able: Collection[str]) -> State:
    if service not in able:
        return State.NOT_DELIVERABLE
    if now < due_at:
        return State.LATER
    return State.DUE if starts <= now else State.WAITING


def _due_at(fleet: Fleet, service: str, last: datetime | None, windowed: bool) -> datetime:
    """One cadence after the last good run; from the subscription's first day when there was none."""
    if last is None:
        return localised(fleet.client.start, time(), fleet.client.zone)
    cadence = fleet.tier.cadence(service)
    if cadence is None:
        raise ValueError(f"tier '{fleet.tier.name}' does not offer '{service}'")
    due_at = last + cadence
    return _from_opening(fleet.client, last, due_at) if windowed else due_at


def _from_opening(client: Client, last: datetime, due_at: datetime) -> datetime:
    """A service that becomes due during a window is due from its opening.

    Otherwise each run, starting a little after the last, would drift through the window and one day miss it.
    Never the window of the last run itself.
    """
    opening = opening_at(client.windows, client.zone, due_at)
    return opening.start if opening and last < opening.start else due_at


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return moment
