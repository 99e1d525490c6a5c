"""``vigie tiers``: what each tier promises, and how two of them differ."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ansible_collections.vigie.msp.plugins.module_utils.documents import suggestion
from vigie.cli.context import HERE, AsJson, Inventory, out, print_json, reports_errors
from vigie.errors import UsageError
from vigie.subscriptions import Catalogue, load_catalogue
from vigie.subscriptions.comparison import Row, rows, shown

EPILOG = "[bold]Examples[/]: vigie tiers · vigie tiers --json · vigie tiers diff silver gold"
TierName = Annotated[str, typer.Argument(metavar="TIER", help="A tier of the catalogue.")]


def register(app: typer.Typer) -> None:
    """Add ``vigie tiers`` and ``vigie tiers diff``."""
    tiers = typer.Typer(invoke_without_command=True, rich_markup_mode="rich")
    tiers.callback(epilog=EPILOG)(show)
    tiers.command("diff", epilog="[bold]Example[/]: vigie tiers diff silver gold")(diff)
    app.add_typer(tiers, name="tiers")


@reports_errors
def show(context: typer.Context, inventory: Inventory = HERE, as_json: AsJson = False) -> None:
    """Show what each tier promises: services, numbers, support and fee."""
    context.obj = inventory
    if context.invoked_subcommand is None:
        catalogue = load_catalogue(inventory)
        _answer(catalogue, list(catalogue.tiers), rows(catalogue, list(catalogue.tiers)), as_json)


@reports_errors
def diff(
    context: typer.Context,
    first: TierName,
    second: TierName,
    inventory: Inventory = HERE,
    as_json: AsJson = False,
) -> None:
    """Show only what differs between two tiers: what a client gains or loses by changing."""
    source = context.get_parameter_source("inventory")
    if source is not None and source.name == "DEFAULT" and isinstance(context.obj, Path):
        inventory = context.obj  # `vigie tiers -i DIR diff a b` means the same directory
    catalogue = load_catalogue(inventory)
    for name in (first, second):
        if name not in catalogue.tiers:
            raise UsageError(f"the catalogue has no tier '{name}'{suggestion(name, catalogue.tiers)}")
    found = [row for row in rows(catalogue, [first, second]) if row.differs]
    if not found and not as_json:
        out.print(f"{first} and {second} promise the same.")
        return
    _answer(catalogue, [first, second], found, as_json)


def _answer(catalogue: Catalogue, names: list[str], found: list[Row], as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "currency": catalogue.currency,
                "tiers": names,
                "rows": [
                    {
                        "service": row.service,
                        "setting": row.setting,
                        "values": dict(zip(names, row.values, strict=True)),
                    }
                    for row in found
                ],
            }
        )
        return
    out.print(_table(names, found))


def _table(names: list[str], found: list[Row]) -> Table:
    table = Table("service", "setting", *names)
    before = ""
    for row in found:
        if row.service != before and before:
            table.add_section()
        table.add_row(
            row.service if row.service != before else "", row.setting, *(shown(value) for value in row.values)
        )
        before = row.service
    return table
