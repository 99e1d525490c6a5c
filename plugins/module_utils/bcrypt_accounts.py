# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An htpasswd file with bcrypt hashes, kept as it is while its passwords verify.

Hashes with libcrypt, which is on every Debian host, through ctypes: Python 3.13 has no ``crypt`` module any
more, and the package of ``htpasswd`` would be installed for this alone.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import hmac
from typing import Callable, Mapping, NamedTuple

COST = 8
"""2^8 rounds, 25 ms: enough for a generated password (190 random bits), cheap for hundreds of accounts."""

Hash = Callable[[str, str], str]
"""(password, setting or hash) → hash."""


class CryptError(Exception):
    """This host's libcrypt cannot hash with bcrypt."""


class Plan(NamedTuple):
    """A new htpasswd file and how it differs from the old one."""

    text: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


def libcrypt() -> tuple[Hash, Callable[[], str]]:
    """The functions that hash, and that make a new bcrypt setting.

    Raises:
        CryptError: There is no libcrypt, or it does not know bcrypt.
    """
    name = ctypes.util.find_library("crypt") or "libcrypt.so.1"
    try:
        library = ctypes.CDLL(name)
        crypt, gensalt = library.crypt, library.crypt_gensalt
    except (OSError, AttributeError) as error:
        raise CryptError("cannot use %s: %s" % (name, error)) from error
    crypt.restype = gensalt.restype = ctypes.c_char_p
    crypt.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    gensalt.argtypes = [ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p, ctypes.c_int]

    def hashed(password: str, setting: str) -> str:
        return (crypt(password.encode(), setting.encode()) or b"*0").decode()

    def setting() -> str:
        made = gensalt(b"$2b$", COST, None, 0)
        if not made:
            raise CryptError("%s does not know bcrypt" % name)
        return made.decode()

    return hashed, setting


def parse(text: str) -> dict[str, str]:
    """Account → hash; lines that are neither comment nor account are dropped."""
    accounts = {}
    for line in text.splitlines():
        name, colon, hashed = line.strip().partition(":")
        if colon and name and not name.startswith("#"):
            accounts[name] = hashed
    return accounts


def plan(text: str, passwords: Mapping[str, str], hashed: Hash, setting: Callable[[], str]) -> Plan:
    """The file that holds exactly these accounts, with the old hash wherever it still fits its password."""
    before = parse(text)
    after, added, changed = {}, [], []
    for name, password in sorted(passwords.items()):
        old = before.get(name, "")
        if old.startswith("$2") and hmac.compare_digest(hashed(password, old), old):
            after[name] = old
            continue
        after[name] = hashed(password, setting())
        if not after[name].startswith("$2"):
            raise CryptError("libcrypt could not hash the password of %s" % name)
        (changed if old else added).append(name)
    lines = ["%s:%s\n" % item for item in after.items()]
    return Plan("".join(lines), tuple(added), tuple(changed), tuple(sorted(set(before) - set(after))))
