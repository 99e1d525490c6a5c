"""The main job on real hosts: what was promised, what was delivered, and that nothing pretends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.integration.canaries import files_with, secret_files, secrets_of
from tests.integration.conftest import MainJob
from tests.integration.fleet import VIGIE, Vigie, host_of

pytestmark = pytest.mark.lab

CLIENTS = {
    "boulangerie": ("boulangerie-caisse", "boulangerie-web"),
    "cabinet": ("cabinet-dossiers", "cabinet-poste"),
    "usine": ("usine-erp", "usine-atelier"),
}
HOSTS = [host for hosts in CLIENTS.values() for host in hosts]
PENDING = ("boulangerie-caisse", "cabinet-dossiers", "usine-erp", "usine-atelier")
"""Hosts of suites whose security archive holds updates the image does not have: Debian 11 and 12."""
SIMULATE = (
    "apt-get update -qq >/dev/null 2>&1; LC_ALL=C apt-get -s --ignore-hold -o Debug::NoLocking=1 dist-upgrade"
)


def pending_security(vigie: Vigie, host: str) -> list[str]:
    """What apt itself says is pending from a security suite: the independent witness."""
    said = vigie.host(host).run(SIMULATE).stdout
    return [line for line in said.splitlines() if line.startswith("Inst ") and "-security" in line]


def test_every_client_and_the_provider_ran(main_job: MainJob) -> None:
    due = {(run["client"], run["service"], run["status"]) for run in main_job.said["due"]["runs"]}
    wanted = {(client, service, "ok") for client in CLIENTS for service in ("monitor", "patch", "backup")}
    assert wanted <= due
    assert [run["status"] for run in main_job.said["provision"]["runs"]] == ["ok"]


@pytest.mark.parametrize("host", PENDING)
def test_security_updates_were_pending_before_and_installed_after(main_job: MainJob, host: str) -> None:
    before = {row["control"]: row for row in host_of(main_job.said["before"], host)["results"]}
    assert not re.search(r"\b0 pending", before["PAT-01"]["observed"]), before["PAT-01"]
    assert pending_security(main_job.vigie, host) == []
    after = {row["control"]: row for row in host_of(main_job.said["after"], host)["results"]}
    assert re.search(r"\b0 pending", after["PAT-01"]["observed"]), after["PAT-01"]
    # Where the security archive is no longer renewed (Debian 11), none pending proves nothing.
    known = after["PAT-04"]["state"] == "compliant"
    assert after["PAT-01"]["state"] == ("compliant" if known else "unknown"), after["PAT-01"]


def test_end_of_life_host_is_never_said_to_be_up_to_date(main_job: MainJob) -> None:
    after = {row["control"]: row for row in host_of(main_job.said["after"], "usine-atelier")["results"]}
    assert after["PAT-04"]["state"] == "non_compliant"
    assert after["PAT-01"]["state"] == "unknown"


@pytest.mark.parametrize("client", sorted(CLIENTS))
def test_ledger_lists_each_package_from_to_as_dpkg_logged_it(main_job: MainJob, client: str) -> None:
    (run,) = main_job.vigie.runs(client=client, service="patch")[-1:]
    changes = [c for c in main_job.vigie.show(run["id"])["changes"] if c["kind"] == "package"]
    for host in set(CLIENTS[client]) & set(PENDING):
        recorded = {(c["name"].split(":")[0], c["before"], c["after"]) for c in changes if c["host"] == host}
        log = main_job.vigie.host(host).run("cat /var/log/dpkg.log").stdout
        upgraded = {
            (package.split(":")[0], old, new)
            for package, old, new in re.findall(r" upgrade (\S+) (\S+) (\S+)$", log, re.MULTILINE)
        }
        assert {change for change in recorded if change[1]} == upgraded
        assert upgraded


def test_out_of_support_host_is_red_and_caps_the_grade(main_job: MainJob) -> None:
    atelier = host_of(main_job.said["after"], "usine-atelier")
    states = {row["control"]: row["state"] for row in atelier["results"]}
    assert states["PAT-09"] == "non_compliant"
    assert atelier["open_criticals"] >= 1
    assert atelier["grade"] in ("C", "D", "E", "F")


def test_what_was_never_measured_is_unknown(main_job: MainJob) -> None:
    for host in HOSTS:
        states = {row["control"]: row["state"] for row in host_of(main_job.said["after"], host)["results"]}
        assert states["BAK-02"] == states["BAK-03"] == "unknown"


def test_backups_and_agents_are_there_after_the_job(main_job: MainJob) -> None:
    for host in HOSTS:
        states = {row["control"]: row["state"] for row in host_of(main_job.said["after"], host)["results"]}
        assert (states["BAK-01"], states["BAK-04"], states["MON-01"]) == ("compliant",) * 3, host


def test_second_full_run_changes_nothing(main_job: MainJob) -> None:
    document = main_job.vigie("run", "monitor", "patch", "backup", "audit", "--json")
    outcomes = [
        (run["client"], run["service"], outcome["host"], outcome["changed"], outcome["status"])
        for run in document["runs"]
        for outcome in main_job.vigie.show(run["run"])["outcomes"]
    ]
    assert len(outcomes) == 4 * len(HOSTS)
    assert [outcome for outcome in outcomes if outcome[3:] != (0, "ok")] == []
    assert main_job.vigie("provision", "--json")["runs"][0]["changed"] in (
        {},
        {"sauvegarde": 0, "localhost": 0},
    )


def test_lost_file_comes_back_byte_for_byte(main_job: MainJob) -> None:
    host = main_job.vigie.host("cabinet-dossiers")
    fingerprint = "sha256sum /etc/ssh/sshd_config; stat -c '%a %u %g %Y' /etc/ssh/sshd_config"
    before = host.run(fingerprint).stdout
    host.run("rm /etc/ssh/sshd_config")
    main_job.vigie("restore", "cabinet-dossiers", "--path", "/etc/ssh/sshd_config")
    assert host.run(fingerprint).stdout == before


def test_secrets_are_nowhere_but_in_their_files(main_job: MainJob) -> None:
    secrets = secrets_of(main_job.vigie.state)
    assert len(secrets) >= 3 * len(HOSTS)
    assert main_job.argv.samples > 100
    assert main_job.argv.leaks() == set()
    assert files_with(secrets, main_job.vigie.state, main_job.vigie.provider) == []
    for host in [*HOSTS, "sauvegarde"]:
        assert lines_in_journal(main_job.vigie, host, {"systemd"}) > 0, "the search itself does not work"
        assert lines_in_journal(main_job.vigie, host, secrets) == 0, host


def lines_in_journal(vigie: Vigie, host: str, needles: set[str]) -> int:
    """How many lines of a host's journal hold one of ``needles``."""
    search = (
        "cat > /run/needles; journalctl --no-pager -q > /run/journal;"
        " grep -cFf /run/needles /run/journal; rm /run/needles /run/journal"
    )
    return int(vigie.host(host).run(search, stdin="\n".join(sorted(needles))).stdout)


