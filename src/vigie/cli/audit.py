"""``vigie audit localhost``: what a tier would demand of this very machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from vigie.cli.context import AsJson, err, finish, out, print_json, reports_errors
from vigie.cli.ledger import harmless
from vigie.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from vigie.compliance.score import Score

EPILOG = (
    "[bold]Examples[/]: vigie audit localhost · vigie audit localhost --tier gold --offline · "
    "vigie audit localhost --json"
)
SHOWN_FIRST = ("non_compliant", "error", "unknown", "compliant", "not_applicable", "waived")
OPEN = SHOWN_FIRST[:3]
SEVERITIES = ("critical", "high", "medium", "low")


def register(app: typer.Typer) -> None:
    """Add ``vigie audit``."""
    group = typer.Typer(help="Measure this machine, read-only.", no_args_is_help=True)
    group.command("localhost", epilog=EPILOG)(localhost)
    # A group of one command would otherwise become that command, and `vigie audit localhost` an error.
    group.callback()(_nothing)
    app.add_typer(group, name="audit")


def _nothing() -> None:
    """Measure this machine, read-only."""


@reports_errors
def localhost(
    tier: Annotated[str, typer.Option("--tier", "-t", help="The tier to judge by.")] = "silver",
    inventory: Annotated[
        Path | None,
        typer.Option(
            "--inventory",
            "-i",
            envvar="VIGIE_INVENTORY",
            help="A provider's directory, for its catalogue.",
            show_default="the catalogue Vigie ships",
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask package mirrors how old pending updates are.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure this machine, read-only, and show what a tier would demand of it.

    Needs no root, no inventory and no containers; without root a few things cannot be read, and are then
    errors, never passes. Ends with 3 when something is not compliant, 5 when something is unknown.
    """
    # Imported when used: `vigie --help` should not wait for the catalogue's and the evaluator's imports.
    from vigie.compliance.localhost import audit
    from vigie.compliance.score import score as score_of

    parameters = _parameters(tier, inventory)
    if not as_json and err.is_terminal:
        with err.status("measuring this machine …"):
            results, measurements = audit(parameters, date_updates=not offline)
    else:
        results, measurements = audit(parameters, date_updates=not offline)
    score = score_of(results)
    if as_json:
        print_json(
            {
                "tier": tier,
                "parameters": parameters,
                "score": score.as_dict(),
                "results": results,
                "measurements": measurements,
            }
        )
    else:
        _show(tier, results, score)
    finish(exit_code(results))


def _parameters(tier: str, inventory: Path | None) -> dict[str, Any]:
    from vigie.subscriptions.loading import default_catalogue, load_catalogue

    catalogue = load_catalogue(inventory) if inventory else default_catalogue()
    if tier not in catalogue.tiers:
        raise UsageError(
            f"there is no tier '{tier}' in the catalogue", hint=f"Known tiers: {', '.join(catalogue.tiers)}."
        )
    return catalogue.tiers[tier].audit_parameters


def exit_code(results: list[dict[str, Any]]) -> ExitCode:
    """What the states found amount to; nothing assessed is unknown, never fine."""
    states = {result["state"] for result in results}
    if states & {"non_compliant", "error"}:
        return ExitCode.NON_COMPLIANT
    return ExitCode.UNKNOWN if "unknown" in states or "compliant" not in states else ExitCode.OK


def _show(tier: str, results: list[dict[str, Any]], score: Score) -> None:
    from vigie.cli.control_display import open_controls
    from vigie.compliance.tables import Problem
    from vigie.ledger.states import State

    ordered = sorted(results, key=_order)
    told = ("control", "severity", "title", "observed", "expected", "detail", "remedy")
    found = [
        Problem(hosts=(), state=State(result["state"]), **{name: result[name] for name in told})
        for result in ordered
        if result["state"] in OPEN
    ]
    if found:
        out.print(open_controls(f"This machine against the tier {tier}: what is open, and why", found))
    out.print(_settled([result for result in ordered if result["state"] not in OPEN]))
    out.print(str(score), markup=False, highlight=False)


def _order(result: dict[str, Any]) -> tuple[int, int, str]:
    return SHOWN_FIRST.index(result["state"]), SEVERITIES.index(result["severity"]), result["control"]


def _settled(results: list[dict[str, Any]]) -> Table:
    """What nobody has to act upon, one line each: compliant, and what does not apply here."""
    from vigie.cli.control_display import STATE_STYLES
    from vigie.ledger.states import State

    title = "What complies, and what does not apply here"
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("control", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("found", overflow="fold", ratio=1)
    for result in results:
        state = State(result["state"])
        seen = "; ".join(part for part in (result["observed"], result["detail"]) if part)
        words = Text(f"{result['title']}: {harmless(seen)}" if seen else result["title"])
        table.add_row(result["control"], Text(str(state).replace("_", " "), style=STATE_STYLES[state]), words)
    return table
