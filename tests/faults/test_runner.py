"""What can go wrong with a run, on this machine alone: nothing survives, nothing is green, nothing leaks."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
import yaml

from vigie.errors import ExitCode
from vigie.running import sandbox
from vigie.running.model import Isolation
from vigie.running.processes import kill_marked, marked
from vigie.running.scratch import folder_of

ROOT = Path(__file__).parents[2]
CANARY = "canary-5f0c7d1e9b"
LOCAL = {
    "ansible_connection": "local",
    "ansible_python_interpreter": "/usr/bin/python3",
    "vigie_client": "cabinet",
}
SLEEP = [
    {"name": "Touch", "ansible.builtin.debug": {"msg": "x"}, "changed_when": True},
    {"name": "Sleep", "ansible.builtin.command": "sleep 300"},
]
MODES = [
    pytest.param(
        mode,
        marks=pytest.mark.skipif(sandbox.available(mode) is not None, reason=str(sandbox.available(mode))),
    )
    if mode is not Isolation.NONE
    else mode
    for mode in Isolation
]


class Stage:
    """A provider's directory of one client, a state directory, and a process that makes one run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.run_id = str(uuid.uuid4())
        self.spec = {
            "root": str(root),
            "client": "cabinet",
            "service": "patch",
            "run_id": self.run_id,
            "hosts": {"web1": LOCAL, "web2": LOCAL},
        }
        self.play([{"name": "Say", "ansible.builtin.debug": {"msg": "hello"}}])

    def play(self, tasks, **play):
        document = [{"hosts": "all", "gather_facts": False, "tasks": tasks, **play}]
        (self.root / "play.yml").write_text(yaml.safe_dump(document, sort_keys=False))

    def start(self, action="run", **spec):
        self.spec |= spec
        (self.root / "spec.json").write_text(json.dumps(self.spec))
        command = [sys.executable, "-m", "tests.faults.runner_driver", action, str(self.root / "spec.json")]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, **spec):
        process = self.start(**spec)
        output, errors = process.communicate(timeout=120)
        assert output, errors
        self.answer = json.loads(output)
        self.code = process.returncode
        return self.answer["reports"][0] if self.answer["reports"] else None

    def started(self, **spec):
        """Start a run and wait until its long task is going on."""
        self.play(SLEEP)
        process = self.start(**spec)
        for line in process.stderr:
            if '"Sleep"' in line:
                time.sleep(0.3)
                return process
        raise AssertionError("the run never came to its long task")

    def sweep(self):
        output, errors = self.start("sweep").communicate(timeout=60)
        assert output, errors
        return json.loads(output)

    @property
    def ledger(self):
        return json.loads((self.root / "ledger.json").read_text())[self.run_id]

    @property
    def artifacts(self):
        return self.root / "state" / "runs" / "cabinet" / self.run_id


@pytest.fixture
def stage(tmp_path):
    made = Stage(tmp_path)
    yield made
    kill_marked([made.run_id])


