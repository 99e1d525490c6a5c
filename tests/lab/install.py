"""Installing the Debian packages the lab needs."""

from __future__ import annotations

import os
import subprocess

from tests.lab.errors import LabError
from tests.lab.podman import PACKAGES
from tests.lab.progress import Progress


def install(progress: Progress) -> list[str]:
    """Install the missing packages with apt; return their names. Nothing is done when none is missing."""
    missing = [package for package in PACKAGES if not _installed(package)]
    if missing:
        with progress.step(f"installing {' '.join(missing)}", f"installed {len(missing)} packages"):
            _apt("update")
            _apt("install", "--yes", "--no-install-recommends", *missing)
    return missing


def _installed(package: str) -> bool:
    command = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except FileNotFoundError as error:
        raise LabError(
            "this machine is not Debian: install the programs of tests/lab/podman.py yourself"
        ) from error
    return done.returncode == 0 and done.stdout == "installed"


def _apt(*arguments: str) -> None:
    if os.geteuid() != 0:
        raise LabError("installing packages needs root")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "--quiet", "-o", "DPkg::Lock::Timeout=300", *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr).strip()[-2000:]}")
