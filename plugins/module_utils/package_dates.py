# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When did the fix become available? Asked by the controller, once per package file, never by the host.

Bytes 24-36 of a .deb are the time of its first ar member: when the package was built (a suite's own Date
can flatter by a month). 132 bytes are asked for with an HTTP Range. The answers never change, so they are
kept, one small file each: files need no lock, and losing them costs only another question.

The addresses come from hosts, and hosts can lie. So only http and https to a path that ends in .deb are
asked, never loopback or link-local addresses (where metadata services live), redirects included, and nothing
but a plausible time is taken from an answer.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import ipaddress
import os
import socket
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.vigie.msp.plugins.module_utils.measuring.common import iso
from ansible_collections.vigie.msp.plugins.module_utils.measuring.packages import summarise

HEADER = 132
FIRST_DEB = 725846400
"""1993-01-01: Debian's first year; an earlier time is a build system's placeholder, not a date."""

THREADS = 6
TOTAL_SECONDS = 6.0
ANSWER_SECONDS = 2.0
MOST_FAILURES = 3
REST_SECONDS = 300
"""How long a mirror that did not answer is left alone."""


class RefusedError(Exception):
    """This address may not be asked."""


class Cache:
    """Build times by address, and which mirrors rest; every failure to read or write is a miss."""

    def __init__(self, directory: str | None) -> None:
        self.directory = directory

    def _path(self, kind, key):
        return os.path.join(self.directory, kind, hashlib.sha256(key.encode("utf-8", "replace")).hexdigest())

    def get(self, uri):
        """The build time kept for an address, or None."""
        if not self.directory:
            return None
        with (
            contextlib.suppress(OSError, ValueError),
            open(self._path("built", uri), encoding="ascii") as stream,
        ):
            return plausible(int(stream.read(20)))
        return None

    def put(self, uri, built):
        """Keep a build time; written beside and renamed, so that readers see all or nothing."""
        self._write(self._path("built", uri) if self.directory else None, str(built))

    def rests(self, mirror):
        """Whether a mirror failed a short while ago."""
        with contextlib.suppress(OSError, TypeError):
            return time.time() - os.stat(self._path("resting", mirror)).st_mtime < REST_SECONDS
        return False

    def let_rest(self, mirror):
        """Remember that a mirror did not answer."""
        self._write(self._path("resting", mirror) if self.directory else None, "")

    def _write(self, path, text):
        if path is None:
            return
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            descriptor, unfinished = tempfile.mkstemp(dir=os.path.dirname(path))
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                stream.write(text)
            os.replace(unfinished, path)


def plausible(built, now=None):
    """``built`` when it can be a build time, else None."""
    return built if FIRST_DEB <= built <= (now or time.time()) + 86400 else None


def build_time(header):
    """The build epoch in the first bytes of a .deb, or None when they are not those of one."""
    if header[:8] != b"!<arch>\n" or not header[8:24].startswith(b"debian-binary"):
        return None
    text = header[24:36].strip()
    return plausible(int(text)) if text.isdigit() else None


def check_address(uri, private=False):
    """Raise RefusedError unless a .deb may be fetched from here; ``private`` allows loopback (for tests)."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RefusedError("not an http address")
    if not parts.path.endswith(".deb") or parts.query or parts.fragment or parts.username:
        raise RefusedError("not the address of a package")
    for answer in socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM):
        address = ipaddress.ip_address(answer[4][0].split("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        if not private and (address.is_loopback or address.is_link_local or address.is_unspecified):
            raise RefusedError("a local address")


class _Careful(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to addresses that may be asked directly."""

    def __init__(self, private):
        self.private = private

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        check_address(newurl, self.private)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch_build_time(uri, private=False):
    """Ask one mirror for the first bytes of one package; the build epoch or None.

    Raises:
        OSError: The mirror did not answer (urllib's errors are OSErrors).
        RefusedError: The address may not be asked.
    """
    check_address(uri, private)
    opener = urllib.request.build_opener(_Careful(private))
    wanted = {"Range": "bytes=0-%d" % (HEADER - 1), "User-Agent": "vigie"}
    try:
        with opener.open(urllib.request.Request(uri, headers=wanted), timeout=ANSWER_SECONDS) as answer:  # noqa: S310
            return build_time(answer.read(HEADER))
    except urllib.error.HTTPError:
        return None  # the mirror lives; this package is gone from it


def build_times(uris, cache, seconds=TOTAL_SECONDS, fetch=fetch_build_time):
    """Build epochs by address, as many as can be had within ``seconds``; the rest is simply absent.

    A mirror that only fails is not asked again for a while, so a dead one costs one timeout, not one each.
    """
    uris = list(dict.fromkeys(uris))
    found = {uri: built for uri, built in ((uri, cache.get(uri)) for uri in uris) if built}
    missing = [uri for uri in uris if uri not in found]
    if not missing:
        return found
    asker = _Asker(cache, fetch, time.monotonic() + seconds)
    pool = concurrent.futures.ThreadPoolExecutor(THREADS)
    futures = {pool.submit(asker.ask, uri): uri for uri in missing}
    done, _late = concurrent.futures.wait(futures, timeout=seconds)
    pool.shutdown(wait=False, cancel_futures=True)
    found.update((futures[future], future.result()) for future in done if future.result())
    return found


class _Asker:
    """Asks for one address at a time, skipping mirrors that failed and everything after the deadline."""

    def __init__(self, cache, fetch, deadline):
        self.cache, self.fetch, self.deadline = cache, fetch, deadline
        self.failures, self.answered = Counter(), set()

    def ask(self, uri):
        """The build epoch or None; never raises."""
        mirror = urlsplit(uri).netloc
        if time.monotonic() >= self.deadline or self._gave_up(mirror):
            return None
        try:
            built = self.fetch(uri)
        except RefusedError:
            return None
        except (OSError, ValueError):
            self._failed(mirror)
            return None
        self.answered.add(mirror)
        if built:
            self.cache.put(uri, built)
        return built

    def _gave_up(self, mirror):
        tried = self.failures[mirror] >= MOST_FAILURES and mirror not in self.answered
        return tried or (mirror not in self.answered and self.cache.rests(mirror))

    def _failed(self, mirror):
        """One slow package is no dead mirror; several failures and no answer are."""
        self.failures[mirror] += 1
        if self.failures[mirror] >= MOST_FAILURES and mirror not in self.answered:
            self.cache.let_rest(mirror)


def date_updates(measurements: Iterable[dict[str, Any]], cache: Cache, **options: Any) -> None:
    """Add to the measurement packages.updates when each fix became available, and on what basis.

    Works in place; anything unexpected in what the host said leaves it undated, and so never compliant.
    """
    for measurement in measurements:
        if measurement.get("name") == "packages.updates" and isinstance(measurement.get("value"), dict):
            _date(measurement["value"], cache, options)


def _date(value, cache, options):
    packages = value.get("packages")
    if not isinstance(packages, list) or not all(_sane(package) for package in packages):
        return
    known = build_times([package["uri"] for package in packages if package.get("uri")], cache, **options)
    for package in packages:
        built = known.get(package.get("uri"))
        package["available"], package["basis"] = (iso(built), "package_build") if built else (None, "unknown")
    counted = sum(value[group]["count"] for group in ("security", "other"))
    if counted == len(packages):  # a list cut short must keep its own counts: its rest has no date
        value.update(summarise(packages))


def _sane(package):
    return (
        isinstance(package, dict)
        and isinstance(package.get("name"), str)
        and isinstance(package.get("security"), bool)
        and isinstance(package.get("uri"), (str, type(None)))
    )
