"""Opening the ledger's database: where it is, its connection, its schema kept up to date.

SQLite (one private file) unless ``VIGIE_DATABASE_URL`` names a PostgreSQL database. One ledger is open per
process; opening another closes the first.
"""

from __future__ import annotations

import fcntl
import os
import pkgutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import dj_database_url
import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection, connections
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import ConnectionHandler, InterfaceError

from vigie.errors import UsageError, VigieError
from vigie.state import private_directory

URL_VARIABLE = "VIGIE_DATABASE_URL"
_BUSY_SECONDS = 30
_SQLITE_OPTIONS = {
    "timeout": _BUSY_SECONDS,
    "transaction_mode": "IMMEDIATE",  # a transaction that will write never has to be given up half-way
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}
_MIGRATION_LOCK = 7_236_443  # pg_advisory_lock key; any constant of ours will do


class LedgerError(VigieError):
    """The ledger's database cannot be used."""


def connect(target: Path | str) -> str:
    """Point Django at ``target``, bring its schema up to date, and return its name without secrets.

    Args:
        target: A path (SQLite; created when missing, readable by its owner alone) or a ``postgresql://`` URL.

    Raises:
        LedgerError: It cannot be reached, is no ledger, or a newer Vigie wrote it.
    """
    url = str(target) if isinstance(target, str) and "://" in target else None
    name, config = _from_url(url) if url else _from_path(Path(target).expanduser().absolute())
    _install(config)
    with database_errors(name, secret=str(config.get("PASSWORD") or "")):
        _bring_up_to_date(name, Path(config["NAME"]) if _is_sqlite(config) else None)
    return name


def disconnect() -> None:
    """Close this thread's connection."""
    if settings.configured:
        connections.close_all()


@contextmanager
def database_errors(name: str, secret: str = "") -> Iterator[None]:
    """Turn what the database complains of into a LedgerError that names the database but no password."""
    try:
        yield
    except (DatabaseError, InterfaceError, ImproperlyConfigured) as error:
        said = " ".join(str(error).split())
        said = said.replace(secret, "***") if secret else said
        hint = ""
        if isinstance(error, ImproperlyConfigured) and "psycopg" in said:
            hint = "PostgreSQL needs its driver: pip install 'vigie[postgresql]'"
        raise LedgerError(f"the ledger at {name} cannot be used: {said}", hint) from None


def _from_path(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        private_directory(path.parent)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite's own files take over its mode
    except OSError as error:
        raise LedgerError(f"the ledger {path} cannot be opened: {error.strerror}") from error
    return str(path), {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": dict(_SQLITE_OPTIONS),
    }


def _from_url(url: str) -> tuple[str, dict[str, Any]]:
    try:
        config: dict[str, Any] = dict(dj_database_url.parse(url))
        name = _public_name(url)
    except (ValueError, KeyError):
        config, name = {}, ""
    if config.get("ENGINE") not in ("django.db.backends.postgresql", "django.db.backends.sqlite3"):
        raise UsageError(
            f"{URL_VARIABLE} is not the URL of a database Vigie can use",
            "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or unset it to use a file of its own",
        )
    if _is_sqlite(config):
        return _from_path(Path(config["NAME"]).absolute())
    config.setdefault("OPTIONS", {}).setdefault("connect_timeout", 10)
    return name, config


def _is_sqlite(config: Mapping[str, Any]) -> bool:
    return str(config["ENGINE"]).endswith("sqlite3")


def _public_name(url: str) -> str:
    parts = urlsplit(url)
    user = f"{unquote(parts.username)}@" if parts.username else ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{user}{unquote(parts.hostname or '')}{port}{parts.path}"


def _install(config: Mapping[str, Any]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vigie.ledger.settings")
    if not settings.configured or not django.apps.apps.ready:
        django.setup()
    connections.close_all()
    with suppress(AttributeError):
        del connections["default"]
    _choose(connections, config)


def _choose(handler: ConnectionHandler, config: Mapping[str, Any]) -> None:
    handler.settings = handler.configure_settings({"default": dict(config)})


def _shipped() -> set[str]:
    from vigie.ledger import migrations

    return {module.name for module in pkgutil.iter_modules(migrations.__path__)}


def _pending(name: str) -> bool:
    """Whether migrations are to be applied; a schema we do not know is an error."""
    applied = {step for app, step in MigrationRecorder(connection).applied_migrations() if app == "ledger"}
    unknown = applied - _shipped()
    if unknown:
        raise LedgerError(
            f"the ledger at {name} was written by a newer Vigie (it has {max(unknown)})",
            "upgrade Vigie on this machine: pip install --upgrade vigie",
        )
    return applied != _shipped()


def _bring_up_to_date(name: str, file: Path | None) -> None:
    if not _pending(name):
        return
    with _alone(file):
        if _pending(name):  # somebody else may have done it while we waited
            from django.db.migrations.executor import MigrationExecutor

            executor = MigrationExecutor(connection)
            executor.migrate([key for key in executor.loader.graph.leaf_nodes() if key[0] == "ledger"])


@contextmanager
def _alone(file: Path | None) -> Iterator[None]:
    """Hold the migration lock: a file next to an SQLite ledger, an advisory lock in PostgreSQL."""
    if file is None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [_MIGRATION_LOCK])
            try:
                yield
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_MIGRATION_LOCK])
        return
    lock = os.open(file.with_name(file.name + ".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
