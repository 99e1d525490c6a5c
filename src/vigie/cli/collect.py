"""``vigie collect``: take results files into the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import track

from vigie.cli.context import HERE, AsJson, Inventory, err, finish, out, print_json, reports_errors
from vigie.cli.ledger import harmless, open_swept, plain_data, state_of
from vigie.errors import ExitCode, VigieError

if TYPE_CHECKING:
    from vigie.ledger.api import Ledger
    from vigie.ledger.records import IngestedRun

EPILOG = (
    "[bold]Examples[/]: vigie collect vigie-results/*.jsonl · vigie collect --partial interrupted.jsonl. "
    "Collecting a file twice is harmless: it is taken once."
)


def register(app: typer.Typer) -> None:
    """Add ``vigie collect``."""
    app.command("collect", epilog=EPILOG)(collect)


@reports_errors
def collect(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="results.jsonl files, as the callback wrote them.")
    ],
    inventory: Inventory = HERE,
    partial: Annotated[
        bool,
        typer.Option("--partial", help="Also take interrupted runs, as lost, as far as they got."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take what playbooks wrote to results.jsonl into the ledger: of each file all, or nothing.

    For runs made by hand, by cron or under AWX; `vigie run` does it by itself.
    """
    taken: list[dict[str, Any]] = []
    worst = ExitCode.OK
    with open_swept(state_of(inventory)) as ledger:
        shown = not as_json and len(files) > 1 and err.is_terminal
        for path in track(files, "collecting", console=err, transient=True, disable=not shown):
            entry, code = _take(ledger, path, partial, quiet=as_json)
            taken.append(entry)
            worst = max(worst, code)
    if as_json:
        print_json({"exit_code": int(worst), "files": taken})
    finish(worst)


def _take(ledger: Ledger, path: Path, partial: bool, quiet: bool) -> tuple[dict[str, Any], ExitCode]:
    try:
        report = ledger.ingest(path, allow_partial=partial)
    except VigieError as error:
        if not quiet:
            err.print("[bold red]error:[/] ", end="")
            err.print(harmless(str(error)), markup=False, highlight=False, soft_wrap=True)
            if error.hint:
                err.print(f"  → {error.hint}", markup=False, highlight=False, soft_wrap=True)
        return {"file": str(path), "error": str(error), "hint": error.hint, "runs": []}, error.exit_code
    for run in report.runs if not quiet else ():
        out.print(_line(run), markup=False, highlight=False, soft_wrap=True)
    return {"file": str(path), "error": None, "runs": plain_data(report.runs)}, ExitCode.OK


def _line(run: IngestedRun) -> str:
    what = harmless(f"{run.run[:8]}  {run.client or '(no client)'} {run.service}: {run.status}")
    if not run.fresh:
        return f"{what}; was in the ledger already"
    return (
        f"{what}; {run.hosts} hosts, {run.measurements} measurements, {run.results} results, "
        f"{run.changes} changes, {run.failures} failures"
    )
