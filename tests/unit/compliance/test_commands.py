"""The commands over a ledger, on a copy of the example provider."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.ledger.writing import Writing, whole
from vigie.ledger.api import open_for
from vigie.ledger.records import Owner
from vigie.state import StateDirectory

EXAMPLE = Path(__file__).resolve().parents[3] / "inventories" / "example"
ESCAPE = "\x1b[2J"


@pytest.fixture
def provider(tmp_path, monkeypatch):
    copy = tmp_path / "msp"
    shutil.copytree(EXAMPLE, copy)
    monkeypatch.setenv("VIGIE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("VIGIE_DATABASE_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    return copy


@pytest.fixture
def state(provider):
    return StateDirectory.of_provider(provider.name)


def vigie(provider, *arguments, **variables):
    return subprocess.run(
        [sys.executable, "-m", "vigie.cli.app", *arguments, "--inventory", str(provider)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **variables},
    )


def fleet(provider):
    from vigie.subscriptions import load

    _provider, _inventory, fleets = load(provider)
    return next(iter(fleets.values()))


def audited(provider, state, superusers, hosts=None, **failing):
    """Put an audit of the first client's hosts into the ledger, made just now."""
    of = fleet(provider)
    run = Writing(client=of.client.slug, start=datetime.now(UTC) - timedelta(minutes=5), **failing)
    for host in hosts or of.hosts:
        run.host(host, of.tier.name, of.tier.audit_parameters)
        run.measured(host, "access.superusers", superusers).outcome(host)
    with open_for(state) as ledger:
        state.root.mkdir(parents=True, exist_ok=True)
        ledger.ingest(run.finish().to(state.root / f"{run.id}.jsonl"))
    return of, run


def test_without_any_run_everything_is_unknown_and_there_is_no_score(provider):
    done = vigie(provider, "compliance", "--json")
    assert done.returncode == 5, done.stderr
    said = json.loads(done.stdout)
    assert (said["all"]["score"], said["all"]["grade"], said["all"]["coverage"]) == (None, None, 0.0)
    assert said["all"]["states"]["unknown"] == said["all"]["due"] > 0


def test_what_is_not_compliant_is_told_with_why_and_what_to_do(provider, state):
    of, _run = audited(provider, state, ["root", f"toor{ESCAPE}[bold]"])
    done = vigie(provider, "compliance", "--client", of.client.slug, "--control", "hrd-06")
    assert done.returncode == 3, done.stderr
    for said in ("HRD-06", "critical", "non compliant", "toor", "demanded: ", "→ ", "grade F", *of.hosts):
        assert said in done.stdout
    assert "\x1b" not in done.stdout
    assert "[bold]" in done.stdout


def test_one_control_of_one_host_may_be_fine_while_the_rest_is_not(provider, state):
    of, _run = audited(provider, state, ["root"])
    one = ("--host", of.hosts[0], "--control", "HRD-06")
    assert vigie(provider, "compliance", *one).returncode == 0
    assert vigie(provider, "compliance", "--host", of.hosts[0]).returncode == 5


def test_hosts_that_were_left_out_are_there(provider, state):
    of, _run = audited(provider, state, ["root"], hosts=fleet(provider).hosts[:1])
    assert len(of.hosts) > 1
    said = json.loads(vigie(provider, "compliance", "--client", of.client.slug, "--json").stdout)
    (client,) = said["clients"]
    assert [host["host"] for host in client["hosts"]] == list(of.hosts)
    assert client["hosts"][1]["run"] is None
    assert client["hosts"][1]["score"] is None
    assert client["due"] == sum(host["due"] for host in client["hosts"])


def test_csv_has_a_row_per_host_and_control_and_no_formulas(provider, state):
    of, _run = audited(provider, state, ["root", "=cmd|' /C calc'!A0"])
    done = vigie(provider, "compliance", "--client", of.client.slug, "--csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert {row["host"] for row in rows} == set(of.hosts)
    assert {row["state"] for row in rows if row["control"] == "HRD-06"} == {"non_compliant"}
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]


