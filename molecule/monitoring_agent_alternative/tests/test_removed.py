"""A removed agent is gone; what other roles left for it is theirs."""

from __future__ import annotations

from testinfra.host import Host

testinfra_hosts = ["ssh://removed"]


def test_the_agent_is_gone(host: Host) -> None:
    assert not host.package("prometheus-node-exporter").is_installed
    assert not host.process.filter(comm="prometheus-node")


def test_metrics_of_other_roles_stay(host: Host) -> None:
    assert host.file("/var/lib/prometheus/node-exporter/vigie_backup.prom").exists
