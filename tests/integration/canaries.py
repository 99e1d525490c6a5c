"""Watch for secrets where they must never be: command lines while the job runs, and files after it."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

import psutil


def secret_files(state: Path) -> list[Path]:
    """The files of a state directory that hold a secret each; what is JSON there describes, and is none."""
    return [path for path in state.glob("*/secrets/**/*") if path.is_file() and path.suffix != ".json"]


def secrets_of(state: Path) -> set[str]:
    """Every generated secret below a state directory; long enough that none occurs by accident."""
    texts = {path.read_text(encoding="utf-8", errors="replace").strip() for path in secret_files(state)}
    return {text for text in texts if len(text) >= 16}


class ArgvWatcher:
    """Samples the command line of every process on this machine, those on lab hosts included."""

    def __init__(self, state: Path, interval: float = 0.05) -> None:
        self.state = state
        self.interval = interval
        self.samples = 0
        self.seen: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> ArgvWatcher:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self.interval):
            self.samples += 1
            for pid in psutil.pids():
                try:
                    self.seen.add(Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace"))
                except OSError:
                    continue  # the process ended meanwhile

    def leaks(self) -> set[str]:
        """Command lines that carried a secret."""
        secrets = secrets_of(self.state)
        return {line.replace("\0", " ") for line in self.seen if any(secret in line for secret in secrets)}


def files_with(secrets: set[str], *folders: Path, but: str = "/secrets/") -> list[Path]:
    """Files below ``folders`` that hold one of ``secrets``, those whose path contains ``but`` excepted."""
    needles = [secret.encode() for secret in secrets]
    found = []
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and but not in str(path):
                content = path.read_bytes()
                found += [path] if any(needle in content for needle in needles) else []
    return found
