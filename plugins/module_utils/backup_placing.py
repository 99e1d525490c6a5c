# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Puts restored files where they belong: only what differs, each at once, with a copy of what was there.

Restic restores into a private scratch directory; this compares that with the host and replaces. Nothing is
removed that the snapshot does not have. Nothing is written through a symbolic link: whoever owns a restored
directory could have replaced it by a link to anywhere, and this runs as root.
"""

from __future__ import annotations

import contextlib
import errno
import filecmp
import hashlib
import os
import shutil
import stat
import tempfile
from typing import Iterator, NamedTuple

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


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
        PlacingError: A directory is in the place of a file, or the other way round; or a parent that is a
            directory in the snapshot is a link on the host.
    """
    refuse_links(scratch, path, target)
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


def refuse_links(scratch: str, path: str, target: str) -> None:
    """Check the parents of a path before anything is compared or replaced.

    Raises:
        PlacingError: One is a directory in the snapshot and a symbolic link on the host.
    """
    parent = ""
    for name in path.strip("/").split("/")[:-1]:
        parent += "/" + name
        place = target.rstrip("/") + parent
        if os.path.islink(place) and not os.path.islink(scratch + parent):
            raise _through_link(place)


def _through_link(place: str) -> PlacingError:
    leads = ""
    with contextlib.suppress(OSError):
        leads = " to " + os.readlink(place)
    return PlacingError(
        "%s is a directory in the snapshot and now a symbolic link%s: nothing is written through it. Move "
        "the link away first, or restore elsewhere (restore_target) and look" % (place, leads)
    )


def _not_a_directory(place: str) -> PlacingError:
    if os.path.islink(place):
        return _through_link(place)
    return PlacingError("%s is a directory in the snapshot but not on the host: move it away first" % place)


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
    """Put one path into place; a file or link is replaced at once by renaming.

    Raises:
        PlacingError: A parent is or has just become a symbolic link, or something else than a directory.
    """
    name = os.path.basename(difference.path)
    with _parent(difference, scratch) as parent:
        if difference.after.startswith("directory"):
            os.close(_enter(parent, name, difference.source, difference.path, repair=True))
            return
        _replace(difference.source, parent, name)


def _replace(source: str, parent: int, name: str) -> None:
    """Copy beside the place, in a directory of our own that is held open, then rename."""
    holder = tempfile.mkdtemp(prefix=".vigie-", dir=_held(parent))
    try:
        inside = os.open(os.path.basename(holder), DIRECTORY, dir_fd=parent)
        try:
            _copy(source, _held(inside) + "/new")
            os.rename("new", name, src_dir_fd=inside, dst_dir_fd=parent)
        finally:
            os.close(inside)
    finally:
        shutil.rmtree(holder, ignore_errors=True)


@contextlib.contextmanager
def _parent(difference: Difference, scratch: str) -> Iterator[int]:
    """The directory of a path, opened one by one from the target, so that no link is followed on the way."""
    entry = difference.source[len(scratch) :]
    top = difference.path[: -len(entry)] or "/"
    held, below = os.open(top, os.O_RDONLY | os.O_DIRECTORY), ""
    try:
        for name in entry.strip("/").split("/")[:-1]:
            below += "/" + name
            outer, held = held, _enter(held, name, scratch + below, top.rstrip("/") + below)
            os.close(outer)
        yield held
    finally:
        os.close(held)


def _enter(parent: int, name: str, source: str, shown: str, repair: bool = False) -> int:
    """Open a directory, made when missing; a new one (with ``repair`` any) gets its snapshot's rights."""
    fresh = False
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
        fresh = True
    try:
        held = os.open(name, DIRECTORY, dir_fd=parent)
    except OSError as error:
        # Linux says ENOTDIR of a link when a directory is wanted, other systems ELOOP.
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise _not_a_directory(shown) from error
        raise
    if fresh or repair:
        _take_directory_rights(source, held)
    return held


def _take_directory_rights(source: str, held: int) -> None:
    """By the open directory: its name may lead elsewhere by now."""
    status = os.lstat(source)
    os.chown(held, status.st_uid, status.st_gid)
    shutil.copystat(source, _held(held))


def _held(descriptor: int) -> str:
    """A path to an open directory, for functions that want one."""
    return "/proc/self/fd/%d" % descriptor


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
