"""Opening the ledger: private, up to date, and clear about what is wrong without saying a password."""

from __future__ import annotations

import os
import stat
import sys
import time

import pytest

from tests.unit.ledger.writing import whole
from vigie.errors import UsageError
from vigie.ledger.api import LedgerError, open_for, open_ledger
from vigie.state import StateDirectory

PASSWORD = "c4n4ry-p4ss"


def test_the_file_and_what_sqlite_puts_beside_it_are_private(tmp_path):
    previous = os.umask(0)
    try:
        with open_ledger(tmp_path / "new" / "ledger.sqlite3") as ledger:
            ledger.ingest(whole().to(tmp_path / "r.jsonl"))
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()}
    finally:
        os.umask(previous)
    assert modes.pop("ledger.sqlite3") == 0o600
    assert "ledger.sqlite3-wal" in modes
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_sqlite_is_set_up_for_several_processes(tmp_path):
    from django.db import connection

    with open_ledger(tmp_path / "ledger.sqlite3"), connection.cursor() as cursor:
        said = {}
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout"):
            cursor.execute(f"PRAGMA {name}")
            said[name] = cursor.fetchone()[0]
    assert said == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 30_000}


def test_opening_again_migrates_nothing(target, monkeypatch):
    with open_ledger(target):
        pass
    monkeypatch.setitem(sys.modules, "django.db.migrations.executor", None)  # would be imported to migrate
    began = time.monotonic()
    with open_ledger(target) as ledger:
        assert ledger.runs() == ()
    assert time.monotonic() - began < 2


def test_models_and_migrations_agree(tmp_path):
    from django.core.management import call_command

    with open_ledger(tmp_path / "ledger.sqlite3"):
        call_command("makemigrations", "ledger", check=True, dry_run=True, verbosity=0)


def test_a_ledger_of_a_newer_vigie_is_left_alone(target):
    from django.db import connection
    from django.db.migrations.recorder import MigrationRecorder

    with open_ledger(target):
        MigrationRecorder(connection).record_applied("ledger", "0999_future")
    with pytest.raises(LedgerError, match=r"newer Vigie \(it has 0999_future\)") as caught:
        open_ledger(target)
    assert "upgrade" in caught.value.hint


def test_two_providers_never_share_a_ledger(target):
    with open_ledger(target, provider="acme"), open_ledger(target, provider="acme"):
        pass
    with pytest.raises(LedgerError, match="belongs to provider 'acme', not to 'other'"):
        open_ledger(target, provider="other")


def test_the_ledger_of_a_state_directory_is_its_file_or_the_url(tmp_path, monkeypatch):
    monkeypatch.delenv("VIGIE_DATABASE_URL", raising=False)
    state = StateDirectory(tmp_path / "acme")
    with open_for(state) as ledger:
        assert ledger.name == str(state.ledger)
    monkeypatch.setenv("VIGIE_DATABASE_URL", f"sqlite:///{tmp_path}/elsewhere.sqlite3")
    with open_for(state) as ledger:
        assert ledger.name == str(tmp_path / "elsewhere.sqlite3")


def test_no_ledger_named(monkeypatch):
    monkeypatch.delenv("VIGIE_DATABASE_URL", raising=False)
    with pytest.raises(UsageError, match="no ledger was named"):
        open_ledger()


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://vigie:{PASSWORD}@127.0.0.1:1/vigie",
        f"postgresql://vigie:{PASSWORD}@127.0.0.1:1/vigie?sslmode=nonsense",
        f"postgresql://vigie:{PASSWORD}@127.0.0.1:port/vigie",
        f"postgresql://vigie:{PASSWORD}@[::1/vigie",
        f"mysql://vigie:{PASSWORD}@127.0.0.1/vigie",
        f"nonsense://vigie:{PASSWORD}@127.0.0.1/vigie",
        f"://{PASSWORD}",
    ],
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(url):
    with pytest.raises((LedgerError, UsageError)) as caught:
        open_ledger(url)
    error: BaseException | None = caught.value
    assert PASSWORD not in f"{error} {error.hint}"
    assert error.__suppress_context__ or error.__context__ is None
    assert "127.0.0.1" in str(error) or "VIGIE_DATABASE_URL" in str(error)


def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    path.write_bytes(b"not a database, but long enough to be looked at closely" * 100)
    with pytest.raises(LedgerError, match=r"ledger\.sqlite3 cannot be used: file is not a database"):
        open_ledger(path)


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="cannot be opened"):
        open_ledger(tmp_path / "file" / "ledger.sqlite3")


def test_a_table_that_is_gone_is_an_error_not_a_traceback(ledger):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE vigie_change")
        cursor.execute("DROP TABLE vigie_failure")
    run = ledger.start_run(client="c", service="audit", tier="t", hosts=["a"])
    with pytest.raises(LedgerError, match="cannot be used"):
        ledger.run(run)
