"""The inventory of one run: a static file with that client's hosts, their variables, and nothing else."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vigie.running.ssh import SSH_CONNECTIONS

_RUN_INVENTORY_DIR = re.compile(r"\{\{\s*inventory_dir\s*\}\}")


def build(
    hosts: Mapping[str, Mapping[str, Any]],
    groups: Mapping[str, Iterable[str]],
    directory: Path,
    ssh_arguments: str,
) -> dict[str, Any]:
    """A static inventory in Ansible's YAML structure.

    Variables are already merged by Ansible, so each host simply carries all of its own. Groups keep only
    members
    that take part: a play on ``hosts: all`` or on any group cannot reach another client's host.

    Args:
        hosts: Variables of each host of the run.
        groups: All groups of the provider's inventory.
        directory: The provider's directory; ``{{ inventory_dir }}`` in variables means this one.
        ssh_arguments: The run's own arguments for ssh.
    """
    document: dict[str, Any] = {
        "all": {
            "hosts": {
                name: host_variables(values, directory, ssh_arguments) for name, values in hosts.items()
            },
            "children": {},
        }
    }
    for group, members in groups.items():
        present = [member for member in members if member in hosts]
        if present and group not in ("all", "ungrouped"):
            document["all"]["children"][group] = {"hosts": {member: {} for member in present}}
    return document


def host_variables(values: Mapping[str, Any], directory: Path, ssh_arguments: str) -> dict[str, Any]:
    """The variables of one host, with paths made absolute and the run's ssh arguments put first.

    ssh takes the first of an option given twice, so the run's known_hosts wins over the inventory's.
    """
    variables: dict[str, Any] = {name: _located(value, directory) for name, value in values.items()}
    key = private_key(values, directory)
    if key is not None:
        variables.pop("ansible_private_key_file", None)
        variables["ansible_ssh_private_key_file"] = str(key)
    if uses_ssh(values):
        own = variables.get("ansible_ssh_args")
        variables["ansible_ssh_args"] = f"{ssh_arguments} {own}" if isinstance(own, str) else ssh_arguments
        # A host key that is not checked is a man in the middle not noticed: not for a run to leave open.
        variables["ansible_host_key_checking"] = True
        variables.pop("ansible_ssh_host_key_checking", None)
    return variables


def private_key(values: Mapping[str, Any], directory: Path) -> Path | None:
    """The key file the inventory names for a host; None where it names none, or only by a template."""
    value = values.get("ansible_ssh_private_key_file") or values.get("ansible_private_key_file")
    located = _located(value, directory)
    named = isinstance(located, str) and located and "{{" not in located
    return absolute(located, directory) if named else None


def uses_ssh(variables: Mapping[str, Any]) -> bool:
    """Is the host reached by ssh (Ansible's default)?"""
    return variables.get("ansible_connection", "ssh") in SSH_CONNECTIONS


def is_this_machine(variables: Mapping[str, Any]) -> bool:
    """Do the host's tasks run on the controller itself?"""
    return variables.get("ansible_connection") in ("local", "ansible.builtin.local")


def absolute(path: str, directory: Path) -> Path:
    """``path`` of the inventory, absolute: ``~`` is the operator's home, relative is to the directory."""
    # Without `..`: the run sees the file itself, not the folders a detour would lead through.
    return Path(os.path.normpath(directory.absolute() / Path(path).expanduser()))


def _located(value: Any, directory: Path) -> Any:
    if isinstance(value, str):
        return _RUN_INVENTORY_DIR.sub(lambda _match: str(directory), value)
    if isinstance(value, Mapping):
        return {name: _located(item, directory) for name, item in value.items()}
    if isinstance(value, list):
        return [_located(item, directory) for item in value]
    return value
