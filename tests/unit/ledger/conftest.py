"""One suite, two databases: tests that take ``ledger`` or ``target`` run on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.ledger.postgresql import Server, binaries, server
from vigie.ledger.api import Ledger, open_ledger


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    programs = binaries()
    if programs is None:
        if os.environ.get("VIGIE_REQUIRE_LAB", "0") not in ("", "0"):
            pytest.fail("PostgreSQL is needed here: apt-get install postgresql")
        pytest.skip("no PostgreSQL on this machine")
    with server(programs) as running:
        yield running


@pytest.fixture(scope="session")
def template(postgresql: Server) -> str:
    """A database with the schema, to copy: migrating anew for each test takes ten times as long."""
    name = postgresql.database()
    with open_ledger(postgresql.url(name)):
        pass
    return name


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    if request.param == "sqlite":
        return tmp_path / "state" / "ledger.sqlite3"
    running: Server = request.getfixturevalue("postgresql")
    return running.url(running.database(request.getfixturevalue("template")))


@pytest.fixture
def ledger(target: Path | str) -> Iterator[Ledger]:
    with open_ledger(target) as opened:
        yield opened
