"""Patching's metrics are readable by Prometheus, replaced in one step, and remembered by the next run."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vigie.msp.plugins.module_utils.patch_report import (
    METRICS_FILE,
    kept_configuration,
    measured_metrics,
    read_metrics,
    render_metrics,
    write_metrics,
)

VALUES = {
    "last_run_timestamp_seconds": 1_800_000_000.7,
    "last_run_success": True,
    "pending_updates": {"security": 2, "other": 0},
    "reboot_required": None,
}


def test_the_format_is_prometheus_text() -> None:
    lines = render_metrics(VALUES).splitlines()
    assert "vigie_patch_last_run_timestamp_seconds 1800000000" in lines
    assert "vigie_patch_last_run_success 1" in lines
    assert 'vigie_patch_pending_updates{scope="security"} 2' in lines
    assert lines.count("# TYPE vigie_patch_pending_updates gauge") == 1


def test_what_is_unknown_is_left_out() -> None:
    assert "reboot_required" not in render_metrics(VALUES)


@given(
    st.dictionaries(
        st.sampled_from(["last_success_timestamp_seconds", "held_packages"]), st.integers(0, 2**40)
    )
)
def test_the_next_run_reads_what_this_one_wrote(values: dict[str, int]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        write_metrics(directory, values)
        assert read_metrics(directory) == values


def test_no_metrics_yet_is_no_error(tmp_path: Path) -> None:
    assert read_metrics(str(tmp_path)) == {}


def test_a_damaged_file_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / METRICS_FILE).write_bytes(b"vigie_patch_last_run_success one\n\xff\n")
    assert read_metrics(str(tmp_path)) == {}


def test_the_file_is_readable_by_the_exporter_and_nothing_else_is_left(tmp_path: Path) -> None:
    directory = tmp_path / "node-exporter"
    write_metrics(str(directory), VALUES)
    assert os.listdir(directory) == [METRICS_FILE]  # noqa: PTH208 - names are enough
    assert stat.S_IMODE((directory / METRICS_FILE).stat().st_mode) == 0o644


def test_a_failed_write_keeps_the_old_file_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_metrics(str(tmp_path), VALUES)
    before = (tmp_path / METRICS_FILE).read_bytes()

    def full(*_arguments: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        write_metrics(str(tmp_path), {})
    assert (tmp_path / METRICS_FILE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [METRICS_FILE]


def test_measurements_become_metrics_and_errors_do_not() -> None:
    measured = [
        {"name": "packages.updates", "value": {"security": {"count": 3}, "other": {"count": 1}}},
        {"name": "system.restart", "value": {"required": True}},
        {"name": "system.stale_services", "error": "needs root"},
    ]
    assert measured_metrics(measured) == {
        "pending_updates": {"security": 3, "other": 1},
        "reboot_required": True,
    }


def test_only_configuration_left_by_this_run_is_pointed_at(tmp_path: Path) -> None:
    (tmp_path / "old.conf.dpkg-dist").touch()
    (tmp_path / "sub").mkdir()
    started = time.time() + 1
    os.utime(tmp_path / "old.conf.dpkg-dist")
    assert kept_configuration(started, str(tmp_path)) == []
    (tmp_path / "sub/new.conf.dpkg-dist").touch()
    (tmp_path / "sub/new.conf").touch()
    assert kept_configuration(started - 2, str(tmp_path)) == [
        str(tmp_path / "old.conf.dpkg-dist"),
        str(tmp_path / "sub/new.conf.dpkg-dist"),
    ]
