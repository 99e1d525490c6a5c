"""How commands end: errors in words, and no verdict that looks good when nobody could read it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from vigie.cli.app import build
from vigie.cli.context import reports_errors

ENDS = """
import sys
import typer
from vigie.cli.context import finish, out, print_json, reports_errors
from vigie.errors import ExitCode
app = typer.Typer()
@app.command()
@reports_errors
def command(way: str, size: int):
    if way == "json":
        print_json(["x" * size])
    else:
        out.print("x" * size)
    finish(ExitCode.NON_COMPLIANT)
app()
"""


def ended(way, size, output):
    done = subprocess.run(
        [sys.executable, "-c", ENDS, way, str(size)],
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=30,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("way", ["json", "table"])
@pytest.mark.parametrize("size", [10, 30_000], ids=["fits the buffer", "does not"])
def test_a_reader_that_left_is_never_success(way, size):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert ended(way, size, writing) == (141, "")
    finally:
        os.close(writing)


@pytest.mark.parametrize("way", ["json", "table"])
def test_a_reader_that_stays_gets_the_verdict(way):
    assert ended(way, 10, subprocess.DEVNULL) == (3, "")


@pytest.mark.parametrize("size", [10, 30_000], ids=["fits the buffer", "does not"])
def test_a_full_disk_is_an_error_in_words(size):
    with Path("/dev/full").open("w") as full:
        code, said = ended("json", size, full)

    assert code == 1
    assert "No space left on device" in said
    assert "Traceback" not in said
    assert "Exception ignored" not in said


def test_what_the_system_refuses_is_named_without_a_traceback():
    app = typer.Typer()

    @app.command()
    @reports_errors
    def command():
        Path("/nowhere/at/all").read_text()

    done = CliRunner().invoke(app)

    assert done.exit_code == 1
    assert "No such file or directory: /nowhere/at/all" in " ".join(done.output.split())


def test_every_command_has_examples():
    app = build()
    without = [one.name for one in app.registered_commands if "Example" not in (one.epilog or "")]
    groups = [
        f"{group.name} {one.name}"
        for group in app.registered_groups
        for one in group.typer_instance.registered_commands
        if "Example" not in (one.epilog or "")
    ]

    assert without + groups == []
