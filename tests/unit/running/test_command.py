"""``vigie run`` refuses what does not exist, what nobody bought, and what would interrupt a client's work."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vigie.cli import run as command
from vigie.cli.app import build
from vigie.cli.run import parse_timeout
from vigie.errors import ExitCode, UsageError

EXAMPLE = Path(__file__).resolve().parents[3] / "inventories" / "example"


@pytest.fixture
def vigie(tmp_path, monkeypatch):
    """The command over a copy of the example, with nothing that can reach a host."""
    copy = tmp_path / "msp"
    shutil.copytree(EXAMPLE, copy)
    monkeypatch.setenv("VIGIE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("VIGIE_DATABASE_URL", raising=False)
    made = []
    monkeypatch.setattr(command, "deliver", lambda requests, *_rest: made.extend(requests))

    def call(*arguments):
        made.clear()
        done = CliRunner().invoke(build(), [*arguments, "--inventory", str(copy)])
        return done.exit_code, done.output, [(one.client, one.service) for one in made], list(made)

    return call


def test_services_of_a_client_are_all_that_its_tier_has_in_order(vigie):
    code, _output, made, requests = vigie("run", "--client", "acme", "--override-window", "agreed by phone")

    assert code == 0
    assert made == [("acme", "monitor"), ("acme", "patch"), ("acme", "backup"), ("acme", "audit")]
    assert {one.reason for one in requests} == {"agreed by phone"}
    assert all(not one.limited for one in requests)


def test_one_host_is_a_limited_run_with_that_host_alone(vigie):
    _code, _output, _made, everything = vigie("run", "audit", "--client", "acme")
    first = next(iter(everything[0].hosts))
    _code, _output, _made, (request,) = vigie("run", "audit", "--host", first)

    assert set(request.hosts) == {first}
    assert request.limited == (len(everything[0].hosts) > 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run",), "nothing says what to run"),
        (("run", "adit"), "did you mean 'audit'"),
        (("run", "drill"), "cannot deliver 'drill'"),
        (("run", "audit", "--client", "acne"), "did you mean 'acme'"),
        (("run", "audit", "--tier", "golden"), "did you mean 'gold'"),
        (("run", "audit", "--host", "nobody-at-all"), "there is no host"),
        (("run", "audit", "--client", "acme", "--tier", "bronze"), "no host of any client is selected"),
        (("run", "audit", "--timeout", "soon"), "is not a duration"),
        (("run", "patch", "--client", "acme", "--override-window", " "), "needs a reason"),
        (("restore", "nobody-at-all", "--path", "/etc/x"), "there is no host"),
        (("restore", "x", "--path", "etc/x"), "absolute path"),
        (("restore", "x", "--path", "/etc/../root"), "absolute path"),
    ],
)
def test_what_does_not_exist_is_refused_with_a_way_out(vigie, arguments, said):
    code, output, made, _requests = vigie(*arguments)

    assert code == ExitCode.USAGE
    assert said in " ".join(output.split())
    assert made == []


class Clock(datetime):
    """The time of day is the test's."""

    moment: datetime

    @classmethod
    def now(cls, _zone=None):
        return cls.moment


def test_patching_waits_for_the_clients_window(vigie, monkeypatch):
    monkeypatch.setattr(command, "datetime", Clock)
    Clock.moment = datetime(2026, 11, 23, 12, tzinfo=UTC)  # a Monday at noon; acme's windows are at night
    code, output, made, _requests = vigie("run", "patch", "--client", "acme")
    assert code == ExitCode.USAGE
    assert "the next opens 2026-11-24 21:00 UTC" in " ".join(output.split())
    assert made == []

    for always in (
        ("patch", "--check"),
        ("patch", "--override-window", "agreed by phone"),
        ("audit",),
    ):
        (request,) = vigie("run", *always, "--client", "acme")[3]
        assert request.service == always[0]
        assert request.not_after is None
    Clock.moment = datetime(2026, 11, 24, 21, 30, tzinfo=UTC)
    (request,) = vigie("run", "patch", "--client", "acme")[3]
    assert Clock.moment < request.not_after < Clock.moment + timedelta(days=1)
    assert request.not_after.utcoffset() == timedelta(0)


def test_due_runs_what_the_plan_says_is_due(vigie, monkeypatch):
    monkeypatch.setattr(command, "datetime", Clock)
    Clock.moment = datetime(2026, 11, 23, 12, tzinfo=UTC)
    code, output, made, _requests = vigie("run", "--due", "--client", "acme")

    assert code == 0
    assert made == [("acme", "monitor"), ("acme", "backup"), ("acme", "audit")]
    assert "acme patch: waits for its window" in output


def test_durations():
    assert parse_timeout(None) is None
    assert parse_timeout("90s") == timedelta(seconds=90)
    assert parse_timeout("3h") == timedelta(hours=3)
    for text in ("", "0m", "-5m", "1d", "1.5h", "9999999h"):
        with pytest.raises(UsageError):
            parse_timeout(text)
