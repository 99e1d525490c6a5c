"""Where monitoring is not promised, an agent somebody else put there is left exactly as it is."""

from __future__ import annotations

from testinfra.host import Host

testinfra_hosts = ["ssh://unmonitored"]


def test_the_other_agent_still_runs_as_it_was(host: Host) -> None:
    assert host.socket("tcp://127.0.0.1:19100").is_listening
    content = host.file("/etc/default/prometheus-node-exporter").content_string
    assert content == 'ARGS="--web.listen-address=127.0.0.1:19100"\n'
