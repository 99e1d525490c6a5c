"""The wheel a user installs carries the CLI and the collection, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "ansible_collections/vigie/msp/"
CONTENT = ("galaxy.yml", "meta", "playbooks", "plugins", "roles")


def tracked(*folders: str) -> set[str]:
    """The files git tracks below ``folders``."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--", *folders], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return {name for name in listing.split("\0") if name and (ROOT / name).exists()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by way of the sdist as a release would be."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)], check=True, capture_output=True
    )
    return next(folder.glob("*.whl"))


def test_wheel_carries_every_tracked_file_of_the_collection(wheel: Path) -> None:
    inside = {
        name.removeprefix(COLLECTION) for name in zipfile.ZipFile(wheel).namelist() if COLLECTION in name
    }
    assert tracked(*CONTENT) - inside == set()


def test_wheel_carries_the_whole_package(wheel: Path) -> None:
    inside = {f"src/{name}" for name in zipfile.ZipFile(wheel).namelist()}
    assert tracked("src/vigie") - inside == set()


def test_wheel_carries_no_tests_caches_or_symlinks(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert [
        n for n in names if "__pycache__" in n or n.startswith(("tests", "molecule", "docs", "inventories"))
    ] == []


@pytest.fixture(scope="module")
def user_environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment with the wheel in it; returns its bin folder."""
    folder = tmp_path_factory.mktemp("user")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", str(wheel)], check=True)
    return folder / "bin"


def run(user_environment: Path, cwd: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the user's environment, without the repository on any path."""
    return subprocess.run(
        [user_environment / command[0], *command[1:]],
        cwd=cwd,
        env={"PATH": f"{user_environment}:/usr/bin:/bin", "HOME": str(cwd), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_new_user_finds_cli_and_collection(user_environment: Path, tmp_path: Path) -> None:
    assert "compliance" in run(user_environment, tmp_path, "vigie", "--help").stdout
    listing = run(user_environment, tmp_path, "ansible-doc", "-t", "role", "--list", "vigie.msp")
    assert "vigie.msp.patch_baseline" in listing.stdout, listing.stderr


def test_new_user_copies_the_example_and_checks_it(user_environment: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "inventories" / "example", tmp_path / "mine")
    done = run(user_environment, tmp_path, "vigie", "check", "--inventory", "mine")
    assert done.returncode == 0, done.stdout + done.stderr
