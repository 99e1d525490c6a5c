"""A probe that hangs, dies, floods or lies costs its own measurement and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ansible_collections.vigie.msp.plugins.module_utils.measuring import PROBES, Probe, measure
from ansible_collections.vigie.msp.plugins.module_utils.measuring.common import ProbeError


def hang():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)


def hang_with_a_child():
    subprocess.run(["/bin/sleep", "61.25"], check=False)


def refuse():
    raise ProbeError("there is no such thing")


def crash():
    return {}["nothing"]


def by_name(*probes, seconds=20):
    return {m["name"]: m for m in measure(seconds=seconds, probes=probes)}


def test_every_way_to_fail_is_contained():
    begun = time.monotonic()
    found = by_name(
        Probe("good", lambda: {"a": [1]}, "x"),
        Probe("hung", hang, "x", seconds=0.3),
        Probe("refused", refuse, "x"),
        Probe("crashed", crash, "x"),
        Probe("died", lambda: os.kill(os.getpid(), signal.SIGKILL), "x"),
        Probe("huge", lambda: "x" * 9_000_000, "x"),
        Probe("printing", lambda: os.write(1, b"hello"), "x"),
        Probe("unserialisable", object, "x"),
    )
    assert time.monotonic() - begun < 5
    assert found["good"]["value"] == {"a": [1]}
    assert "time budget" in found["hung"]["error"]
    assert found["refused"]["error"] == "there is no such thing"
    assert found["crashed"]["error"] == "KeyError: 'nothing'"
    assert "without an answer" in found["died"]["error"]
    assert "larger than" in found["huge"]["error"]
    assert found["printing"]["value"] == 5
    assert "error" in found["unserialisable"]


def test_what_a_hung_probe_started_is_killed_too():
    by_name(Probe("hung", hang_with_a_child, "x", seconds=0.5))
    time.sleep(0.1)
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "sleep 61.25" not in running


def test_the_whole_host_has_a_deadline():
    begun = time.monotonic()
    found = by_name(*(Probe(f"hung{n}", hang, "x", seconds=30) for n in range(6)), seconds=0.5)
    assert time.monotonic() - begun < 3
    assert len(found) == 6
    assert all("error" in measurement for measurement in found.values())
    assert "used up" in found["hung5"]["error"]


def test_children_hold_none_of_our_descriptors():
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    found = by_name(
        Probe("descriptors", lambda: [path.name for path in Path("/proc/self/fd").iterdir()], "x")
    )
    assert str(writer) not in found["descriptors"]["value"]
    os.close(reader)
    os.close(writer)


def test_text_no_json_reader_agrees_on_is_cleaned():
    found = by_name(Probe("odd", lambda: {"name\x00": ["\udcff", "é"]}, "x"))
    assert found["odd"]["value"] == {"name": ["?", "é"]}


def test_an_unknown_name_is_an_error_of_its_own():
    assert measure(["nothing.here"])[0]["error"] == "no probe has this name"


def test_root_is_asked_for_where_the_answer_would_be_falsely_good(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    found = by_name(Probe("shy", list, "x", needs_root=True), Probe("open", list, "x"))
    assert found["shy"]["error"] == "needs root"
    assert found["open"]["value"] == []


def test_names_are_unique_and_answers_are_plain_json():
    names = [probe.name for probe in PROBES]
    assert len(names) == len(set(names))
    quick = [name for name in names if name != "packages.updates"]
    found = measure(quick)
    assert [measurement["name"] for measurement in found] == quick
    assert all(("value" in one) != ("error" in one) and one["time"].endswith("Z") for one in found)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_probes_say_where_they_read(probe):
    assert probe.source
    assert probe.seconds <= 45
