# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls restic: its environment, one bounded call, and what its exit means.

Standard library only and without imports from this collection, because the role ``config_backup`` also puts
this file on hosts, beside the program that the backup timer runs. Written for restic 0.18 or later.

Secrets reach restic by file (``RESTIC_PASSWORD_FILE``) and environment, never by argument.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from typing import Any, Mapping, NamedTuple, Sequence
from urllib.parse import urlsplit

MINIMUM_VERSION = "0.18.0"
"""Older releases lack the exit codes 10 to 12 or ``--json`` errors: outcomes could not be told apart."""

EXIT_INCOMPLETE = 3
EXIT_NO_REPOSITORY = 10
EXIT_LOCKED = 11
EXIT_WRONG_PASSWORD = 12

TERMINATE_GRACE = 20
"""Seconds from SIGTERM to SIGKILL: restic 0.18 can ignore SIGTERM for minutes while its server is gone."""

_MEANING = {
    EXIT_INCOMPLETE: ("incomplete", "some files could not be read"),
    EXIT_NO_REPOSITORY: ("no_repository", "there is no repository at this address"),
    EXIT_LOCKED: ("locked", "the repository is locked by another restic"),
    EXIT_WRONG_PASSWORD: ("wrong_password", "the repository's password is not the one that was given"),
    130: ("cancelled", "restic was interrupted"),
}
# restic answers 1 to all of these; only the message tells them apart.
_MESSAGES = (
    (
        "401 Unauthorized",
        "unauthorized",
        "the server does not accept this account's name or password (HTTP 401)",
    ),
    ("403 Forbidden", "forbidden", "the server forbids this to the account (HTTP 403)"),
    (
        "x509:",
        "certificate",
        "the server's certificate is not signed by the one given, or is for another name",
    ),
    ("507 Insufficient", "server_full", "the server has no space left (HTTP 507)"),
    ("no space left on device", "disk_full", "a disk is full"),
)


class ResticError(Exception):
    """restic did not do what was asked; ``kind`` is one word, the text says what to look at.

    Attributes:
        kind: ``no_repository locked wrong_password unauthorized forbidden certificate server_full disk_full
            unreachable deadline incomplete cancelled unreadable lost_repository failed``.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Access(NamedTuple):
    """How to reach and open one repository."""

    url: str
    """Base URL of the rest-server, ``https://address:port``."""
    account: str
    """Name of the account, which with private repositories is also the repository's path."""
    server_password: str
    password_file: str
    certificate: str
    cache_dir: str
    program: str = "restic"

    @property
    def repository(self) -> str:
        """The repository as restic writes it."""
        return "rest:%s/%s/" % (self.url.rstrip("/"), self.account)


class Result(NamedTuple):
    """A finished call."""

    code: int
    stdout: str
    stderr: str

    def messages(self) -> list[dict[str, Any]]:
        """The JSON objects of stdout; lines that are something else are skipped, as restic prints some."""
        found = []
        for line in self.stdout.splitlines():
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if isinstance(message, dict):
                found.append(message)
        return found


def read_secret(path: str) -> str:
    """The one line of a secret's file.

    Raises:
        ResticError: The file is missing, unreadable or empty (``unreadable``).
    """
    try:
        with open(path, encoding="utf-8") as handle:
            secret = handle.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ResticError("unreadable", "cannot read the secret %s: %s" % (path, error)) from error
    if not secret:
        raise ResticError("unreadable", "the secret %s is empty" % path)
    return secret


def environment(access: Access, base: Mapping[str, str]) -> dict[str, str]:
    """Everything restic may know; of the caller's environment only what programs need to start."""
    kept = {name: base[name] for name in ("PATH", "TMPDIR", "GOMAXPROCS") if name in base}
    kept.update(
        {
            "LC_ALL": "C.UTF-8",
            "HOME": access.cache_dir,
            "RESTIC_REPOSITORY": access.repository,
            "RESTIC_PASSWORD_FILE": access.password_file,
            "RESTIC_REST_USERNAME": access.account,
            "RESTIC_REST_PASSWORD": access.server_password,
            "RESTIC_CACERT": access.certificate,
            # Without a cache directory restic works uncached and says nothing.
            "RESTIC_CACHE_DIR": access.cache_dir,
            "RESTIC_PROGRESS_FPS": "0.1",
        }
    )
    return kept


def probe(url: str, seconds: float = 10) -> None:
    """Connect to the server once: restic itself would retry for a quarter of an hour.

    Raises:
        ResticError: Nothing answers there (``unreachable``).
    """
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=seconds).close()
    except OSError as error:
        raise ResticError("unreachable", "the backup server %s does not answer: %s" % (url, error)) from error


def run(access: Access, arguments: Sequence[str], deadline: float) -> Result:
    """Run restic once and wait for it, at most ``deadline`` seconds.

    Raises:
        ResticError: restic cannot be started (``failed``) or did not end in time (``deadline``).
    """
    try:
        process = subprocess.Popen(
            [access.program, *arguments],
            env=environment(access, os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise ResticError("failed", "cannot start %s: %s" % (access.program, error)) from error
    try:
        stdout, stderr = process.communicate(timeout=deadline)
    except subprocess.TimeoutExpired as error:
        raise ResticError(
            "deadline", "restic %s was still running after %d s and was stopped" % (arguments[0], deadline)
        ) from error
    finally:
        stop(process)
    return Result(process.returncode, stdout, stderr)


def stop(process: "subprocess.Popen[str]") -> None:
    """Leave no restic behind: TERM, then KILL."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=TERMINATE_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def failure(result: Result) -> ResticError | None:
    """What a call's exit means; None when it succeeded. An exit code nobody knows is a failure."""
    if result.code == 0:
        return None
    detail = last_error(result.stderr)
    kind, meaning = _MEANING.get(result.code, ("failed", ""))
    if not meaning:
        kind, meaning = _classify(detail)
    text = "%s (restic exit code %d%s)" % (meaning, result.code, ": " + detail if detail else "")
    return ResticError(kind, text)


def _classify(detail: str) -> tuple[str, str]:
    for needle, kind, meaning in _MESSAGES:
        if needle in detail:
            return kind, meaning
    return "failed", "restic failed"


def last_error(stderr: str) -> str:
    """The last thing restic complained about; with ``--json`` it is inside an object."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    for line in reversed(lines):
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if isinstance(message, dict):
            error = message.get("error")
            text = message.get("message") or (error.get("message") if isinstance(error, dict) else error)
            if text:
                return str(text).strip()[:500]
    return lines[-1][:500] if lines else ""


def call(access: Access, arguments: Sequence[str], deadline: float) -> Result:
    """Run restic and raise when it failed.

    Raises:
        ResticError: See its kinds.
    """
    result = run(access, arguments, deadline)
    error = failure(result)
    if error:
        raise error
    return result
