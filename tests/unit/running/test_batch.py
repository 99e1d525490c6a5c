"""Many runs: order, exit status, busy clients, being told to stop."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vigie.errors import BadInputError, ExitCode, UsageError, VigieError
from vigie.ledger.states import RunStatus
from vigie.running import batch
from vigie.running.locks import client_lock
from vigie.running.model import RunReport, RunRequest
from vigie.state import StateDirectory


class Listener:
    def __init__(self):
        self.calls = []

    def started(self, request):
        self.calls.append(("started", request.client, request.service))

    def message(self, request, message):
        pass

    def finished(self, request, _report):
        self.calls.append(("finished", request.client, request.service))

    def refused(self, request, _error):
        self.calls.append(("refused", request.client, request.service))


def request(state, client, service):
    return RunRequest(state, Path("/p"), client, service, Path("/p.yml"), {"h": {}}, {}, timedelta(minutes=1))


@pytest.fixture
def state(tmp_path):
    return StateDirectory(tmp_path)


@pytest.fixture
def execute(monkeypatch):
    """Replaces running itself: each (client, service) ends as the test says, ok by default."""
    ends = {}

    def fake(asked, ledger, progress, cancelled):
        end = ends.get((asked.client, asked.service), RunStatus.OK)
        if isinstance(end, Exception):
            raise end
        if callable(end):
            end = end()
        return RunReport(asked.run_id, asked.client, asked.service, end, {}, Path("/a"), 0.1)

    monkeypatch.setattr(batch, "execute", fake)
    return ends


def run(requests, stop=None, listener=None):
    return batch.run_all(requests, None, 2, stop or threading.Event(), listener or Listener())


def test_services_of_a_client_run_in_the_order_given(state, execute):
    listener = Listener()
    run(
        [request(state, "a", "patch"), request(state, "b", "audit"), request(state, "a", "audit")],
        listener=listener,
    )

    mine = [call for call in listener.calls if call[1] == "a"]
    assert [call[::2] for call in mine] == [
        ("started", "patch"),
        ("finished", "patch"),
        ("started", "audit"),
        ("finished", "audit"),
    ]


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        (RunStatus.OK, RunStatus.OK, ExitCode.OK),
        (RunStatus.OK, RunStatus.UNKNOWN, ExitCode.UNKNOWN),
        (RunStatus.UNREACHABLE, RunStatus.FAILED, ExitCode.HOSTS_FAILED),
        (RunStatus.UNREACHABLE, RunStatus.UNKNOWN, ExitCode.UNREACHABLE),
        (RunStatus.TIMED_OUT, RunStatus.FAILED, ExitCode.TIMEOUT),
        (RunStatus.LOST, RunStatus.OK, ExitCode.UNKNOWN),
        (BadInputError("no keys"), RunStatus.OK, ExitCode.BAD_INPUT),
        (UsageError("no such thing"), RunStatus.OK, ExitCode.USAGE),
        (PermissionError(13, "Permission denied", "/x"), RunStatus.OK, ExitCode.ERROR),
    ],
)
def test_the_worst_run_gives_the_exit_status(state, execute, first, second, code):
    execute["a", "audit"], execute["b", "audit"] = first, second

    assert run([request(state, "a", "audit"), request(state, "b", "audit")]).exit_code == code


def test_nothing_run_is_unknown_never_ok(state):
    assert run([]).exit_code == ExitCode.UNKNOWN


def test_a_busy_client_does_not_stop_the_others(state, execute):
    with client_lock(state, "a"):
        result = run(
            [request(state, "a", "patch"), request(state, "a", "audit"), request(state, "b", "audit")]
        )

    assert [one.client for one in result.reports] == ["b"]
    assert [one.service for one, _error in result.refused] == ["patch", "audit"]
    assert result.exit_code == ExitCode.BUSY


def test_one_failing_service_does_not_keep_the_next_from_running(state, execute):
    execute["a", "patch"] = RunStatus.FAILED

    result = run([request(state, "a", "patch"), request(state, "a", "audit")])

    assert [one.status for one in result.reports] == [RunStatus.FAILED, RunStatus.OK]


def test_told_to_stop_no_other_run_begins(state, execute):
    stop = threading.Event()

    def cancelled():
        stop.set()
        return RunStatus.CANCELLED

    execute["a", "patch"] = cancelled
    result = run([request(state, "a", "patch"), request(state, "a", "audit")], stop)

    assert [one.service for one in result.skipped] == ["audit"]
    assert result.exit_code == ExitCode.CANCELLED


@pytest.mark.parametrize("code", [code for code in ExitCode if code is not ExitCode.OK])
def test_no_exit_status_is_lost_beside_a_good_run(state, execute, code):
    error = VigieError("x")
    error.exit_code = code
    execute["a", "audit"] = error

    assert run([request(state, "a", "audit"), request(state, "b", "audit")]).exit_code == code


def test_a_run_whose_window_closed_before_its_turn_is_not_begun(state, execute):
    now = datetime.now(UTC)
    late = replace(request(state, "a", "patch"), not_after=now - timedelta(seconds=1))
    in_time = replace(request(state, "b", "patch"), not_after=now + timedelta(hours=1))
    execute["a", "patch"] = AssertionError("it was begun")
    listener = Listener()

    result = run([late, request(state, "a", "audit"), in_time], listener=listener)

    assert [(one.client, one.service) for one in sorted(result.reports, key=lambda one: one.client)] == [
        ("a", "audit"),
        ("b", "patch"),
    ]
    ((refused, error),) = result.refused
    assert refused is late
    assert "not started: the window closed at" in str(error)
    assert error.hint
    assert ("started", "a", "patch") not in listener.calls
    assert ("refused", "a", "patch") in listener.calls
    assert result.exit_code == ExitCode.BUSY


def test_a_window_that_closes_during_the_batch_stops_what_comes_after(state, execute, monkeypatch):
    class Clock(datetime):
        moment = datetime(2026, 11, 24, 21, 59, tzinfo=UTC)

        @classmethod
        def now(cls, _zone=None):
            return cls.moment

    def slow():
        Clock.moment = closes
        return RunStatus.OK

    closes = datetime(2026, 11, 24, 22, tzinfo=UTC)
    monkeypatch.setattr(batch, "datetime", Clock)
    execute["a", "monitor"] = slow
    result = run(
        [replace(request(state, "a", service), not_after=closes) for service in ("monitor", "patch")]
    )

    assert [one.service for one in result.reports] == ["monitor"]
    assert [one.service for one, _error in result.refused] == ["patch"]


def test_what_the_system_refuses_ends_one_run_not_the_batch(state, execute):
    execute["a", "patch"] = OSError(28, "No space left on device")

    result = run([request(state, "a", "patch"), request(state, "a", "audit")])

    ((refused, error),) = result.refused
    assert str(error) == f"the run broke off: No space left on device: {refused.artifacts}"
    assert [one.service for one in result.reports] == ["audit"]
    assert result.exit_code == ExitCode.ERROR


def test_a_folder_of_locks_that_is_a_file_refuses_all_and_is_named(state, execute):
    (state.root / "locks").write_text("in the way")

    result = run([request(state, "a", "patch"), request(state, "b", "audit")])

    assert len(result.refused) == 2
    assert all(str(state.root / "locks") in str(error) for _request, error in result.refused)
    assert result.exit_code == ExitCode.ERROR
