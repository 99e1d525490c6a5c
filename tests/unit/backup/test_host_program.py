"""The program behind the host's timer: honest exit codes, and metrics whatever happens."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

PATH = "roles/config_backup/files/vigie_backup.py"
SUMMARY = json.dumps(
    {
        "message_type": "summary",
        "snapshot_id": "a" * 64,
        "total_files_processed": 3,
        "total_bytes_processed": 99,
    }
)


@pytest.fixture
def program(load, monkeypatch):
    module = load(PATH)
    monkeypatch.setattr(module, "INVENTORIES", {"dpkg-selections": ["echo", "systemd install"]})
    return module


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def settings(tmp_path: Path, fake, access, listener) -> dict[str, object]:
    (tmp_path / "declared").mkdir()
    (tmp_path / "append").write_text("append-canary\n")
    fake.answer("backup", stdout=SUMMARY + "\n")
    return {
        "url": f"https://127.0.0.1:{listener}", "account": "acme.web", "host": "web",
        "paths": [str(tmp_path / "declared")], "exclude": ["*.tmp"], "restic": str(fake.program),
        "password_file": access.password_file, "server_password_file": str(tmp_path / "append"),
        "certificate": "/c", "state_dir": str(tmp_path / "state"), "cache_dir": str(tmp_path / "cache"),
        "textfile_dir": str(tmp_path / "textfile"), "deadline": 20,
    }  # fmt: skip


@pytest.fixture
def run(program, settings, tmp_path):
    def run_it(**changed: object) -> int:
        path = tmp_path / "settings.json"
        path.write_text(json.dumps({**settings, **changed}))
        return program.main([str(path)])

    return run_it


def metrics(tmp_path: Path) -> dict[str, float]:
    lines = (tmp_path / "textfile" / "vigie_backup.prom").read_text().splitlines()
    return {
        name.removeprefix("vigie_backup_"): float(value)
        for name, value in (x.split() for x in lines if x[0] != "#")
    }


def test_success(run, fake, tmp_path):
    assert run() == 0
    found = metrics(tmp_path)
    assert found["last_exit_code"] == 0
    assert found["last_success_files"] == 3
    assert found["last_success_bytes"] == 99
    argv = fake.calls()[0]["argv"]
    assert argv[argv.index("--") + 1 :] == [
        str(tmp_path / "declared"),
        str(tmp_path / "state" / "system"),
    ]
    assert "canary" not in json.dumps(argv)
    assert (tmp_path / "textfile" / "vigie_backup.prom").stat().st_mode & 0o777 == 0o644


def test_the_last_success_survives_failures(run, fake, tmp_path):
    assert run() == 0
    before = metrics(tmp_path)
    fake.answer("backup", code=12)
    assert run() == 1
    after = metrics(tmp_path)
    assert after["last_exit_code"] == 1
    assert after["last_success_timestamp_seconds"] == before["last_success_timestamp_seconds"]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"code": 3, "stdout": SUMMARY}, 3),
        ({"code": 3, "stdout": ""}, 1),
        ({"code": 0, "stdout": ""}, 1),
        ({"code": 0, "stdout": '{"message_type":"summary","snapshot_id":""}'}, 1),
        ({"code": 1, "stderr": "Fatal: x"}, 1),
        ({"code": 77, "stdout": SUMMARY}, 1),
    ],
)
def test_only_a_complete_snapshot_is_success(run, fake, tmp_path, answer, code):
    fake.answer("backup", **answer)
    assert run() == code
    found = metrics(tmp_path)
    assert found["last_exit_code"] == code
    assert "last_success_timestamp_seconds" not in found


def test_a_missing_declared_path_is_incomplete(run, fake, settings, tmp_path, capsys):
    assert run(paths=[*settings["paths"], "/does/not/exist"]) == 3
    assert "declared path is missing: /does/not/exist" in capsys.readouterr().err
    assert "/does/not/exist" not in fake.calls()[0]["argv"]


def test_nothing_declared_exists(run, fake):
    assert run(paths=["/does/not/exist"]) == 1
    assert fake.calls() == []


def test_a_failing_inventory_fails_the_backup(run, program, fake, monkeypatch):
    monkeypatch.setattr(program, "INVENTORIES", {"dpkg-selections": ["true"]})
    assert run() == 1
    assert fake.calls() == []


def test_a_server_that_is_down_is_not_even_tried(run, fake, tmp_path, capsys):
    assert run(url="https://127.0.0.1:1") == 1
    assert fake.calls() == []
    assert "does not answer" in capsys.readouterr().err
    assert metrics(tmp_path)["last_exit_code"] == 1


def test_another_backup_is_not_disturbed(run, program, settings, tmp_path):
    with program.only_one(settings["state_dir"]) as alone:
        assert alone
        assert run() == 75
    assert not (tmp_path / "textfile").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"url": "x"}'])
def test_bad_settings_are_one_line(program, tmp_path, capsys, text):
    path = tmp_path / "settings.json"
    path.write_text(text)
    assert program.main([str(path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_sigterm_stops_restic_and_writes_metrics(settings, fake, tmp_path):
    fake.answer("backup", sleep=60)
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(settings))
    root = Path(__file__).resolve().parents[3]
    process = subprocess.Popen(
        [sys.executable, "-B", str(root / PATH), str(path)],
        env={**os.environ, "PYTHONPATH": str(root / "plugins/module_utils")},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 15
    while not fake.calls() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _out, said = process.communicate(timeout=30)
    assert process.returncode == 1, said
    assert "stopped by SIGTERM" in said
    assert metrics(tmp_path)["last_exit_code"] == 1
