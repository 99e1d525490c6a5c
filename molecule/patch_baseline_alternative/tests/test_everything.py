"""Scope all: every update goes in, but what is excluded or held."""

from __future__ import annotations

from testinfra.host import Host

testinfra_hosts = ["ssh://everything"]


def test_the_newest_version_is_installed(host: Host) -> None:
    assert host.package("canary-fixed").version == "1.2"


def test_an_excluded_package_is_untouched(host: Host) -> None:
    assert host.package("canary-other").version == "1.0"


def test_a_held_package_is_untouched(host: Host) -> None:
    assert host.package("canary-held").version == "1.0"


def test_an_allowed_removal_happens(host: Host) -> None:
    assert host.package("canary-greedy").version == "1.1"
    assert not host.package("canary-victim").is_installed


def test_nothing_else_is_pending(host: Host) -> None:
    simulated = host.run("LC_ALL=C apt-get -s dist-upgrade").stdout.splitlines()
    assert [line.split()[1] for line in simulated if line.startswith("Inst")] == ["canary-other"]


def test_no_metrics_are_written_when_they_are_not_wanted(host: Host) -> None:
    assert not host.file("/var/lib/prometheus").exists
