# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Puts restored files where they belong: only what differs, each at once, with a copy of what was there.

Restic restores into a private scratch directory; this compares that with the host and replaces. Nothing is
removed that the snapshot does not have.
"""

from __future__ import annotations

import filecmp
import hashlib
import os
import shutil
import stat
import tempfile
from typing import Iterator, NamedTuple


class PlacingError(Exception):
    """A restored file cannot take its place."""


class Difference(NamedTuple):
    """One path that is not as the snapshot has it."""

    path: str
    source: str
    before: str | None
    after: str


def describe(path: str) -> str | None:
    """Kind, content, owner and mode of a path in one line; None when nothing is there."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    rights = "%d:%d %04o" % (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))
    if stat.S_ISLNK(status.st_mode):
        return "link to %s %d:%d" % (os.readlink(path), status.st_uid, status.st_gid)
    if stat.S_ISDIR(status.st_mode):
        return "directory %s" % rights
    if not stat.S_ISREG(status.st_mode):
        return "special file %s" % rights
    return "%s %s" % (_digest(path), rights)


def _digest(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        for block in iter(lambda: handle.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()[:12]


def entries(scratch: str, path: str) -> Iterator[str]:
    """The path and all below it in the scratch directory, parents first; symbolic links are not followed."""
    top = scratch + path
    yield path
    if os.path.isdir(top) and not os.path.islink(top):
        for directory, names, files in os.walk(top):
            names.sort()
            for name in sorted([*names, *files]):
                yield os.path.join(directory, name)[len(scratch) :]


def differences(scratch: str, path: str, target: str) -> Iterator[Difference]:
    """What of the restored tree is not the same at its place.

    Raises:
        PlacingError: A directory is in the place of a file, or the other way round.
    """
    for entry in entries(scratch, path):
        source, place = scratch + entry, target.rstrip("/") + entry
        if _same(source, place):
            continue
        before, after = describe(place), describe(source) or ""
        if before and before.startswith("directory") != after.startswith("directory"):
            raise PlacingError(
                "%s is a %s in the snapshot but not on the host: move it away first"
                % (place, "directory" if after.startswith("directory") else "file or link")
            )
        yield Difference(place, source, before, after)


def _same(source: str, place: str) -> bool:
    """Whether kind, owner, mode, extended attributes and content are equal. Times are not compared."""
    try:
        wanted, found = os.lstat(source), os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        return False
    if (wanted.st_mode, wanted.st_uid, wanted.st_gid) != (found.st_mode, found.st_uid, found.st_gid):
        return False
    if stat.S_ISLNK(wanted.st_mode):
        return os.readlink(source) == os.readlink(place)
    if _attributes(source) != _attributes(place):
        return False
    return not stat.S_ISREG(wanted.st_mode) or filecmp.cmp(source, place, shallow=False)


def _attributes(path: str) -> dict[str, bytes]:
    try:
        return {name: os.getxattr(path, name) for name in os.listxattr(path)}
    except OSError:
        return {}  # the file system has none


def is_placeable(difference: Difference) -> bool:
    """Sockets, pipes and devices are left alone."""
    return not difference.after.startswith("special file")


def save(difference: Difference, directory: str) -> None:
    """Keep a copy of the file or link that will be replaced."""
    if difference.before is None or difference.before.startswith("directory"):
        return
    copy = directory + difference.path
    os.makedirs(os.path.dirname(copy), mode=0o700, exist_ok=True)
    _copy(difference.path, copy)


def place(difference: Difference, scratch: str) -> None:
    """Put one path into place; a file or link is replaced at once by renaming."""
    _make_parents(difference, scratch)
    if difference.after.startswith("directory"):
        os.makedirs(difference.path, mode=0o700, exist_ok=True)
        _take_rights(difference.source, difference.path)
        return
    holder = tempfile.mkdtemp(prefix=".vigie-", dir=os.path.dirname(difference.path))
    try:
        fresh = os.path.join(holder, "new")
        _copy(difference.source, fresh)
        os.rename(fresh, difference.path)
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def _make_parents(difference: Difference, scratch: str) -> None:
    """Missing parents get the rights that they have in the snapshot."""
    place, source = os.path.dirname(difference.path), os.path.dirname(difference.source)
    missing = []
    while not os.path.isdir(place) and source.startswith(scratch + "/"):
        missing.append((source, place))
        place, source = os.path.dirname(place), os.path.dirname(source)
    for origin, directory in reversed(missing):
        os.mkdir(directory, 0o700)
        _take_rights(origin, directory)


def _copy(source: str, destination: str) -> None:
    """A copy with owner, mode, times and extended attributes."""
    shutil.copy2(source, destination, follow_symlinks=False)
    _take_rights(source, destination)


def _take_rights(source: str, destination: str) -> None:
    """Give a path the owner, mode, times and extended attributes of another."""
    status = os.lstat(source)
    # First the owner: changing it drops set-user-ID bits.
    os.chown(destination, status.st_uid, status.st_gid, follow_symlinks=False)
    shutil.copystat(source, destination, follow_symlinks=False)
