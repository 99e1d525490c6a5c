"""The run's own folder: everything ansible needs to start, secrets among it, gone when the run is over."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MAX_SOCKET_FOLDER = 64
"""Characters: a control socket's path adds a hash and a random suffix, and the kernel allows 107 in all."""

_UUID = re.compile(r"^[0-9a-f-]{36}$")


def folder_of(run_id: str) -> Path:
    """The folder of a run; its name is known from the run, so that a later command can remove it."""
    if not _UUID.match(run_id):
        raise ValueError(f"not a run's id: {run_id!r}")
    name = f"vigie-{run_id.replace('-', '')}"
    path = Path(tempfile.gettempdir()).resolve() / name
    return path if len(str(path)) <= MAX_SOCKET_FOLDER else Path("/tmp").resolve() / name  # noqa: S108


@contextmanager
def scratch_folder(run_id: str) -> Iterator[Path]:
    """Make the folder, private, and remove it afterwards."""
    path = folder_of(run_id)
    path.mkdir(mode=0o700)  # fails when it exists: nobody else prepared it for us
    try:
        for name in ("home", "tmp", "cp", "env"):
            (path / name).mkdir(mode=0o700)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def remove_leftover(run_id: str) -> None:
    """Remove the folder of a run that died, when it is there and ours."""
    path = folder_of(run_id)
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if status.st_uid == os.getuid() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)


def write_private(path: Path, text: str) -> Path:
    """Write a file that its owner alone can read, from its first byte on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
    return path


def write_json(path: Path, document: Mapping[str, Any]) -> Path:
    """Write ``document`` as a private JSON file."""
    return write_private(path, json.dumps(document, default=str))