def gone(stage, seconds=8.0):
    """Do all processes of the run end by themselves?"""
    deadline = time.monotonic() + seconds
    while marked([stage.run_id]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not marked([stage.run_id])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# ── ends ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("mode", MODES)
def test_a_good_run_is_ok_and_leaves_nothing_but_its_artifacts(stage, mode):
    report = stage.run(isolation=mode)

    assert (stage.code, report["status"]) == (0, "ok")
    assert report["hosts"] == {"web1": "ok", "web2": "ok"}
    assert report["isolation"] == str(mode)
    assert {path.name for path in stage.artifacts.iterdir()} == {
        "results.jsonl",
        "stdout.log",
        "run.json",
        "ingested",
    }
    assert not folder_of(stage.run_id).exists()
    assert marked([stage.run_id]) == {}
    assert (stage.ledger["status"], stage.ledger["partial"]) == ("ok", False)


@pytest.mark.parametrize("mode", MODES)
def test_kill_9_leaves_no_process_and_the_next_command_reports_the_run_as_lost(stage, mode):
    process = stage.started(isolation=mode)
    assert marked([stage.run_id])
    process.kill()
    process.communicate()

    assert gone(stage), "processes of the run survive their parent"
    assert stage.ledger["status"] == "running"
    (said,) = stage.sweep()
    assert stage.run_id in said
    assert "lost" in said
    assert stage.ledger["status"] == "lost"
    assert stage.ledger["partial"] is True
    assert not folder_of(stage.run_id).exists()
    assert stage.sweep() == []

    stage.run_id = stage.spec["run_id"] = str(uuid.uuid4())
    stage.play([{"name": "Say", "ansible.builtin.debug": {"msg": "hello"}}])
    assert stage.run()["status"] == "ok", "the client is blocked"


def test_kill_9_of_the_child_itself_ends_the_run_as_lost(stage):
    process = stage.started(isolation=Isolation.NONE)
    for pid in marked([stage.run_id]):
        if b"vigie.running.child" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    output, _errors = process.communicate(timeout=60)

    assert json.loads(output)["reports"][0]["status"] == "lost"
    assert process.returncode == ExitCode.UNKNOWN
    assert marked([stage.run_id]) == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("mode", MODES)
def test_told_to_end_it_ends_its_run_and_records_it_as_cancelled(stage, mode, number):
    process = stage.started(isolation=mode)
    began = time.monotonic()
    process.send_signal(number)
    output, _errors = process.communicate(timeout=60)

    assert time.monotonic() - began < 15
    assert process.returncode == ExitCode.CANCELLED
    assert json.loads(output)["reports"][0]["status"] == "cancelled"
    assert stage.ledger["status"] == "cancelled"
    assert marked([stage.run_id]) == {}


@pytest.mark.parametrize("mode", MODES)
def test_the_deadline_ends_a_run(stage, mode):
    stage.play(SLEEP)
    report = stage.run(isolation=mode, timeout=4)

    assert (stage.code, report["status"]) == (ExitCode.TIMEOUT, "timed_out")
    assert set(report["hosts"].values()) == {"unknown"}
    assert "--timeout" in report["hint"]
    assert marked([stage.run_id]) == {}


# ── never green ──────────────────────────────────────────────────────────────────────────────────
def test_no_hosts_is_unknown(stage):
    report = stage.run(hosts={})

    assert (stage.code, report["status"]) == (ExitCode.UNKNOWN, "unknown")
    assert "nothing was checked" in report["message"]


def test_a_pattern_that_matches_nothing_is_unknown(stage):
    stage.play([{"ansible.builtin.debug": {}}], hosts="nowhere")
    report = stage.run()

    assert (stage.code, report["status"]) == (ExitCode.UNKNOWN, "unknown")
    assert report["hosts"] == {"web1": "unknown", "web2": "unknown"}


def test_a_host_the_play_leaves_out_makes_the_run_unknown(stage):
    stage.play([{"ansible.builtin.debug": {}}], hosts="web1")
    report = stage.run()

    assert (stage.code, report["hosts"]) == (ExitCode.UNKNOWN, {"web1": "ok", "web2": "unknown"})


def test_a_host_that_is_down_is_unreachable(stage):
    (stage.root / "known_hosts").write_text("127.0.0.1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==\n")
    down = {"ansible_host": "127.0.0.1", "ansible_port": free_port()}
    stage.play([{"name": "Ping", "ansible.builtin.ping": None}])
    report = stage.run(hosts={"web1": LOCAL, "down": down})

    assert (stage.code, report["status"]) == (ExitCode.UNREACHABLE, "unreachable")
    assert report["hosts"] == {"web1": "ok", "down": "unreachable"}


def test_without_known_host_keys_nothing_is_run(stage):
    assert stage.run(hosts={"far": {"ansible_host": "192.0.2.1"}}) is None

    (refused,) = stage.answer["refused"]
    assert stage.code == ExitCode.BAD_INPUT
    assert "known_hosts" in refused[1]
    assert "ssh-keyscan" in refused[2]
    assert not (stage.root / "ledger.json").exists()


def test_a_failing_host_fails_the_run_and_the_others_stay_ok(stage):
    fail = {"name": "Fail", "ansible.builtin.fail": {"msg": "no"}, "when": "inventory_hostname == 'web2'"}
    stage.play([{"ansible.builtin.debug": {}}, fail])
    report = stage.run()

    assert (stage.code, report["hosts"]) == (ExitCode.HOSTS_FAILED, {"web1": "ok", "web2": "failed"})


def test_a_host_on_which_every_task_was_skipped_is_unknown(stage):
    stage.play([{"ansible.builtin.debug": {}, "when": "inventory_hostname == 'web1'"}])

    assert stage.run()["hosts"] == {"web1": "ok", "web2": "unknown"}
    assert stage.code == ExitCode.UNKNOWN


def test_rescued_and_ignored_failures_are_none(stage):
    fail = {"ansible.builtin.fail": {"msg": "no"}}
    stage.play(
        [{"block": [fail], "rescue": [{"ansible.builtin.debug": {}}]}, {**fail, "ignore_errors": True}]
    )

    assert stage.run()["status"] == "ok"


def test_a_syntax_error_is_unknown_and_says_what_is_wrong(stage):
    (stage.root / "play.yml").write_text("- hosts: all\n  tasks:\n    - no_such_module_at_all: {}\n")
    report = stage.run()

    assert (stage.code, report["status"]) == (ExitCode.UNKNOWN, "unknown")
    assert "no_such_module_at_all" in report["message"]


def test_results_that_cannot_be_written_make_a_good_run_unknown(stage):
    stage.artifacts.mkdir(parents=True)
    (stage.artifacts / "results.jsonl").write_text('{"run": "another"}\n')
    report = stage.run()

    assert (stage.code, report["status"]) == (ExitCode.UNKNOWN, "unknown")
    assert any("not (all) recorded" in warning for warning in report["warnings"])


def test_check_mode_reaches_the_play(stage):
    stage.play(
        [{"name": "Write", "ansible.builtin.copy": {"content": "x", "dest": str(stage.root / "made")}}]
    )
    report = stage.run(check=True, isolation=Isolation.NONE)

    assert report["check"] is True
    assert not (stage.root / "made").exists()


# ── nothing leaks ────────────────────────────────────────────────────────────────────────────────
class Watch:
    """Looks at the arguments of every process, again and again, for a string."""

    def __init__(self, text):
        self.text = text.encode()
        self.found = set()

    def look(self):
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                arguments = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if self.text in arguments:
                self.found.add(arguments)


@pytest.mark.parametrize("mode", MODES)
def test_secrets_are_in_no_argument_file_or_message(stage, mode):
    secrets = stage.root / "state" / "secrets" / "cabinet"
    (secrets / "web1").mkdir(parents=True)
    (secrets / "web1" / "repository").write_text(CANARY)
    late = "{{ lookup('ansible.builtin.password', '" + str(secrets) + "/web1/append', length=32) }}"
    stage.play(
        [
            {"name": "Wait", "ansible.builtin.command": "sleep 1"},
            {"name": "Extra", "ansible.builtin.debug": {"msg": "{{ given }} {{ hidden }}"}},
            {"name": "Late", "ansible.builtin.set_fact": {"late": late}},
            {"name": "Print late", "ansible.builtin.debug": {"msg": "{{ late }}"}},
            {
                "name": "Changed",
                "ansible.builtin.debug": {"msg": "x"},
                "changed_when": True,
                "vars": {"secret": CANARY},
            },
            {"name": "Fail", "ansible.builtin.fail": {"msg": "{{ given }} {{ late }} password={{ hidden }}"}},
        ]
    )
    hosts = {"web1": {**LOCAL, "hidden": CANARY, "vigie_secrets_dir": str(secrets)}}
    watch = Watch(CANARY)
    process = stage.start(isolation=mode, hosts=hosts, extra_vars={"given": CANARY})
    while process.poll() is None:
        watch.look()
        time.sleep(0.02)
    output, errors = process.communicate()

    assert process.returncode == ExitCode.HOSTS_FAILED, errors
    assert watch.found == set()
    late_secret = (secrets / "web1" / "append").read_text().strip()
    assert len(late_secret) == 32
    kept = {path: path.read_text() for path in stage.artifacts.iterdir()} | {
        "stdout": output,
        "stderr": errors,
    }
    for place, content in kept.items():
        assert CANARY not in content, place
        assert late_secret not in content, place
    assert "********" in kept[stage.artifacts / "stdout.log"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in stage.artifacts.iterdir())


def test_a_run_sees_nothing_of_the_operators_environment(stage, monkeypatch):
    monkeypatch.setenv("VIGIE_DATABASE_URL", f"postgresql://u:{CANARY}@h/d")
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "no_such_callback")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    seen = stage.root / "state" / "cache" / "cabinet" / "environment"
    stage.play([{"name": "Dump", "ansible.builtin.shell": f"env > {seen}"}])
    report = stage.run(isolation=Isolation.SANDBOX, hosts={"web1": LOCAL})

    assert report["status"] == "ok", report
    content = seen.read_text()
    assert CANARY not in content
    assert f"VIGIE_RUN_ID={stage.run_id}" in content


@pytest.mark.skipif(sandbox.available(Isolation.SANDBOX) is not None, reason="needs bubblewrap")
def test_a_run_cannot_read_another_clients_secrets_or_artifacts(stage):
    for kind in ("secrets", "runs", "cache"):
        folder = stage.root / "state" / kind / "usine"
        folder.mkdir(parents=True)
        (folder / "x").write_text(CANARY)
    stage.play([{"name": "Look", "ansible.builtin.shell": f"! grep -r {CANARY[:-1]}. {stage.root}/state"}])

    assert stage.run(isolation=Isolation.SANDBOX)["status"] == "ok"
