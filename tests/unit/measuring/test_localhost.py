"""`vigie audit localhost`: this very machine, without Ansible, inventory or root."""

from __future__ import annotations

import json
import subprocess

import pytest
import typer
from typer.testing import CliRunner

from vigie.cli.audit import exit_code, register
from vigie.compliance import localhost
from vigie.errors import ExitCode
from vigie.ledger.evaluation import shipped_controls


def build():
    """The audit commands alone: what else the program can do is not under test here."""
    app = typer.Typer()
    register(app)
    return app


def states(*names):
    return [{"state": name} for name in names]


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (states("compliant", "not_applicable"), ExitCode.OK),
        (states("compliant", "waived"), ExitCode.OK),
        (states("compliant", "unknown"), ExitCode.UNKNOWN),
        (states("not_applicable"), ExitCode.UNKNOWN),
        ([], ExitCode.UNKNOWN),
        (states("unknown", "error"), ExitCode.NON_COMPLIANT),
        (states("compliant", "non_compliant"), ExitCode.NON_COMPLIANT),
    ],
)
def test_exit_codes(found, code):
    assert exit_code(found) is code


def test_this_machine_is_measured_and_judged():
    done = CliRunner().invoke(build(), ["audit", "localhost", "--tier", "gold", "--offline", "--json"])
    report = json.loads(done.stdout)
    assert done.exit_code in (3, 5), done.output
    assert {m["name"] for m in report["measurements"]} >= {"packages.updates", "access.superusers"}
    by_control = {result["control"]: result for result in report["results"]}
    assert by_control["BAK-01"]["state"] == "unknown"  # nothing here asks a backup server
    assert report["parameters"]["security_update_days"] == 7
    assert report["score"]["assessed"] < report["score"]["due"]


def test_the_table_names_every_control():
    done = CliRunner().invoke(build(), ["audit", "localhost", "--offline"], env={"COLUMNS": "200"})
    assert all(control.id in done.output for control in shipped_controls())


def test_an_unknown_tier_is_a_usage_error_that_lists_the_known_ones():
    done = CliRunner().invoke(build(), ["audit", "localhost", "--tier", "platinum"])
    assert done.exit_code == ExitCode.USAGE
    assert "gold" in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize("stdout", ["", "Traceback", "{"])
def test_a_measuring_program_that_fails_is_told_in_words(stdout):
    def run(*_arguments, **_options):
        return subprocess.CompletedProcess([], 1, stdout, "Boom: it broke\n")

    with pytest.raises(localhost.MeasuringError, match="Boom: it broke"):
        localhost.measure(run)


def test_a_measuring_program_that_hangs_is_told_in_words():
    def run(*_arguments, **_options):
        raise subprocess.TimeoutExpired("python3", 90)

    with pytest.raises(localhost.MeasuringError, match="timed out"):
        localhost.measure(run)
