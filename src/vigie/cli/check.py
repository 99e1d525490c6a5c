"""``vigie check``: is everything in the provider's directory sound?"""

from __future__ import annotations

from typing import Any

import typer
from rich.markup import escape
from rich.table import Table

from vigie.cli.context import HERE, AsJson, Inventory, err, finish, out, print_json, reports_errors
from vigie.errors import ExitCode
from vigie.subscriptions import Fleet, Survey, survey

EPILOG = (
    "[bold]Examples[/]: vigie check -i inventories/demo · vigie check --json | jq '.problems[]' · "
    "exit status 65 when anything is wrong"
)


def register(app: typer.Typer) -> None:
    """Add ``vigie check``."""
    app.command("check", epilog=EPILOG)(check)


@reports_errors
def check(inventory: Inventory = HERE, as_json: AsJson = False) -> None:
    """Validate provider, catalogue, clients and inventory, and list every problem with file and line."""
    seen = survey(inventory)
    if as_json:
        print_json(document(seen))
    else:
        _show(seen)
    if seen.problems:
        finish(ExitCode.BAD_INPUT)


def document(seen: Survey) -> dict[str, Any]:
    """The survey as ``--json`` prints it."""
    provider = seen.provider
    return {
        "ok": not seen.problems,
        "provider": provider.slug if provider else None,
        "revision": provider.revision if provider else None,
        "clients": [
            {
                "client": slug,
                "name": fleet.client.name,
                "tier": fleet.tier.name,
                "services": list(fleet.tier.services.offered),
                "hosts": list(fleet.hosts),
                "time_zone": fleet.client.time_zone,
                "monthly_fee": str(fleet.monthly_fee),
            }
            for slug, fleet in seen.fleets.items()
        ],
        "warnings": list(seen.warnings),
        "problems": [problem.as_dict() for problem in seen.problems],
    }


def _show(seen: Survey) -> None:
    if seen.provider and seen.fleets and not seen.problems:
        out.print(_table(seen.fleets, seen.provider.catalogue.currency))
    for warning in seen.warnings:
        err.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False, soft_wrap=True)
    for problem in seen.problems:
        err.print(f"[red]problem:[/] {escape(str(problem))}", highlight=False, soft_wrap=True)
    if seen.problems:
        count = len(seen.problems)
        err.print(f"[bold red]{count} problem{'s' if count > 1 else ''}[/]", highlight=False)
        return
    if seen.provider:
        hosts = sum(len(fleet.hosts) for fleet in seen.fleets.values())
        revision = seen.provider.revision or "not in Git"
        out.print(
            f"[green]sound:[/] provider {seen.provider.slug}, {len(seen.fleets)} clients, {hosts} hosts, "
            f"revision {revision}",
            highlight=False,
            soft_wrap=True,
        )


def _table(fleets: dict[str, Fleet], currency: str) -> Table:
    table = Table("client", "name", "tier", "hosts", f"{currency}/month")
    for slug, fleet in fleets.items():
        table.add_row(
            slug,
            escape(fleet.client.name),
            fleet.tier.name,
            str(len(fleet.hosts)),
            str(fleet.monthly_fee),
        )
    return table
