"""SSH for one lab: its key pair, its known_hosts, its ssh_config."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.lab.errors import LabError


def ensure_key(directory: Path) -> Path:
    """The lab's private key (ed25519, no passphrase, 0600), made on first use."""
    key = directory / "id_ed25519"
    if not key.exists():
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = [
            "ssh-keygen",
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            f"vigie-lab-{directory.name}",
            "-f",
            str(key),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        if done.returncode != 0:
            raise LabError(f"cannot make {key}: {done.stderr.strip()}")
    return key


def known_hosts_lines(name: str, address: str, public_keys: str) -> list[str]:
    """known_hosts lines for a host, by name and by address, from its /etc/ssh/ssh_host_*_key.pub."""
    lines = []
    for public_key in public_keys.splitlines():
        words = public_key.split()
        if len(words) >= 2:
            lines.append(f"{name},{address} {words[0]} {words[1]}")
    return lines


def ssh_options(key: Path, known_hosts: Path) -> list[str]:
    """Options of ssh for the lab: only its key, only its known hosts, never a question."""
    return [
        "-o",
        f"IdentityFile={key}",
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        "BatchMode=yes",
        "-o",
        "ConnectTimeout=10",
        *known_hosts_options(known_hosts),
    ]


def known_hosts_options(known_hosts: Path) -> list[str]:
    """Options of ssh that check host keys against the lab's file alone."""
    return [
        "-o",
        f"UserKnownHostsFile={known_hosts}",
        "-o",
        "GlobalKnownHostsFile=/dev/null",
        "-o",
        "StrictHostKeyChecking=yes",
    ]


def ssh_config(addresses: Mapping[str, str], key: Path, known_hosts: Path, sockets: Path) -> str:
    """An ssh_config for the lab's hosts; a connection is shared for a minute, which makes tests quick."""
    lines: list[str] = []
    for name, address in sorted(addresses.items()):
        lines += [f"Host {name} {address}", f"  HostName {address}", ""]
    return "\n".join([*lines, "Host *", *_common(key, known_hosts, sockets), ""])


def _common(key: Path, known_hosts: Path, sockets: Path) -> Iterable[str]:
    return (
        "  User root",
        f"  IdentityFile {key}",
        "  IdentitiesOnly yes",
        "  BatchMode yes",
        f"  UserKnownHostsFile {known_hosts}",
        "  GlobalKnownHostsFile /dev/null",
        "  StrictHostKeyChecking yes",
        "  ControlMaster auto",
        f"  ControlPath {sockets}/%C",
        "  ControlPersist 60s",
        "  ConnectTimeout 10",
    )
