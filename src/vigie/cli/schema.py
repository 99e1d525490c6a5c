"""``vigie schema``: JSON Schemas of the provider's files, for editors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ansible_collections.vigie.msp.plugins.module_utils.documents import suggestion
from vigie.cli.context import out, reports_errors
from vigie.errors import UsageError
from vigie.subscriptions import schemas

EPILOG = (
    "[bold]Examples[/]: vigie schema · vigie schema client > client.schema.json · "
    "vigie schema --write schemas. A YAML file whose first line is "
    "'# yaml-language-server: $schema=schemas/client.schema.json' is completed and checked by editors."
)


def register(app: typer.Typer) -> None:
    """Add ``vigie schema``."""
    app.command("schema", epilog=EPILOG)(show)


@reports_errors
def show(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="catalogue, client or provider; without it, list all."),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option("--write", "-w", metavar="DIR", help="Write all schemas into this directory."),
    ] = None,
) -> None:
    """Print or write the JSON Schemas of catalogue, client and provider files."""
    if name and write:
        raise UsageError("give a schema's name to print it, or --write to write all, not both")
    if write:
        _write(write)
    elif name is None:
        out.print("\n".join(schemas.names()))
    elif name not in schemas.names():
        raise UsageError(f"there is no schema '{name}'{suggestion(name, schemas.names())}")
    else:
        sys.stdout.write(schemas.text(name))


def _write(directory: Path) -> None:
    try:
        files = schemas.write(directory)
    except OSError as error:
        raise UsageError(f"cannot write to {directory}: {error.strerror}") from error
    for file in files:
        out.print(str(file), highlight=False, soft_wrap=True)
