"""``vigie runs`` and ``vigie show``: what was run, and what it did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from ansible_collections.vigie.msp.plugins.module_utils.documents import suggestion
from vigie.cli.context import HERE, AsJson, Inventory, err, out, print_json, reports_errors
from vigie.cli.ledger import harmless, open_swept, plain_data, state_of, utc
from vigie.errors import UsageError
from vigie.ledger.states import OutcomeStatus, RunStatus

if TYPE_CHECKING:
    from vigie.ledger.records import ChangeRecord, FailureRecord, OutcomeRecord, RunDetail, RunRecord

STYLES = {
    "ok": "green",
    "changed": "yellow",
    "skipped": "dim",
    "failed": "bold red",
    "unreachable": "red",
    "running": "cyan",
    "cancelled": "yellow",
}
"""Colours of statuses; any other is magenta: nobody knows."""
SHORT = 8
RUNS_EPILOG = (
    "[bold]Examples[/]: vigie runs · vigie runs --client cabinet --service patch · "
    "vigie runs --status failed --limit 5 --json"
)
SHOW_EPILOG = "[bold]Examples[/]: vigie show 3f2a91c0 · vigie show 3f2a91c0 --json | jq .changes"


def register(app: typer.Typer) -> None:
    """Add ``vigie runs`` and ``vigie show``."""
    app.command("runs", epilog=RUNS_EPILOG)(runs)
    app.command("show", epilog=SHOW_EPILOG)(show)


@reports_errors
def runs(
    inventory: Inventory = HERE,
    client: Annotated[str | None, typer.Option(help="Only this client, past ones included.")] = None,
    service: Annotated[str | None, typer.Option(help="Only this service.")] = None,
    status: Annotated[str | None, typer.Option(help=f"One of {', '.join(RunStatus)}.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many, the newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List runs, the newest first."""
    if status is not None and status not in list(RunStatus):
        raise UsageError(f"there is no status '{status}'{suggestion(status, list(RunStatus))}")
    with open_swept(state_of(inventory)) as ledger:
        found = ledger.runs(client, service, status, limit + 1)
    more, found = len(found) > limit, found[:limit]
    if as_json:
        print_json({"runs": [_run_document(run) for run in found], "more": more})
    elif found:
        out.print(_runs(found))
        err.print(f"{'more runs: --limit; ' if more else ''}what one did: vigie show RUN", style="dim")
    else:
        err.print("the ledger has no such run")


@reports_errors
def show(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's id, or how it begins.")],
    inventory: Inventory = HERE,
    as_json: AsJson = False,
) -> None:
    """Show one run: what it did on each host, what it changed, and what failed."""
    with open_swept(state_of(inventory)) as ledger:
        detail = ledger.run(run)
    if as_json:
        print_json(_document(detail))
        return
    _head(detail.run)
    if detail.outcomes:
        out.print(_outcomes(detail.outcomes))
    if detail.failures:
        out.print(_failures(detail.failures))
    if detail.changes:
        out.print(_changes(detail.changes, detail.run.check))
    else:
        out.print("Nothing was changed." if detail.run.complete else "No change is recorded.")


# ── documents ────────────────────────────────────────────────────────────────────────────────────
def _run_document(run: RunRecord) -> dict[str, Any]:
    document: dict[str, Any] = plain_data(run)
    return {**document, "seconds": _seconds(run)}


def _document(detail: RunDetail) -> dict[str, Any]:
    document: dict[str, Any] = plain_data(detail)
    return {**document, "run": _run_document(detail.run)}


def _seconds(run: RunRecord) -> float | None:
    return round((run.finished_at - run.started_at).total_seconds(), 1) if run.finished_at else None


# ── tables ───────────────────────────────────────────────────────────────────────────────────────
def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=title or None, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _status(status: RunStatus | OutcomeStatus) -> Text:
    return Text(str(status).replace("_", " "), style=STYLES.get(status, "magenta"))


