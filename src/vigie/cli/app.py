"""The ``vigie`` program: its commands are the modules of this package, each with a ``register(app)``."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from vigie import __version__

COMMANDS = (
    "check",
    "tiers",
    "schema",
    "plan",
    "provision",
    "run",
    "audit",
    "collect",
    "compliance",
    "runs",
    "restore",
)
"""Modules of this package, in the order ``vigie --help`` lists what they add."""


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"vigie {__version__}")
        raise typer.Exit


def build() -> typer.Typer:
    """The whole application, with every command registered."""
    app = typer.Typer(
        name="vigie",
        help="Managed services as code: promised, delivered, missed, and the proof.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode="rich",
        epilog="Start with: vigie audit localhost --tier silver",
    )

    @app.callback()
    def main_options(
        version: Annotated[
            bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
        ] = False,
    ) -> None:
        pass

    for name in COMMANDS:
        import_module(f"vigie.cli.{name}").register(app)
    return app


def main() -> None:
    """Entry point of the ``vigie`` script."""
    build()()


if __name__ == "__main__":
    main()
