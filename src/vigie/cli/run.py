"""``vigie run``: deliver services to clients."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from vigie.cli.context import HERE, AsJson, Inventory, err, finish, out, print_json, reports_errors
from vigie.cli.run_display import RunDisplay, as_document, notes, summary
from vigie.errors import ExitCode, UsageError
from vigie.planning import State, due, plan
from vigie.planning.windows import next_opening
from vigie.running.batch import run_all
from vigie.running.model import RunRequest
from vigie.running.recording import Ledger, open_recorded
from vigie.running.recovery import sweep_lost
from vigie.running.selection import Chosen, choose, client_request, require_services, services_for
from vigie.running.stopping import told_to_stop
from vigie.state import StateDirectory
from vigie.subscriptions import WINDOWED, Provider, load

EPILOG = (
    "[bold]Examples[/]: vigie run --due · vigie run audit · vigie run patch --client cabinet --check · "
    "vigie run --client usine · vigie run audit --host usine-1"
)

Timeout = Annotated[
    str | None,
    typer.Option(help="Stop a run after this time, like 45m or 3h.", show_default="2h for patch, else 30m"),
]
Jobs = Annotated[int, typer.Option(min=1, max=64, help="How many clients are worked on at once.")]
Check = Annotated[bool, typer.Option("--check", help="Change nothing; show what would change.")]


def register(app: typer.Typer) -> None:
    """Add ``vigie run``."""
    app.command("run", epilog=EPILOG)(run)


@reports_errors
def run(
    services: Annotated[
        list[str] | None, typer.Argument(metavar="[SERVICE]...", help="audit, patch, backup, monitor.")
    ] = None,
    inventory: Inventory = HERE,
    client: Annotated[list[str] | None, typer.Option(help="Only this client; repeatable.")] = None,
    tier: Annotated[list[str] | None, typer.Option(help="Only clients of this tier; repeatable.")] = None,
    host: Annotated[list[str] | None, typer.Option(help="Only this host; repeatable.")] = None,
    only_due: Annotated[bool, typer.Option("--due", help="Only what `vigie plan` says is due now.")] = False,
    check: Check = False,
    jobs: Jobs = 2,
    timeout: Timeout = None,
    override_window: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Patch outside the client's windows; the reason is recorded."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run services for clients: each run isolated, followed, judged host by host, and recorded."""
    named = services or []
    limit = parse_timeout(timeout)
    provider, hosts, fleets = load(inventory)
    state = StateDirectory.of_provider(provider.slug)
    chosen = choose(provider, fleets, client or [], tier or [], host or [])
    require_services(chosen, named)
    if not (only_due or named or client):
        raise UsageError(
            "nothing says what to run", "name services, or --due, or --client for all of a client's"
        )
    with open_recorded(state) as ledger:
        announce_lost(state, ledger)
        wanted = _due(provider, chosen, ledger, named) if only_due else _asked(chosen, named)
        reason, closing = _respect_windows(wanted, chosen, check, override_window)
        requests = [
            client_request(
                provider,
                hosts,
                state,
                chosen[slug],
                service,
                timeout=limit,
                check=check,
                reason=reason,
                not_after=closing.get((slug, service)),
            )
            for slug, service in wanted
        ]
        if not requests:
            _nothing(only_due, as_json)
        deliver(requests, ledger, jobs, as_json)


def parse_timeout(text: str | None) -> timedelta | None:
    """A duration like ``45m``.

    Raises:
        UsageError: It is none.
    """
    if text is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,5})(s|m|h)", text.strip())
    if not match:
        raise UsageError(f"--timeout: '{text}' is not a duration", "write 90s, 45m or 3h")
    return timedelta(seconds=int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]])


def _due(
    provider: Provider, chosen: Mapping[str, Chosen], ledger: Ledger, named: Sequence[str]
) -> list[tuple[str, str]]:
    fleets = {slug: one.fleet for slug, one in chosen.items()}
    last_good = ledger.database.last_good_runs({slug: fleet.hosts for slug, fleet in fleets.items()})
    occurrences = plan(provider, fleets, last_good, datetime.now(UTC), timedelta(0))
    for one in occurrences:
        if one.state is State.WAITING and (not named or one.service in named):
            err.print(f"{one.client} {one.service}: waits for its window, {one.starts:%Y-%m-%d %H:%M} UTC")
    return [(one.client, one.service) for one in due(occurrences) if not named or one.service in named]


def _asked(chosen: Mapping[str, Chosen], named: Sequence[str]) -> list[tuple[str, str]]:
    wanted = [(slug, service) for slug, one in chosen.items() for service in services_for(one, named)]
    for slug, one in chosen.items():
        for service in named:
            if (slug, service) not in wanted:
                err.print(
                    f"{slug}: tier {one.fleet.tier.name} does not offer {service}; left out", style="yellow"
                )
    return wanted


def _respect_windows(
    wanted: Sequence[tuple[str, str]], chosen: Mapping[str, Chosen], check: bool, override: str | None
) -> tuple[str, dict[tuple[str, str], datetime]]:
    """Refuse to interrupt a client's work outside its windows, unless somebody says why.

    Returns the reason to record, and when the window closes of each (client, service) that needs one.
    """
    if override is not None and not override.strip():
        raise UsageError("--override-window needs a reason", "say why, for the client's report")
    reason = (override or "").strip()
    closing: dict[tuple[str, str], datetime] = {}
    if check or reason:
        return reason, closing
    now = datetime.now(UTC)
    for slug, service in wanted:
        if service not in WINDOWED:
            continue
        windows = chosen[slug].fleet.client
        opening = next_opening(windows.windows, windows.zone, now)
        if not (opening and now in opening):
            opens = f"the next opens {opening.start:%Y-%m-%d %H:%M} UTC" if opening else "it has none at all"
            raise UsageError(
                f"{service} for '{slug}' is outside its windows; {opens}",
                "wait, look with --check, or give a reason: --override-window 'agreed with ... by phone'",
            )
        closing[slug, service] = opening.end
    return reason, closing


def _nothing(only_due: bool, as_json: bool) -> None:
    if not only_due:
        raise UsageError("none of the selected clients has a service this version can deliver")
    if as_json:
        print_json({"exit_code": 0, "runs": [], "refused": [], "not_begun": []})
    else:
        err.print("nothing is due now; `vigie plan` shows what comes next")
    finish(ExitCode.OK)


def announce_lost(state: StateDirectory, ledger: Ledger) -> None:
    """Close runs that died with their process, and say so."""
    for lost in sweep_lost(state, ledger):
        err.print(str(lost), style="yellow", markup=False, highlight=False, soft_wrap=True)


def deliver(requests: Sequence[RunRequest], ledger: Ledger, jobs: int, as_json: bool) -> None:
    """Make the runs, show them, and end the command with the worst one's exit status."""
    with told_to_stop() as stop, RunDisplay(err, requests) as display:
        result = run_all(requests, ledger, jobs, stop, display, ledger.release)
    if as_json:
        print_json(as_document(result))
    else:
        out.print(summary(result))
        for line in notes(result):
            err.print(line, markup=False, highlight=False, soft_wrap=True)
    finish(result.exit_code)
