"""What the lab detects about the machine, and what it refuses."""

from __future__ import annotations

import ipaddress
import resource
import shutil
from pathlib import Path

import pytest

from tests.lab import cli, images, lab, machine, podman
from tests.lab.errors import LabError, LabUnavailableError
from tests.lab.keys import known_hosts_lines
from tests.lab.lab import HostSpec
from tests.lab.network import _subnet
from tests.lab.progress import Progress

QUIET = Progress(quiet=True)


@pytest.fixture
def machine_with(monkeypatch: pytest.MonkeyPatch) -> object:
    """Pretend to be root on a machine that has exactly these programs."""

    def pretend(*programs: str, uid: int = 0) -> None:
        monkeypatch.setattr(podman.os, "geteuid", lambda: uid)
        monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if name in programs else None)

    return pretend


def test_a_complete_machine_can_have_a_lab(machine_with) -> None:
    machine_with("podman", "mmdebstrap", "ssh-keygen", "crun", "nft")
    assert podman.unavailable_reason() is None


@pytest.mark.parametrize(
    ("programs", "missing"),
    [
        (("mmdebstrap", "ssh-keygen", "crun", "nft"), "podman"),
        (("podman", "ssh-keygen", "crun", "nft"), "mmdebstrap"),
        (("podman", "mmdebstrap", "ssh-keygen", "nft"), "runc"),
        (("podman", "mmdebstrap", "ssh-keygen", "crun"), "iptables"),
    ],
)
def test_what_is_missing_is_named_with_the_way_out(
    machine_with, programs: tuple[str, ...], missing: str
) -> None:
    machine_with(*programs)
    with pytest.raises(LabUnavailableError) as error:
        podman.require()
    assert f"not installed: {missing}" in str(error.value)
    assert "apt-get install" in str(error.value)
    assert "vigie audit localhost --tier silver" in str(error.value)


def test_without_root_the_command_line_says_so_and_fails(
    machine_with, capsys: pytest.CaptureFixture[str]
) -> None:
    machine_with("podman", uid=1000)
    assert cli.main(["list"]) == 1
    assert "needs root" in capsys.readouterr().err


@pytest.mark.parametrize(("mask", "expected"), [("000001fffeffffff", False), ("000001ffffffffff", True)])
def test_a_capability_is_read_from_the_effective_set(tmp_path: Path, mask: str, expected: bool) -> None:
    status = tmp_path / "status"
    status.write_text(f"CapPrm:\t{'0' * 16}\nCapEff:\t{mask}\n")
    assert podman.has_capability(podman.CAP_SYS_RESOURCE, status) is expected


def test_limits_are_set_only_where_they_cannot_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(podman, "has_capability", lambda _: True)
    assert podman.containers_conf() is None
    monkeypatch.setattr(podman, "has_capability", lambda _: False)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1000, 4096))
    assert '["nofile=4096:4096", "nproc=4096:4096"]' in (podman.containers_conf() or "")


def test_the_users_own_containers_conf_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(podman, "containers_conf", lambda: "[engine]\n")
    monkeypatch.setenv("CONTAINERS_CONF", "/mine")
    assert podman.environment(tmp_path)["CONTAINERS_CONF"] == "/mine"
    monkeypatch.delenv("CONTAINERS_CONF")
    assert podman.environment(tmp_path)["CONTAINERS_CONF"] == str(tmp_path / "containers.conf")


def test_an_image_is_named_after_its_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = images.tag("bookworm")
    assert before == images.tag("bookworm") != images.tag("trixie")
    changed = tmp_path / "customize.sh"
    changed.write_text(images.CUSTOMIZE.read_text() + "# changed\n")
    monkeypatch.setattr(images, "CUSTOMIZE", changed)
    assert images.tag("bookworm") != before


def test_only_the_labs_own_images_of_other_recipes_are_outdated() -> None:
    names = [
        images.tag("trixie"),
        "localhost/vigie-lab:trixie-0",
        "localhost/mine:trixie",
        "localhost/vigie-lab-x:1",
    ]
    assert images.outdated(names) == ["localhost/vigie-lab:trixie-0"]


def test_an_unknown_suite_is_refused_with_the_known_ones() -> None:
    with pytest.raises(LabError, match=r"'sid' is not a suite.*bookworm, bullseye, trixie"):
        images.tag("sid")


@pytest.mark.parametrize("name", ["Upper", "with space", "", "-dash", "../escape", "a" * 42])
def test_a_name_that_is_no_host_name_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="lower-case"):
        lab._spec(name, "bookworm")


def test_a_host_that_exists_otherwise_than_wanted_is_an_error() -> None:
    known = {"box": lab.Host(None, "vigie-x-box", "box", "bookworm", "10.0.0.9")}  # type: ignore[arg-type]
    lab._check_suites(known, {"box": HostSpec("bookworm"), "new": HostSpec("trixie")})
    with pytest.raises(LabError, match=r"exists as bookworm at 10\.0\.0\.9"):
        lab._check_suites(known, {"box": HostSpec("trixie")})
    with pytest.raises(LabError, match=r"10\.0\.0\.8 is wanted"):
        lab._check_suites(known, {"box": HostSpec("bookworm", "10.0.0.8")})


def test_addresses_are_free_ones_or_those_asked_for() -> None:
    net = ipaddress.IPv4Network("10.0.0.0/24")
    new = {"a": HostSpec("bookworm"), "b": HostSpec("bookworm", "10.0.0.11"), "c": HostSpec("bookworm")}
    assert lab._allocate(net, {"10.0.0.10"}, new) == {"b": "10.0.0.11", "a": "10.0.0.12", "c": "10.0.0.13"}


def test_a_full_network_is_an_error_not_a_crash() -> None:
    net = ipaddress.IPv4Network("10.0.0.0/28")
    with pytest.raises(LabError, match="no free address"):
        lab._allocate(net, {str(address) for address in net}, {"a": HostSpec("bookworm")})


@pytest.mark.parametrize(
    ("addresses", "expected"), [([], None), (["10.1.2.3", "10.1.2.9"], ipaddress.IPv4Network("10.1.2.0/24"))]
)
def test_the_network_is_the_one_that_holds_the_addresses(addresses: list[str], expected: object) -> None:
    assert _subnet(addresses) == expected


@pytest.mark.parametrize("addresses", [["10.1.2.3", "10.1.3.3"], ["not-an-address"], ["fd00::1"]])
def test_addresses_that_fit_no_network_are_refused(addresses: list[str]) -> None:
    with pytest.raises(LabError):
        _subnet(addresses)


def test_known_hosts_lines_carry_name_and_address() -> None:
    assert known_hosts_lines("web", "10.0.0.1", "ssh-ed25519 AAAA root@web\n\n") == [
        "web,10.0.0.1 ssh-ed25519 AAAA"
    ]


@pytest.mark.parametrize(("hosts", "after"), [(8, "128"), (9, "1024"), (200, "1664")])
def test_room_is_made_only_when_it_is_needed(tmp_path: Path, hosts: int, after: str) -> None:
    setting = tmp_path / "max_user_instances"
    setting.write_text("128\n")
    machine.make_room(hosts, QUIET, setting)
    assert setting.read_text().strip() == after


def test_a_host_without_suite_on_the_command_line_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["up", "web"]) == 1
    assert "HOST=SUITE" in capsys.readouterr().err
