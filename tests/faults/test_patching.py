"""Patching a host with something wrong: the message names it, nothing is lost, nothing looks green."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Host, Lab
from tests.lab.lab import REPOSITORY_ROOT

pytestmark = pytest.mark.lab

CANARIES = REPOSITORY_ROOT / "molecule/patch_baseline/files/canaries.py"
SOURCES = "/etc/apt/sources.list.d/canaries.list"
HOLD_LOCK = (
    "import fcntl, time; f = open('/var/lib/dpkg/lock-frontend', 'w'); "
    "fcntl.lockf(f, fcntl.LOCK_EX); time.sleep({seconds})"
)

Patch = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def machine(lab: Lab) -> Host:
    """A host that knows the canary repository alone: its updates are ours to decide."""
    host = lab.up({"patching": "bookworm"})["patching"]
    host.put(CANARIES, "/root/canaries.py")
    host.run("mkdir /root/debian && mv /etc/apt/sources.list /root/debian/ && rm -f /var/lib/apt/lists/*_*")
    return host


@pytest.fixture
def host(machine: Host) -> Iterator[Host]:
    """The host without any canary package, hold or pin; nothing of the test before is left."""
    machine.run("rm -rf /srv/canaries /etc/apt/preferences.d/* /var/lib/prometheus")
    yield machine
    machine.run(
        "systemctl stop holder 2>/dev/null; for p in $(dpkg-query -W -f '${Package}\\n' 'canary-*'); do"
        " dpkg --purge --force-all $p; done",
        check=False,
    )


@pytest.fixture
def patch(machine: Host, lab: Lab, tmp_path: Path) -> Patch:
    """Run the module over SSH, as a playbook would; its result, with what Ansible printed."""

    def run(check: bool = False, scope: str = "security", **options: object) -> dict[str, Any]:
        arguments = json.dumps({"scope": scope, "lock_timeout": 5, "index_max_age": 0, **options})
        command = ["ansible", "-i", lab.directory / "inventory.yml", machine.name, "-a", arguments, "--diff"]
        command += ["-m", "vigie.msp.apt_upgrade", *(["--check"] if check else [])]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {"PATH": path, "HOME": str(tmp_path), "ANSIBLE_PIPELINING": "1", "LANG": "C.UTF-8"}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=300, env=environment, cwd=tmp_path, check=False
        )
        printed = done.stdout + done.stderr
        assert f"{machine.name} | " in done.stdout, printed
        answer = done.stdout[done.stdout.index(f"{machine.name} | ") :]
        result: dict[str, Any] = json.JSONDecoder().raw_decode(answer[answer.index("{") :])[0]
        return {"printed": " ".join(printed.split()), "failed": done.returncode != 0, **result}

    return run


def offer(host: Host, offered: list[tuple[str, str, str, str]], installed: list[str]) -> None:
    """Publish `(suite, package, version, fields)` and install version 1.0 of the packages named."""
    host.run(
        "cd /root && python3 - <<'PYTHON'\n"
        "import canaries, subprocess, pathlib\n"
        f"canaries.OFFERED[:] = {offered!r}\n"
        "for suite in (canaries.PLAIN, canaries.SECURITY): canaries.publish(suite)\n"
        "lines = [f'deb [trusted=yes] file:{canaries.REPOSITORY}/{s} ./\\n'"
        " for s in (canaries.PLAIN, canaries.SECURITY)]\n"
        f"pathlib.Path('{SOURCES}').write_text(''.join(lines))\n"
        f"for name in {installed!r}:\n"
        "    old = canaries.build(name, '1.0', '', canaries.REPOSITORY)\n"
        "    subprocess.run(['dpkg', '-i', old], check=True)\n"
        "PYTHON"
    )


def fixed(name: str, version: str = "1.1", fields: str = "") -> tuple[str, str, str, str]:
    return ("vigie-canary-security", name, version, fields)


def version(host: Host, package: str) -> str:
    return host.run(f"dpkg-query -W -f '${{Version}} ${{db:Status-Status}}' {package}").stdout


def hold_lock(host: Host, seconds: int) -> None:
    """Let a process hold dpkg's lock, as unattended-upgrades would."""
    program = HOLD_LOCK.format(seconds=seconds)
    host.run(f'systemd-run --unit=holder --collect python3 -c "{program}"; sleep 1')


