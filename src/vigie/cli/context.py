"""What every command needs: the provider, its state, consoles, and one way to end with an error."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn, ParamSpec

import typer
from rich.console import Console

from vigie.errors import ExitCode, VigieError

P = ParamSpec("P")

out = Console()
err = Console(stderr=True)

Inventory = Annotated[
    Path,
    typer.Option(
        "--inventory",
        "-i",
        envvar="VIGIE_INVENTORY",
        help="The provider's directory: catalogue.yml, clients/, and any Ansible inventory source.",
        show_default="the current directory",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output instead of tables.")
]

HERE = Path()


def print_json(document: Any) -> None:
    """Write ``document`` to standard output as JSON, with stable key order and no colour."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")


def finish(code: ExitCode) -> NoReturn:
    """End the command with ``code``."""
    raise typer.Exit(int(code))


def reports_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Decorate a command: a VigieError becomes a message, a hint and its exit code, never a traceback."""

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except VigieError as error:
            err.print("[bold red]error:[/] ", end="")
            err.print(str(error), markup=False, highlight=False, soft_wrap=True)
            if error.hint:
                err.print(f"  → {error.hint}", markup=False, highlight=False, soft_wrap=True)
            finish(error.exit_code)
        except KeyboardInterrupt:
            err.print("cancelled", style="yellow")
            finish(ExitCode.CANCELLED)
        except BrokenPipeError:  # `vigie ... | head`: the reader left, nothing is wrong
            sys.stderr.close()
            finish(ExitCode.OK)

    return wrapper
