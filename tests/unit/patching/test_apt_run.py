"""Waiting for apt's locks, as long as told, naming who holds them; commands run without questions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.vigie.msp.plugins.module_utils import apt_run
from ansible_collections.vigie.msp.plugins.module_utils.apt_run import (
    PatchError,
    lock_holders,
    run,
    run_locked,
    tail,
    wait_for_locks,
)

HOLDER = (
    "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); "
    "print('held', flush=True); time.sleep(60)"
)


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "lock-frontend"
    path.touch()
    return path


@pytest.fixture
def holder(lock: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that really holds the lock."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, lock], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_free_lock_has_no_holder(lock: Path) -> None:
    assert lock_holders([str(lock), str(lock) + ".missing"]) == []


def test_the_holder_of_a_lock_is_described(lock: Path, holder: subprocess.Popen[str]) -> None:
    (described,) = lock_holders([str(lock)])
    assert f"(process {holder.pid}, lock {lock})" in described
    assert "import fcntl" in described


def test_a_file_that_is_open_but_not_locked_is_not_held(lock: Path) -> None:
    with lock.open("w"):
        assert lock_holders([str(lock)]) == []


def test_waiting_ends_when_the_lock_is_released() -> None:
    clock, answers = Clock(), [["apt (process 7)"], ["apt (process 7)"], []]
    wait_for_locks(60, clock=clock, sleep=clock.sleep, holders=lambda: answers.pop(0))
    assert clock.now == 2


def test_waiting_ends_at_the_deadline_and_names_the_holder() -> None:
    clock = Clock()
    with pytest.raises(PatchError, match=r"apt \(process 7\).*patch_baseline_lock_timeout"):
        wait_for_locks(5, clock=clock, sleep=clock.sleep, holders=lambda: ["apt (process 7)"])
    assert clock.now == 5


def test_a_lock_taken_between_look_and_start_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt_run, "lock_holders", list)
    clock, answers = Clock(), [(100, "E: Could not get lock /var/lib/dpkg/lock-frontend"), (0, "done")]
    answer = run_locked(
        ["apt-get"], 60, clock=clock, sleep=clock.sleep, execute=lambda _command: answers.pop(0)
    )
    assert answer == (0, "done")


def test_a_lock_lost_again_and_again_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt_run, "lock_holders", list)
    clock = Clock()
    lost = (100, "E: Could not get lock /x. It is held by process 9 (aptd)")
    with pytest.raises(PatchError, match="held by process 9"):
        run_locked(["apt-get"], 3, clock=clock, sleep=clock.sleep, execute=lambda _command: lost)


def test_another_failure_is_returned_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt_run, "lock_holders", list)
    assert run_locked(["apt-get"], 60, execute=lambda _command: (100, "E: Broken")) == (100, "E: Broken")


def test_commands_see_no_terminal_no_question_and_none_of_the_callers_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VIGIE_CANARY", "secret")
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    code, output = run(["sh", "-c", "env; if read line; then echo a question; fi; echo error >&2"])
    assert code == 0
    assert {"LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1"} <= set(output.split())
    assert "https_proxy=http://proxy:3128" in output
    assert "secret" not in output
    assert "a question" not in output
    assert "error" in output


def test_a_missing_program_is_a_message() -> None:
    with pytest.raises(PatchError, match="cannot run no-such-program"):
        run(["no-such-program"])


def test_the_tail_leaves_out_progress() -> None:
    assert tail("(Reading database ... 5%\n\none\ntwo\nthree\n", 2) == "two\nthree"
