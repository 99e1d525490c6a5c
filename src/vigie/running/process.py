"""Starting the child, following it, and ending it: by itself, at the deadline, or when told to."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vigie.ledger.states import RunStatus
from vigie.running.processes import kill_marked

GRACE = 10.0
"""Seconds between asking the child to stop and killing it."""
POLL = 0.2
"""Seconds between looks at the deadline and at cancellation."""

Message = Mapping[str, Any]


@dataclass
class ChildResult:
    """What the child said, and how it ended.

    ``recap`` is None when the play never got to one; ``stopped`` when it came to its end by itself.
    """

    recap: Mapping[str, Mapping[str, int]] | None = None
    ended: bool = False
    stopped: RunStatus | None = None
    tail: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def follow(
    command: Sequence[str],
    environment: Mapping[str, str],
    run_id: str,
    timeout: float,
    cancelled: Callable[[], bool],
    progress: Callable[[Message], None],
    errors: Path,
) -> ChildResult:
    """Run the child to its end; when this returns, no process of the run is left.

    Args:
        command: What to start; it gets a session of its own, so that Ctrl-C reaches the parent alone.
        environment: All of its environment.
        run_id: Marks the run's processes.
        timeout: Seconds.
        cancelled: Says whether the run is to be stopped.
        progress: Called with each message.
        errors: File for what the child prints beside its messages.
    """
    result = ChildResult()
    with errors.open("wb") as stderr:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=dict(environment),
            cwd=errors.parent,
            start_new_session=True,
        )
    try:
        _read(child, result, time.monotonic() + timeout, cancelled, progress)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        kill_marked([run_id])
        for stream in (child.stdin, child.stdout):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()
    return result


def _read(
    child: subprocess.Popen[bytes],
    result: ChildResult,
    deadline: float,
    cancelled: Callable[[], bool],
    progress: Callable[[Message], None],
) -> None:
    if child.stdout is None or child.stdin is None:
        raise ValueError("the child needs pipes")
    buffer = b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            if selector.select(POLL):
                chunk = os.read(child.stdout.fileno(), 65536)
                if not chunk:
                    return
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    _take(line, result, progress)
            elif child.poll() is not None:
                return  # a stray grandchild holds the pipe open; the child itself is gone
            if result.stopped is None:
                result.stopped = _reason_to_stop(deadline, cancelled)
                if result.stopped:
                    child.stdin.close()
                    deadline = time.monotonic() + GRACE
            elif time.monotonic() > deadline:
                return


def _reason_to_stop(deadline: float, cancelled: Callable[[], bool]) -> RunStatus | None:
    if cancelled():
        return RunStatus.CANCELLED
    return RunStatus.TIMED_OUT if time.monotonic() > deadline else None


def _take(line: bytes, result: ChildResult, progress: Callable[[Message], None]) -> None:
    try:
        message = json.loads(line)
        kind = message["type"]
    except (ValueError, KeyError, TypeError):
        return
    if kind == "recap":
        result.recap = message["recap"]
    elif kind == "warning":
        result.warnings.append(message["message"])
    elif kind == "failed":
        result.failed[message["host"]] = message["how"]
    elif kind == "end":
        result.ended, result.tail = True, message["tail"]
    progress(message)
