"""What the host's backup metrics say, and what they do not."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from ansible_collections.vigie.msp.plugins.module_utils import backup_restic
from ansible_collections.vigie.msp.plugins.module_utils.measuring import PROBES, backups, common

PROGRAM = Path(__file__).parents[3] / "roles/config_backup/files/vigie_backup.py"
SUCCESS = {"time": 1763899200, "files": 3, "bytes": 99}


@pytest.fixture
def written(monkeypatch):
    """The text that the program itself writes."""
    monkeypatch.setitem(sys.modules, "backup_restic", backup_restic)
    spec = importlib.util.spec_from_file_location("vigie_backup_program", PROGRAM)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return lambda code, success: program.metrics(code, 1763902800.5, 1763902860.5, success)


@pytest.mark.parametrize("code", [0, 1, 3])
def test_an_incomplete_backup_is_not_the_last_success(written, code):
    assert backups.attempt_in(written(code, SUCCESS)) == {
        "exit_code": code,
        "attempted": "2025-11-23T13:01:00Z",
        "succeeded": "2025-11-23T12:00:00Z",
    }
    assert backups.attempt_in(written(code, {}))["succeeded"] is None


@pytest.mark.parametrize("bad", ["", "NaN", "1e9", "-1", "0 1", "9" * 12, "0\nvigie_backup_last_exit_code 0"])
def test_what_the_program_does_not_write_is_an_error(written, bad):
    text = written(0, SUCCESS).replace("last_exit_code 0", f"last_exit_code {bad}")
    with pytest.raises(common.ProbeError, match="last_exit_code"):
        backups.attempt_in(text)
    with pytest.raises(common.ProbeError):
        backups.attempt_in("")


def test_no_file_is_no_attempt(tmp_path, monkeypatch):
    monkeypatch.setattr(backups, "METRICS", str(tmp_path / "none.prom"))
    assert backups.last_attempt() == {"exit_code": None, "attempted": None, "succeeded": None}


def test_a_file_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(backups, "METRICS", str(tmp_path))
    with pytest.raises(common.ProbeError, match="cannot be read"):
        backups.last_attempt()


def test_the_probe_is_there():
    assert "backup.last_attempt" in {probe.name for probe in PROBES}
