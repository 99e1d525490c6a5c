"""Many runs: clients side by side, the services of one client one after the other, under its lock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Protocol

from vigie.errors import ExitCode, VigieError, WindowClosedError, of_os_error
from vigie.running.execute import execute
from vigie.running.locks import client_lock
from vigie.running.model import RunReport, RunRequest, exit_code
from vigie.running.ports import LedgerPort
from vigie.running.process import Message

WORST_FIRST = (
    ExitCode.CANCELLED,
    ExitCode.TIMEOUT,
    ExitCode.HOSTS_FAILED,
    ExitCode.UNREACHABLE,
    ExitCode.ERROR,
    ExitCode.BAD_INPUT,
    ExitCode.USAGE,
    ExitCode.NON_COMPLIANT,
    ExitCode.UNKNOWN,
    ExitCode.BUSY,
)
"""Which exit status a command takes when its runs ended differently; all but OK are here."""


class Listener(Protocol):
    """Told what happens, from several threads, one call at a time."""

    def started(self, request: RunRequest) -> None:
        """A run begins."""

    def message(self, request: RunRequest, message: Message) -> None:
        """A run says something."""

    def finished(self, request: RunRequest, report: RunReport) -> None:
        """A run ended."""

    def refused(self, request: RunRequest, error: VigieError) -> None:
        """A run could not be made."""


@dataclass
class BatchResult:
    """How all of it went."""

    reports: list[RunReport] = field(default_factory=list)
    refused: list[tuple[RunRequest, VigieError]] = field(default_factory=list)
    skipped: list[RunRequest] = field(default_factory=list)
    """Not begun, because the command was told to stop."""

    @property
    def exit_code(self) -> ExitCode:
        """The worst of the runs; nothing at all is unknown, and OK means that all of them are."""
        codes = {exit_code(report.status) for report in self.reports}
        codes |= {error.exit_code for _request, error in self.refused}
        codes |= {ExitCode.CANCELLED} if self.skipped else set()
        if not codes:
            return ExitCode.UNKNOWN
        if codes == {ExitCode.OK}:
            return ExitCode.OK
        return next((code for code in WORST_FIRST if code in codes), ExitCode.ERROR)


class _Quiet:
    """Hands calls on, one at a time."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Callable[..., None]:
        method: Callable[..., None] = getattr(self._listener, name)

        def call(*args: object) -> None:
            with self._lock:
                method(*args)

        return call


def run_all(
    requests: Iterable[RunRequest],
    ledger: LedgerPort,
    jobs: int,
    stop: threading.Event,
    listener: Listener,
    release: Callable[[], None] = lambda: None,
) -> BatchResult:
    """Make all runs; returns when the last has ended.

    Args:
        requests: Those of one client run in this order.
        ledger: Records them.
        jobs: How many clients are worked on at once.
        stop: Ends running runs and keeps others from beginning.
        listener: Told what happens.
        release: Called in each worker's thread at its end, to close what is the thread's own.
    """
    result = BatchResult()
    quiet = _Quiet(listener)
    work = _by_client(requests)

    def one_client(queue: list[RunRequest]) -> None:
        try:
            _run_client(queue, ledger, stop, quiet, result)
        finally:
            release()

    with ThreadPoolExecutor(max_workers=max(1, jobs), thread_name_prefix="client") as pool:
        pending: set[Future[None]] = {pool.submit(one_client, queue) for queue in work.values()}
        while pending:
            # Short waits: the main thread has to come by now and then to take signals.
            done, pending = wait(pending, timeout=0.5)
            for future in done:
                future.result()
    return result


def _by_client(requests: Iterable[RunRequest]) -> Mapping[str, list[RunRequest]]:
    ordered = sorted(requests, key=lambda request: request.client)
    return {client: list(group) for client, group in groupby(ordered, key=lambda request: request.client)}


def _run_client(
    queue: list[RunRequest],
    ledger: LedgerPort,
    stop: threading.Event,
    listener: Listener,
    result: BatchResult,
) -> None:
    first = queue[0]
    try:
        with client_lock(first.state, first.client) as hold:
            for request in queue:
                if stop.is_set():
                    result.skipped.append(request)
                    continue
                hold(request.run_id)
                _run_one(request, ledger, stop, listener, result)
    except VigieError as error:  # of the lock: _run_one keeps those of runs
        for request in queue:
            _refuse(request, error, listener, result)


def _refuse(request: RunRequest, error: VigieError, listener: Listener, result: BatchResult) -> None:
    result.refused.append((request, error))
    listener.refused(request, error)


def _run_one(
    request: RunRequest, ledger: LedgerPort, stop: threading.Event, listener: Listener, result: BatchResult
) -> None:
    if closed := _window_closed(request):
        _refuse(request, closed, listener, result)
        return
    listener.started(request)
    try:
        report = execute(request, ledger, lambda message: listener.message(request, message), stop.is_set)
    except VigieError as error:
        _refuse(request, error, listener, result)
    except OSError as error:
        problem = of_os_error(error, "the run broke off", request.artifacts)
        _refuse(request, problem, listener, result)
    else:
        result.reports.append(report)
        listener.finished(request, report)


def _window_closed(request: RunRequest) -> WindowClosedError | None:
    """Looked at when the run's turn comes: with many clients that may be hours after it was asked for."""
    if request.not_after is None or datetime.now(UTC) < request.not_after:
        return None
    return WindowClosedError(
        f"not started: the window closed at {request.not_after.astimezone(UTC):%Y-%m-%d %H:%M} UTC, "
        "before its turn came",
        f"it stays due: {request.client}'s next window takes it; more --jobs reach more clients in time",
    )
