"""What a sandboxed run sees, and what it does not."""

import subprocess
from pathlib import Path

import pytest

from vigie.running import sandbox
from vigie.running.model import Isolation
from vigie.running.sandbox import View, command

needs_bubblewrap = pytest.mark.skipif(
    sandbox.available(Isolation.SANDBOX) is not None, reason=str(sandbox.available(Isolation.SANDBOX))
)


def inside(view, scratch, *arguments, isolation=Isolation.SANDBOX):
    full = [*command(sandbox.program(), isolation, view, scratch), *arguments]
    return subprocess.run(full, capture_output=True, text=True, timeout=30, check=False)


def test_processes_always_die_with_the_run():
    for isolation in (Isolation.SANDBOX, Isolation.PROCESSES):
        made = command("bwrap", isolation, View(), Path("/x"))
        assert {"--unshare-pid", "--die-with-parent"} <= set(made)


def test_writable_folders_come_after_readable_ones_that_hold_them():
    made = command(
        "bwrap", Isolation.SANDBOX, View(read=[Path("/srv/a")], write=[Path("/srv/a/b")]), Path("/x")
    )

    assert made.index("/srv/a") < made.index("/srv/a/b")


@needs_bubblewrap
def test_a_run_reads_its_own_clients_secrets_and_no_others(tmp_path):
    for client in ("mine", "foreign"):
        (tmp_path / "secrets" / client).mkdir(parents=True)
        (tmp_path / "secrets" / client / "pw").write_text(client)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    view = View(write=[tmp_path / "secrets" / "mine"])

    assert inside(view, scratch, "cat", f"{tmp_path}/secrets/mine/pw").stdout == "mine"
    foreign = inside(view, scratch, "cat", f"{tmp_path}/secrets/foreign/pw")
    assert foreign.returncode != 0
    assert "No such file" in foreign.stderr


@needs_bubblewrap
def test_the_home_the_ledger_and_other_processes_are_out_of_sight(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (tmp_path / "ledger.sqlite3").write_text("")

    assert inside(View(), scratch, "ls", str(tmp_path)).stdout.split() == ["scratch"]
    assert inside(View(), scratch, "ls", str(Path.home() / ".ssh")).returncode != 0
    assert len(inside(View(), scratch, "sh", "-c", "ls -d /proc/[0-9]*").stdout.split()) < 6


@needs_bubblewrap
def test_what_is_given_to_read_cannot_be_written(tmp_path):
    (tmp_path / "public").mkdir()
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    done = inside(View(read=[tmp_path / "public"]), scratch, "touch", f"{tmp_path}/public/x")

    assert "Read-only" in done.stderr


def test_where_bubblewrap_is_missing_the_reason_is_said(monkeypatch):
    sandbox.available.cache_clear()
    monkeypatch.setattr(sandbox.shutil, "which", lambda _name: None)
    try:
        assert "bubblewrap is not installed" in (sandbox.available(Isolation.SANDBOX) or "")
    finally:
        sandbox.available.cache_clear()


def test_where_bubblewrap_is_forbidden_the_reason_is_said(monkeypatch, tmp_path):
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2; exit 1\n")
    fake.chmod(0o755)
    sandbox.available.cache_clear()
    monkeypatch.setattr(sandbox.shutil, "which", lambda _name: str(fake))
    try:
        assert "No permissions" in (sandbox.available(Isolation.SANDBOX) or "")
    finally:
        sandbox.available.cache_clear()
