"""What the callback really writes, under ansible-playbook itself."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[3]
VALIDATOR = jsonschema.Draft202012Validator(
    json.loads((ROOT / "docs/schemas/results-1.schema.json").read_text()),
    format_checker=jsonschema.FormatChecker(),
)
CANARY = "canary-0123456789abcdef"
RUN = "11111111-2222-4333-8444-555555555555"
HOSTS = {
    "a": {"vigie_client": "cabinet", "vigie_tier": "gold", "compliance_audit_parameters": {"reboot_days": 7}},
    "b": {"vigie_client": "usine"},
    "c": {},
    "down": {
        "vigie_client": "usine",
        "ansible_connection": "ssh",
        "ansible_host": "127.0.0.1",
        "ansible_port": 1,
    },
}
MEASURE = """
import json
print(json.dumps({"changed": False, "vigie_measurements": [
    {"name": "good", "value": {"n": 1}, "time": "2026-01-31T12:00:00Z", "source": "test"},
    {"name": "unreadable", "error": "no such file", "time": "2026-01-31T12:00:00Z", "source": "test"},
    "nonsense",
], "vigie_changes": [{"kind": "package", "name": "bash", "before": "1", "after": "2"}]}))
"""
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"name": "Measure", "probe": {}},
            {"name": "Hidden", "ansible.builtin.command": f"echo {CANARY}", "no_log": True},
            {"name": "Ignored", "ansible.builtin.fail": {"msg": "ignore me"}, "ignore_errors": True},
            {
                "name": "Rescued block",
                "block": [{"name": "Rescued", "ansible.builtin.fail": {"msg": "rescue me"}}],
                "rescue": [{"name": "Mend", "ansible.builtin.debug": {"msg": "mended"}}],
            },
            {
                "name": "Fails",
                "ansible.builtin.fail": {"msg": f"with {CANARY}"},
                "when": "inventory_hostname == 'b'",
            },
            {
                "name": "Fails in a block",
                "block": [{"name": "Deep", "ansible.builtin.fail": {"msg": "deep"}}],
                "rescue": [{"name": "Rescue fails", "ansible.builtin.fail": {"msg": "rescue failed"}}],
                "when": "inventory_hostname == 'c'",
            },
        ],
    }
]


class Site:
    """A folder with a playbook, an inventory and a module that measures."""

    def __init__(self, path):
        self.path = path
        (path / "library").mkdir()
        module = path / "library" / "probe.py"
        module.write_text("#!/usr/bin/python3\n" + MEASURE)
        (path / "secrets" / "b").mkdir(parents=True)
        (path / "secrets" / "b" / "append").write_text(CANARY)
        self.write(PLAY, HOSTS)

    def write(self, play, hosts):
        shared = {"ansible_connection": "local", "vigie_secrets_dir": str(self.path / "secrets")}
        document = {"all": {"vars": shared, "hosts": hosts}}
        (self.path / "hosts.yml").write_text(yaml.safe_dump(document))
        (self.path / "play.yml").write_text(yaml.safe_dump(play, sort_keys=False))

    def run(self, *arguments, **environment):
        program = Path(sys.executable).with_name("ansible-playbook")
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "VIGIE_"))
        }
        clean |= {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.path / "ansible"),
            "ANSIBLE_LIBRARY": str(self.path / "library"),
            "ANSIBLE_NOCOLOR": "1",
            **environment,
        }
        command = [program, "-i", "hosts.yml", "play.yml", *arguments]
        return subprocess.run(
            command, cwd=self.path, env=clean, capture_output=True, text=True, timeout=120, check=False
        )

    def records(self, path=None):
        files = [path] if path else sorted((self.path / "vigie-results").iterdir())
        lines = [json.loads(text) for file in files for text in Path(file).read_text().splitlines()]
        for one in lines:
            VALIDATOR.validate(one)
        return lines


def of(records, kind, **wanted):
    return [
        one
        for one in records
        if one["type"] == kind and all(one.get(name) == value for name, value in wanted.items())
    ]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    made = Site(tmp_path_factory.mktemp("site"))
    made.done = made.run()
    made.all = made.records()
    return made


def test_every_line_is_of_the_published_shape_and_numbered(site):
    by_run = {}
    for one in site.all:
        by_run.setdefault(one["run"], []).append(one)

    for records in by_run.values():
        assert [one["seq"] for one in records] == list(range(len(records)))
        assert records[0]["type"] == "run_started"
        assert records[-1]["type"] == "run_finished"


def test_one_run_per_client_and_one_for_hosts_of_none(site):
    started = {one["client"]: one["run"] for one in of(site.all, "run_started")}

    assert set(started) == {"cabinet", "usine", None}
    hosts = {(one["host"], one["run"]) for one in of(site.all, "host")}
    assert hosts == {
        ("a", started["cabinet"]),
        ("b", started["usine"]),
        ("down", started["usine"]),
        ("c", started[None]),
    }
    assert {one["run"]: one["processed"] for one in of(site.all, "run_finished")}[started["usine"]] == 2


def test_the_tiers_thresholds_travel_with_the_host(site):
    (host,) = of(site.all, "host", host="a")

    assert (host["tier"], host["parameters"]) == ("gold", {"reboot_days": 7})


def test_measurements_are_recorded_and_nonsense_becomes_an_error(site):
    found = of(site.all, "measurement", host="a")

    assert [(one["name"], one.get("value"), one.get("error") is not None) for one in found] == [
        ("good", {"n": 1}, False),
        ("unreadable", None, True),
        ("vigie_measurements", None, True),
    ]


def test_changes_are_recorded_declared_or_not(site):
    found = of(site.all, "change", host="a")

    assert [(one["kind"], one["name"]) for one in found] == [("package", "bash"), ("other", "Hidden")]


def test_ignored_and_rescued_failures_are_no_failures(site):
    assert of(site.all, "failure", host="a") == []
    (outcome,) = of(site.all, "outcome", host="a")
    assert (outcome["status"], outcome["rescued"], outcome["ignored"]) == ("changed", 1, 1)


def test_real_failures_are_recorded_without_secrets(site):
    (failure,) = of(site.all, "failure", host="b")

    assert failure["task"] == "Fails"
    assert failure["message"].startswith("with ****")
    assert [one["task"] for one in of(site.all, "failure", host="c")] == ["Deep", "Rescue fails"][-1:]


def test_a_host_that_is_down_is_unreachable(site):
    (failure,) = of(site.all, "failure", host="down")
    (outcome,) = of(site.all, "outcome", host="down")

    assert failure["unreachable"]
    assert outcome["status"] == "unreachable"


def test_secrets_are_in_no_file_and_files_are_private(site):
    for file in (site.path / "vigie-results").iterdir():
        assert CANARY not in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_one_given_file_and_run_id_hold_all_hosts_together(site):
    file = site.path / "one.jsonl"
    done = site.run(
        "--check",
        VIGIE_RESULTS_FILE=str(file),
        VIGIE_RUN_ID=RUN,
        VIGIE_CLIENT="cabinet",
        VIGIE_SERVICE="audit",
    )
    records = site.records(file)

    (started,) = of(records, "run_started")
    assert (started["run"], started["client"], started["service"]) == (RUN, "cabinet", "audit")
    assert started["check"] is True
    assert {one["host"] for one in of(records, "host")} == set(HOSTS)
    assert {one["run"] for one in records} == {RUN}
    assert done.returncode


def test_an_empty_inventory_is_recorded_as_nothing_processed(tmp_path):
    site = Site(tmp_path)
    site.write(PLAY, {})
    done = site.run(VIGIE_RESULTS_FILE=str(tmp_path / "r.jsonl"), VIGIE_RUN_ID=RUN)

    assert done.returncode == 0, "the trap: ansible calls this a success"
    (finished,) = of(site.records(tmp_path / "r.jsonl"), "run_finished")
    assert finished["processed"] == 0


def test_an_unwritable_file_is_loud_but_does_not_break_the_play(tmp_path):
    site = Site(tmp_path)
    (tmp_path / "file").write_text("")
    done = site.run("--limit=a", VIGIE_RESULTS_FILE=str(tmp_path / "file" / "r.jsonl"))

    assert done.returncode == 0
    assert "NOT RECORDED" in " ".join(done.stderr.split())
    assert "a " in done.stdout.split("PLAY RECAP")[1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_loud_but_does_not_break_the_play(tmp_path):
    site = Site(tmp_path)
    done = site.run("--limit=a", VIGIE_RESULTS_FILE="/dev/full")

    assert done.returncode == 0
    assert "No space left" in " ".join(done.stderr.split())


def test_records_of_another_run_are_never_mixed_in(tmp_path):
    site = Site(tmp_path)
    file = tmp_path / "r.jsonl"
    file.write_text("what was there\n")
    done = site.run("--limit=a", VIGIE_RESULTS_FILE=str(file), VIGIE_RUN_ID=RUN)

    assert file.read_text() == "what was there\n"
    assert "already holds" in " ".join(done.stderr.split())
