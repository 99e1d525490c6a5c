"""Running Podman: what this machine needs for it, and one function that calls it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.lab.errors import LabError, LabUnavailableError

REPOSITORY_ROOT = Path(__file__).resolve().parents[2]
PACKAGES = "podman runc iptables netavark aardvark-dns mmdebstrap openssh-client"  # a subset of bindep.txt
CAP_SYS_RESOURCE = 24
HIGHEST_LIMIT = 16384  # Podman lowers its own nproc limit to 32768 and cannot give more than it has
WAY_OUT = (
    "Install what the lab needs with `python -m tests.lab install` (apt-get install "
    f"--no-install-recommends {PACKAGES}) and run it as root. "
    "`vigie audit localhost --tier silver` needs neither Podman nor root."
)


def unavailable_reason() -> str | None:
    """Why lab hosts cannot run here, or None when they can."""
    if os.geteuid() != 0:
        return "the lab needs root (its hosts have addresses of their own on a bridge)"
    missing = [name for name in ("podman", "mmdebstrap", "ssh-keygen") if shutil.which(name) is None]
    if shutil.which("runc") is None and shutil.which("crun") is None:
        missing.append("runc")
    if shutil.which("iptables") is None and shutil.which("nft") is None:
        missing.append("iptables")
    return f"not installed: {', '.join(missing)}" if missing else None


def require() -> None:
    """Raise LabUnavailableError, naming the way out, when lab hosts cannot run here."""
    reason = unavailable_reason()
    if reason:
        raise LabUnavailableError(f"No lab on this machine: {reason}. {WAY_OUT}")


def has_capability(number: int, status: Path = Path("/proc/self/status")) -> bool:
    """Whether this process has the Linux capability `number` in its effective set."""
    for line in status.read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False


def containers_conf() -> str | None:
    """Text of the containers.conf this machine needs, or None when Podman's defaults work.

    Without CAP_SYS_RESOURCE Podman cannot raise limits, and must be told to stay below our own. On a machine
    with version 1 or hybrid cgroups crun refuses a container that runs systemd; runc does not.
    """
    limits, engine = [], []
    if not has_capability(CAP_SYS_RESOURCE):
        limits = [_limit("nofile", resource.RLIMIT_NOFILE), _limit("nproc", resource.RLIMIT_NPROC)]
    if not Path("/sys/fs/cgroup/cgroup.controllers").exists() and shutil.which("runc"):
        engine = ['runtime = "runc"']
    if not limits and not engine:
        return None
    lines = ["[containers]", f"default_ulimits = {json.dumps(limits)}"] if limits else []
    return "\n".join([*lines, "[engine]", *engine, ""])


def _limit(name: str, which: int) -> str:
    """`name=soft:hard`, at this process's own hard limit at most."""
    own = resource.getrlimit(which)[1]
    hard = HIGHEST_LIMIT if own == resource.RLIM_INFINITY else min(own, HIGHEST_LIMIT)
    return f"{name}={hard}:{hard}"


def environment(lab_root: Path) -> dict[str, str]:
    """Environment for Podman; writes `<lab_root>/containers.conf` where one is needed.

    A CONTAINERS_CONF that the user set is respected.
    """
    env = dict(os.environ)
    text = None if "CONTAINERS_CONF" in env else containers_conf()
    if text:
        path = lab_root / "containers.conf"
        lab_root.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            temporary = path.with_suffix(f".{os.getpid()}")
            temporary.write_text(text)
            temporary.replace(path)
        env["CONTAINERS_CONF"] = str(path.resolve())
    return env


class Podman:
    """Calls podman with the environment this machine needs."""

    def __init__(self, lab_root: Path) -> None:
        require()
        self.env = environment(lab_root)

    def call(
        self, *arguments: str, stdin: str | None = None, timeout: float = 120, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run `podman ARGUMENTS`; with `check` a failure raises LabError carrying Podman's own message."""
        try:
            done = subprocess.run(
                ["podman", *arguments],
                input=stdin,
                env=self.env,
                timeout=timeout,
                text=True,
                errors="replace",
                capture_output=True,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            what = " ".join(arguments[:2])
            raise LabError(f"podman {what} gave no answer within {timeout:.0f} s") from error
        if check and done.returncode != 0:
            raise LabError(f"podman {' '.join(arguments[:3])} failed: {done.stderr.strip()}")
        return done

    def json(self, *arguments: str) -> Any:
        """Run podman and parse its standard output as JSON."""
        return json.loads(self.call(*arguments).stdout or "null")