def test_no_client_sees_anothers_secrets_on_its_hosts(main_job: MainJob) -> None:
    for client, hosts in CLIENTS.items():
        others = [path for path in secret_files(main_job.vigie.state) if path.parts[-3] != client]
        assert others
        needles = "\n".join(path.read_text(encoding="utf-8").strip() for path in others)
        for host in hosts:
            found = main_job.vigie.host(host).run(
                "grep -rlFf /dev/stdin /etc /var/lib /root /opt /usr/local 2>/dev/null || true", stdin=needles
            )
            assert found.stdout == "", host


# ── what breaks turns red at the next audit ──────────────────────────────────────────────────────
@contextmanager
def broken(vigie: Vigie, host: str, breakage: str, mend: str) -> Iterator[None]:
    """Break something on a host, and mend it whatever happens."""
    vigie.host(host).run(breakage, timeout=300)
    try:
        yield
    finally:
        vigie.host(host).run(mend, timeout=300)


def test_stopped_agent_turns_red(main_job: MainJob) -> None:
    unit = "prometheus-node-exporter"
    with broken(main_job.vigie, "boulangerie-web", f"systemctl stop {unit}", f"systemctl start {unit}"):
        main_job.vigie.audit("boulangerie")
        assert main_job.vigie.results("boulangerie-web")["MON-01"]["state"] == "non_compliant"
    main_job.vigie.audit("boulangerie")
    assert main_job.vigie.results("boulangerie-web")["MON-01"]["state"] == "compliant"


