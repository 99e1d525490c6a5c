# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes files out of a Debian package, without dpkg: works on any host."""

from __future__ import annotations

import hashlib
import io
import tarfile
from typing import Callable

from ansible.module_utils.urls import open_url

MAGIC = b"!<arch>\n"
MAX_BYTES = 200 * 1024 * 1024
TIMEOUT = 60


class PackageError(Exception):
    """The package cannot be fetched, is not the pinned one, or does not hold the file."""


def fetch(url: str, sha256: str) -> bytes:
    """Download a package and hold it against its checksum.

    Raises:
        PackageError: It cannot be fetched, or is another file than the pinned one.
    """
    if not url.startswith(("http://", "https://")):
        raise PackageError("'%s' is not an http or https address" % url)
    try:
        content = open_url(url, timeout=TIMEOUT).read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise PackageError("cannot download %s: %s" % (url, error)) from error
    if len(content) > MAX_BYTES:
        raise PackageError("%s is larger than %d bytes" % (url, MAX_BYTES))
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise PackageError("%s has the SHA-256 checksum %s instead of %s" % (url, found, sha256))
    return content


def member(package: bytes, path: str) -> bytes:
    """The content of the file ``path`` (like ``usr/bin/restic``) in a .deb.

    Raises:
        PackageError: It is no Debian package, or has no such file.
    """
    found = members(package, lambda name: name == path)
    if path not in found:
        raise PackageError("the package has no file %s" % path)
    return found[path]


def members(package: bytes, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """The contents of the plain files of a .deb whose path (without ``./``) is wanted.

    Raises:
        PackageError: It is no Debian package.
    """
    found = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(_data_archive(package)), mode="r:*") as archive:
            for entry in archive:
                path = entry.name[2:] if entry.name.startswith("./") else entry.name
                handle = archive.extractfile(entry) if entry.isfile() and wanted(path) else None
                if handle:
                    found[path] = handle.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise PackageError("the package's data cannot be read: %s" % error) from error
    return found


def _data_archive(package: bytes) -> bytes:
    """The member ``data.tar.*`` of the outer ar archive (60-byte headers, contents padded to even length)."""
    if not package.startswith(MAGIC):
        raise PackageError("this is not a Debian package")
    position = len(MAGIC)
    while position + 60 <= len(package):
        header = package[position : position + 60]
        try:
            size = int(header[48:58])
        except ValueError as error:
            raise PackageError("this Debian package is damaged") from error
        position += 60
        if header[:16].startswith(b"data.tar"):
            return package[position : position + size]
        position += size + size % 2
    raise PackageError("this Debian package has no data")
