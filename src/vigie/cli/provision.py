"""``vigie provision``: set up the provider's own servers."""

from __future__ import annotations

import typer

from vigie.cli.context import HERE, AsJson, Inventory, reports_errors
from vigie.cli.run import Check, Timeout, announce_lost, deliver, parse_timeout
from vigie.running.recording import open_recorded
from vigie.running.selection import provider_request
from vigie.state import StateDirectory
from vigie.subscriptions import load

EPILOG = "[bold]Examples[/]: vigie provision --check · vigie provision · vigie provision --timeout 45m --json"


def register(app: typer.Typer) -> None:
    """Add ``vigie provision``."""
    app.command("provision", epilog=EPILOG)(provision)


@reports_errors
def provision(
    inventory: Inventory = HERE, check: Check = False, timeout: Timeout = None, as_json: AsJson = False
) -> None:
    """Set up the backup server, an account for every host with backups, and the controller's own tools."""
    limit = parse_timeout(timeout)
    provider, hosts, _fleets = load(inventory)
    state = StateDirectory.of_provider(provider.slug)
    request = provider_request(provider, hosts, state, check=check, timeout=limit)
    with open_recorded(state) as ledger:
        announce_lost(state, ledger)
        deliver([request], ledger, 1, as_json)