def test_a_lock_that_is_not_released_is_named(host: Host, patch: Patch) -> None:
    offer(host, [fixed("canary-a")], ["canary-a"])
    hold_lock(host, 60)
    result = patch(lock_timeout=2)
    assert result["failed"]
    assert result["changed"] is False
    holder = host.run("systemctl show holder -p MainPID --value").stdout.strip()
    assert f"process {holder}, lock /var/lib/dpkg/lock-frontend" in result["msg"]
    assert "python3 -c import fcntl" in result["msg"]
    assert version(host, "canary-a") == "1.0 installed"


def test_a_lock_that_is_released_is_waited_for(host: Host, patch: Patch) -> None:
    offer(host, [fixed("canary-a")], ["canary-a"])
    hold_lock(host, 5)
    result = patch(lock_timeout=60)
    assert not result["failed"], result
    assert version(host, "canary-a") == "1.1 installed"


def test_an_interrupted_dpkg_is_finished_and_recorded(host: Host, patch: Patch) -> None:
    offer(host, [fixed("canary-b")], ["canary-a"])
    host.run("dpkg --purge canary-a; dpkg --unpack /srv/canaries/canary-a_1.0_all.deb")
    result = patch()
    assert not result["failed"], result
    assert result["vigie_changes"] == [
        {"kind": "package", "name": "canary-a", "before": "1.0 (unpacked)", "after": "1.0"}
    ]


def test_an_interrupted_dpkg_that_cannot_be_finished_stops_everything(host: Host, patch: Patch) -> None:
    offer(host, [fixed("canary-a"), fixed("canary-failing")], ["canary-a"])
    host.run("dpkg --unpack /srv/canaries/vigie-canary-security/canary-failing_1.1_all.deb")
    result = patch()
    assert result["failed"]
    assert "(canary-failing)" in result["msg"]
    assert "this package means to fail" in result["msg"]
    assert version(host, "canary-a") == "1.0 installed"


def test_a_failing_package_is_shown_and_what_was_done_is_not_lost(host: Host, patch: Patch) -> None:
    offer(host, [fixed("canary-a"), fixed("canary-failing")], ["canary-a", "canary-failing"])
    result = patch()
    assert result["failed"]
    assert "this package means to fail" in result["msg"]
    assert result["changed"] is True
    changes = {change["name"]: (change["before"], change["after"]) for change in result["vigie_changes"]}
    assert changes == {"canary-a": ("1.0", "1.1"), "canary-failing": ("1.0", "1.1 (half-configured)")}
    metrics = host.read("/var/lib/prometheus/node-exporter/vigie_patch.prom")
    assert "vigie_patch_last_run_success 0" in metrics
    assert "vigie_patch_last_success" not in metrics


def test_a_host_without_a_security_archive_is_not_called_patched(host: Host, patch: Patch) -> None:
    offer(host, [("vigie-canary", "canary-a", "1.1", "")], ["canary-a"])
    host.run(f"sed -i /security/d {SOURCES}")
    result = patch()
    assert result["failed"]
    assert "none of the host's package indexes comes from a security archive" in result["msg"]


def test_an_unreachable_source_fails_but_the_others_are_used(host: Host, patch: Patch) -> None:
    offer(host, [fixed("canary-a")], ["canary-a"])
    host.run(f"echo 'deb http://127.0.0.1:9/debian nowhere main' >> {SOURCES}")
    result = patch()
    assert result["failed"]
    assert "http://127.0.0.1:9/debian/dists/nowhere/InRelease" in result["msg"]
    assert [change["name"] for change in result["vigie_changes"]] == ["canary-a"]