def test_held_back_security_update_turns_red(main_job: MainJob) -> None:
    downgrade = (
        "old=$(LC_ALL=C apt-cache madison openssl | awk '/bookworm\\/main/ {print $3; exit}');"
        " apt-get install -y -qq --allow-downgrades openssl=$old && apt-mark hold openssl"
    )
    mend = "apt-mark unhold openssl && apt-get install -y -qq openssl"
    with broken(main_job.vigie, "cabinet-dossiers", downgrade, mend):
        assert pending_security(main_job.vigie, "cabinet-dossiers")
        main_job.vigie("run", "patch", "--client", "cabinet")
        main_job.vigie.audit("cabinet")
        results = main_job.vigie.results("cabinet-dossiers")
        assert results["PAT-10"]["state"] == "non_compliant"
        assert "openssl" in json.dumps(results["PAT-10"])
        assert not re.search(r"\b0 pending", results["PAT-01"]["observed"]), results["PAT-01"]


def test_deleted_snapshots_turn_red(main_job: MainJob) -> None:
    vigie = main_job.vigie
    server = vigie.host("sauvegarde")
    folder = server.run("find / -xdev -type d -path '*usine.usine-erp/snapshots'").stdout.strip()
    assert folder
    server.run(f"rm -f {folder}/*")
    vigie.audit("usine")
    assert vigie.results("usine-erp")["BAK-01"]["state"] in ("non_compliant", "error")
    vigie.host("usine-erp").run("systemctl start vigie-backup.service", timeout=300)
    time.sleep(2)  # the server writes down arrivals when it sees them
    vigie.audit("usine")
    assert vigie.results("usine-erp")["BAK-01"]["state"] == "compliant"


# ── what cannot be known is never green ──────────────────────────────────────────────────────────
def test_host_that_is_down_is_never_green(main_job: MainJob) -> None:
    vigie = main_job.vigie
    vigie.lab.stop("boulangerie-caisse")
    try:
        document = vigie("run", "audit", "--client", "boulangerie", "--json", expect=4)
        assert document["runs"][0]["hosts"]["boulangerie-caisse"] == "unreachable"
    finally:
        vigie.lab.start("boulangerie-caisse")


def test_host_never_reached_is_unknown_on_every_control(main_job: MainJob, tmp_path: Path) -> None:
    vigie = Vigie(main_job.vigie.provider, tmp_path / "empty", main_job.vigie.lab)
    document = vigie("compliance", "--json", expect=5)
    assert document["all"]["score"] is None
    assert document["all"]["grade"] is None
    assert document["all"]["states"]["compliant"] == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("run", "audit", "--host", "nobody"), 64),
        (("run", "audit", "--client", "cabinett"), 64),
        (("run", "audit", "--client", "cabinet", "--host", "usine-erp"), 64),
        (("run", "audti"), 64),
        (("show", "ffffffff"), 64),
    ],
)
def test_what_matches_nothing_is_an_error(main_job: MainJob, arguments: tuple[str, ...], code: int) -> None:
    said = main_job.vigie(*arguments, expect=code)
    assert "error" in said


def processes_of(marker: str) -> list[str]:
    """Command lines of living processes that carry a run's mark in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if marker in process.environ().values():
                found.append(" ".join(process.cmdline()))
        except (psutil.Error, OSError):
            continue
    return found


def test_killed_command_leaves_nothing_running_and_does_not_block(main_job: MainJob) -> None:
    vigie = main_job.vigie
    process = subprocess.Popen(
        [VIGIE, "run", "backup", "--client", "usine"], env=vigie.environment, stderr=subprocess.DEVNULL
    )
    run = _running(vigie)
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 15
    while processes_of(run) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert processes_of(run) == []
    listed: dict[str, Any] = {entry["id"]: entry for entry in vigie.runs(client="usine")}
    assert listed[run]["status"] == "lost"
    vigie("run", "backup", "--client", "usine")


def _running(vigie: Vigie) -> str:
    """The id of the run that has begun its playbook: its results file has been started."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for entry in vigie.runs(status="running"):
            if list(vigie.state.glob(f"*/runs/*/{entry['id']}/results.jsonl")):
                return str(entry["id"])
        time.sleep(0.2)
    raise AssertionError("no run began within 60 s")
