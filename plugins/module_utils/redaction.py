# Copyright (c) 2026 The Vigie authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeping secrets out of what is stored: standard library only, used by the callback and by ``vigie run``.

Three nets, since each has holes of its own: every string found in the secret files a run may read; values
of keys
that name a secret; and the usual shapes of credentials in messages (URL passwords, ``password=...``,
``password: ...``, bearer tokens).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

MASK = "********"

MIN_SECRET = 6
"""Shorter strings are not masked: they would blank out ordinary words. Generated ones have 32 characters."""

MAX_SECRET_FILE = 64 * 1024
"""Bytes; a larger file below a secrets directory holds no password or key."""

_SECRET_KEY = re.compile(
    r"(^|[_.\-])(password|passwd|passphrase|secret|token|api_?key|private_?key|credentials?)$", re.IGNORECASE
)
_HARMLESS = re.compile(
    r"^(yes|no|true|false|none|never|always|forbidden|allowed|required|disabled|enabled|null|"
    r"prohibit-password|without-password|\d+)?$",
    re.IGNORECASE,
)
_SHAPES = (
    (
        re.compile(r"(\b[a-z][a-z0-9+.\-]*://[^\s:/@]+:)[^\s@/]+(@)", re.IGNORECASE),
        r"\g<1>" + MASK + r"\g<2>",
    ),
    (
        re.compile(r"(\bauthorization\b[\"']?\s*[:=]\s*[\"']?(?:basic|bearer)\s+)[^\s\"',]+", re.IGNORECASE),
        r"\g<1>" + MASK,
    ),
    (
        re.compile(
            r"(\b(?:[a-z0-9_]*_)?(?:password|passwd|passphrase|secret|token|api_?key)\b[\"']?\s*=\s*[\"']?)"
            r"(?!\*{8})[^\s\"',;&]+",
            re.IGNORECASE,
        ),
        r"\g<1>" + MASK,
    ),
    (
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
        ),
        MASK,
    ),
)

_NAMED = (
    r"\b(?:[a-z0-9_]*_)?(?:password|passwd|passphrase|secret|token|api_?key)\b\\*[\"']?[^\S\n]*"
    r":(?:[^\S\n]+|(?=\\*[\"']))"
)
_QUOTED = r"\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'|\\+\".*?\\+\""
# Not what begins a block, a list, a mapping, a tag or a template: that is no value by itself.
_PLAIN = r"[^\s\"',;&|>{}\[\]!]"
_LINES = re.compile(
    r"^([^\S\n]*(?:[-+][^\S\n]*)*" + _NAMED + r")(" + _QUOTED + r"|" + _PLAIN + r"[^\n]*)[^\S\n]*$",
    re.IGNORECASE | re.MULTILINE,
)
"""``password: ...`` on a line of its own, as YAML prints it: the value goes to the line's end."""
_WORDS = re.compile(r"(" + _NAMED + r")(" + _QUOTED + r"|" + _PLAIN + r"[^\s\"',;&]*)", re.IGNORECASE)
"""``password: ...`` within a line, as messages and JSON print it: the value is a word, or what is quoted."""
_QUOTES = re.compile(r"^(\\*[\"'])(.*?)(\\*[\"'])$", re.DOTALL)


def _mask_value(match: re.Match) -> str:
    """The match without its value, but for words that are settings and not secrets; quotes stay."""
    quoted = _QUOTES.match(match[2])
    before, value, after = quoted.groups() if quoted else ("", match[2], "")
    if _HARMLESS.match(value.strip()):
        return match[0]
    return match[1] + before + MASK + after


def forms(content: str) -> set[str]:
    """The strings to mask for one secret file: each line that is long enough, plain and as JSON writes it.

    A line of Ansible's password lookup may end in `` salt=...``; the password before it is a secret by
    itself.
    Armour lines of keys (``-----BEGIN``) are public.
    """
    found: set[str] = set()
    for line in content.splitlines():
        line = line.strip()
        for text in (line, line.split(" salt=")[0]):
            if len(text) >= MIN_SECRET and not text.startswith("-----"):
                found.add(text)
                found.add(json.dumps(text)[1:-1])
                found.add(json.dumps(text, ensure_ascii=False)[1:-1])
    return found


class Redactor:
    """Masks secrets in text and in values.

    Args:
        directories: folders whose files are secrets; they may not exist yet, and are read again by
        ``refresh``
            since a run generates secrets while it goes on.
    """

    def __init__(self, directories: Iterable[str] = ()) -> None:
        self._directories = set(directories)
        self._files: dict[str, tuple[tuple[int, ...], set[str]]] = {}
        self._secrets: tuple[str, ...] = ()

    def watch(self, directory: str) -> None:
        """Also mask what is in the files below ``directory``."""
        if directory not in self._directories:
            self._directories.add(directory)
            self.refresh()

    def refresh(self) -> None:
        """Read secret files that are new or have changed; one we cannot read holds nothing we could show."""
        changed = False
        for path, state in _walk(self._directories):
            if path not in self._files or self._files[path][0] != state:
                self._files[path] = (state, forms(_read(path)))
                changed = True
        if changed:
            known = set().union(*(strings for _state, strings in self._files.values()))
            # Longest first: a secret that contains another must go whole.
            self._secrets = tuple(sorted(known, key=lambda text: (-len(text), text)))

    def text(self, text: str) -> str:
        """``text`` without secrets."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        for pattern, replacement in _SHAPES:
            text = pattern.sub(replacement, text)
        for pattern in (_LINES, _WORDS):
            text = pattern.sub(_mask_value, text)
        return text

    def value(self, value: Any, key: str = "") -> Any:
        """``value`` (plain JSON types) without secrets, ``key`` being the name it is stored under."""
        if isinstance(value, str):
            if _SECRET_KEY.search(key) and not _HARMLESS.match(value):
                return MASK
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(name): self.value(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, key) for item in value]
        return value


def _walk(directories: Iterable[str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """(path, state) of each file below ``directories``; state changes whenever the content may have."""
    for directory in sorted(directories):
        for folder, _folders, names in os.walk(directory):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    status = os.stat(path)
                except OSError:
                    continue
                if status.st_size <= MAX_SECRET_FILE:
                    yield path, (status.st_mtime_ns, status.st_size, status.st_ino)


def _read(path: str) -> str:
    try:
        with open(path, "rb") as handle:
            return handle.read().decode("utf-8", "replace")
    except OSError:
        return ""
