"""How a run reaches hosts: known_hosts, client configuration, control sockets and keys of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vigie.errors import BadInputError

SSH_CONNECTIONS = frozenset({"ssh", "smart", "ansible.builtin.ssh"})

KEX = "curve25519-sha256,curve25519-sha256@libssh.org"
"""Tried first: the post-quantum exchange OpenSSH prefers costs three times as much per connection
(measured: 50 cold
connections 5.4 s against 1.6 s). The others stay allowed, for hosts that insist."""

CONTROL_PERSIST = 60
"""Seconds a connection outlives its last task; all end with the run."""

_JUMP = re.compile(r"(?:^|\s)-J|Proxy(?:Jump|Command)", re.IGNORECASE)


def known_hosts(directory: Path, client: str) -> str:
    """The host keys a run may trust: those of the whole fleet, and those given for this client alone.

    Raises:
        BadInputError: The directory has none.
    """
    sources = [directory / "known_hosts", directory / "known_hosts.d" / client]
    try:
        texts = [path.read_text(encoding="utf-8") for path in sources if path.is_file()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"cannot read the SSH host keys: {error}") from error
    keys = "\n".join(texts)
    if not any(line.strip() and not line.lstrip().startswith("#") for line in keys.splitlines()):
        raise BadInputError(
            f"no SSH host keys: neither {sources[0]} nor {sources[1]} has any",
            f"collect them and compare the fingerprints: ssh-keyscan HOST... >> {sources[0]}",
        )
    return keys + "\n"


def client_configuration(known_hosts_file: Path, identities: Iterable[Path]) -> str:
    """The ssh client configuration of a run; jump hosts (``-J``) follow it too.

    Args:
        known_hosts_file: The only host keys trusted.
        identities: Keys to offer where the inventory names none.
    """
    lines = [
        "Host *",
        f"  UserKnownHostsFile {known_hosts_file}",
        "  GlobalKnownHostsFile /dev/null",
        "  StrictHostKeyChecking yes",
        "  UpdateHostKeys no",
        f"  KexAlgorithms ^{KEX}",
        "  BatchMode yes",
        "  ForwardAgent no",
        "  ServerAliveInterval 15",
        "  ServerAliveCountMax 4",
    ]
    lines += [f"  IdentityFile {path}" for path in identities]
    return "\n".join(lines) + "\n"


def arguments(configuration: Path, known_hosts_file: Path) -> str:
    """The arguments every ssh of a run gets first; of an option given twice, the first counts."""
    return " ".join(
        [
            f"-F {configuration}",
            f"-o UserKnownHostsFile={known_hosts_file}",
            "-o StrictHostKeyChecking=yes",
            "-o ControlMaster=auto",
            f"-o ControlPersist={CONTROL_PERSIST}s",
        ]
    )


def uses_jump_host(variables: Mapping[str, Any]) -> bool:
    """Is the host reached through another one?"""
    names = ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args")
    return any(_JUMP.search(str(variables.get(name, ""))) for name in names)


def default_identities(home: Path) -> tuple[Path, ...]:
    """The operator's own keys, which ssh offers by itself where no key is named."""
    names = ("id_ed25519", "id_ecdsa", "id_rsa")
    return tuple(path for path in (home / ".ssh" / name for name in names) if path.is_file())
