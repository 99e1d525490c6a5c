"""Scope none: not even an index is fetched."""

from __future__ import annotations

from testinfra.host import Host

testinfra_hosts = ["ssh://nothing"]


def test_no_package_was_touched(host: Host) -> None:
    assert host.file("/var/log/dpkg.log").content_string == ""
    assert host.package("canary-fixed").version == "1.0"


def test_no_index_was_fetched(host: Host) -> None:
    assert host.file("/etc/apt/sources.list.d/canaries.list").exists
    assert "canary" not in host.check_output("ls /var/lib/apt/lists")


def test_no_metrics_were_written(host: Host) -> None:
    assert not host.file("/var/lib/prometheus").exists
