"""``vigie restore``: bring files of a host back from its repository."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

import typer

from vigie.cli.context import HERE, AsJson, Inventory, reports_errors
from vigie.cli.run import Check, Timeout, announce_lost, deliver, parse_timeout
from vigie.errors import UsageError
from vigie.running.playbooks import own_playbook
from vigie.running.recording import open_recorded
from vigie.running.selection import choose, client_request
from vigie.state import StateDirectory
from vigie.subscriptions import load

EPILOG = (
    "[bold]Examples[/]: vigie restore usine-1 --path /etc/fstab · vigie restore usine-1 --path /etc --check"
)


def register(app: typer.Typer) -> None:
    """Add ``vigie restore``."""
    app.command("restore", epilog=EPILOG)(restore)


@reports_errors
def restore(
    host: Annotated[str, typer.Argument(help="The host whose files are restored, to the host itself.")],
    path: Annotated[str, typer.Option(help="The file or folder, as it was called on the host.")],
    inventory: Inventory = HERE,
    at: Annotated[
        str | None, typer.Option(metavar="SNAPSHOT", help="A snapshot's id.", show_default="the latest")
    ] = None,
    check: Check = False,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Restore a file or folder of a host from its backups, where it was."""
    limit = parse_timeout(timeout)
    _refuse_odd_path(path)
    provider, hosts, fleets = load(inventory)
    (chosen,) = choose(provider, fleets, hosts=[host]).values()
    if "backup" not in chosen.fleet.tier.services.offered:
        raise UsageError(f"'{host}' has no backups: tier {chosen.fleet.tier.name} does not offer them")
    state = StateDirectory.of_provider(provider.slug)
    request = client_request(
        provider,
        hosts,
        state,
        chosen,
        "restore",
        playbook=own_playbook("restore"),
        extra_vars={"restore_path": path, "restore_snapshot": at or "latest"},
        timeout=limit,
        check=check,
    )
    with open_recorded(state) as ledger:
        announce_lost(state, ledger)
        deliver([request], ledger, 1, as_json)


def _refuse_odd_path(path: str) -> None:
    parts = PurePosixPath(path)
    if not parts.is_absolute() or ".." in parts.parts or str(parts) == "/":
        raise UsageError(f"--path: '{path}' is not the absolute path of a file or folder", "like /etc/fstab")
