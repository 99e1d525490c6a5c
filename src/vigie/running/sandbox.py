"""bubblewrap around a run: it sees its programs, its own folder, its client's secrets, and no more."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import vigie
from vigie.running.model import Isolation
from vigie.running.playbooks import collection_root

PROBE_TIMEOUT = 15
"""Seconds the trial may take."""

SYSTEM = ("/usr", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""Read-only, where they exist; symbolic links of a merged /usr stay links."""

PACKAGES = ("/var/lib/dpkg", "/var/lib/apt", "/var/cache/apt")
"""Read-only: the package database, for plays that install the controller's own tools in the state."""


@dataclass(frozen=True)
class View:
    """What a run sees besides the system: folders and files it reads, and those it writes.

    ``hidden`` is a folder of which nothing else is seen, wherever it lies: the provider's state.
    """

    read: Sequence[Path] = ()
    write: Sequence[Path] = ()
    hidden: Path | None = None


def command(program: str, isolation: Isolation, view: View, scratch: Path) -> list[str]:
    """The bubblewrap command line that stands before the run's own.

    ``--unshare-pid`` and ``--die-with-parent`` make the kernel end every process of the run with it, also
    those that
    changed their session, as Ansible's workers do.
    """
    common = [program, "--unshare-pid", "--die-with-parent", "--unshare-ipc", "--chdir", str(scratch)]
    if isolation is Isolation.PROCESSES:
        # The play works on this very machine: it needs what the operator has, capabilities included.
        return [*common, "--cap-add", "ALL", "--dev-bind", "/", "/", "--proc", "/proc", "--"]
    arguments = [
        *common,
        *_system(),
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--tmpfs",
        "/tmp",  # noqa: S108 - the sandbox's own
        "--tmpfs",
        "/run",
    ]
    arguments += _resolver()
    arguments += _mounts(view)
    return [*arguments, "--bind", str(scratch), str(scratch), "--"]


def _mounts(view: View) -> list[str]:
    """Of two mounts the later one counts: first what is read, then the hiding, then what it must not hide."""
    read = [path for path in _ordered(view.read) if path not in view.write]
    inside = [path for path in read if view.hidden and path.is_relative_to(view.hidden)]
    arguments: list[str] = []
    for path in read:
        if path not in inside and not any(path.is_relative_to(root) for root in SYSTEM):
            arguments += ["--ro-bind-try", str(path), str(path)]
    arguments += ["--tmpfs", str(view.hidden)] if view.hidden else []
    for path in inside:
        arguments += ["--ro-bind-try", str(path), str(path)]
    for path in _ordered(view.write):
        arguments += ["--bind", str(path), str(path)]
    return arguments


def _system() -> list[str]:
    arguments: list[str] = []
    for name in SYSTEM:
        path = Path(name)
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), name]
        elif path.exists():
            arguments += ["--ro-bind", name, name]
    for name in PACKAGES:
        arguments += ["--ro-bind-try", name, name]
    return arguments


def _resolver() -> list[str]:
    """/etc/resolv.conf is often a link into /run."""
    target = Path("/etc/resolv.conf").resolve()
    return ["--ro-bind-try", str(target), str(target)] if not target.is_relative_to("/etc") else []


def _ordered(paths: Iterable[Path]) -> list[Path]:
    """``paths``, an outer folder before what is inside it, so that it does not hide it."""
    return sorted(set(paths), key=lambda path: (len(path.parts), path))


@cache
def program_paths() -> tuple[Path, ...]:
    """Where the Python of this process, its packages and the collection are."""
    collection = collection_root()
    paths = [
        Path(sys.prefix),
        Path(sys.base_prefix),
        Path(sys.executable).resolve().parent.parent,
        Path(vigie.__file__).parent.parent,
        collection.parent.parent,
        # In an editable install these are links out of the folder, to the repository.
        *(entry.resolve() for entry in collection.iterdir()),
    ]
    return tuple(path for path in dict.fromkeys(paths) if path != Path("/"))


def program() -> str:
    """The bubblewrap program."""
    return shutil.which("bwrap") or "bwrap"


@cache
def available(isolation: Isolation) -> str | None:
    """Why this kind of isolation cannot be had here; None when a trial run of it succeeded.

    Containers and hardened kernels forbid namespaces in many ways: trying is the only sure test.
    """
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed (package 'bubblewrap')"
    scratch = Path("/usr")
    prefix = command(program(), isolation, View(read=program_paths()), scratch)
    # No folder of a run exists yet: the trial may write nowhere.
    prefix = [part if part != "--bind" else "--ro-bind" for part in prefix]
    trial = [*prefix, sys.executable, "-c", "import ansible_runner, vigie"]
    try:
        done = subprocess.run(trial, capture_output=True, text=True, timeout=PROBE_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not work here: {error}"
    if done.returncode:
        return (
            f"bubblewrap does not work here: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
        )
    return None
