"""A PostgreSQL server of the tests' own: started in a temporary directory, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

SETTINGS = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "listen_addresses=",
    "max_connections=20",
)


def binaries() -> Path | None:
    """The folder of the newest PostgreSQL of this machine."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


@contextmanager
def server(programs: Path) -> Iterator[Server]:
    """Start one; it is stopped and deleted at the end. As root it runs as user postgres: it refuses root."""
    folder = Path(tempfile.mkdtemp(prefix="vigie-pg-", dir="/tmp"))
    started = Server(programs, folder)
    try:
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        started.run(
            "initdb", "-A", "trust", "-U", "vigie", "-E", "UTF8", "--no-locale", "-N", "-D", folder / "data"
        )
        options = " ".join(f"-c {setting}" for setting in SETTINGS) + f" -k {folder}"
        started.run("pg_ctl", "-D", folder / "data", "-l", folder / "log", "-o", options, "-w", "start")
        yield started
    finally:
        started.run("pg_ctl", "-D", folder / "data", "-m", "immediate", "stop", check=False)
        shutil.rmtree(folder, ignore_errors=True)


class Server:
    """A running server."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder, self._made = programs, folder, 0

    def run(self, program: str, *arguments: object, check: bool = True) -> None:
        command = [str(self.programs / program), *map(str, arguments)]
        if os.getuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd="/",
        )
        if check and done.returncode:
            raise AssertionError(f"{program}: {done.stdout}{done.stderr}")

    def database(self, template: str = "template0") -> str:
        """Make a database and return its name."""
        self._made += 1
        name = f"test_{self._made}"
        self.run("createdb", "-h", self.folder, "-U", "vigie", "-T", template, name)
        return name

    def url(self, name: str) -> str:
        """How Vigie reaches a database of it."""
        return f"postgresql://vigie@{quote(str(self.folder), safe='')}/{name}"
