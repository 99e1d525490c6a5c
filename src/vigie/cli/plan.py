"""``vigie plan``: what is due, for whom, and when next."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from ansible_collections.vigie.msp.plugins.module_utils.documents import suggestion
from vigie.cli.context import HERE, AsJson, Inventory, err, out, print_json, reports_errors
from vigie.errors import UsageError
from vigie.planning import Occurrence, State, due, plan
from vigie.planning.windows import HORIZON
from vigie.state import StateDirectory
from vigie.subscriptions import Client, Fleet, Provider, load

EPILOG = (
    "[bold]Examples[/]: vigie plan · vigie plan --due · vigie plan --client cabinet --days 7 · "
    "vigie plan --tier gold --json"
)
LABELS = {
    State.DUE: "[bold yellow]due[/]",
    State.WAITING: "[cyan]waiting for window[/]",
    State.LATER: "later",
    State.NOT_DELIVERABLE: "[red]not deliverable[/]",
}
WORDS = {
    State.DUE: "due",
    State.WAITING: "waiting for a window",
    State.LATER: "later",
    State.NOT_DELIVERABLE: "not deliverable by this version",
}


def register(app: typer.Typer) -> None:
    """Add ``vigie plan``."""
    app.command("plan", epilog=EPILOG)(show)


@reports_errors
def show(
    inventory: Inventory = HERE,
    days: Annotated[
        int, typer.Option(min=0, max=3660, help="Leave out what becomes due later than this.")
    ] = 31,
    client: Annotated[str | None, typer.Option(help="Only this client.")] = None,
    tier: Annotated[str | None, typer.Option(help="Only clients of this tier.")] = None,
    only_due: Annotated[bool, typer.Option("--due", help="Only what should run now.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the next occurrence of every service of every client: due, waiting for a window, or later."""
    provider, _inventory, fleets = load(inventory)
    chosen = select(provider, fleets, client, tier)
    now = datetime.now(UTC)
    found = plan(provider, chosen, last_good_runs(provider, chosen), now, timedelta(days=days))
    found = due(found) if only_due else found
    if as_json:
        print_json({"now": now.isoformat(), "occurrences": [document(one) for one in found]})
        return
    if found:
        out.print(_table(found, fleets, now))
    _summary(found, only_due, days)


def select(
    provider: Provider, fleets: Mapping[str, Fleet], client: str | None, tier: str | None
) -> dict[str, Fleet]:
    """The fleets that ``--client`` and ``--tier`` ask for."""
    if client is not None and client not in provider.clients:
        raise UsageError(f"there is no client '{client}'{suggestion(client, provider.clients)}")
    if tier is not None and tier not in provider.catalogue.tiers:
        raise UsageError(f"the catalogue has no tier '{tier}'{suggestion(tier, provider.catalogue.tiers)}")
    return {
        slug: fleet
        for slug, fleet in fleets.items()
        if client in (None, slug) and tier in (None, fleet.tier.name)
    }


def last_good_runs(provider: Provider, fleets: Mapping[str, Fleet]) -> dict[tuple[str, str], datetime]:
    """When each service last ran well on every host of these fleets, from the ledger.

    A provider that never ran anything has no ledger yet, and looking at its plan does not make one.
    """
    from vigie.ledger.api import open_for  # here: Django takes its time, and `vigie --help` should not wait

    state = StateDirectory.of_provider(provider.slug)
    if not os.environ.get("VIGIE_DATABASE_URL") and not state.ledger.exists():
        return {}
    with open_for(state) as ledger:
        return ledger.last_good_runs({slug: fleet.hosts for slug, fleet in fleets.items()})


def document(occurrence: Occurrence) -> dict[str, Any]:
    """An occurrence as ``--json`` prints it; times in UTC."""
    window = occurrence.window
    return {
        "client": occurrence.client,
        "tier": occurrence.tier,
        "service": occurrence.service,
        "state": occurrence.state.value,
        "last_good": _utc(occurrence.last_good),
        "due": _utc(occurrence.due),
        "starts": _utc(occurrence.starts),
        "window": {"start": _utc(window.start), "end": _utc(window.end)} if window else None,
    }


def _utc(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if moment else None


def _table(found: list[Occurrence], fleets: Mapping[str, Fleet], now: datetime) -> Table:
    headings = ("client", "tier", "service", "last good run", "due", "window", "state")
    table = Table(*headings, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    before = ""
    for one in found:
        if before and one.client != before:
            table.add_section()
        client = fleets[one.client].client
        table.add_row(
            one.client if one.client != before else "",
            one.tier if one.client != before else "",
            one.service,
            _local(one.last_good, client, now) if one.last_good else "never",
            f"since {_local(one.due, client, now)}" if one.due <= now else _local(one.due, client, now),
            _window(one, client, now),
            LABELS[one.state],
        )
        before = one.client
    return table


def _local(moment: datetime, client: Client, now: datetime) -> str:
    """In the client's time; the year instead of the hour for what is half a year away."""
    near = abs(moment - now) < timedelta(days=180)
    return moment.astimezone(client.zone).strftime("%a %d %b %H:%M" if near else "%Y-%m-%d")


def _window(one: Occurrence, client: Client, now: datetime) -> str:
    if one.window is None:
        return "any time"
    if one.window.start > now:
        return f"opens {_local(one.window.start, client, now)}"
    # Windows that touch are one: no end in sight means that the client is open all the time.
    if one.window.end >= now + HORIZON:
        return "always open"
    return f"open until {_local(one.window.end, client, now)}"


def _summary(found: list[Occurrence], only_due: bool, days: int) -> None:
    if not found:
        out.print("Nothing is due." if only_due else f"Nothing becomes due within {days} days.")
        return
    counts = Counter(one.state for one in found)
    said = ", ".join(f"{counts[state]} {WORDS[state]}" for state in State if counts[state])
    err.print(f"{said}. Times are each client's own.", highlight=False, soft_wrap=True)
