"""Leftovers of a run are found by their mark, and a dead owner is told from a living one."""

import dataclasses
import os
import subprocess
import sys
import time
import uuid

import pytest

from vigie.ledger.records import Owner
from vigie.running.processes import MARKER, is_gone, kill_marked, marked

# A worker that leaves its session and its parent, as Ansible's workers and ssh's masters do.
DAEMON = "import os,time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); time.sleep(300)"


def start(run_id):
    environment = os.environ | {MARKER: run_id}
    subprocess.run([sys.executable, "-c", DAEMON], env=environment, check=True, timeout=20)
    deadline = time.monotonic() + 10
    while not marked([run_id]) and time.monotonic() < deadline:
        time.sleep(0.02)


def test_only_processes_of_the_run_are_killed():
    mine, other = str(uuid.uuid4()), str(uuid.uuid4())
    start(mine)
    start(other)
    try:
        assert kill_marked([mine]) == 1
        assert marked([mine]) == {}
        assert len(marked([other])) == 1
    finally:
        kill_marked([other])


def test_nothing_is_killed_for_no_run():
    assert kill_marked([]) == 0


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ({}, False),
        ({"started": 1.0}, True),
        ({"boot": "another"}, True),
        ({"pid": 2**22 + 1}, True),
        ({"host": "another machine"}, None),
    ],
)
def test_an_owner_is_known_by_all_of_its_identity(change, gone):
    assert is_gone(dataclasses.replace(Owner.current(), **change)) is gone