@pytest.mark.parametrize(
    ("option", "word"),
    [("--client", "nobody"), ("--tier", "platinum"), ("--host", "h"), ("--control", "PAT-99")],
)
def test_what_does_not_exist_is_an_error(provider, option, word):
    done = vigie(provider, "compliance", option, word)
    assert done.returncode == 64
    assert word in done.stderr


def test_runs_and_show(provider, state):
    run = Writing(client="durand", service="patch").host("web1", "gold").host("web2", "gold")
    run.change("web1", f"open{ESCAPE}ssl", "3.0-1", "3.0-2").outcome("web1", "changed", changed=1)
    run.failure("web2", "no space left\non device").outcome("web2", "failed", failures=1)
    with open_for(state) as ledger:
        ledger.ingest(run.later(seconds=90).finish().to(state.root / "r.jsonl"))

    listed = vigie(provider, "runs")
    assert listed.returncode == 0, listed.stderr
    for said in (run.id[:8], "durand", "patch", "failed", "1 changed", "1 min 30 s"):
        assert said in listed.stdout
    assert json.loads(vigie(provider, "runs", "--status", "ok", "--json").stdout)["runs"] == []
    assert vigie(provider, "runs", "--status", "fine").returncode == 64

    shown = vigie(provider, "show", run.id[:6])
    for said in (run.id, "3.0-1 → 3.0-2", "no space left", "web2", "ansible-core 2.19.14", "abc"):
        assert said in shown.stdout
    assert "\x1b" not in shown.stdout
    document = json.loads(vigie(provider, "show", run.id, "--json").stdout)
    assert document["run"]["seconds"] == 90.0
    assert document["changes"][0]["after"] == "3.0-2"
    assert vigie(provider, "show", "ffffffff").returncode == 64


def test_collect_takes_good_files_and_names_bad_ones(provider, state, tmp_path):
    good, cut = whole(), whole()
    (tmp_path / "cut.jsonl").write_bytes(cut.raw[:-9])
    files = [str(good.to(tmp_path / "good.jsonl")), str(tmp_path / "cut.jsonl"), str(tmp_path / "none.jsonl")]
    done = vigie(provider, "collect", *files)
    assert done.returncode == 65
    assert good.id[:8] in done.stdout
    assert "cut.jsonl:8: the last line is truncated" in done.stderr
    assert "--partial" in done.stderr
    assert "none.jsonl: No such file" in done.stderr

    again = json.loads(vigie(provider, "collect", "--json", "--partial", *files[:2]).stdout)
    assert again["exit_code"] == 0
    assert [(run["status"], run["fresh"]) for file in again["files"] for run in file["runs"]] == [
        ("ok", False),
        ("lost", True),
    ]


def test_every_command_closes_runs_whose_process_died(provider, state):
    dead = Owner.current()
    dead = Owner(dead.host, dead.boot, 2**22 + 1, dead.started)
    with open_for(state) as ledger:
        run = ledger.start_run(client="durand", service="audit", tier="gold", hosts=["web1"], owner=dead)
    done = vigie(provider, "runs", "--json")
    assert run in done.stderr
    (listed,) = json.loads(done.stdout)["runs"]
    assert (listed["status"], listed["hosts"]) == ("lost", {"lost": 1})


def test_a_directory_that_is_no_providers(tmp_path):
    for command in (["runs"], ["show", "abcdef"], ["collect", "x.jsonl"]):
        done = vigie(tmp_path, *command)
        assert done.returncode == 64
        assert "no provider.yml" in done.stderr


def test_a_database_out_of_reach_is_told_without_its_password(provider):
    url = "postgresql://vigie:c4n4ry@127.0.0.1:1/vigie"
    done = vigie(provider, "runs", VIGIE_DATABASE_URL=url)
    assert done.returncode == 1
    assert "127.0.0.1" in done.stderr
    assert "c4n4ry" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
