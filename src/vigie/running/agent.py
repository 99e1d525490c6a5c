"""An ssh-agent of the run's own, for keys that ssh cannot be given as a file: those of jump hosts."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

PATIENCE = 5.0
"""Seconds the agent may take to listen."""


class Agent:
    """Started only when there are keys to hold; it ends with the run.

    Args:
        scratch: The run's own folder, for the socket.
        keys: Private key files.
    """

    def __init__(self, scratch: Path, keys: Sequence[Path]) -> None:
        self._socket = scratch / "agent"
        self._keys = keys
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Iterable[str]:
        """Start it, load the keys and name it in this process's environment. Returns what went wrong."""
        if not self._keys:
            return []
        command = ["ssh-agent", "-D", "-a", str(self._socket)]
        try:
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except OSError as error:
            return [f"no ssh-agent for the run's keys: {error}"]
        deadline = time.monotonic() + PATIENCE
        while not self._socket.exists():
            if time.monotonic() > deadline or self._process.poll() is not None:
                return ["no ssh-agent for the run's keys: it did not start"]
            time.sleep(0.01)
        os.environ["SSH_AUTH_SOCK"] = str(self._socket)
        return [problem for key in self._keys if (problem := _add(key))]

    def stop(self) -> None:
        """End it."""
        if self._process:
            self._process.kill()
            self._process.wait()


def _add(key: Path) -> str | None:
    # SSH_ASKPASS_REQUIRE=never: a key with a passphrase is refused, never asked about.
    environment = os.environ | {"SSH_ASKPASS_REQUIRE": "never"}
    done = subprocess.run(
        ["ssh-add", "-q", str(key)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        start_new_session=True,
    )
    return f"the run's ssh-agent refused {key}: {done.stderr.strip()}" if done.returncode else None
