"""Files of old runs go, but never those that are not in the ledger."""

import os

import pytest

from vigie.running.artifacts import INGESTED, KEEP_RUNS, KEEP_SECONDS, rotate, scrub
from vigie.state import StateDirectory

NOW = 2_000_000_000


@pytest.fixture
def state(tmp_path):
    return StateDirectory(tmp_path)


def make(state, number, age, ingested=True):
    folder = state.run("cabinet", f"{number:04d}")
    folder.mkdir(parents=True)
    if ingested:
        (folder / INGESTED).touch()
    os.utime(folder, (NOW - age, NOW - age))
    return folder


def test_the_newest_are_kept_however_old(state):
    kept = [make(state, number, KEEP_SECONDS * 2 + number) for number in range(KEEP_RUNS)]
    gone = make(state, 9000, KEEP_SECONDS * 3)

    assert rotate(state, "cabinet", NOW) == [gone]
    assert all(folder.exists() for folder in kept)
    assert not gone.exists()


def test_young_runs_are_kept_however_many(state):
    for number in range(KEEP_RUNS + 20):
        make(state, number, number)

    assert rotate(state, "cabinet", NOW) == []


def test_a_run_that_was_never_ingested_is_kept_for_ever(state):
    for number in range(KEEP_RUNS):
        make(state, number, number)
    stranded = make(state, 9000, KEEP_SECONDS * 9, ingested=False)

    assert rotate(state, "cabinet", NOW) == []
    assert stranded.exists()


def test_a_client_without_runs_is_nothing_to_rotate(state):
    assert rotate(state, "nobody", NOW) == []


def test_a_secret_made_after_a_line_was_logged_is_masked_at_the_end(tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "pw").write_text("late-canary")
    log = tmp_path / "stdout.log"
    log.write_text("here is late-canary\n")

    scrub(log, [str(tmp_path / "secrets")])

    assert log.read_text() == "here is ********\n"
