"""``vigie compliance``: how things stand, by tier, client, host and control."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ansible_collections.vigie.msp.plugins.module_utils.documents import suggestion
from vigie.cli.context import HERE, AsJson, Inventory, err, finish, print_json, reports_errors
from vigie.errors import UsageError

if TYPE_CHECKING:
    from vigie.compliance.findings import Finding
    from vigie.ledger.api import Ledger
    from vigie.subscriptions import Fleet
    from vigie.subscriptions import Inventory as Hosts

EPILOG = (
    "[bold]Examples[/]: vigie compliance · vigie compliance --client cabinet · "
    "vigie compliance --control PAT-01 · vigie compliance --tier gold --csv > gold.csv. "
    "[bold]Exit status[/]: 0 everything due is compliant, waived or not applicable; 3 something is not "
    "compliant or could not be measured; 5 something, or everything, is unknown."
)


def register(app: typer.Typer) -> None:
    """Add ``vigie compliance``."""
    app.command("compliance", epilog=EPILOG)(compliance)


@reports_errors
def compliance(
    inventory: Inventory = HERE,
    client: Annotated[list[str] | None, typer.Option(help="Only this client; repeatable.")] = None,
    tier: Annotated[list[str] | None, typer.Option(help="Only clients of this tier; repeatable.")] = None,
    host: Annotated[list[str] | None, typer.Option(help="Only this host; repeatable.")] = None,
    control: Annotated[
        list[str] | None, typer.Option(help="Only this control, like PAT-01; repeatable.")
    ] = None,
    as_json: AsJson = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print one row per host and control as CSV on standard output.")
    ] = False,
) -> None:
    """Show how far hosts comply with what their tier promises, and what is not compliant and why.

    Every control of every host of the inventory counts: one that was never measured, or not recently enough,
    is unknown and lowers the score.
    """
    # Imported when used: other commands should not wait for Django, pydantic and the evaluator.
    from vigie.cli import compliance_output as output
    from vigie.cli.ledger import open_swept
    from vigie.compliance.tables import exit_code
    from vigie.running.selection import choose
    from vigie.state import StateDirectory
    from vigie.subscriptions import load

    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other")
    provider, hosts, fleets = load(inventory)
    chosen = choose(provider, fleets, client or [], tier or [], host or [])
    asked = {slug: replace(one.fleet, hosts=one.hosts) for slug, one in chosen.items()}
    with open_swept(StateDirectory.of_provider(provider.slug)) as ledger:
        now = datetime.now(UTC)
        found = _findings(ledger, asked, hosts, _controls(control or []), now)
        place = ledger.name
    if as_json:
        print_json(output.document(found, now))
    elif as_csv:
        output.write_csv(found)
    else:
        output.show(found)
        err.print(
            f"as of {now:%Y-%m-%d %H:%M} UTC, from {place}", style="dim", highlight=False, soft_wrap=True
        )
    finish(exit_code(found))


def _findings(
    ledger: Ledger, fleets: Mapping[str, Fleet], hosts: Hosts, controls: frozenset[str], now: datetime
) -> list[Finding]:
    from vigie.compliance.findings import findings, promised

    thresholds = promised(fleets, hosts)
    found = findings(fleets, thresholds, ledger.latest_results(thresholds, now), now)
    return [one for one in found if not controls or one.result.control in controls]


def _controls(words: list[str]) -> frozenset[str]:
    from vigie.ledger.evaluation import shipped_controls

    known = [control.id for control in shipped_controls()]
    for word in words:
        if word.upper() not in known:
            raise UsageError(f"there is no control '{word}'{suggestion(word.upper(), known)}")
    return frozenset(word.upper() for word in words)
