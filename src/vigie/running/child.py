"""What runs inside the sandbox: ansible-runner, for one playbook. ``python -m vigie.running.child SPEC``.

It is told to stop by the end of its standard input, which also comes when its parent dies, and answers with
one JSON
object per line on standard output: ``task``, ``failed``, ``recap``, ``end``. It imports nothing of Vigie but
the redactor, so that starting it is cheap.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from ansible_collections.vigie.msp.plugins.module_utils.redaction import Redactor
from vigie.running.agent import Agent

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
MAX_LOG = 16 * 1024 * 1024
"""Bytes kept of Ansible's output."""
TAIL_LINES = 40
"""Lines of output told to the parent, for runs that end without a recap."""
FAILURES = {"runner_on_failed": "failed", "runner_on_unreachable": "unreachable"}


class Events:
    """Turns ansible-runner's events into progress, the recap and a redacted log.

    Args:
        channel: File descriptor to the parent.
        log: Where Ansible's output goes, secrets masked.
        redactor: Masks them.
    """

    def __init__(self, channel: int, log: Path, redactor: Redactor) -> None:
        self._channel = channel
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._logged = 0
        self._redactor = redactor
        self.tail: list[str] = []

    def tell(self, **message: Any) -> None:
        """Send one message to the parent, who may be gone already."""
        line = json.dumps(message).encode() + b"\n"
        while line:
            try:
                line = line[os.write(self._channel, line) :]
            except OSError:
                return

    def handle(self, event: dict[str, Any]) -> bool:
        """One event. False: no file need be written for it. Never raises: that would end the run."""
        try:
            self._progress(event.get("event", ""), event.get("event_data") or {})
            self._output(event.get("event", ""), event.get("stdout") or "")
        except Exception as error:
            self.tell(
                type="warning", message=f"progress of the run is incomplete: {type(error).__name__}: {error}"
            )
        return False

    def _progress(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "playbook_on_task_start":
            self.tell(type="task", name=self._redactor.text(str(data.get("task", ""))))
        elif kind in FAILURES and not data.get("ignore_errors"):
            self.tell(type="failed", host=data.get("host"), how=FAILURES[kind])
        elif kind == "playbook_on_stats":
            names = ("ok", "changed", "failures", "dark", "skipped", "rescued", "ignored", "processed")
            self.tell(type="recap", recap={name: data.get(name) or {} for name in names})

    def _output(self, kind: str, text: str) -> None:
        if not text:
            return
        if kind in FAILURES or "=>" in text:
            self._redactor.refresh()
        text = self._redactor.text(text)
        self.tail = [*self.tail, *text.splitlines()][-TAIL_LINES:]
        line = text.encode("utf-8", "replace") + b"\n"
        if self._logged < MAX_LOG:
            self._logged += os.write(self._log, line[: MAX_LOG - self._logged])


def main(spec_file: str) -> int:
    """Run the playbook that the file at ``spec_file`` describes."""
    channel = os.dup(1)
    os.dup2(2, 1)  # nothing but messages reaches the parent's end of standard output
    stop = threading.Event()
    _end_with_parent(stop)
    spec = json.loads(Path(spec_file).read_text(encoding="utf-8"))
    redactor = Redactor(spec["secrets"])
    redactor.refresh()
    events = Events(channel, Path(spec["log"]), redactor)
    agent = Agent(Path(spec["scratch"]), [Path(key) for key in spec["agent_keys"]])
    try:
        for problem in agent.start():
            events.tell(type="warning", message=problem)
        status = _play(spec, events, stop)
        events.tell(type="end", status=status, tail=events.tail)
    finally:
        agent.stop()
        _end_children()
    return 0


def _play(spec: dict[str, Any], events: Events, stop: threading.Event) -> str:
    # Imported here: a parent that only wants this module's names does not pay for it.
    import ansible_runner

    arguments = [f"-e @{spec['extra_vars']}"] if spec["extra_vars"] else []
    arguments += ["--check"] if spec["check"] else []
    runner = ansible_runner.run(
        private_data_dir=spec["scratch"],
        ident=spec["run"],
        playbook=spec["playbook"],
        inventory=spec["inventory"],
        cmdline=" ".join(arguments) or None,
        event_handler=events.handle,
        cancel_callback=stop.is_set,
        suppress_env_files=True,
        quiet=True,
    )
    return str(runner.status)


def _end_with_parent(stop: threading.Event) -> None:
    """Stop when told to, and when the parent dies, however it dies."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())

    def wait_for_the_end_of_input() -> None:
        while os.read(0, 4096):
            pass
        stop.set()

    threading.Thread(target=wait_for_the_end_of_input, daemon=True).start()


def _end_children() -> None:
    """Kill what the run left: workers in sessions of their own, persistent ssh connections.

    This process is the subreaper, so even daemonised ones are its descendants.
    """
    for _ in range(50):
        children = [child for child in psutil.Process().children(recursive=True) if _alive(child)]
        if not children:
            return
        for child in children:
            try:
                child.kill()
            except psutil.Error:
                continue
        psutil.wait_procs(children, timeout=0.2)
        time.sleep(0.01)


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
