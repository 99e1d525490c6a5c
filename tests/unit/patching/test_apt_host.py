"""What patching asks of the host: refusals name the system, space is counted per file system."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ansible_collections.vigie.msp.plugins.module_utils import apt_host
from ansible_collections.vigie.msp.plugins.module_utils.apt_host import (
    newest_change,
    require_apt,
    short_of_space,
)
from ansible_collections.vigie.msp.plugins.module_utils.apt_run import PatchError


def release(tmp_path: Path, text: str) -> str:
    path = tmp_path / "os-release"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    "text", ["ID=debian\n", "ID=ubuntu\nID_LIKE=debian\n", 'ID=x\nID_LIKE="ubuntu debian"\n']
)
def test_the_debian_family_is_accepted(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt_host.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    require_apt(release(tmp_path, text))


def test_another_system_is_named(tmp_path: Path) -> None:
    with pytest.raises(PatchError, match=r"runs Alpine Linux v3\.20.*patch_baseline_scope: none"):
        require_apt(release(tmp_path, 'ID=alpine\nPRETTY_NAME="Alpine Linux v3.20"\n'))


def test_a_system_that_says_nothing_of_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PatchError, match="an unknown system"):
        require_apt(str(tmp_path / "missing"))


def test_root_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt_host.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PatchError, match="ansible_become"):
        require_apt(release(tmp_path, "ID=debian\n"))


def test_needs_on_one_file_system_add_up(tmp_path: Path) -> None:
    status = os.statvfs(tmp_path)
    free = status.f_bavail * status.f_frsize
    half = int(free * 0.6)
    assert list(short_of_space([(str(tmp_path), half)], 0)) == []
    (short,) = short_of_space([(str(tmp_path), half), (str(tmp_path), half)], 0)
    assert short[0] == str(tmp_path)
    assert short[2] == 2 * half


def test_a_path_that_is_not_there_needs_nothing(tmp_path: Path) -> None:
    assert list(short_of_space([(str(tmp_path / "boot"), 10**18)], 0)) == []


def test_a_changed_source_in_a_folder_is_noticed(tmp_path: Path) -> None:
    before = time.time() - 1
    (tmp_path / "a.list").touch()
    assert newest_change([str(tmp_path), str(tmp_path / "missing")]) > before
    assert newest_change([str(tmp_path / "missing")]) == 0
