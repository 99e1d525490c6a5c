"""The whole main job, once per session, on real hosts: the integration tests look at what it left."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.canaries import ArgvWatcher
from tests.integration.fleet import Vigie
from tests.lab.inventory import read_hosts
from tests.lab.lab import Lab

DEMO = Path(__file__).resolve().parents[2] / "inventories" / "demo"


def copy_of_the_demo(lab: Lab, directory: Path) -> Path:
    """The demo's provider, with the addresses of the tests' own lab."""
    shutil.copytree(DEMO, directory, ignore=shutil.ignore_patterns("known_hosts"))
    tree = yaml.safe_load((directory / "hosts.yml").read_text(encoding="utf-8"))
    groups = {
        name: list(group["hosts"]) for name, group in tree["all"]["children"].items() if group.get("hosts")
    }
    (directory / "hosts.yml").write_text(lab.inventory(groups), encoding="utf-8")
    shutil.copyfile(lab.known_hosts, directory / "known_hosts")
    return directory


@dataclass
class MainJob:
    """What the main job said, step by step, and the program to ask more."""

    vigie: Vigie
    argv: ArgvWatcher
    said: dict[str, Any] = field(default_factory=dict)

    def do(self, name: str, *arguments: str, expect: int | None = 0) -> None:
        """Run one step and keep what it said."""
        self.said[name] = self.vigie(*arguments, expect=expect)


@pytest.fixture(scope="session")
def main_job(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MainJob]:
    """Check, provision, audit, everything due, audit: as ``make demo`` does it."""
    lab.up({name: suite for name, (suite, _) in read_hosts(DEMO / "hosts.yml").items()})
    folder = tmp_path_factory.mktemp("main")
    vigie = Vigie(copy_of_the_demo(lab, folder / "demo"), folder / "state", lab)
    with ArgvWatcher(folder / "state") as argv:
        job = MainJob(vigie, argv)
        job.do("check", "check", "--json")
        job.do("provision", "provision", "--json")
        job.do("first audit", "run", "audit", "--json")
        job.do("before", "compliance", "--json", expect=3)
        job.do("due", "run", "--due", "--json")
        job.do("second audit", "run", "audit", "--json")
        job.do("after", "compliance", "--json", expect=3)
        yield job
