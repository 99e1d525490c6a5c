# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write down when this server received each snapshot. Installed by the role ``backup_server``.

Usage: ``receipts.py DATA_DIRECTORY``. rest-server does not tell a file's time, and the time inside a snapshot
is the host's word. So each repository gets a file ``receipts/config`` with the times of its snapshot files,
which rest-server then serves like any other to the repository's account; a host's append-only account cannot
replace or delete it.

A repository is written anew only when its directory of snapshots changed since.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Iterator

PASSES = 20
"""Upper bound of passes in one start; what changes later starts the program again."""


def repositories(data: str) -> Iterator[str]:
    """The repositories that hold snapshots."""
    for entry in sorted(os.scandir(data), key=lambda found: found.name):
        if entry.is_dir(follow_symlinks=False) and os.path.isdir(os.path.join(entry.path, "snapshots")):
            yield entry.path


def changed_at(path: str) -> str:
    """When a file was last written, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(os.lstat(path).st_mtime))


def receipts(repository: str) -> dict[str, str]:
    """Snapshot id → time of arrival."""
    found = {}
    for entry in os.scandir(os.path.join(repository, "snapshots")):
        if len(entry.name) == 64 and entry.is_file(follow_symlinks=False):
            found[entry.name] = changed_at(entry.path)
    return found


def is_current(repository: str) -> bool:
    """Whether the receipts were written after the last change of the snapshots' directory."""
    try:
        written = os.stat(os.path.join(repository, "receipts", "config")).st_mtime_ns
    except FileNotFoundError:
        return False
    return written > os.stat(os.path.join(repository, "snapshots")).st_mtime_ns


def write(repository: str) -> None:
    """Replace a repository's receipts at once."""
    config = os.path.join(repository, "config")
    made = {
        "created": changed_at(config) if os.path.exists(config) else None,
        "snapshots": receipts(repository),
    }
    directory = os.path.join(repository, "receipts")
    os.makedirs(directory, mode=0o700, exist_ok=True)
    temporary = os.path.join(directory, ".config.new")
    with open(temporary, "w", encoding="ascii") as handle:
        json.dump({"version": 1, **made}, handle)
    os.rename(temporary, os.path.join(directory, "config"))


def one_pass(data: str) -> bool:
    """Write what is not current; returns whether there was any."""
    stale = [repository for repository in repositories(data) if not is_current(repository)]
    for repository in stale:
        write(repository)
    return bool(stale)


def main(data: str) -> int:
    """Pass until nothing changes any more: what arrives meanwhile may not start this program again."""
    passes = 1
    while one_pass(data) and passes < PASSES:
        passes += 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
