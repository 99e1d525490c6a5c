"""Every setting reaches the running exporter."""

from __future__ import annotations

from testinfra.host import Host

testinfra_hosts = ["ssh://configured"]
FETCH = "python3 -c 'import urllib.request as r; print(r.urlopen(\"http://127.0.0.1:9200/metrics\").read().decode())'"


def test_it_listens_where_it_was_told_and_nowhere_else(host: Host) -> None:
    assert host.socket("tcp://127.0.0.1:9200").is_listening
    assert not host.socket("tcp://0.0.0.0:9100").is_listening
    assert not host.socket("tcp://:::9100").is_listening
    assert not host.socket("tcp://:::9200").is_listening


def test_collectors_are_those_that_were_asked_for(host: Host) -> None:
    body = host.check_output(FETCH)
    assert "\nnode_processes_threads " in body
    assert "\nnode_load1 " not in body
    assert "node_systemd_" not in body


def test_an_argument_with_shell_characters_arrives_whole(host: Host) -> None:
    body = host.check_output(FETCH)
    assert 'node_network_receive_bytes_total{device="eth0"}' in body
    assert 'node_network_receive_bytes_total{device="lo"}' not in body
