"""When the indexes were last refreshed: a failed `apt-get update` must not look like a fresh index."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ansible_collections.vigie.msp.plugins.module_utils.measuring import apt_state
from ansible_collections.vigie.msp.plugins.module_utils.measuring.common import iso

NOW = 1_772_000_000
DAY = 86400
URI = "http://deb.debian.org/debian"


@pytest.fixture
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """lists/ of a host with the suites stable and broken; the last update was attempted at NOW."""
    monkeypatch.setattr(apt_state, "LISTS", str(tmp_path))
    suites = [{"uri": URI, "suite": suite} for suite in ("stable", "broken")]
    monkeypatch.setattr(apt_state, "read_sources", lambda: suites)
    (tmp_path / "partial").mkdir()
    os.utime(tmp_path / "partial", (NOW, NOW))
    return tmp_path


def release(lists: Path, suite: str, name: str = "InRelease") -> None:
    (lists / f"deb.debian.org_debian_dists_{suite}_{name}").write_text("Suite: x\n", encoding="ascii")


def answered(monkeypatch: pytest.MonkeyPatch, **times: float) -> None:
    """Set the ctime of each suite's InRelease, which no system call can."""
    monkeypatch.setattr(apt_state, "changed", lambda path: times[path.split("_")[-2]])


def test_a_source_that_fails_is_as_old_as_its_last_answer(
    lists: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(lists, "stable")
    release(lists, "broken")
    answered(monkeypatch, stable=NOW + 1, broken=NOW - 9 * DAY)
    found = apt_state.index()
    assert found["refreshed"] == iso(NOW - 9 * DAY)
    assert found["refreshed_basis"] == f"InRelease of {URI} broken"


def test_a_good_update_is_as_old_as_its_attempt(lists: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release(lists, "stable")
    release(lists, "broken")
    answered(monkeypatch, stable=NOW + 1, broken=NOW + 2)
    found = apt_state.index()
    assert found["refreshed"] == iso(NOW)
    assert "borne out" in found["refreshed_basis"]


def test_the_time_is_the_hosts_and_not_the_archives(lists: Path) -> None:
    """Apt gives the file the server's mtime: an archive that has not changed for a month is no old index."""
    os.utime(lists / "partial")
    for suite in ("stable", "broken"):
        release(lists, suite)
        os.utime(lists / f"deb.debian.org_debian_dists_{suite}_InRelease", (NOW - 30 * DAY,) * 2)
    assert apt_state.index()["refreshed"] >= iso(time.time() - 60)


def test_restored_lists_are_no_fresher_than_the_last_attempt(lists: Path) -> None:
    release(lists, "stable")
    release(lists, "broken")
    assert apt_state.index()["refreshed"] == iso(NOW)


def test_without_a_signed_index_only_the_attempt_is_known(lists: Path) -> None:
    release(lists, "stable", "Release")
    found = apt_state.index()
    assert (found["refreshed"], found["refreshed_basis"]) == (iso(NOW), "lists/partial: the last attempt")
    assert found["unsigned"] == [f"{URI} stable"]
    assert found["missing"] == [f"{URI} broken"]


def test_nothing_fetched_is_no_time(lists: Path) -> None:
    (lists / "partial").rmdir()
    assert apt_state.index()["refreshed"] is None
