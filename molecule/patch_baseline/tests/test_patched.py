"""After a security patch: what was promised happened, nothing else did, and the report says the truth."""

from __future__ import annotations

import json
from typing import Any

import pytest
from testinfra.host import Host

METRICS = "/var/lib/prometheus/node-exporter/vigie_patch.prom"


@pytest.fixture
def reported(host: Host) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(host.file("/root/patch_result.json").content_string)
    return result


def version(host: Host, package: str) -> str:
    return str(host.package(package).version)


def logged(host: Host) -> set[tuple[str, str | None, str | None]]:
    """Package changes of dpkg's own log: ``(name, from, to)``, names of the host's architecture bare."""
    native = host.check_output("dpkg --print-architecture")
    changes = set()
    for line in host.file("/var/log/dpkg.log").content_string.splitlines():
        words = line.split()
        if words[2] in ("upgrade", "install", "remove"):
            name = words[3].removesuffix(f":{native}").removesuffix(":all")
            before, after = (None if word == "<none>" else word for word in words[4:6])
            changes.add((name, before, after))
    return changes


def test_no_security_update_is_pending_but_those_that_may_not_go_in(host: Host) -> None:
    simulated = host.run("LC_ALL=C apt-get -s dist-upgrade").stdout.splitlines()
    pending = {
        line.split()[1] for line in simulated if line.startswith("Inst") and "-security" in line.lower()
    }
    assert pending <= {"canary-greedy"}


def test_the_security_version_is_installed_not_the_newest(host: Host) -> None:
    assert version(host, "canary-fixed") == "1.1"


def test_other_updates_are_not_installed(host: Host) -> None:
    assert version(host, "canary-other") == "1.0"


def test_a_dependency_outside_the_security_archive_is_pulled_in(host: Host) -> None:
    assert version(host, "canary-needy") == "1.1"
    assert version(host, "canary-new") == "1.0"
    assert "canary-new" in host.check_output("apt-mark showauto").split()


def test_a_held_package_is_untouched_and_reported(host: Host, reported: dict[str, Any]) -> None:
    assert version(host, "canary-held") == "1.0"
    assert host.check_output("apt-mark showhold") == "canary-held"
    assert reported["held"] == ["canary-held"]
    assert "held" in reported["withheld"]["canary-held"]


def test_nothing_is_removed_to_make_room(host: Host, reported: dict[str, Any]) -> None:
    assert host.package("canary-victim").is_installed
    assert version(host, "canary-greedy") == "1.0"
    assert "canary-greedy" in reported["withheld"]


def test_an_automatic_package_stays_automatic(host: Host) -> None:
    assert version(host, "canary-automatic") == "1.1"
    assert "canary-automatic" in host.check_output("apt-mark showauto").split()


def test_local_configuration_is_kept_and_the_new_default_pointed_at(
    host: Host, reported: dict[str, Any]
) -> None:
    assert version(host, "canary-configured") == "1.1"
    assert host.file("/etc/canary.conf").content_string == "changed by the administrator\n"
    assert host.file("/etc/canary.conf.dpkg-dist").content_string == "default of 1.1\n"
    assert "/etc/canary.conf.dpkg-dist" in reported["kept_configuration"]


def test_the_reported_changes_are_those_of_dpkgs_log(host: Host, reported: dict[str, Any]) -> None:
    changes = {(change["name"], change["before"], change["after"]) for change in reported["vigie_changes"]}
    assert {change["kind"] for change in reported["vigie_changes"]} == {"package"}
    assert changes == logged(host)
    assert ("canary-fixed", "1.0", "1.1") in changes


def test_what_is_measured_is_what_is_left(reported: dict[str, Any]) -> None:
    measured = {entry["name"]: entry for entry in reported["vigie_measurements"]}
    left = {package["name"] for package in measured["packages.updates"]["value"]["packages"]}
    assert {"canary-held", "canary-greedy"} <= left
    assert [hold["name"] for hold in measured["packages.holds"]["value"]] == ["canary-held"]
    assert "value" in measured["system.restart"]
    assert measured["patching.withheld"]["value"] == reported["withheld"]


def test_metrics_are_written_for_the_exporter(host: Host) -> None:
    lines = host.file(METRICS).content_string.splitlines()
    metrics = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert metrics["vigie_patch_last_run_success"] == "1"
    assert float(metrics["vigie_patch_last_success_timestamp_seconds"]) > 1.7e9
    # held and greedy are security updates that remain, the newer canary-fixed and canary-other are others.
    assert int(metrics['vigie_patch_pending_updates{scope="security"}']) == 2
    assert int(metrics['vigie_patch_pending_updates{scope="other"}']) >= 2
    assert metrics["vigie_patch_held_packages"] == "1"
    assert host.file(METRICS).mode == 0o644
    assert host.run("ls -A /var/lib/prometheus/node-exporter").stdout.split() == ["vigie_patch.prom"]


def test_no_downloaded_package_is_left_behind(host: Host) -> None:
    assert host.run("ls /var/cache/apt/archives/*.deb").rc != 0
