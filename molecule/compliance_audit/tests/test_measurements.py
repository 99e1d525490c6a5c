"""What the audit says of a host is what the host is: seen independently, before and after breaking it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.vigie.msp.plugins.module_utils.controls import evaluate, load_controls
from ansible_collections.vigie.msp.plugins.module_utils.measuring import PROBES

ROOT = Path(__file__).parents[3]
CONTROLS = load_controls(ROOT / "roles/compliance_audit/files/controls")
TIER = {
    "security_update_days": 3650,
    "index_age_days": 1,
    "support_left_days": 0,
    "reboot_days": 1,
    "monitoring": True,
    "backup_age_hours": 5,
    "disk_used_percent": 100,
    "ssh_password_login_forbidden": True,
    "audit_seconds": 3600,
}
WRITABLE = "/etc /var/lib /var/cache /usr /root /opt /home"  # not /tmp, where Ansible unpacks every module

Audit = Callable[..., dict[str, Any]]


@pytest.fixture
def measure(host, tmp_path) -> Audit:
    """Measure the host through the real module; measurements by name."""

    def call(*names: str, check: bool = False) -> dict[str, Any]:
        name = host.backend.hostname
        arguments = json.dumps(
            {"names": list(names), "date_updates": False} if names else {"date_updates": False}
        )
        command = ["ansible", name, "-i", str(ROOT / "molecule/shared/inventory.py"), "-t", str(tmp_path)]
        command += ["-m", "vigie.msp.measure", "-a", arguments, *(["--check"] if check else [])]
        environment = {**os.environ, "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        result = json.loads((tmp_path / name).read_text())
        assert result["changed"] is False
        return {one["name"]: one for one in result["vigie_measurements"]}

    return call


def states(measurements: dict[str, Any]) -> dict[str, str]:
    results = evaluate(CONTROLS, measurements, TIER, datetime.now(UTC))
    return {result["control"]: result["state"] for result in results}


@contextmanager
def broken(host, breaking: str, mending: str):
    """The host while something is wrong with it."""
    host.check_output(breaking)
    try:
        yield
    finally:
        host.check_output(mending)


def test_every_probe_answers(measure):
    found = measure()
    assert list(found) == [probe.name for probe in PROBES]
    assert {name: one["error"] for name, one in found.items() if "error" in one} == {}


def test_check_mode_measures_just_the_same(measure):
    assert measure("access.superusers", check=True)["access.superusers"]["value"] == ["root"]


def test_nothing_on_the_host_is_written(host, measure):
    skipped = "-not -path '*/.ansible*' -not -path '*/journal/*'"
    listing = f"find {WRITABLE} -xdev -type f {skipped} -printf '%p %T@ %s\\n' | sort"
    # Outdated caches are what apt would refresh; a reader must leave even those as they are.
    host.check_output("apt-get -qq check && touch /var/lib/dpkg/status && echo >> /var/lib/dpkg/status")
    before = host.check_output(listing)
    assert "value" in measure()["packages.updates"]
    after = host.check_output(listing)
    assert after == before


def test_pending_updates_are_those_apt_lists(host, measure):
    simulated = host.check_output("LC_ALL=C apt-get -s -o Debug::NoLocking=1 --ignore-hold dist-upgrade")
    rows = [line.split() for line in simulated.splitlines() if line.startswith("Inst ")]
    expected = {
        row[1].split(":")[0] for row in rows if row[2].startswith("[")
    }  # without [from]: a new package
    value = measure("packages.updates")["packages.updates"]["value"]
    assert {package["name"].split(":")[0] for package in value["packages"]} == expected
    security = {p["name"] for p in value["packages"] if p["security"]}
    assert value["security"]["count"] == len(security)
    assert all("-security" in _line(simulated, name) for name in security)


def _line(simulated: str, name: str) -> str:
    return next(line for line in simulated.splitlines() if line.startswith(f"Inst {name} "))


def test_without_python3_apt_the_same_updates_are_found(host, measure):
    full = measure("packages.updates")["packages.updates"]["value"]
    folder = "/usr/lib/python3/dist-packages"
    modules = host.check_output(f"ls {folder} | grep '^apt_pkg'").splitlines()
    hide = " && ".join(f"mv {folder}/{name} /var/tmp/{name}" for name in modules)
    back = " && ".join(f"mv /var/tmp/{name} {folder}/{name}" for name in modules)
    with broken(host, hide, back):
        other = measure("packages.updates")["packages.updates"]["value"]
    assert (full["reader"], other["reader"]) == ("python3-apt", "apt-get -s")
    chosen = ("name", "from", "to", "security", "uri")
    rows = [sorted(tuple(p[key] for key in chosen) for p in value["packages"]) for value in (full, other)]
    assert rows[0] == rows[1]


def test_a_hold_is_seen_and_the_update_stays_pending(host, measure):
    packages = measure("packages.updates")["packages.updates"]["value"]["packages"]
    name = packages[0]["name"] if packages else "openssh-server"
    with broken(host, f"apt-mark hold {name}", f"apt-mark unhold {name}"):
        found = measure("packages.holds", "packages.updates")
    assert [hold["name"].split(":")[0] for hold in found["packages.holds"]["value"]] == [name.split(":")[0]]
    assert states(found)["PAT-10"] == "non_compliant"
    held = {p["name"]: p["held"] for p in found["packages.updates"]["value"]["packages"]}
    assert held == {p["name"]: p["name"] == name for p in packages}


def test_stale_indexes_make_updates_unknown(host, measure):
    partial = "/var/lib/apt/lists/partial"
    host.check_output("apt-get update -qq")
    fresh = measure("packages.index")
    # Debian 11's security archive is no longer renewed: there, nobody can know what is pending.
    renewed = datetime.fromisoformat(fresh["packages.index"]["value"]["security_release"])
    supported = datetime.now(UTC) - renewed < timedelta(days=7)
    assert (states(fresh)["PAT-04"] == "compliant") == supported
    with broken(host, f"touch -d '3 days ago' {partial}", f"touch {partial}"):
        found = states(measure("packages.index", "packages.updates"))
    assert found["PAT-04"] == "non_compliant"
    assert found["PAT-01"] == "unknown"


def test_without_a_security_source_nothing_is_known(host, measure):
    disable = "sed -i -e '/^deb .*-security/d' -e 's/^Suites: .*-security$/&\\nEnabled: no/'"
    breakage = f"cp -a /etc/apt /var/tmp/apt && {disable} $(grep -rl -e -security /etc/apt)"
    with broken(host, breakage, "rm -rf /etc/apt && mv /var/tmp/apt /etc/apt"):
        found = states(measure("packages.index", "packages.updates"))
    assert found["PAT-04"] == "non_compliant"
    assert found["PAT-01"] == "unknown"


def test_missing_indexes_are_no_indexes(host, measure):
    with broken(
        host,
        "mkdir /var/tmp/l && mv /var/lib/apt/lists/*InRelease /var/tmp/l",
        "mv /var/tmp/l/* /var/lib/apt/lists && rmdir /var/tmp/l",
    ):
        found = measure("packages.index")
    assert len(found["packages.index"]["value"]["missing"]) == 2
    assert states(found)["PAT-04"] == "non_compliant"


def test_an_unverified_repository_is_seen(host, measure):
    path = "/etc/apt/sources.list.d/unverified.list"
    assert states(measure("packages.sources"))["PAT-11"] == "compliant"
    with broken(host, f"echo 'deb [trusted=yes] http://mirror.invalid/ x main' > {path}", f"rm {path}"):
        assert states(measure("packages.sources"))["PAT-11"] == "non_compliant"


def test_support_ends_when_debian_says_so(host, measure):
    value = measure("system.release")["system.release"]["value"]
    expected = {"bullseye": "2026-08-31", "bookworm": "2028-06-30", "trixie": "2030-06-30"}
    assert value["supported_until"].startswith(expected[value["codename"]])
    assert value["codename"] == host.system_info.codename


def test_a_required_restart_is_seen(host, measure):
    assert states(measure("system.restart"))["PAT-06"] == "compliant"
    with broken(host, "touch -d '2 days ago' /run/reboot-required", "rm /run/reboot-required"):
        found = measure("system.restart")
    assert found["system.restart"]["value"]["oldest"] is not None
    assert states(found)["PAT-06"] == "non_compliant"


def test_a_failed_unit_is_seen(host, measure):
    assert states(measure("system.failed_units"))["MON-03"] == "compliant"
    breaking = "systemd-run --unit=vigie-broken /bin/false; sleep 1"
    with broken(host, breaking, "systemctl reset-failed vigie-broken"):
        found = measure("system.failed_units")
    assert found["system.failed_units"]["value"] == ["vigie-broken.service"]
    assert states(found)["MON-03"] == "non_compliant"


def test_a_stopped_agent_is_seen(host, measure):
    assert states(measure("monitoring.agent"))["MON-01"] == "compliant"
    unit = "prometheus-node-exporter"
    with broken(host, f"systemctl stop {unit}", f"systemctl start {unit}"):
        assert states(measure("monitoring.agent"))["MON-01"] == "non_compliant"


def test_an_old_metric_file_is_seen(host, measure):
    path = "/var/lib/prometheus/node-exporter/vigie_backup.prom"
    assert states(measure("monitoring.textfiles"))["MON-02"] == "non_compliant"
    with broken(host, f"touch {path}", f"rm {path}"):
        assert states(measure("monitoring.textfiles"))["MON-02"] == "compliant"
        host.check_output(f"touch -d '6 hours ago' {path}")
        assert states(measure("monitoring.textfiles"))["MON-02"] == "non_compliant"


def test_an_empty_password_is_seen(host, measure):
    assert states(measure("access.empty_passwords"))["HRD-05"] == "compliant"
    with broken(host, "useradd guest && passwd -d guest", "userdel guest"):
        found = measure("access.empty_passwords")
    assert found["access.empty_passwords"]["value"] == ["guest"]
    assert states(found)["HRD-05"] == "non_compliant"


def test_a_second_superuser_is_seen(host, measure):
    with broken(host, "useradd -N -o -u 0 toor", "sed -i '/^toor:/d' /etc/passwd /etc/shadow"):
        assert states(measure("access.superusers"))["HRD-06"] == "non_compliant"
    assert states(measure("access.superusers"))["HRD-06"] == "compliant"


NO_PASSWORDS = "PasswordAuthentication no\nChallengeResponseAuthentication no"
ROOT_AGAIN = "Match User root\n  PasswordAuthentication yes\n  PermitRootLogin yes"


@pytest.mark.parametrize(
    ("settings", "root", "anyone"),
    [
        ("PermitRootLogin yes\nPasswordAuthentication yes", "non_compliant", "non_compliant"),
        ("PermitRootLogin prohibit-password\nPasswordAuthentication yes", "compliant", "non_compliant"),
        (f"PermitRootLogin yes\n{NO_PASSWORDS}", "compliant", "compliant"),
        (f"PermitRootLogin no\n{NO_PASSWORDS}\n{ROOT_AGAIN}", "non_compliant", "compliant"),
    ],
)
def test_ssh_settings_are_those_in_force(host, measure, settings, root, anyone):
    path = "/etc/ssh/sshd_config.d/00-test.conf"
    text = settings.replace("\n", "\\n")
    with broken(host, f"printf '{text}\\n' > {path}", f"rm {path}"):
        found = states(measure("access.ssh"))
    assert (found["HRD-01"], found["HRD-02"]) == (root, anyone)


def test_ssh_that_cannot_be_asked_is_an_error(host, measure):
    with broken(host, "mv /etc/ssh/sshd_config /var/tmp", "mv /var/tmp/sshd_config /etc/ssh"):
        assert states(measure("access.ssh"))["HRD-01"] == "error"


def test_listeners_are_those_ss_shows(host, measure):
    shown = host.check_output("ss -Htuln").splitlines()
    ports = {int(line.split()[4].rsplit(":", 1)[1]) for line in shown if "127.0.0." not in line.split()[4]}
    measured = {one["port"] for one in measure("access.listeners")["access.listeners"]["value"]}
    assert measured == ports


def test_disks_are_those_df_shows(host, measure):
    used = int(host.check_output("df --output=pcent / | tail -1").strip(" %"))
    root = measure("storage.filesystems")["storage.filesystems"]["value"][0]
    assert root["mount"] == "/"
    assert used - 1 <= root["used_percent"] <= used


def test_what_a_container_cannot_have_does_not_apply(measure):
    found = states(measure("system.kernel", "system.clock", "system.access_control"))
    assert {found[name] for name in ("PAT-07", "MON-04", "HRD-11")} == {"not_applicable"}


def test_outdated_services_are_seen_or_said_to_be_unreadable(host, measure):
    library = host.check_output(
        "ldd $(command -v dbus-daemon) | sed -n 's/.*=> \\(.*libdbus[^ ]*\\) .*/\\1/p'"
    )
    path = host.check_output(f"readlink -f {library}")
    host.check_output(f"cp -p {path} /var/tmp/replaced && mv /var/tmp/replaced {path}")
    value = measure("system.stale_services")["system.stale_services"]["value"]
    # dbus-daemon drops its privileges: root may only look into it with CAP_SYS_PTRACE.
    assert "dbus.service" in [service["unit"] for service in value["services"]] or value["unread"] > 0
    if not value["services"]:
        assert states({"system.stale_services": _now(value)})["PAT-08"] == "unknown"


def _now(value: Any) -> dict[str, Any]:
    return {"value": value, "time": datetime.now(UTC).isoformat()}
