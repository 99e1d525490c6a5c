# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every probe uses: bounded subprocesses, tolerant readers, and the three ways a probe can end.

A probe returns a value, raises ProbeError (the measurement is an error), or returns ``absent(reason)``
when the thing measured provably does not exist on this kind of host.
"""

from __future__ import annotations

import os
import subprocess
from datetime import datetime, timezone

ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent"}
MOST_ITEMS = 200
CONTAINER_MARKS = ("/run/systemd/container", "/run/.containerenv", "/.dockerenv")


class ProbeError(Exception):
    """The probe could not read what it is for; says why, in one line."""


def absent(reason):
    """The value of a measurement whose object does not exist on this host, with the proof in words."""
    return {"absent": reason}


def iso(seconds):
    """An epoch as ISO 8601 UTC with Z, whole seconds; None stays None."""
    if seconds is None:
        return None
    moment = datetime.fromtimestamp(int(seconds), tz=timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def read_text(path, limit=4 * 1024 * 1024):
    """The text of a file, invalid UTF-8 replaced, at most ``limit`` bytes."""
    with open(path, "rb") as stream:
        return stream.read(limit).decode("utf-8", "replace")


def read_or_none(path):
    """The stripped text of a file, or None when it does not exist."""
    try:
        return read_text(path).strip()
    except (FileNotFoundError, NotADirectoryError):
        return None


def modified(path):
    """A file's modification time as an epoch, or None when it does not exist."""
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return None


def changed(path):
    """A file's ctime (content, owner or mode set) as an epoch, or None when it does not exist."""
    try:
        return os.stat(path).st_ctime
    except FileNotFoundError:
        return None


def run(argv, seconds=10, accept=(0,)):
    """Run a program without a shell and return its standard output.

    Raises ProbeError when it is missing, exceeds ``seconds`` or ends with a status not in ``accept``.
    """
    name = os.path.basename(argv[0])
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError as error:
        raise ProbeError("%s is not installed" % name) from error
    except subprocess.TimeoutExpired as error:
        raise ProbeError("%s did not end within %d s" % (name, seconds)) from error
    if done.returncode not in accept:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ProbeError(
            "%s ended with status %d: %s" % (name, done.returncode, words[0] if words else "no message")
        )
    return done.stdout.decode("utf-8", "replace")


def in_container():
    """The kind of container this host is ("podman", "docker", ...), or None on a machine of its own."""
    for path in CONTAINER_MARKS:
        if os.path.exists(path):
            return read_or_none(path) if path == CONTAINER_MARKS[0] else "container"
    return None


def has_systemd():
    """Whether systemd is the running init, by the test sd_booted(3) prescribes."""
    return os.path.isdir("/run/systemd/system")


def capped(items):
    """The first MOST_ITEMS of a list: a measurement is evidence, not a dump."""
    return list(items)[:MOST_ITEMS]
