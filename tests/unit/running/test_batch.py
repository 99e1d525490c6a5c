"""Many runs: order, exit status, busy clients, being told to stop."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from vigie.errors import BadInputError, ExitCode
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