def test_a_malformed_source_is_named(host: Host, patch: Patch) -> None:
    offer(host, [fixed("canary-a")], ["canary-a"])
    host.run(f"echo 'deb nonsense' >> {SOURCES}")
    result = patch()
    assert result["failed"]
    assert f"entry 3 in list file {SOURCES}" in result["msg"]
    assert "Traceback" not in result["msg"]


def test_too_little_space_stops_before_anything_is_installed(host: Host, patch: Patch) -> None:
    offer(host, [fixed("canary-a")], ["canary-a"])
    result = patch(min_free_mb=10**8)
    assert result["failed"]
    assert "not enough free space on the file system of /" in result["msg"]
    assert version(host, "canary-a") == "1.0 installed"


def test_a_pinned_security_update_is_left_and_reported(host: Host, patch: Patch) -> None:
    offer(host, [fixed("canary-a")], ["canary-a"])
    pin = "Package: canary-a\\nPin: version 1.0\\nPin-Priority: 1001\\n"
    host.run(f"printf '{pin}' > /etc/apt/preferences.d/canary")
    result = patch()
    assert result["withheld"] == {"canary-a": "pinned by apt preferences"}
    assert result["changed"] is False
    assert version(host, "canary-a") == "1.0 installed"


def test_check_mode_writes_nothing_and_tells_what_would_change(host: Host, patch: Patch) -> None:
    offer(host, [fixed("canary-a")], ["canary-a"])
    host.run("apt-get update -qq; sleep 1.1; touch /run/mark")
    result = patch(check=True)
    written = host.run(
        "find / -xdev -newercm /run/mark -not -path '/proc/*' -not -path '/sys/*' | grep -v '^/tmp'"
    )
    kept = (
        "/run",
        "/dev",
        "/root/.ansible",
        "/var/log/journal",
        "/var/log/wtmp",
        "/var/log/lastlog",
        "/var/log/btmp",
    )
    assert [path for path in written.stdout.split() if not path.startswith(kept)] == []
    assert result["changed"] is True
    planned = [{"kind": "package", "name": "canary-a", "before": "1.0", "after": "1.1"}]
    assert result["vigie_changes"] == planned
    assert "-canary-a 1.0 +canary-a 1.1" in result["printed"]
    assert version(host, "canary-a") == "1.0 installed"


def test_check_mode_on_a_host_without_an_index_says_it_cannot_tell(host: Host, patch: Patch) -> None:
    offer(host, [fixed("canary-a")], ["canary-a"])
    host.run("rm -rf /var/lib/apt/lists/*_* /var/cache/apt/*.bin")
    result = patch(check=True)
    assert not result["failed"], result
    assert "no package index yet" in result["printed"]


def test_another_family_is_refused_by_name(host: Host, patch: Patch) -> None:
    release = 'ID=rocky\\nID_LIKE="rhel centos fedora"\\nPRETTY_NAME="Rocky Linux 9.4"\\n'
    host.run(
        f"cp -a /etc/os-release /root/os-release; rm /etc/os-release; printf '{release}' > /etc/os-release"
    )
    try:
        result = patch()
    finally:
        host.run("rm /etc/os-release; cp -a /root/os-release /etc/os-release")
    assert result["failed"]
    assert "this host runs Rocky Linux 9.4" in result["msg"]
    assert "patch_baseline_scope: none" in result["msg"]


def test_python3_apt_is_installed_when_it_is_missing(host: Host, patch: Patch) -> None:
    offer(host, [fixed("canary-a")], ["canary-a"])
    host.run("dpkg --remove --force-depends python3-apt; cp /root/debian/sources.list /etc/apt/sources.list")
    try:
        refused = patch(check=True)
        result = patch()
    finally:
        host.run("rm -f /etc/apt/sources.list")
    assert "python3-apt is missing" in refused["msg"]
    assert not result["failed"], result
    assert {"canary-a", "python3-apt"} <= {change["name"] for change in result["vigie_changes"]}
