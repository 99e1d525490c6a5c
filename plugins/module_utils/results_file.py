# Copyright (c) 2026 The Vigie authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files the records go to: private, whole lines only, on the disk before the play is over."""

from __future__ import annotations

import errno
import os
import re
import stat

DEFAULT_DIRECTORY = "vigie-results"


class ResultsFile:
    """Where records are written: one given file for all runs, or one file per run in ``vigie-results``.

    Args:
        path: the file; None makes one per run.
        stamp: moment of the start, part of the names made up here.
        fresh: the file is for one run alone and must not hold another's records.
    """

    def __init__(self, path, stamp, fresh=False):
        self._path = path
        self._stamp = stamp
        self._fresh = fresh
        self._open = {}

    def write(self, run_id, line):
        """Write one line whole, or nothing of it.

        Raises:
            OSError: with the file's name; what was written of the line has been taken back.
        """
        path = self._path or os.path.join(DEFAULT_DIRECTORY, "%s-%s.jsonl" % (self._stamp, run_id))
        if path not in self._open:
            self._open[path] = _create(path, self._fresh)
        descriptor = self._open[path]
        before = os.fstat(descriptor).st_size
        try:
            written = os.write(descriptor, line)
            if written != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if _is_file(descriptor):
                os.ftruncate(descriptor, before)
            raise OSError(error.errno, error.strerror, path) from error

    def close(self):
        """Put everything on the disk and close."""
        for path, descriptor in list(self._open.items()):
            try:
                if _is_file(descriptor):
                    os.fsync(descriptor)
            except OSError as error:
                raise OSError(error.errno, error.strerror, path) from error
        self.abandon()

    def abandon(self):
        """Close without caring what became of the content."""
        while self._open:
            _path, descriptor = self._open.popitem()
            os.close(descriptor)


def _create(path, fresh):
    folder = os.path.dirname(path)
    if folder:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    if fresh and os.fstat(descriptor).st_size:
        os.close(descriptor)
        raise OSError(errno.EEXIST, "it already holds the records of a run", path)
    if _is_file(descriptor):  # never a device such as /dev/null, whose mode is everybody's
        os.fchmod(descriptor, 0o600)
    return descriptor


def _is_file(descriptor):
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def vigie_version():
    """Version of Vigie: of the installed package, else of the collection this file is in."""
    try:
        from importlib.metadata import version

        return version("vigie")
    except Exception:  # not installed as a package, e.g. the collection alone under AWX
        return _collection_version()


def _collection_version():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    for name, pattern in (
        ("galaxy.yml", r"(?m)^version: *(\S+)"),
        ("MANIFEST.json", r'"version": *"([^"]+)"'),
    ):
        try:
            with open(os.path.join(root, name), encoding="utf-8") as handle:
                found = re.search(pattern, handle.read())
        except OSError:
            continue
        if found:
            return found.group(1)
    return "unknown"
