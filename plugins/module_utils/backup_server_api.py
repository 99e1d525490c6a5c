# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a rest-server says about a repository, without restic: is it there, which files, received when.

Times come from the server's disk and clock: a host can put any time into a snapshot, but not into these.
rest-server itself does not tell them (it sends no Last-Modified); the role ``backup_server`` has them written
beside the repository.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import ssl
import time
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Iterable
from urllib.parse import quote, urlsplit

from ansible_collections.vigie.msp.plugins.module_utils.backup_restic import Access, ResticError

LISTING = "application/vnd.x.restic.rest.v2"
TIMEOUT = 30

RECEIPT_PATIENCE = 20.0
"""Seconds to wait for the receipt of a snapshot that arrived this moment."""


class ServerApi:
    """One connection to one account's repository. Use as a context manager.

    Raises:
        ResticError: ``unreachable``, ``certificate``, ``unauthorized``, ``forbidden`` or ``failed``.
    """

    def __init__(self, access: Access) -> None:
        parts = urlsplit(access.url)
        if parts.scheme != "https" or not parts.hostname:
            raise ResticError(
                "failed", "the backup server's address must be https://…, not '%s'" % access.url
            )
        self._shown = access.url
        self._base = "/%s/" % quote(access.account)
        secret = "%s:%s" % (access.account, access.server_password)
        self._headers = {"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()}
        try:
            context = ssl.create_default_context(cafile=access.certificate)
        except (OSError, ssl.SSLError) as error:
            raise ResticError(
                "certificate",
                "cannot use the backup server's certificate %s: %s; vigie provision "
                "fetches it" % (access.certificate, error),
            ) from error
        self._connection = http.client.HTTPSConnection(
            parts.hostname, parts.port or 443, timeout=TIMEOUT, context=context
        )

    def __enter__(self) -> "ServerApi":
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection.close()

    def exists(self) -> bool:
        """Whether the repository is there. Half of one (files but no config) is an error, not an absence."""
        status, _headers, _body = self._ask("HEAD", "config", {})
        if status == 200:
            return True
        self._expect(status, "config", 404)
        left = [kind for kind in ("keys", "snapshots", "index") if self.names(kind)]
        if left:
            raise ResticError(
                "failed",
                "the repository has lost its config file but still has %s: restore the file "
                "from a copy of the server; a new repository would make the rest unreadable"
                % " and ".join(left),
            )
        return False

    def fingerprint(self) -> str:
        """SHA-256 of the repository's config file, which restic writes once, when it makes the repository."""
        status, _headers, body = self._ask("GET", "config", {})
        self._expect(status, "config", 200)
        return hashlib.sha256(body).hexdigest()

    def names(self, kind: str) -> list[str]:
        """The files of one kind (``snapshots``, ``keys``…); none when the server knows no such directory."""
        status, _headers, body = self._ask("GET", kind + "/", {"Accept": LISTING})
        if status == 404:
            return []
        self._expect(status, kind, 200)
        try:
            return [str(entry["name"]) for entry in json.loads(body) or []]
        except (ValueError, KeyError, TypeError) as error:
            raise ResticError(
                "failed", "%s answered with something else than a listing: is it a rest-server?" % self._shown
            ) from error

    def received(self, ids: Iterable[str], patience: float = RECEIPT_PATIENCE) -> dict[str, datetime]:
        """When the server stored each snapshot, by its own clock (the role ``backup_server`` writes it down).

        Raises:
            ResticError: The server has not written one down, also not after ``patience`` seconds.
        """
        wanted, end = set(ids), time.monotonic() + patience
        while True:
            found = self._receipts()["snapshots"]
            missing = sorted(wanted - set(found))
            if not missing:
                return {name: parse_time(found[name]) for name in wanted}
            if time.monotonic() > end:
                raise ResticError(
                    "failed",
                    "the backup server has not written down when it received %s: look at "
                    "vigie-backup-receipts.service there" % missing[0][:8],
                )
            time.sleep(0.5)

    def created(self) -> datetime | None:
        """When the repository was made; None while the server has written nothing (before a snapshot)."""
        written = self._receipts().get("created")
        return parse_time(written) if written else None

    def _receipts(self) -> dict[str, Any]:
        status, _headers, body = self._ask("GET", "receipts/config", {})
        if status == 404:
            return {"snapshots": {}}
        self._expect(status, "receipts", 200)
        try:
            found = json.loads(body)
            return {"created": found["created"], "snapshots": dict(found["snapshots"])}
        except (ValueError, KeyError, TypeError) as error:
            raise ResticError(
                "failed", "%s has unreadable receipts for this account" % self._shown
            ) from error

    def now(self) -> datetime:
        """The server's clock."""
        _status, headers, _body = self._ask("HEAD", "config", {})
        try:
            return parsedate_to_datetime(headers.get("date", "")).astimezone(timezone.utc)
        except (TypeError, ValueError) as error:
            raise ResticError("failed", "%s sent no usable Date header" % self._shown) from error

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        try:
            self._connection.request(method, self._base + path, headers={**self._headers, **headers})
            answer = self._connection.getresponse()
            body = answer.read()
        except ssl.SSLError as error:
            raise ResticError(
                "certificate",
                "%s does not prove its name with the certificate given: %s" % (self._shown, error),
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise ResticError(
                "unreachable",
                "the backup server %s does not answer: %s" % (self._shown, error or type(error).__name__),
            ) from error
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body

    def _expect(self, status: int, what: str, *wanted: int) -> None:
        if status in wanted:
            return
        kind = {401: "unauthorized", 403: "forbidden"}.get(status, "failed")
        hint = "; vigie provision makes the accounts" if status == 401 else ""
        raise ResticError(
            kind, "the backup server %s answered %d to a request for %s%s" % (self._shown, status, what, hint)
        )


def iso(moment: datetime) -> str:
    """``2026-11-24T08:00:00Z``."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: Any) -> datetime:
    """Restic's RFC 3339 time, with nanoseconds, which Python does not read.

    Raises:
        ResticError: It is not a time.
    """
    try:
        head, dot, rest = str(text).partition(".")
        digits = len(rest) - len(rest.lstrip("0123456789"))
        zone = rest[digits:] if dot else ""
        moment = datetime.fromisoformat((head + zone).replace("Z", "+00:00"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except ValueError as error:
        raise ResticError("failed", "'%s' is not a time" % text) from error
