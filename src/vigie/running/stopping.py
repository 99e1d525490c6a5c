"""Ctrl-C, SIGTERM and a lost terminal: a command is told, and ends its runs before itself."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def told_to_stop() -> Iterator[threading.Event]:
    """An event that is set when the process is asked to end; the old handlers come back afterwards."""
    event = threading.Event()
    before = {number: signal.signal(number, lambda *_: event.set()) for number in SIGNALS}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
