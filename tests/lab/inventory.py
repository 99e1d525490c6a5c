"""Inventories: written for a lab's hosts, and read to learn which hosts a lab should have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.lab import keys
from tests.lab.errors import LabError
from tests.lab.host import Host

HEADER = "# Written by tests/lab; do not edit.\n---\n"


def connection(key: Path, known_hosts: Path) -> dict[str, str]:
    """Variables that every lab host shares.

    The SSH options are the *extra* arguments: ssh takes the first of an option given twice, and Ansible puts
    extra arguments last, so a runner that brings its own known_hosts wins.
    """
    return {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(key),
        "ansible_ssh_extra_args": " ".join(keys.known_hosts_options(known_hosts)),
        "ansible_python_interpreter": "/usr/bin/python3",
    }


def render(
    hosts: Mapping[str, Host], key: Path, known_hosts: Path, groups: Mapping[str, Sequence[str]]
) -> str:
    """A YAML inventory with the hosts, and the groups they are in."""
    unknown = sorted({name for names in groups.values() for name in names} - set(hosts))
    if unknown:
        raise LabError(f"groups name hosts that the lab does not have: {', '.join(unknown)}")
    tree: dict[str, Any] = {
        "hosts": {
            host.name: {"ansible_host": host.address, "lab_suite": host.suite} for host in hosts.values()
        },
        "vars": connection(key, known_hosts),
    }
    if groups:
        tree["children"] = {group: {"hosts": {name: {} for name in names}} for group, names in groups.items()}
    return HEADER + yaml.safe_dump({"all": tree}, sort_keys=False)


def render_connection(key: Path, known_hosts: Path) -> str:
    """An inventory that adds the lab's connection variables to hosts that another source lists."""
    return HEADER + yaml.safe_dump({"all": {"vars": connection(key, known_hosts)}}, sort_keys=False)


def read_hosts(path: Path) -> dict[str, tuple[str, str | None]]:
    """Hosts of a YAML inventory: name → (`lab_suite`, `ansible_host` or None)."""
    try:
        tree = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise LabError(f"{path}: cannot read the inventory: {error}") from error
    merged: dict[str, dict[str, Any]] = {}
    try:
        for name, variables in _walk(tree):
            merged.setdefault(name, {}).update(variables)
    except LabError as error:
        raise LabError(f"{path}: {error}") from error
    if not merged:
        raise LabError(f"{path}: no hosts in this inventory")
    for name, variables in merged.items():
        if "lab_suite" not in variables:
            raise LabError(
                f"{path}: host {name} has no `lab_suite` (the Debian suite the lab should give it)"
            )
    return {name: (str(v["lab_suite"]), v.get("ansible_host")) for name, v in merged.items()}


def _walk(groups: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every host entry of a group tree, with the variables written beside it."""
    for group in groups.values() if isinstance(groups, dict) else ():
        if isinstance(group, dict):
            hosts = group.get("hosts") or {}
            if not isinstance(hosts, dict):
                raise LabError(f"`hosts` must be a mapping, not {hosts!r}")
            for name, variables in hosts.items():
                yield name, variables or {}
            yield from _walk(group.get("children"))
