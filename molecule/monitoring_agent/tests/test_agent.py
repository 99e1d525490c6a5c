"""The exporter answers, exports what root leaves in its textfile directory, and survives a failure."""

from __future__ import annotations

import time

from testinfra.host import Host

TEXTFILES = "/var/lib/prometheus/node-exporter"
FETCH = "python3 -c 'import urllib.request as r; print(r.urlopen(\"http://127.0.0.1:9100/metrics\").read().decode())'"


def metrics(host: Host) -> dict[str, str]:
    lines = host.check_output(FETCH).splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))


def test_the_agent_runs_and_will_after_a_reboot(host: Host) -> None:
    service = host.service("prometheus-node-exporter")
    assert service.is_running
    assert service.is_enabled


def test_it_answers_with_the_hosts_own_figures(host: Host) -> None:
    found = metrics(host)
    booted = int(host.check_output("sed -n 's/^btime //p' /proc/stat"))
    assert float(found["node_boot_time_seconds"]) == booted
    assert found["node_systemd_system_running"] == "1"


def test_it_can_be_reached_over_the_network(host: Host) -> None:
    assert host.socket("tcp://:::9100").is_listening


def test_it_exports_what_other_roles_leave_for_it(host: Host) -> None:
    host.check_output(f"printf 'vigie_test_metric 42\\n' > {TEXTFILES}/vigie_test.prom")
    try:
        found = metrics(host)
    finally:
        host.check_output(f"rm {TEXTFILES}/vigie_test.prom")
    assert found["vigie_test_metric"] == "42"
    assert found["node_textfile_scrape_error"] == "0"


def test_only_root_may_leave_metrics(host: Host) -> None:
    directory = host.file(TEXTFILES)
    assert (directory.user, directory.group, directory.mode) == ("root", "root", 0o755)


def test_it_does_not_run_as_root(host: Host) -> None:
    assert host.process.get(comm="prometheus-node").user == "prometheus"


def test_it_comes_back_when_it_is_killed(host: Host) -> None:
    killed = host.process.get(comm="prometheus-node").pid
    host.check_output(f"kill -9 {killed}")
    for _attempt in range(40):
        running = host.process.filter(comm="prometheus-node")
        if running and running[0].pid != killed and host.run(FETCH).rc == 0:
            return
        time.sleep(0.25)
    raise AssertionError("the agent did not come back within 10 s")
