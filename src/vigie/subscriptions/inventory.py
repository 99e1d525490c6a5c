"""What Ansible makes of a provider's directory, asked of ``ansible-inventory`` itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible_collections.vigie.msp.plugins.module_utils.documents import Problem
from ansible_collections.vigie.msp.plugins.module_utils.subscriptions import state_directory
from vigie.errors import VigieError
from vigie.subscriptions import ansible_messages
from vigie.subscriptions.models import Inventory
from vigie.subscriptions.problems import ConfigurationError, shown

SUBSCRIPTIONS = "subscriptions.yml"
OWN_FILES = (
    r"^catalogue\.yml$",
    r"^provider\.yml$",
    r"^clients$",
    r"^known_hosts$",
    r"^known_hosts\.d$",
    r"^ansible\.cfg$",
)
"""Names in a provider's directory that are not inventory sources (``inventory_ignore_patterns``)."""
KEPT_SETTINGS = frozenset(
    {
        "ANSIBLE_VAULT_PASSWORD_FILE",
        "ANSIBLE_VAULT_IDENTITY_LIST",
        "ANSIBLE_COLLECTIONS_PATH",
        "ANSIBLE_INVENTORY_ENABLED",
    }
)
TIMEOUT = 300
"""Seconds an inventory may take: sources that ask a cloud are slow."""


def read_inventory(directory: Path, *, subscriptions: bool = True) -> Inventory:
    """All hosts and groups of a provider's directory, with merged variables.

    The directory's own ``ansible.cfg`` counts (vault password file, inventory plugins) and no other, so that
    every command sees the same inventory. Values are as ``ansible-inventory --list`` has them: templates are
    not rendered, vaulted values are ``{"__ansible_vault": ...}`` and those of untrusted sources
    ``{"__ansible_unsafe": ...}``; Ansible understands both when they are given back to it.

    Args:
        directory: The provider's directory.
        subscriptions: Whether ``subscriptions.yml`` is read; without it, hosts have no tier.

    Raises:
        ConfigurationError: Ansible refuses a source; the message names it.
    """
    directory = directory.resolve()
    ignored = OWN_FILES if subscriptions else (*OWN_FILES, rf"^{re.escape(SUBSCRIPTIONS)}$")
    with tempfile.TemporaryDirectory(prefix="vigie-") as scratch:
        done = _ansible_inventory(directory, ignored, Path(scratch))
    if done.returncode != 0:
        raise ConfigurationError(ansible_messages.problems(directory, done.stderr))
    return _parsed(done.stdout, ansible_messages.warnings(done.stderr))


def _ansible_inventory(
    directory: Path, ignored: Iterable[str], scratch: Path
) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("ansible-inventory")
    if not program.exists():
        raise VigieError(f"there is no {program}", "install ansible-core where vigie is installed")
    command = [str(program), "-i", str(directory), "--list"]
    environment = _environment(directory, ignored, scratch)
    try:
        return subprocess.run(
            command,
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        message = f"ansible-inventory did not finish within {TIMEOUT} s"
        raise ConfigurationError([Problem(shown(directory), message)]) from error


def _environment(directory: Path, ignored: Iterable[str], scratch: Path) -> dict[str, str]:
    """The caller's environment (cloud sources need their credentials) without its Ansible settings."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ANSIBLE_") or name in KEPT_SETTINGS
    }
    config = directory / "ansible.cfg"
    if not config.is_file():
        config = scratch / "ansible.cfg"
        config.write_text("[defaults]\n", encoding="utf-8")
    return kept | {
        "ANSIBLE_CONFIG": str(config),
        "ANSIBLE_HOME": str(scratch),
        "ANSIBLE_LOCAL_TEMP": str(scratch / "tmp"),
        "ANSIBLE_INVENTORY_IGNORE_REGEX": ",".join(ignored),
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "true",
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
        "ANSIBLE_CALLBACKS_ENABLED": "",
        "ANSIBLE_NOCOLOR": "1",
        # the program runs in the provider's directory, so a relative path would mean another place
        "VIGIE_STATE_DIR": str(Path(state_directory("x")).parent),
        "LC_ALL": "C.UTF-8",
        "PYTHONUTF8": "1",
    }


def _parsed(output: str, warnings: tuple[str, ...]) -> Inventory:
    try:
        document = json.loads(output)
    except ValueError as error:
        raise VigieError(f"ansible-inventory printed no JSON: {error}") from error
    variables: dict[str, dict[str, Any]] = document.pop("_meta", {}).get("hostvars", {})
    members = {name: _members(name, document) for name in _names(document)}
    return Inventory(
        hosts={host: variables.get(host, {}) for host in members.get("all", ())},
        groups=dict(sorted(members.items())),
        warnings=warnings,
    )


def _names(document: dict[str, Any]) -> set[str]:
    """All group names: ansible-inventory leaves empty groups out, but names them in their parents."""
    return set(document) | {child for group in document.values() for child in group.get("children", ())}


def _members(name: str, document: dict[str, Any]) -> tuple[str, ...]:
    hosts: dict[str, None] = {}
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        group = waiting.pop(0)
        if group in seen:
            continue
        seen.add(group)
        content = document.get(group, {})
        hosts.update(dict.fromkeys(content.get("hosts", ())))
        waiting += content.get("children", ())
    return tuple(hosts)
