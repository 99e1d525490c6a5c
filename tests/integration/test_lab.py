"""The lab itself: hosts are real, distinct, reachable with checked keys, and gone afterwards."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab import Host, Lab, LabError
from tests.lab.images import SUITES
from tests.lab.podman import REPOSITORY_ROOT

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def fleet(lab: Lab) -> dict[str, Host]:
    """One host of each suite."""
    return lab.up({f"lab-{suite}": suite for suite in SUITES})


@pytest.mark.parametrize("suite", SUITES)
def test_a_host_is_the_debian_it_says_and_fully_booted(fleet: dict[str, Host], suite: str) -> None:
    host = fleet[f"lab-{suite}"]
    assert f"VERSION_CODENAME={suite}" in host.read("/etc/os-release")
    assert host.run("systemctl is-system-running", check=False).stdout.strip() == "running"
    assert host.run("hostname").stdout.strip() == host.name


@pytest.mark.parametrize("suite", ["bookworm", "bullseye"])
def test_security_updates_are_pending(fleet: dict[str, Host], suite: str) -> None:
    """The image is built without the security suite, and knows of it only afterwards.

    Not asked of the stable suite: right after a point release its main archive holds every security update.
    """
    command = "LC_ALL=C apt-get -s -o Debug::NoLocking=1 dist-upgrade"
    installs = [
        line for line in fleet[f"lab-{suite}"].run(command).stdout.splitlines() if line.startswith("Inst ")
    ]
    assert [line for line in installs if "-security" in line]


@pytest.mark.parametrize("suite", SUITES)
def test_package_sources_are_listed_once_and_reachable(fleet: dict[str, Host], suite: str) -> None:
    result = fleet[f"lab-{suite}"].run("LC_ALL=C apt-get update 2>&1")
    assert "configured multiple times" not in result.stdout
    assert not [line for line in result.stdout.splitlines() if line.startswith(("Err:", "E:", "W:"))]


@pytest.mark.parametrize("suite", SUITES)
def test_a_unit_sandbox_is_enforced(fleet: dict[str, Host], suite: str) -> None:
    """A unit that could not work on a real host must not work here either."""
    command = "systemd-run --quiet --wait --pipe -p ProtectSystem=strict touch /etc/forbidden"
    assert fleet[f"lab-{suite}"].run(command, check=False).returncode != 0


@pytest.mark.parametrize("suite", SUITES)
def test_services_start_when_a_package_is_installed(fleet: dict[str, Host], suite: str) -> None:
    host = fleet[f"lab-{suite}"]
    host.run(
        "DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends cron >/dev/null",
        timeout=300,
    )
    assert host.run("systemctl is-active cron").stdout.strip() == "active"


def test_hosts_share_neither_keys_nor_identity(fleet: dict[str, Host]) -> None:
    keys = [line.split()[-1] for host in fleet.values() for line in _host_keys(host)]
    assert len(keys) == len(set(keys)) >= 3 * len(fleet)
    assert len({host.read("/etc/machine-id") for host in fleet.values()}) == len(fleet)


def _host_keys(host: Host) -> list[str]:
    return [
        " ".join(line.split()[:2]) for line in host.run("cat /etc/ssh/ssh_host_*_key.pub").stdout.splitlines()
    ]


def test_ssh_works_and_refuses_a_host_whose_key_is_another(lab: Lab, fleet: dict[str, Host]) -> None:
    name = "lab-bookworm"
    assert lab.ssh(name, "hostname").stdout.strip() == name
    fleet[name].run("rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh")
    refused = lab.ssh(name, "hostname")
    assert refused.returncode == 255
    assert "Host key verification failed" in refused.stderr
    lab.up({name: "bookworm"})  # reads the keys again
    assert lab.ssh(name, "hostname").stdout.strip() == name


def test_a_host_that_was_down_comes_back_at_its_address(own_lab: Lab) -> None:
    host = own_lab.up({"box": "bookworm"})["box"]
    host.run("echo kept > /root/note")
    own_lab.stop("box")
    assert not host.is_running()
    assert own_lab.ssh("box", "true").returncode == 255
    own_lab.start("box")
    assert own_lab.ssh("box", "cat /root/note").stdout.strip() == "kept"


def test_files_go_in_and_out(lab_host: Callable[..., Host], tmp_path: Path) -> None:
    host = lab_host("bookworm")
    (tmp_path / "in").write_bytes(bytes(range(256)))
    host.put(tmp_path / "in", "/root/in")
    host.get("/root/in", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == bytes(range(256))


def test_a_failing_command_says_what_and_where(lab_host: Callable[..., Host]) -> None:
    host = lab_host("bookworm", name="box")
    with pytest.raises(LabError, match=r"box: .* exited with 7\n.*boom"):
        host.run("echo boom; exit 7")


def test_two_labs_coexist_and_down_removes_exactly_one(own_lab: Lab) -> None:
    other = Lab(f"{own_lab.name}-other")
    try:
        other.up({"box": "bookworm"})
        own_lab.up({"box": "trixie"})
        assert own_lab.down() == ["box"]
        assert own_lab.hosts() == {}
        assert other.ssh("box", "true").returncode == 0
    finally:
        other.down()
    assert not other.directory.exists()


def test_a_host_wanted_as_something_else_is_an_error(own_lab: Lab) -> None:
    own_lab.up({"box": "bookworm"})
    with pytest.raises(LabError, match="exists as bookworm"):
        own_lab.up({"box": "trixie"})


def test_ansible_reaches_the_hosts_through_the_inventory(
    lab: Lab, fleet: dict[str, Host], tmp_path: Path
) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(lab.inventory(groups={"all_suites": list(fleet)}))
    command = ["ansible", "-i", str(inventory), "all_suites", "-m", "ansible.builtin.ping", "--one-line"]
    ansible = Path(sys.executable).with_name("ansible")
    done = subprocess.run(
        [str(ansible), *command[1:]], capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('"ping": "pong"') == len(fleet)


def test_the_command_line_does_the_same(own_lab: Lab) -> None:
    def cli(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tests.lab", "--quiet", "--json", "--lab", own_lab.name, *words]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=REPOSITORY_ROOT, timeout=300
        )

    with contextlib.ExitStack() as stack:
        stack.callback(own_lab.down)
        (row,) = json.loads(cli("up", "box=trixie").stdout)
        assert (row["host"], row["suite"], row["running"]) == ("box", "trixie", True)
        assert cli("ssh", "box", "hostname").stdout.strip() == "box"
        assert cli("exec", "box", "hostname").stdout.strip() == "box"
        cli("stop", "box")
        assert json.loads(cli("list").stdout)[0]["running"] is False
        assert cli("down").returncode == 0
        assert json.loads(cli("list").stdout) == []
