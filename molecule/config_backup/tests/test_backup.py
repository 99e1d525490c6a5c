"""That hosts back themselves up, say so, and get back what they lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.vigie.msp.plugins.module_utils.backup_repository import measure
from ansible_collections.vigie.msp.plugins.module_utils.backup_restic import Access
from ansible_collections.vigie.msp.plugins.module_utils.backup_server_api import parse_time
from tests.backup_probe import MAINTENANCE_PORT, Door, state
from tests.lab.lab import REPOSITORY_ROOT, Lab

testinfra_hosts = ["ssh://bookworm", "ssh://bullseye", "ssh://trixie"]
METRICS = "/var/lib/prometheus/node-exporter/vigie_backup.prom"
PROGRAM = "/usr/bin/python3 -B /usr/local/lib/vigie-backup/vigie_backup.py"


@pytest.fixture
def name(host) -> str:
    return host.backend.get_pytest_id().removeprefix("ssh://")


@pytest.fixture
def server():
    return Lab(os.environ["VIGIE_LAB"]).hosts()["server"]


def secret(name: str, kind: str) -> str:
    return (state() / "secrets" / "acme" / name / kind).read_text().strip()


@pytest.fixture
def snapshots(name: str, server, tmp_path: Path):
    door = Door(
        server.address,
        MAINTENANCE_PORT,
        f"acme.{name}",
        secret(name, "maintenance"),
        state() / "public" / "server.crt",
    )
    return lambda: door.snapshots(tmp_path, secret(name, "repository"))


def metrics(host) -> dict[str, float]:
    lines = host.file(METRICS).content_string.splitlines()
    return {key: float(value) for key, value in (line.split() for line in lines if not line.startswith("#"))}


def restore(name: str, path: str, *extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable, "-m", "ansible", "playbook", f"--limit={name}", "--extra-vars",
            json.dumps({"restore_path": path}), "--inventory=molecule/shared/inventory.py",
            "playbooks/restore.yml", *extra,
        ],
        cwd=REPOSITORY_ROOT, env={**os.environ, "ANSIBLE_PIPELINING": "1"}, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip


def test_snapshot_with_all_paths_is_on_the_server(snapshots):
    paths = snapshots()[-1]["paths"]
    assert set(paths) == {"/etc", "/srv/site", "/var/lib/vigie-backup/system"}


def test_audit_measures_the_repository_with_the_servers_times(name: str, server, tmp_path: Path):
    access = Access(
        url=f"https://{server.address}:{MAINTENANCE_PORT}",
        account=f"acme.{name}",
        server_password=secret(name, "maintenance"),
        password_file=str(state() / "secrets" / "acme" / name / "repository"),
        certificate=str(state() / "public" / "server.crt"),
        cache_dir=str(tmp_path),
        program=str(state() / "bin" / "restic"),
    )
    found = measure(access, 60)
    on_disk = server.run(f"stat --format=%Y /srv/vigie-backups/acme.{name}/snapshots/{found['latest']['id']}")
    assert parse_time(found["latest"]["received"]).timestamp() == int(on_disk.stdout)
    assert found["created"] <= found["oldest_received"] <= found["latest"]["received"]


def test_timer_runs_at_the_recovery_point_objective(host):
    shown = host.check_output("systemctl show vigie-backup.timer --property=TimersMonotonic,ActiveState")
    assert "ActiveState=active" in shown
    assert "OnUnitActiveUSec=11h 45min" in shown  # 12 h less the random delay of at most 15 min
    assert "OnBootUSec=5min" in shown
    assert host.service("vigie-backup.timer").is_enabled
    # Something is scheduled: a timer without a next time never fires.
    listed = host.check_output("systemctl list-timers --no-legend vigie-backup.timer")
    assert listed
    assert not listed.startswith(("n/a", "-"))


def test_metrics_tell_of_the_success(host):
    found = metrics(host)
    assert found["vigie_backup_last_exit_code"] == 0
    assert found["vigie_backup_last_success_files"] > 50
    assert host.file(METRICS).mode == 0o644


def test_package_selections_are_in_the_backup(host):
    selections = host.file("/var/lib/vigie-backup/system/dpkg-selections").content_string
    assert "systemd\t" in selections
    assert host.file("/var/lib/vigie-backup/system").mode == 0o700


def test_credentials_are_private_and_not_the_provider_s(host, name: str):
    for kind in ("repository", "append"):
        assert host.file(f"/etc/vigie/backup/{kind}").mode == 0o600
    maintenance = secret(name, "maintenance")
    assert host.run(f"grep -rqF {maintenance} /etc /var/lib/vigie-backup").rc == 1


def test_secrets_are_in_no_argument_and_no_journal(host, name: str):
    sample = "for i in $(seq 30); do ps -eo args >> /root/args; sleep 0.1; done"
    host.run_test(f"systemctl start --no-block vigie-backup.service; {sample}")
    seen = host.check_output("cat /root/args; rm /root/args; journalctl --no-pager --output=cat")
    assert "restic" in seen
    assert "backup --json" in seen
    for kind in ("repository", "append"):
        assert secret(name, kind) not in seen


def test_lost_file_comes_back_byte_for_byte(host, name: str):
    before = host.check_output("stat --format='%a %u %g %s' /etc/login.defs; sha256sum /etc/login.defs")
    host.check_output("rm /etc/login.defs")
    done = restore(name, "/etc/login.defs")
    assert done.returncode == 0, done.stdout
    after = host.check_output("stat --format='%a %u %g %s' /etc/login.defs; sha256sum /etc/login.defs")
    assert after == before


def test_replaced_file_is_kept_and_others_are_left_alone(host, name: str):
    host.check_output("echo mine > /srv/site/index.html; echo new > /srv/site/new.html; rm -rf /srv/x")
    assert restore(name, "/srv/site", "--check").returncode == 0
    assert host.file("/srv/site/index.html").content_string == "mine\n"
    assert restore(name, "/srv/site").returncode == 0
    assert host.file("/srv/site/index.html").content_string == "hello\n"
    assert host.file("/srv/site/new.html").content_string == "new\n"
    kept = host.check_output("cat /var/lib/vigie-backup/replaced/*/srv/site/index.html")
    assert kept == "mine"


def test_file_that_no_backup_has_is_an_error(name: str):
    done = restore(name, "/etc/never-was")
    assert done.returncode != 0
    assert "is not in the snapshot" in " ".join((done.stdout + done.stderr).split())


def test_server_down_fails_soon_and_keeps_the_last_success(host, server):
    before = metrics(host)
    server.run("systemctl stop vigie-backup-server.service")
    try:
        assert host.run("timeout 60 " + PROGRAM).rc == 1
    finally:
        server.run("systemctl start vigie-backup-server.service")
    after = metrics(host)
    assert after["vigie_backup_last_exit_code"] == 1
    assert (
        after["vigie_backup_last_attempt_timestamp_seconds"]
        >= before["vigie_backup_last_attempt_timestamp_seconds"]
    )
    key = "vigie_backup_last_success_timestamp_seconds"
    assert after[key] == before[key]


def test_missing_declared_path_makes_the_backup_incomplete(host):
    host.check_output("mv /srv/site /srv/gone")
    try:
        done = host.run(PROGRAM)
    finally:
        host.check_output("mv /srv/gone /srv/site")
    assert done.rc == 3
    assert "declared path is missing: /srv/site" in done.stderr
    assert metrics(host)["vigie_backup_last_exit_code"] == 3
    assert host.run(PROGRAM).rc == 0
