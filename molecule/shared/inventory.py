#!/usr/bin/env python3
"""Ansible inventory of the running scenario: its lab's hosts; empty before `create`, after `destroy`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.lab.inventory import connection
from tests.lab.lab import Lab
from tests.lab.molecule import lab_name, platforms


def inventory() -> dict[str, object]:
    """The script inventory format: groups, and every host's variables below `_meta`."""
    lab = Lab(lab_name(os.environ["MOLECULE_SCENARIO_NAME"]))
    hosts = lab.hosts()
    shared = connection(lab.key, lab.known_hosts)
    groups: dict[str, object] = {"all": {"hosts": list(hosts), "vars": shared}}
    for platform in platforms(os.environ["MOLECULE_FILE"]):
        for group in platform.groups:
            members = groups.setdefault(group, {"hosts": []})
            if platform.name in hosts and isinstance(members, dict):
                members["hosts"].append(platform.name)
    variables = {
        host.name: {"ansible_host": host.address, "lab_suite": host.suite} for host in hosts.values()
    }
    return {"_meta": {"hostvars": variables}, **groups}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(inventory()))
