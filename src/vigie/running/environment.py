"""The environment of a run: what is listed here, and nothing of the operator's shell besides."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

ALLOWED = frozenset(
    {
        "LANG",
        "LANGUAGE",
        "TZ",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
    }
)
"""Taken over from the caller: language, certificates, the way to the network."""

MAX_FORKS = 50
"""Hosts worked on at once at most: about 60 MB of the controller's memory for each ten."""

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def forks(hosts: int) -> int:
    """How many hosts are worked on at once: all of a small fleet."""
    return max(1, min(hosts, MAX_FORKS))


def run_environment(
    caller: Mapping[str, str],
    scratch: Path,
    collections: Path,
    hosts: int,
    ssh_arguments: str,
    vigie: Mapping[str, str],
) -> dict[str, str]:
    """The whole environment of a run.

    Args:
        caller: The environment of the caller.
        scratch: The run's own folder; home and temporary files are below it.
        collections: The folder that holds ``ansible_collections/vigie/msp``.
        hosts: How many hosts the run has.
        ssh_arguments: What every ssh gets first.
        vigie: ``VIGIE_...`` variables for the callback; the only ones a run sees, since others name databases
            and their passwords.
    """
    kept = {name: value for name, value in caller.items() if name in ALLOWED or name.startswith("LC_")}
    own = {
        "PATH": f"{Path(sys.executable).parent}:{SYSTEM_PATH}",
        "HOME": str(scratch / "home"),
        "TMPDIR": str(scratch / "tmp"),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONSAFEPATH": "1",
    }
    if agent := ssh_agent_of(caller):
        own["SSH_AUTH_SOCK"] = agent
    return kept | own | ansible_settings(scratch, collections, hosts, ssh_arguments) | dict(vigie)


def ssh_agent_of(caller: Mapping[str, str]) -> str | None:
    """The operator's ssh-agent, when ``VIGIE_SSH_AGENT=1`` says that runs may use it."""
    return caller.get("SSH_AUTH_SOCK") if caller.get("VIGIE_SSH_AGENT") == "1" else None


def ansible_settings(scratch: Path, collections: Path, hosts: int, ssh_arguments: str) -> dict[str, str]:
    """Ansible's settings of a run. No ansible.cfg is read: ``ANSIBLE_CONFIG`` names an empty one."""
    return {
        "ANSIBLE_CONFIG": str(scratch / "ansible.cfg"),
        "ANSIBLE_HOME": str(scratch / "home" / ".ansible"),
        "ANSIBLE_LOCAL_TEMP": str(scratch / "tmp"),
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_CALLBACKS_ENABLED": "vigie.msp.results",
        "ANSIBLE_FORKS": str(forks(hosts)),
        "ANSIBLE_GATHERING": "explicit",
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.yaml",
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_SSH_ARGS": ssh_arguments,
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(scratch / "cp"),
        "ANSIBLE_TIMEOUT": "20",
        # What tasks return is recorded by our callback; ansible-runner's events need not carry it a second
        # time.
        "MAX_EVENT_RES": "0",
    }


def vault_variables(caller: Mapping[str, str], directory: Path) -> dict[str, str]:
    """Where vault passwords come from, when the caller says so; relative paths are the directory's."""
    value = caller.get("ANSIBLE_VAULT_PASSWORD_FILE")
    if not value:
        return {}
    path = Path(value).expanduser()
    located = path if path.is_absolute() else Path(os.path.normpath(directory / path))
    return {"ANSIBLE_VAULT_PASSWORD_FILE": str(located)}
