# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which repository a host has: remembered on the controller, so that a lost one is not silently replaced.

A server that was rebuilt or wiped answers 404, like one that never had the account. Only the controller can
tell the two apart: beside the repository's password it keeps ``repository.json`` with the repository's id.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from typing import NamedTuple

from ansible_collections.vigie.msp.plugins.module_utils import backup_restic as restic
from ansible_collections.vigie.msp.plugins.module_utils.backup_server_api import ServerApi

MARKER = "repository.json"

WAY_OUT = (
    "Find out first what happened to the server; if it has a copy, bring that back. If the history is lost "
    "for good, or the host was moved to another server on purpose, run once more with "
    "config_backup_accept_lost_repository: true for this host, and remove it afterwards"
)


class Marker(NamedTuple):
    """What is remembered of a repository."""

    id: str
    config: str
    """SHA-256 of the repository's config file on the server; while it is the same, restic is not asked."""
    recorded: str
    replaces: str | None = None
    """Id of the repository that was given up for this one."""


def marker_path(access: restic.Access) -> str:
    """Beside the repository's password on the controller."""
    return os.path.join(os.path.dirname(access.password_file), MARKER)


def read(access: restic.Access) -> Marker | None:
    """What is remembered; None when this host never had a repository, as far as this controller knows.

    Raises:
        ResticError: The file is there but cannot be used (``unreadable``): that is not the same as none.
    """
    path = marker_path(access)
    try:
        with open(path, encoding="utf-8") as handle:
            found = json.load(handle)
        marker = Marker(found["id"], found["config"], found["recorded"], found.get("replaces"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise restic.ResticError(
            "unreadable",
            "cannot read %s (%s), which says which repository this host has: restore it from your copy of "
            "the secrets, or delete it if you are sure that the server's repository is the right one"
            % (path, str(error) or type(error).__name__),
        ) from error
    if not all(isinstance(text, str) and text for text in marker[:3]):
        raise restic.ResticError("unreadable", "%s names no repository: delete or restore it" % path)
    return marker


def write(access: restic.Access, marker: Marker) -> None:
    """Replace the file at once, readable by its owner alone.

    Raises:
        ResticError: It cannot be written (``failed``).
    """
    path = marker_path(access)
    try:
        handle, fresh = tempfile.mkstemp(prefix=".%s." % MARKER, dir=os.path.dirname(path))
        try:
            with open(handle, "w", encoding="utf-8") as stream:
                stream.write(json.dumps(marker._asdict(), indent=2, sort_keys=True) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            os.rename(fresh, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(fresh)
    except OSError as error:
        raise restic.ResticError(
            "failed", "cannot write %s on the controller: %s; run again when it can be" % (path, error)
        ) from error


def repository_id(access: restic.Access, deadline: float) -> str:
    """The id inside the repository's encrypted config file.

    Raises:
        ResticError: restic fails, or prints something else.
    """
    result = restic.call(access, ["cat", "config", "--no-lock"], deadline)
    try:
        found = json.loads(result.stdout)["id"]
    except (ValueError, KeyError, TypeError) as error:
        raise restic.ResticError("failed", "restic cat config ended with 0 but named no id") from error
    if not isinstance(found, str) or not found:
        raise restic.ResticError("failed", "restic cat config ended with 0 but named no id")
    return found


def present(access: restic.Access, api: ServerApi, known: Marker | None, deadline: float) -> Marker:
    """The marker of the repository that the server has now; the known one when it is still that."""
    config = api.fingerprint()
    if known and known.config == config:
        return known
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    found = repository_id(access, deadline)
    if known and known.id == found:
        return known._replace(config=config)
    return Marker(found, config, stamp, known.id if known else None)


def lost(access: restic.Access, known: Marker) -> restic.ResticError:
    """The server has none although the host had one."""
    return restic.ResticError(
        "lost_repository",
        "the server %s has no repository of this account any more: repository %s, recorded %s, is gone with "
        "all its snapshots. %s" % (access.url, known.id[:8], known.recorded, WAY_OUT),
    )


def other(access: restic.Access, known: Marker, found: Marker) -> restic.ResticError:
    """The server has one, but not the host's."""
    return restic.ResticError(
        "lost_repository",
        "the server %s has another repository (%s) than the one recorded %s (%s), whose snapshots are not in "
        "it. %s" % (access.url, found.id[:8], known.recorded, known.id[:8], WAY_OUT),
    )


def require_same(access: restic.Access, api: ServerApi, deadline: float) -> None:
    """Check, without writing anything, that the server's repository is the one that is remembered.

    Raises:
        ResticError: It is another one (``lost_repository``).
    """
    known = read(access)
    if known:
        found = present(access, api, known, deadline)
        if found.id != known.id:
            raise other(access, known, found)
