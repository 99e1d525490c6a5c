# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run probes in child processes: each has its own time budget, and none can harm or stop another.

A child that hangs (a dead network file system, a stuck database) is killed with everything it started;
if the kernel will not even let it be killed, it is left behind rather than waited for. Children hold
none of our file descriptors, so a survivor cannot keep the SSH connection open.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import time

from .common import ProbeError

PARALLEL = 2
MOST_DESCRIPTORS = 4096
MOST_BYTES = 8 * 1024 * 1024


class Child:
    """A running probe: the process, the pipe its answer comes through, and when it must be done."""

    def __init__(self, probe, pid, pipe, expires):
        self.probe, self.pid, self.pipe, self.expires = probe, pid, pipe, expires
        self.answer = bytearray()


def answers(probes, deadline):
    """Yield ``(probe, {"value": ...} or {"error": ...})`` for every probe, in order of completion.

    ``deadline`` is a time.monotonic() moment: probes not finished (or not started) by then are errors.
    """
    waiting, running = list(probes), {}
    with selectors.DefaultSelector() as selector:
        while waiting or running:
            while waiting and len(running) < PARALLEL and time.monotonic() < deadline:
                child = _start(waiting.pop(0), deadline)
                running[child.pipe] = child
                selector.register(child.pipe, selectors.EVENT_READ)
            if not running:
                break
            for child, answer in _step(selector, running):
                selector.unregister(child.pipe)
                del running[child.pipe]
                _end(child)
                yield child.probe, answer
    for probe in waiting:
        yield probe, {"error": "not measured: the time for the whole host was used up"}


def _step(selector, running):
    """Wait for the next event and return the children that are finished, each with its answer."""
    nearest = min(child.expires for child in running.values())
    finished = []
    for key, _events in selector.select(max(0.0, nearest - time.monotonic())):
        child = running[key.fileobj]
        part = os.read(child.pipe, 65536)
        child.answer += part
        if not part:
            finished.append((child, _decode(child.answer)))
        elif len(child.answer) > MOST_BYTES:
            finished.append((child, {"error": "the measurement is larger than %d bytes" % MOST_BYTES}))
    done = [child for child, _answer in finished]
    late = {"error": "timed out: did not end within its time budget"}
    expired = [child for child in running.values() if time.monotonic() >= child.expires]
    return finished + [(child, late) for child in expired if child not in done]


def _decode(answer):
    try:
        return json.loads(bytes(answer).decode("utf-8"))
    except ValueError:
        return {"error": "the probe died without an answer"}


def _start(probe, deadline):
    reader, writer = os.pipe()
    expires = min(deadline, time.monotonic() + probe.seconds)
    pid = os.fork()
    if pid == 0:
        _be_child(probe, writer)
    os.close(writer)
    return Child(probe, pid, reader, expires)


def _be_child(probe, writer):
    """In the child: let go of everything inherited, answer, and vanish without running exit handlers."""
    try:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        kept = os.dup2(writer, 3, inheritable=False) if writer != 3 else writer
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        os.closerange(4, min(os.sysconf("SC_OPEN_MAX"), MOST_DESCRIPTORS))
        data = json.dumps(_clean(answer_of(probe))).encode("ascii")
        while data:
            data = data[os.write(kept, data) :]
    finally:
        os._exit(0)


def answer_of(probe):
    """Call a probe and turn whatever happens into an answer. Never raises."""
    try:
        if probe.needs_root and os.geteuid() != 0:
            return {"error": "needs root"}
        return {"value": probe.function()}
    except ProbeError as error:
        return {"error": str(error)}
    except PermissionError as error:
        return {
            "error": "needs root (%s)" % error.filename
            if os.geteuid()
            else "permission denied: %s" % error.filename
        }
    except Exception as error:  # an unforeseen state of a host must cost one measurement, not the audit
        return {"error": "%s: %s" % (type(error).__name__, error)}


def _clean(value):
    """Replace what no JSON reader agrees on (lone surrogates from file names) and NUL, at any depth."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item) for item in value]
    return value


def _end(child):
    """Kill the child's whole process group and reap it; never wait for one that cannot die."""
    os.close(child.pipe)
    for kill, target in ((os.killpg, child.pid), (os.kill, child.pid)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(target, signal.SIGKILL)
    for _attempt in range(20):
        try:
            if os.waitpid(child.pid, os.WNOHANG)[0]:
                return
        except ChildProcessError:
            return
        time.sleep(0.005)
