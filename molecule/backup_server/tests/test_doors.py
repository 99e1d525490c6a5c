"""What each credential may and may not do, asked over the network."""

from __future__ import annotations

import json
import os
import ssl
import time
from pathlib import Path

import pytest

from tests.backup_probe import HOSTS_PORT, MAINTENANCE_PORT, Door, state
from tests.lab.lab import Lab

REPOSITORY_PASSWORD = "of-the-repository"  # noqa: S105 - made for this test


@pytest.fixture
def name(host) -> str:
    return host.backend.get_pytest_id().removeprefix("ssh://")


@pytest.fixture
def door(name: str):
    address = Lab(os.environ["VIGIE_LAB"]).hosts()[name].address

    def make(client: str, kind: str, port: int) -> Door:
        secret = (state() / "secrets" / name / client / "web" / kind).read_text().strip()
        return Door(address, port, f"{client}.web", secret, state() / "public" / f"{name}.crt")

    return make


@pytest.fixture
def pushing(door) -> Door:
    return door("alpha", "append", HOSTS_PORT)


@pytest.fixture
def maintaining(door) -> Door:
    return door("alpha", "maintenance", MAINTENANCE_PORT)


@pytest.fixture
def snapshot(pushing: Door, maintaining: Door, tmp_path: Path) -> str:
    if maintaining.ask("HEAD", "/alpha.web/config")[0] == 404:
        assert maintaining.restic(tmp_path, REPOSITORY_PASSWORD, "init").returncode == 0
    (tmp_path / "content").write_text(str(time.time()))
    done = pushing.restic(tmp_path, REPOSITORY_PASSWORD, "backup", "--json", str(tmp_path / "content"))
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout.splitlines()[-1])["snapshot_id"])


@pytest.mark.parametrize("port", [HOSTS_PORT, MAINTENANCE_PORT])
@pytest.mark.parametrize("password", ["", "wrong"])
def test_wrong_password_is_refused(door, port: int, password: str):
    right = door("alpha", "append", port)
    wrong = Door(right.address, port, right.account, password, right.certificate)
    assert wrong.ask("GET", "/alpha.web/snapshots/")[0] == 401


def test_hosts_password_opens_nothing_at_maintenance(door):
    assert door("alpha", "append", MAINTENANCE_PORT).ask("GET", "/alpha.web/snapshots/")[0] == 401
    assert door("alpha", "maintenance", HOSTS_PORT).ask("GET", "/alpha.web/snapshots/")[0] == 401


def test_another_clients_repository_is_refused(snapshot: str, door):
    for kind, port in (("append", HOSTS_PORT), ("maintenance", MAINTENANCE_PORT)):
        neighbour = door("beta", kind, port)
        assert neighbour.ask("GET", "/alpha.web/snapshots/")[0] == 401
        assert neighbour.ask("GET", f"/alpha.web/snapshots/{snapshot}")[0] == 401
        assert neighbour.ask("DELETE", f"/alpha.web/snapshots/{snapshot}")[0] == 401


def test_host_cannot_destroy_history(snapshot: str, pushing: Door, maintaining: Door, tmp_path: Path):
    assert pushing.ask("DELETE", f"/alpha.web/snapshots/{snapshot}")[0] == 403
    assert pushing.ask("DELETE", "/alpha.web/config")[0] == 403
    assert pushing.ask("POST", "/alpha.web/config", b"mine")[0] == 403
    pushing.restic(tmp_path, REPOSITORY_PASSWORD, "forget", snapshot)
    kept = {entry["id"] for entry in maintaining.snapshots(tmp_path, REPOSITORY_PASSWORD)}
    assert snapshot in kept


def test_provider_can_forget(snapshot: str, maintaining: Door, tmp_path: Path):
    assert maintaining.restic(tmp_path, REPOSITORY_PASSWORD, "forget", snapshot).returncode == 0
    kept = {entry["id"] for entry in maintaining.snapshots(tmp_path, REPOSITORY_PASSWORD)}
    assert snapshot not in kept


def test_arrivals_are_written_down_and_not_by_the_host(snapshot: str, pushing: Door, maintaining: Door):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        status, body = maintaining.ask("GET", "/alpha.web/receipts/config")
        if status == 200 and snapshot in json.loads(body)["snapshots"]:
            break
        time.sleep(0.5)
    else:
        pytest.fail("no receipt for the snapshot within 20 s")
    assert pushing.ask("POST", "/alpha.web/receipts/config", b"{}")[0] == 403
    assert pushing.ask("DELETE", "/alpha.web/receipts/config")[0] == 403


def test_certificate_is_for_this_server_only(door):
    here = door("alpha", "append", HOSTS_PORT)
    elsewhere = Door("127.0.0.1", HOSTS_PORT, here.account, here.password, here.certificate)
    assert here.ask("GET", "/alpha.web/snapshots/")[0] in (200, 404)
    with pytest.raises((ssl.SSLError, OSError)):
        elsewhere.ask("GET", "/alpha.web/snapshots/")


@pytest.mark.parametrize(
    "unit",
    ["vigie-backup-server.service", "vigie-backup-maintenance.service", "vigie-backup-receipts.path"],
)
def test_units_run_and_come_back_after_a_boot(host, unit: str):
    assert host.service(unit).is_running
    assert host.service(unit).is_enabled


def test_server_is_not_root_and_its_secrets_are_private(host):
    assert {process.user for process in host.process.filter(comm="restic-rest-ser")} == {"vigie-backups"}
    for path, mode in (("hosts.htpasswd", 0o640), ("tls/server.key", 0o640), ("tls/authority.key", 0o600)):
        assert host.file(f"/etc/vigie-backup-server/{path}").mode == mode
    lines = host.file("/etc/vigie-backup-server/hosts.htpasswd").content_string.split()
    assert [line.split(":")[1][:4] for line in lines] == ["$2b$", "$2b$"]
    assert host.file("/srv/vigie-backups").mode == 0o700


def test_passwords_are_not_in_the_journal(host, name: str):
    secret = (state() / "secrets" / name / "alpha" / "web" / "append").read_text().strip()
    assert secret not in host.run("journalctl --no-pager --output=cat").stdout