def _runs(found: Sequence[RunRecord]) -> Table:
    table = _table("", "run", "started (UTC)", "client", "service", "status", "hosts", "took", "by")
    for run in found:
        table.add_row(
            Text(run.id[:SHORT], style="bold"),
            utc(run.started_at),
            Text(harmless(run.client or "-")),
            Text(harmless(run.service) + (" (check)" if run.check else "")),
            _status(run.status),
            _hosts(run),
            _took(run.started_at, run.finished_at),
            Text(harmless(run.requested_by) or "collected"),
        )
    return table


def _hosts(run: RunRecord) -> Text:
    parts = [
        Text(f"{run.hosts[status]} {status}", style=STYLES.get(status, "magenta"))
        for status in OutcomeStatus
        if run.hosts.get(status)
    ]
    return Text(", ").join(parts) if parts else Text("none", style="magenta")


def _took(start: datetime, end: datetime | None) -> str:
    if end is None:
        return "-"
    seconds = int((end - start).total_seconds())
    return f"{seconds // 60} min {seconds % 60:02} s" if seconds >= 60 else f"{seconds} s"


def _head(run: RunRecord) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in _facts(run):
        grid.add_row(Text(name, style="dim"), value if isinstance(value, Text) else Text(harmless(value)))
    out.print(grid)


def _facts(run: RunRecord) -> Iterable[tuple[str, str | Text]]:
    check = "check mode: nothing was changed" if run.check else ""
    limited = "only a part of the client's hosts" if run.limited else ""
    yield "run", Text(run.id, style="bold")
    yield "status", _status(run.status)
    yield "for", f"{run.client or 'no client'}{f' ({run.tier})' if run.tier else ''}"
    yield "service", "; ".join(part for part in (run.service, run.playbook, check, limited) if part)
    yield "started", f"{utc(run.started_at)} UTC, took {_took(run.started_at, run.finished_at)}"
    yield "asked by", run.requested_by or "-"
    yield "reason", run.reason or "-"
    yield "revision", run.revision or "not under version control"
    yield "versions", f"vigie {run.vigie_version or '?'}, ansible-core {run.ansible_version or '?'}"
    yield "results", f"{run.source or 'none collected'}{'' if run.complete else ' (not complete)'}"


def _outcomes(outcomes: Sequence[OutcomeRecord]) -> Table:
    rare = ("unreachable", "skipped", "rescued", "ignored")
    counts = (
        "ok",
        "changed",
        "failures",
        *(name for name in rare if any(getattr(one, name) for one in outcomes)),
    )
    table = _table("Hosts", "host", "status", "took")
    for name in counts:
        table.add_column(name, justify="right")
    for one in outcomes:
        took = "-" if one.duration is None else f"{one.duration:.1f} s"
        numbers = [
            Text(str(getattr(one, name)), style="" if getattr(one, name) else "dim") for name in counts
        ]
        table.add_row(Text(harmless(one.host)), _status(one.status), took, *numbers)
    return table


def _failures(failures: Sequence[FailureRecord]) -> Table:
    table = _table("Failures", "host", "where", "message")
    for one in failures:
        where = " : ".join(part for part in (one.role, one.task) if part)
        table.add_row(*(Text(harmless(text)) for text in (one.host, where, one.message)))
    return table


def _changes(changes: Sequence[ChangeRecord], check: bool) -> Table:
    table = _table("Would change (check mode)" if check else "Changes", "host", "kind", "what", "from → to")
    before = ""
    for one in changes:
        if before and one.host != before:
            table.add_section()
        table.add_row(
            Text(harmless(one.host) if one.host != before else ""),
            one.kind,
            Text(harmless(one.name)),
            Text(harmless(_sides(one))),
        )
        before = one.host
    return table


def _sides(change: ChangeRecord) -> str:
    if change.before is None and change.after is None:
        return ""
    return f"{_short(change.before)} → {_short(change.after)}"


def _short(side: str | None, most: int = 200) -> str:
    if side is None:
        return "none"
    line = " ".join(side.split())
    return line if len(line) <= most else f"{line[:most]}… ({len(side)} characters; all with --json)"
