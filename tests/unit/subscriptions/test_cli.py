"""The commands an operator types: what they print, how they exit."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from vigie.cli import check, plan, schema, tiers
from vigie.subscriptions import schemas

ROOT = Path(__file__).resolve().parents[3]
Edit = Callable[[str, str, str], None]


def vigie(*arguments: str) -> Result:
    app = typer.Typer()
    for command in (check, tiers, schema, plan):
        command.register(app)
    return CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, arguments)


@pytest.mark.parametrize("command", ["check", "tiers", "tiers diff", "schema", "plan"])
def test_help_has_examples(command: str) -> None:
    done = vigie(*command.split(), "--help")
    assert done.exit_code == 0
    assert "Example" in done.output
    assert f"vigie {command}" in done.output


def test_check_of_a_sound_directory(directory: Path) -> None:
    done = vigie("check")
    assert done.exit_code == 0
    assert "sound: provider msp, 2 clients, 3 hosts" in done.output
    document = json.loads(vigie("check", "--json").stdout)
    assert document["ok"] is True
    assert [client["client"] for client in document["clients"]] == ["acme", "smith"]
    assert document["clients"][0]["hosts"] == ["acme-web", "acme-db"]


def test_check_lists_every_problem_and_exits_65(directory: Path, edit: Edit) -> None:
    edit("clients/acme.yml", "tier: gold", "tier: goald")
    edit("clients/smith.yml", "language: en", "language: xx")
    done = vigie("check")
    assert done.exit_code == 65
    assert (
        "clients/acme.yml:3:7: tier: the catalogue has no tier 'goald'; did you mean 'gold'?" in done.output
    )
    assert "clients/smith.yml:6:11: language:" in done.output
    assert "2 problems" in done.output
    again = vigie("check", "--json")
    assert again.exit_code == 65
    document = json.loads(again.stdout)
    assert document["ok"] is False
    assert [(p["file"], p["line"], p["key"]) for p in document["problems"]] == [
        ("clients/acme.yml", 3, "tier"),
        ("clients/smith.yml", 6, "language"),
    ]


@pytest.mark.parametrize("command", ["check", "tiers", "plan"])
def test_without_a_catalogue_the_way_out_is_named(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIGIE_INVENTORY", raising=False)
    done = vigie(command)
    assert done.exit_code == 64
    assert "--inventory" in done.output
    assert "VIGIE_INVENTORY" in done.output
    assert "Traceback" not in done.output


def test_inventory_from_option_and_environment(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert vigie("tiers", "-i", str(directory)).exit_code == 0
    assert vigie("tiers", "-i", str(directory), "diff", "silver", "gold").exit_code == 0
    assert vigie("tiers", "diff", "silver", "gold", "-i", str(directory)).exit_code == 0
    monkeypatch.setenv("VIGIE_INVENTORY", str(directory))
    assert vigie("tiers", "diff", "silver", "gold").exit_code == 0


def test_tiers_show_every_number(directory: Path) -> None:
    document = json.loads(vigie("tiers", "--json").stdout)
    rows = {(row["service"], row["setting"]): row["values"] for row in document["rows"]}
    assert rows["backup", "every"] == {"unmanaged": None, "bronze": "1d", "silver": "12h", "gold": "4h"}
    assert rows["fee", "base"]["gold"] == "249 EUR"
    assert rows["support", "p1"] == {"unmanaged": None, "bronze": "8h", "silver": "4h", "gold": "1h"}
    assert "12h" in vigie("tiers").output


def test_tiers_diff_shows_only_what_differs(directory: Path) -> None:
    document = json.loads(vigie("tiers", "diff", "silver", "gold", "--json").stdout)
    assert all(row["values"]["silver"] != row["values"]["gold"] for row in document["rows"])
    assert {
        "service": "patch",
        "setting": "scope",
        "values": {"silver": "security", "gold": "all"},
    } in document["rows"]
    assert "promise the same" in vigie("tiers", "diff", "gold", "gold").output


def test_tiers_diff_of_an_unknown_tier(directory: Path) -> None:
    done = vigie("tiers", "diff", "silver", "gld")
    assert done.exit_code == 64
    assert "the catalogue has no tier 'gld'; did you mean 'gold'?" in done.output


def test_plan_of_a_directory_without_any_run(directory: Path) -> None:
    document = json.loads(vigie("plan", "--json").stdout)
    states = {(one["client"], one["service"]): one["state"] for one in document["occurrences"]}
    assert states["acme", "audit"] in ("due", "not_deliverable")
    assert states["acme", "drill"] == "not_deliverable"
    assert all(one["last_good"] is None for one in document["occurrences"])
    done = vigie("plan", "--client", "acme")
    assert "not deliverable by this version" in done.output
    assert "smith" not in done.output


def test_plan_due_only(directory: Path) -> None:
    document = json.loads(vigie("plan", "--due", "--tier", "bronze", "--json").stdout)
    assert {one["state"] for one in document["occurrences"]} <= {"due"}
    assert {one["tier"] for one in document["occurrences"]} <= {"bronze"}


@pytest.mark.parametrize(
    ("option", "value", "expected"), [("--client", "acm", "'acme'"), ("--tier", "golf", "'gold'")]
)
def test_plan_of_somebody_unknown(directory: Path, option: str, value: str, expected: str) -> None:
    done = vigie("plan", option, value)
    assert done.exit_code == 64
    assert f"did you mean {expected}?" in done.output


def test_published_schemas_are_up_to_date() -> None:
    for name in schemas.MODELS:
        file = ROOT / "docs" / "schemas" / f"{name}.schema.json"
        assert file.read_text(encoding="utf-8") == schemas.text(name), (
            f"run: vigie schema --write {file.parent}"
        )


def test_schemas_are_printed_and_written(tmp_path: Path) -> None:
    assert set(vigie("schema").stdout.split()) >= {"catalogue", "client", "provider"}
    assert json.loads(vigie("schema", "client").stdout)["title"] == "Client"
    assert vigie("schema", "--write", str(tmp_path / "out")).exit_code == 0
    assert len(list((tmp_path / "out").iterdir())) == 3
    done = vigie("schema", "clinet")
    assert done.exit_code == 64
    assert "did you mean 'client'?" in done.output


@pytest.mark.parametrize("provider", ["demo", "example"])
def test_schemas_accept_the_shipped_files_and_refuse_others(provider: str) -> None:
    folder = ROOT / "inventories" / provider
    files = {"catalogue": [folder / "catalogue.yml"], "provider": [folder / "provider.yml"]}
    files["client"] = sorted((folder / "clients").iterdir())
    for name, paths in files.items():
        validator = jsonschema.Draft202012Validator(schemas.schema(name))
        for path in paths:
            document = json.loads(json.dumps(yaml.safe_load(path.read_text(encoding="utf-8")), default=str))
            assert list(validator.iter_errors(document)) == []
            assert list(validator.iter_errors({**document, "unknown": 1}))


@pytest.mark.parametrize("provider", ["demo", "example"])
def test_one_default_catalogue(provider: str) -> None:
    """What Vigie ships inside the package is what the inventories to copy have."""
    shipped = ROOT / "src" / "vigie" / "subscriptions" / "catalogue.yml"
    assert (ROOT / "inventories" / provider / "catalogue.yml").read_bytes() == shipped.read_bytes()


def test_plan_knows_from_the_ledger_what_ran_well(directory: Path) -> None:
    from vigie.ledger.api import open_for
    from vigie.state import StateDirectory

    now = datetime.now(UTC)
    with open_for(StateDirectory.of_provider("msp")) as ledger:
        for client, hosts in (("acme", ["acme-web", "acme-db"]), ("smith", [])):
            file = directory.parent / f"{client}.jsonl"
            file.write_text(results(client, hosts, now), encoding="utf-8")
            ledger.ingest(file)
    document = json.loads(vigie("plan", "--json").stdout)
    found = {(one["client"], one["service"]): one for one in document["occurrences"]}
    assert found["acme", "audit"]["state"] == "later"
    assert found["acme", "audit"]["last_good"] == now.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert found["acme", "monitor"]["last_good"] is None
    assert found["smith", "audit"]["last_good"] is None  # the run reached none of its hosts


def test_looking_at_the_plan_makes_no_ledger(directory: Path) -> None:
    assert vigie("plan").exit_code == 0
    assert not (directory.parent / "state").exists()


def results(client: str, hosts: list[str], now: datetime) -> str:
    """A results file of one good audit of these hosts."""
    time = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    lines: list[dict[str, object]] = [
        {
            "type": "run_started",
            "client": client,
            "service": "audit",
            "playbook": "audit.yml",
            "check": False,
            "revision": None,
            "versions": {"vigie": "0.1.0", "ansible": "2.19"},
        }
    ]
    lines += [{"type": "host", "host": host, "tier": "gold", "parameters": {}} for host in hosts]
    counts = dict.fromkeys(("changed", "failures", "unreachable", "skipped", "rescued", "ignored"), 0)
    lines += [
        {"type": "outcome", "host": host, "status": "ok", "ok": 1, **counts, "duration": 1.0}
        for host in hosts
    ]
    lines.append({"type": "run_finished", "processed": len(hosts)})
    head = {"schema": 1, "run": str(uuid.uuid4()), "time": time}
    return "".join(json.dumps({**head, "seq": seq, **line}) + "\n" for seq, line in enumerate(lines))
