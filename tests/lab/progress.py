"""Progress lines on standard error: what is being done, and how long each step took."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Progress:
    """Prints a line per step, safe to use from several threads; silent when `quiet`."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.began = time.monotonic()
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Print one line with the seconds since the start."""
        if not self.quiet:
            with self._lock:
                sys.stderr.write(f"[{time.monotonic() - self.began:6.1f} s] {text}\n")
                sys.stderr.flush()

    @contextmanager
    def step(self, before: str, after: str) -> Iterator[None]:
        """Announce a step, and say how long it took when it is done."""
        self.say(before)
        began = time.monotonic()
        yield
        self.say(f"{after} in {time.monotonic() - began:.1f} s")
