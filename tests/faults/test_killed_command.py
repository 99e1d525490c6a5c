"""``vigie run`` itself, on a real host: busy clients, kill -9 in the middle, a host that is down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from vigie.errors import ExitCode
from vigie.running.processes import marked

pytestmark = pytest.mark.lab

EXAMPLE = Path(__file__).parents[2] / "inventories" / "example"
CLIENT = {"name": "Cabinet", "tier": "gold", "start": "2026-01-15", "hosts": ["cabinet"]}
CLIENT |= {"windows": [{"days": "daily", "start": "22:00", "duration": "1h"}]}


class Provider:
    """A provider with one client of one lab host."""

    def __init__(self, lab, root: Path) -> None:
        self.host = lab.up({"web": "bookworm"})["web"]
        self.directory = root / "provider1"
        (self.directory / "clients").mkdir(parents=True)
        for name in ("catalogue.yml", "subscriptions.yml"):
            (self.directory / name).write_text((EXAMPLE / name).read_text())
        about = {"name": "P", "time_zone": "Europe/Paris", "language": "en", "backup": {"server": "spare"}}
        (self.directory / "provider.yml").write_text(yaml.safe_dump(about))
        (self.directory / "clients" / "cabinet.yml").write_text(yaml.safe_dump(CLIENT))
        inventory = yaml.safe_load(lab.inventory({"cabinet": ["web"]}))
        inventory["all"]["hosts"]["spare"] = {"ansible_host": "192.0.2.1"}
        (self.directory / "hosts.yml").write_text(yaml.safe_dump(inventory))
        (self.directory / "known_hosts").write_text(lab.known_hosts.read_text())
        self.state = root / "state"

    def start(self, *arguments):
        command = [
            str(Path(sys.executable).with_name("vigie")),
            *arguments,
            "--inventory",
            str(self.directory),
        ]
        environment = os.environ | {"VIGIE_STATE_DIR": str(self.state)}
        environment.pop("VIGIE_DATABASE_URL", None)
        return subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def vigie(self, *arguments):
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=180)
        return process.returncode, output, errors

    def begun(self):
        """The id of the run that is going on, once its connection to the host is up."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for folder in (self.state / "provider1" / "runs" / "cabinet").glob("*"):
                programs = [Path(f"/proc/{pid}/comm") for pid in marked([folder.name])]
                if any(path.exists() and path.read_text().strip() == "ssh" for path in programs):
                    return folder.name
            time.sleep(0.02)
        raise AssertionError("the run never reached its host")


@pytest.fixture
def provider(own_lab, tmp_path):
    return Provider(own_lab, tmp_path)


def test_kill_9_in_the_middle_of_a_run(provider):
    first = provider.start("run", "audit")
    run = provider.begun()

    code, _output, errors = provider.vigie("run", "audit")
    assert code == ExitCode.BUSY
    assert str(first.pid) in errors
    assert run in errors

    assert marked([run]), "the run was over before it could be killed"
    first.kill()
    first.communicate()
    deadline = time.monotonic() + 8
    while marked([run]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert marked([run]) == {}, "part of the run survives"

    code, output, errors = provider.vigie("run", "audit", "--json")
    assert code == ExitCode.OK, errors
    assert f"run {run}" in errors
    assert "lost" in errors
    assert json.loads(output)["runs"][0]["status"] == "ok"
    _code, output, _errors = provider.vigie("runs", "--json")
    assert f'"{run}"' in output
    assert '"lost"' in output
    assert '"running"' not in output


def test_a_host_that_is_down_ends_unreachable_and_not_zero(provider):
    provider.host.stop()
    code, output, errors = provider.vigie("run", "audit", "--json")

    assert code == ExitCode.UNREACHABLE, errors
    assert json.loads(output)["runs"][0]["hosts"] == {"web": "unreachable"}
    code, _output, _errors = provider.vigie("run", "audit", "--host", "nobody")
    assert code == ExitCode.USAGE
    code, _output, _errors = provider.vigie("compliance")
    assert code != ExitCode.OK
