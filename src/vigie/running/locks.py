"""One run at a time per client. The kernel drops the lock with the process, so a dead run blocks nobody."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from vigie.errors import BusyError, of_os_error
from vigie.state import StateDirectory, private_directory


@contextmanager
def client_lock(state: StateDirectory, client: str) -> Iterator[Callable[[str], None]]:
    """Hold the client's lock. Gives a function that notes which run is being made, for whoever finds it busy.

    Args:
        state: The provider's state directory.
        client: Slug of the client, or ``provider``.

    Raises:
        BusyError: Another process, or another thread of this one, holds it.
        VigieError: The lock file cannot be made or locked.
    """
    path = state.lock(client)
    descriptor = _open(path, client)
    try:
        _lock(descriptor, path, client)
        note_holder(descriptor, "")
        yield lambda run_id: note_holder(descriptor, run_id)
    finally:
        os.close(descriptor)


def _open(path: Path, client: str) -> int:
    try:
        private_directory(path.parent)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise of_os_error(error, f"cannot lock client '{client}'", path) from error


def _lock(descriptor: int, path: Path, client: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _busy(path, client) from error
    except OSError as error:  # a network file system without locks, for one
        raise of_os_error(error, f"cannot lock client '{client}'", path) from error


def note_holder(descriptor: int, run_id: str) -> None:
    """Write into the lock file who holds it; for people, the lock itself does not depend on it."""
    note = {"pid": os.getpid(), "run": run_id, "since": datetime.now(UTC).isoformat(timespec="seconds")}
    with contextlib.suppress(OSError):  # a full disk: the lock holds without its note
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(note).encode(), 0)


def _busy(path: Path, client: str) -> BusyError:
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        holder = f"process {note['pid']}, run {note['run'] or 'starting'}, since {note['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        holder = "another process"
    return BusyError(
        f"client '{client}' is busy: {holder} holds {path}",
        "wait for it to end and try again; a dead process holds no lock",
    )
