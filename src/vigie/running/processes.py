"""Finding and ending the processes of a run, and telling a living owner from a dead one."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from vigie.ledger.records import Owner

MARKER = "VIGIE_RUN_ID"
"""The environment variable that marks every process of a run."""


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_gone(owner: Owner) -> bool | None:
    """Is the process that answers for a run dead? None: it is another machine's, so nobody here can tell."""
    here = Owner.current()
    if owner.host != here.host:
        return None
    if owner.boot != here.boot:
        return True
    try:
        process = psutil.Process(owner.pid)
        # Clock ticks, converted: two readings of the same start differ by less than a second.
        same = abs(process.create_time() - owner.started) < 1.0
        return not same or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def marked(run_ids: Iterable[str]) -> dict[int, str]:
    """Living processes of these runs, by pid, as far as this user may look into them."""
    wanted = {f"{MARKER}={run_id}".encode(): run_id for run_id in run_ids}
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir() if wanted else ():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        run_id = next((wanted[item] for item in environment if item in wanted), None)
        if run_id and _alive(int(entry.name)):
            found[int(entry.name)] = run_id
    return found


def kill_marked(run_ids: Iterable[str], patience: float = 5.0) -> int:
    """Kill every process of these runs, and those they start meanwhile. Returns how many were killed.

    Only processes that carry the marker in their own environment are touched.
    """
    run_ids = tuple(run_ids)
    killed: set[int] = set()
    deadline = time.monotonic() + patience
    while remaining := marked(run_ids):
        for pid in remaining:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed.update(remaining)
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return len(killed)
