"""What every command needs: the provider, its state, consoles, and one way to end with an error."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn, ParamSpec

import typer
from rich.console import Console

from vigie.errors import ExitCode, VigieError, of_os_error

P = ParamSpec("P")

BROKEN_PIPE = 128 + 13
"""Exit status when the reader of the output left: what a shell says of a program that SIGPIPE ended."""


class _Console(Console):
    """Leaves a reader that went away to ``reports_errors``, as every other error."""

    def on_broken_pipe(self) -> None:
        """Raise again what is being handled."""
        raise  # rich calls this while it handles the BrokenPipeError


out = _Console()
err = _Console(stderr=True)

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
    """Decorate a command: an error becomes a message, a hint and its exit code, never a traceback."""

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            _reported(lambda: command(*args, **kwargs))
        except BrokenPipeError:
            # `vigie ... | head`: nobody read the verdict to its end, so it must not look like a good one.
            raise typer.Exit(BROKEN_PIPE) from None
        finally:
            _settle()

    return wrapper


def _reported(command: Callable[[], None]) -> None:
    try:
        _flushed(command)
    except BrokenPipeError:
        raise
    except VigieError as error:
        _fail(error)
    except OSError as error:
        _fail(of_os_error(error, "the system refused something"))
    except KeyboardInterrupt:
        err.print("cancelled", style="yellow")
        finish(ExitCode.CANCELLED)


def _flushed(command: Callable[[], None]) -> None:
    """Write all of the output now: an error at the interpreter's end could not be told any more."""
    try:
        command()
    except typer.Exit:
        _flush()
        raise
    _flush()


def _flush() -> None:
    if sys.stdout:
        sys.stdout.flush()


def _fail(error: VigieError) -> NoReturn:
    err.print("[bold red]error:[/] ", end="")
    err.print(str(error), markup=False, highlight=False, soft_wrap=True)
    if error.hint:
        err.print(f"  → {error.hint}", markup=False, highlight=False, soft_wrap=True)
    finish(error.exit_code)


def _settle() -> None:
    """Drop what cannot be written: the interpreter would complain of it and change the exit status."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream:
                stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
