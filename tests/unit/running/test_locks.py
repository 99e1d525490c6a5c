"""One run at a time per client, and no lock outlives its process."""

import subprocess
import sys

import pytest

from vigie.errors import BusyError, ExitCode
from vigie.running.locks import client_lock
from vigie.state import StateDirectory

HOLD = """
import os, sys
from pathlib import Path
from vigie.running.locks import client_lock
from vigie.state import StateDirectory
with client_lock(StateDirectory(Path(sys.argv[1])), "cabinet") as hold:
    hold("run-1")
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def state(tmp_path):
    return StateDirectory(tmp_path)


def test_a_busy_client_is_refused_and_the_holder_named(state):
    with client_lock(state, "cabinet") as hold:
        hold("run-7")
        with pytest.raises(BusyError, match=r"run run-7") as caught, client_lock(state, "cabinet"):
            pass
    assert caught.value.exit_code == ExitCode.BUSY


def test_other_clients_are_free(state):
    with client_lock(state, "cabinet"), client_lock(state, "usine"):
        pass


def test_the_lock_is_free_afterwards_also_after_an_error(state):
    with pytest.raises(ZeroDivisionError), client_lock(state, "cabinet"):
        raise ZeroDivisionError
    with client_lock(state, "cabinet"):
        pass


def test_a_killed_process_blocks_nobody(state):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(BusyError, match=f"process {holder.pid}, run run-1"), client_lock(state, "cabinet"):
        pass
    holder.kill()
    holder.communicate()
    with client_lock(state, "cabinet"):
        pass
