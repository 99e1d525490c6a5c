"""One running lab host."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.lab.errors import LabError
from tests.lab.podman import Podman

BOOT_TIMEOUT = 90  # seconds; 4 s were measured on an idle machine
POLL = 0.25
READY = ("running", "degraded")
# One call does all that a fresh host needs: the lab's public key in, the host's public keys out.
ADMIT = """umask 077; mkdir -p /root/.ssh; cat > /root/.ssh/authorized_keys
cat /etc/ssh/ssh_host_*_key.pub"""
STATE = "systemctl is-system-running; systemctl is-active ssh.service"


class Host:
    """A lab host: a container that runs systemd and sshd.

    `run`, `put` and `get` go through Podman, not SSH: they work whatever a test did to sshd or the network.
    """

    def __init__(self, podman: Podman, container: str, name: str, suite: str, address: str) -> None:
        self._podman = podman
        self.container = container
        self.name = name
        self.suite = suite
        self.address = address

    def __repr__(self) -> str:
        return f"Host({self.name!r}, {self.suite}, {self.address})"

    def run(
        self, command: str, check: bool = True, stdin: str | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command as root; with `check` a non-zero exit raises LabError with the output's end."""
        interactive = ["--interactive"] if stdin is not None else []
        done = self._podman.call(
            "exec",
            *interactive,
            self.container,
            "sh",
            "-c",
            command,
            stdin=stdin,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            tail = (done.stdout + done.stderr).strip()[-2000:]
            raise LabError(f"{self.name}: {command!r} exited with {done.returncode}\n{tail}")
        return done

    def put(self, source: Path | str, destination: str) -> None:
        """Copy a file or directory of this machine to the host."""
        self._podman.call("cp", str(source), f"{self.container}:{destination}")

    def get(self, source: str, destination: Path | str) -> None:
        """Copy a file or directory of the host to this machine."""
        self._podman.call("cp", f"{self.container}:{source}", str(destination))

    def read(self, path: str) -> str:
        """Text of a file on the host."""
        return self.run(f"cat -- '{path}'").stdout

    def is_running(self) -> bool:
        """Whether the host is switched on."""
        answer = self._podman.call("inspect", "--format", "{{.State.Running}}", self.container, check=False)
        return answer.stdout.strip() == "true"

    def stop(self) -> None:
        """Switch the host off at once, keeping its disk: a host that is down."""
        self._podman.call("stop", "--time", "0", self.container)

    def start(self) -> None:
        """Switch the host on again at the same address and wait until it answers."""
        self._podman.call("start", self.container)
        self.wait()

    def wait(self, timeout: float = BOOT_TIMEOUT) -> None:
        """Wait until systemd finished booting and sshd is active; raise LabError with the journal's end."""
        deadline = time.monotonic() + timeout
        state = ""
        while time.monotonic() < deadline:
            words = self.run(STATE, check=False).stdout.split()
            state = " ".join(words)
            if len(words) == 2 and words[0] in READY and words[1] == "active":
                return
            if not self.is_running():
                break
            time.sleep(POLL)
        raise LabError(
            f"{self.name} did not boot within {timeout:.0f} s (state: {state or 'off'})\n{self._journal()}"
        )

    def admit(self, public_key: str) -> str:
        """Let the lab's key log in; return the host's own public SSH keys, read through Podman."""
        return self.run(ADMIT, stdin=public_key).stdout

    def _journal(self) -> str:
        tail = self.run("journalctl --no-pager -n 20; systemctl --no-pager --failed", check=False, timeout=20)
        logs = self._podman.call("logs", "--tail", "20", self.container, check=False)
        return (tail.stdout + logs.stdout + logs.stderr).strip()
