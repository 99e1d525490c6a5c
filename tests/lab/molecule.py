"""What Molecule's shared playbooks need of the lab: `python -m tests.lab.molecule up|verify|down`.

Every scenario has a lab of its own, so that scenarios start from untouched hosts and may run side by side.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.lab.errors import LabError
from tests.lab.lab import MOLECULE_PREFIX, Lab
from tests.lab.podman import REPOSITORY_ROOT
from tests.lab.progress import Progress


@dataclass(frozen=True)
class Platform:
    """A host of a scenario."""

    name: str
    suite: str
    groups: tuple[str, ...] = ()


def lab_name(scenario: str) -> str:
    """The lab of a scenario."""
    return MOLECULE_PREFIX + scenario.replace("_", "-").replace("/", "-").lower()


def platforms(molecule_file: str) -> list[Platform]:
    """The hosts that a scenario's merged configuration asks for."""
    config = yaml.safe_load(Path(molecule_file).read_text())
    found = []
    for entry in config["platforms"]:
        if "suite" not in entry:
            raise LabError(f"platform {entry['name']}: add `suite:`, the Debian suite the host should run")
        found.append(Platform(entry["name"], entry["suite"], tuple(entry.get("groups", ()))))
    return found


def main(arguments: Sequence[str]) -> int:
    """Do what the shared playbook asks, for the scenario that Molecule names in the environment."""
    try:
        scenario, molecule_file = os.environ["MOLECULE_SCENARIO_NAME"], os.environ["MOLECULE_FILE"]
    except KeyError as error:
        raise SystemExit(f"{error.args[0]} is not set: this is called by Molecule") from error
    actions = {"up": _up, "down": _down, "verify": _verify}
    try:
        return actions[arguments[0]](Lab(lab_name(scenario), Progress()), platforms(molecule_file))
    except LabError as error:
        sys.stderr.write(f"lab: {error}\n")
        return 1


def _up(lab: Lab, hosts: list[Platform]) -> int:
    lab.up({host.name: host.suite for host in hosts})
    return 0


def _down(lab: Lab, hosts: list[Platform]) -> int:
    lab.down()
    return 0


def _verify(lab: Lab, hosts: list[Platform]) -> int:
    """Run the scenario's tests from here, over SSH, once per host."""
    tests = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / "tests"
    if not tests.is_dir():
        raise LabError(f"no tests: expected {tests}/test_*.py")
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--ssh-config={lab.ssh_config}",
        f"--hosts={','.join(f'ssh://{host.name}' for host in hosts)}", str(tests),
    ]  # fmt: skip
    env = {**os.environ, "VIGIE_LAB": lab.name}
    return subprocess.run(command, cwd=REPOSITORY_ROOT, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
