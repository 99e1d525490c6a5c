"""A lab host under Molecule is a whole, booted Debian machine."""

from __future__ import annotations

from testinfra.host import Host


def test_systemd_has_booted(host: Host) -> None:
    assert host.run("systemctl is-system-running").stdout.strip() == "running"


def test_the_host_is_of_its_suite(host: Host) -> None:
    assert host.check_output("hostname") in host.check_output("cat /etc/os-release")
