"""Two clients with the same host name and the same private address behind different jump hosts never cross.

The address is 127.0.0.2: each jump host reaches itself there, so both clients' "erp" is a different machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from tests.faults.runner_driver import FileLedger, Listener
from vigie.ledger.states import RunStatus
from vigie.running.batch import run_all
from vigie.running.model import RunRequest
from vigie.state import StateDirectory

pytestmark = pytest.mark.lab

CLIENTS = ("cabinet", "usine")
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Leave a mark",
                "ansible.builtin.copy": {
                    "content": "",
                    "dest": "/root/mark-{{ vigie_client }}",
                    "mode": "0600",
                },
            },
            {"name": "Let the connections live side by side", "ansible.builtin.command": "sleep 2"},
        ],
    }
]


@pytest.fixture
def fleet(own_lab, tmp_path):
    """One jump host per client, each knowing the other's "erp" at the same address."""
    hosts = own_lab.up({f"jump-{client}": "bookworm" for client in CLIENTS})
    (tmp_path / "known_hosts").write_text(own_lab.known_hosts.read_text())
    (tmp_path / "known_hosts.d").mkdir()
    (tmp_path / "play.yml").write_text(yaml.safe_dump(PLAY))
    variables = {}
    for client in CLIENTS:
        jump = hosts[f"jump-{client}"]
        public = jump.read("/etc/ssh/ssh_host_ed25519_key.pub").split()
        (tmp_path / "known_hosts.d" / client).write_text(f"127.0.0.2 {public[0]} {public[1]}\n")
        variables[client] = {
            "vigie_client": client,
            "ansible_host": "127.0.0.2",
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(own_lab.key),
            "ansible_ssh_common_args": f"-J root@{jump.address}",
        }
    return tmp_path, hosts, variables


def marks(hosts):
    return {
        client: hosts[f"jump-{client}"].run("cd /root && ls mark-* || true").stdout.split()
        for client in CLIENTS
    }


def test_the_trap_is_real(fleet):
    """With control sockets in one folder, the second client's play ends on the first client's host."""
    root, hosts, variables = fleet
    known = root / "all_known"
    known.write_text(
        (root / "known_hosts").read_text()
        + "".join((root / "known_hosts.d" / c).read_text() for c in CLIENTS)
    )
    for client in CLIENTS:
        inventory = root / f"{client}.yml"
        inventory.write_text(yaml.safe_dump({"all": {"hosts": {"erp": variables[client]}}}))
        config = root / "ssh_config"
        config.write_text(
            f"Host *\n UserKnownHostsFile {known}\n"
            f" IdentityFile {variables[client]['ansible_ssh_private_key_file']}\n"
        )
        environment = os.environ | {
            "ANSIBLE_CONFIG": "/dev/null.cfg",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(root / "cp"),
            "ANSIBLE_SSH_ARGS": f"-F {config} -o ControlMaster=auto -o ControlPersist=20s",
        }
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            str(inventory),
            str(root / "play.yml"),
        ]
        subprocess.run(command, env=environment, capture_output=True, timeout=120, check=True)

    assert marks(hosts) == {"cabinet": ["mark-cabinet", "mark-usine"], "usine": []}


def test_runs_of_two_clients_at_once_never_cross(fleet):
    root, hosts, variables = fleet
    requests = [
        RunRequest(
            state=StateDirectory(root / "state"),
            directory=root,
            client=client,
            service="patch",
            playbook=root / "play.yml",
            hosts={"erp": variables[client]},
            groups={"all": ("erp",)},
            timeout=timedelta(minutes=2),
        )
        for client in CLIENTS
    ]
    result = run_all(requests, FileLedger(root / "ledger.json"), 2, threading.Event(), Listener())

    assert [report.status for report in result.reports] == [RunStatus.OK] * 2, result
    assert marks(hosts) == {"cabinet": ["mark-cabinet"], "usine": ["mark-usine"]}
