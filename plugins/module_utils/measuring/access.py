# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who can get in: SSH, passwords, accounts, listening sockets."""

from __future__ import annotations

import os
import re

from .common import ProbeError, absent, capped, read_or_none, read_text, run

SSHD = "/usr/sbin/sshd"
# A connection from an address of documentation (RFC 5737): what an outsider would be offered.
OUTSIDER = "host=outside.example,addr=192.0.2.1"
KEPT = (
    "permitrootlogin",
    "passwordauthentication",
    "kbdinteractiveauthentication",
    "challengeresponseauthentication",
    "permitemptypasswords",
    "authenticationmethods",
    "usepam",
    "ciphers",
    "macs",
    "kexalgorithms",
)


def ssh():
    """What sshd would offer: {root_password_login, password_login, empty_passwords, settings}."""
    if not os.path.exists(SSHD):
        if os.path.exists("/usr/sbin/dropbear"):
            raise ProbeError("dropbear is the SSH server; its settings cannot be read")
        return absent("no SSH server is installed")
    root, anyone = (
        ssh_settings(run([SSHD, "-T", "-C", "user=%s,%s" % (user, OUTSIDER)])) for user in ("root", "nobody")
    )
    return {
        "root_password_login": root.get("permitrootlogin") == "yes" and accepts_passwords(root),
        "password_login": accepts_passwords(anyone),
        "empty_passwords": anyone.get("permitemptypasswords") == "yes",
        "settings": {key: anyone[key] for key in KEPT if key in anyone},
    }


def ssh_settings(text):
    """The lines of sshd -T as a mapping; nothing recognised is an error, not an empty configuration."""
    pairs = (line.partition(" ") for line in text.splitlines())
    settings = {key.lower(): value.strip() for key, _space, value in pairs}
    for key in ("permitrootlogin", "passwordauthentication"):
        if key not in settings:
            raise ProbeError("sshd -T did not print %s" % key)
    return settings


def accepts_passwords(settings):
    """Whether a password alone opens a session under these settings."""
    methods = settings.get("authenticationmethods", "any").split()
    if methods not in ([], ["any"]) and all("publickey" in method for method in methods):
        return False
    interactive = settings.get(
        "kbdinteractiveauthentication", settings.get("challengeresponseauthentication", "yes")
    )
    return settings["passwordauthentication"] == "yes" or (
        interactive == "yes" and settings.get("usepam") == "yes"
    )


def empty_passwords():
    """Accounts that need no password, from passwd and shadow."""
    found = [row[0] for row in _rows("/etc/passwd") if len(row) > 1 and row[1] == ""]
    found += [row[0] for row in _rows("/etc/shadow") if len(row) > 1 and row[1] == ""]
    return capped(sorted(set(found)))


def superusers():
    """Accounts with UID 0."""
    found = [row[0] for row in _rows("/etc/passwd") if len(row) > 2 and row[2].isdigit() and int(row[2]) == 0]
    if not found:
        raise ProbeError("/etc/passwd names no account with UID 0")
    return capped(found)


def _rows(path):
    return [line.split(":") for line in read_text(path).splitlines() if line and not line.startswith("#")]


def listeners():
    """Sockets other machines could reach: [{protocol, address, port}], loopback left out."""
    found = set()
    for protocol in ("tcp", "udp"):
        for suffix in ("", "6"):
            text = read_or_none("/proc/net/" + protocol + suffix) or ""
            found.update(parse_sockets(text, protocol))
    return capped(
        {"protocol": p, "address": a, "port": n}
        for p, a, n in sorted(found, key=lambda s: (s[0], s[2], s[1]))
    )


def parse_sockets(text, protocol):
    """(protocol, address, port) of each listening line of /proc/net: state 0A for tcp, 07 for udp."""
    state = "0A" if protocol == "tcp" else "07"
    for address, port in re.findall(
        r"^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ %s " % state, text, re.MULTILINE
    ):
        words = [bytes.fromhex(address[i : i + 8])[::-1] for i in range(0, len(address), 8)]
        shown = _address(b"".join(words))
        if not (shown.startswith("127.") or shown in ("::1", "::ffff:127.0.0.1")):
            yield protocol, shown, int(port, 16)


def _address(raw):
    import socket  # pylint: disable=import-outside-toplevel

    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)
