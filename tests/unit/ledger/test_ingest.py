"""From results.jsonl to the ledger: everything or nothing, and twice is as good as once."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.ledger.writing import NOON, Writing, update, updates, whole
from vigie.errors import BadInputError
from vigie.ledger.states import OutcomeStatus, RunStatus, State

THRESHOLDS = {"audit_seconds": 86400, "security_update_days": 14, "index_age_days": 2}


def start(ledger, run, hosts=("a", "b"), **options):
    fields = {"client": "cabinet", "service": "audit", "tier": "silver", **options}
    return ledger.start_run(run_id=run.id, hosts=hosts, **fields)


def rows(ledger):
    """How many rows each table holds."""
    from vigie.ledger import models

    names = ("Run", "Outcome", "Measurement", "Result", "Change", "Failure", "UpdateSeen")
    return {name: getattr(models, name).objects.count() for name in names}


def results(ledger, host, client="cabinet", thresholds=None, now=NOON):
    (found,) = ledger.latest_results({client: {host: thresholds or THRESHOLDS}}, now)
    return {result.control: result for result in found.results}


def test_everything_a_run_learnt_is_in_the_ledger(ledger, tmp_path):
    run = Writing(service="patch").host("a").host("b").later(seconds=3)
    run.measured("a", "access.superusers", ["root"]).change("a", "openssl", "3.0-1", "3.0-2")
    run.failure("b", "no space left").outcome("a", "changed", changed=1).outcome("b", "failed", failures=1)
    report = ledger.ingest(run.later(seconds=60).finish().to(tmp_path / "r.jsonl")).run

    assert (report.hosts, report.measurements, report.changes, report.failures) == (2, 1, 1, 1)
    assert report.results > 15
    assert report.status is RunStatus.FAILED
    detail = ledger.run(run.id[:8])
    assert detail.run.id == run.id
    assert (detail.run.client, detail.run.service, detail.run.revision) == ("cabinet", "patch", "abc")
    assert (detail.run.vigie_version, detail.run.ansible_version) == ("0.1.0", "2.19.14")
    assert detail.run.finished_at - detail.run.started_at == timedelta(seconds=63)
    assert detail.run.hosts == {"changed": 1, "failed": 1}
    assert [(one.host, one.status, one.duration) for one in detail.outcomes] == [
        ("a", OutcomeStatus.CHANGED, 1.5),
        ("b", OutcomeStatus.FAILED, 1.5),
    ]
    (change,) = detail.changes
    assert (change.host, change.kind, change.name) == ("a", "package", "openssl")
    assert (change.before, change.after) == ("3.0-1", "3.0-2")
    (failure,) = detail.failures
    assert (failure.host, failure.message) == ("b", "no space left")


def test_ingesting_twice_changes_nothing(ledger, tmp_path):
    path = whole().to(tmp_path / "r.jsonl")
    ledger.ingest(path)
    before = rows(ledger)

    again = ledger.ingest(path).run

    assert not again.fresh
    assert again.status is RunStatus.OK
    assert rows(ledger) == before
    assert before["Outcome"] == 2
    assert before["Result"] > 0


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        (["ok", "changed"], RunStatus.OK),
        (["ok", "unreachable"], RunStatus.UNREACHABLE),
        (["failed", "unreachable"], RunStatus.FAILED),
        (["skipped", "ok"], RunStatus.UNKNOWN),
        (["skipped", "changed"], RunStatus.UNKNOWN),
        (["skipped", "skipped"], RunStatus.UNKNOWN),
        ([], RunStatus.UNKNOWN),
    ],
)
def test_the_verdict_comes_from_what_happened_on_every_host(ledger, tmp_path, statuses, verdict):
    run = Writing()
    for number, _status in enumerate(statuses):
        run.host(f"h{number}")
    for number, status in enumerate(statuses):
        run.outcome(f"h{number}", status)
    assert ledger.ingest(run.finish().to(tmp_path / "r.jsonl")).run.status is verdict


def test_a_targeted_host_without_an_outcome_is_lost_and_the_run_unknown(ledger, tmp_path):
    run = Writing().host("a").host("b").outcome("a").finish()
    assert ledger.ingest(run.to(tmp_path / "r.jsonl")).run.status is RunStatus.UNKNOWN
    assert [one.status for one in ledger.run(run.id).outcomes] == [OutcomeStatus.OK, OutcomeStatus.LOST]


def test_an_interrupted_run_is_refused_unless_asked_for_and_is_lost_then(ledger, tmp_path):
    run = whole()
    path = tmp_path / "r.jsonl"
    path.write_bytes(run.raw[:-20])

    with pytest.raises(BadInputError, match=r"r\.jsonl:8: the last line is truncated") as caught:
        ledger.ingest(path)
    assert "--partial" in caught.value.hint
    assert rows(ledger)["Run"] == 0

    report = ledger.ingest(path, allow_partial=True).run
    assert report.status is RunStatus.LOST
    assert not report.complete
    assert report.measurements == 2


def test_a_whole_file_without_run_finished_is_refused_too(ledger, tmp_path):
    run = Writing().host("a").outcome("a")
    with pytest.raises(BadInputError, match="has no run_finished"):
        ledger.ingest(run.to(tmp_path / "r.jsonl"))
    assert rows(ledger)["Run"] == 0


def test_a_file_that_grew_replaces_its_beginning_and_never_the_reverse(ledger, tmp_path):
    run = whole()
    lines = run.raw.splitlines(keepends=True)
    path = tmp_path / "r.jsonl"
    for upto, measurements in ((4, 1), (6, 2)):
        path.write_bytes(b"".join(lines[:upto]))
        ledger.ingest(path, allow_partial=True)
        assert rows(ledger)["Measurement"] == measurements

    path.write_bytes(run.raw)
    assert ledger.ingest(path).run.status is RunStatus.OK
    complete = rows(ledger)
    assert (complete["Run"], complete["Outcome"], complete["Measurement"]) == (1, 2, 2)

    path.write_bytes(b"".join(lines[:5]))
    with pytest.raises(BadInputError, match="already, with other content"):
        ledger.ingest(path, allow_partial=True)
    assert rows(ledger) == complete


def test_an_older_copy_of_a_partial_file_is_left_alone(ledger, tmp_path):
    lines = whole().raw.splitlines(keepends=True)
    path = tmp_path / "r.jsonl"
    path.write_bytes(b"".join(lines[:6]))
    ledger.ingest(path, allow_partial=True)
    before = rows(ledger)
    path.write_bytes(b"".join(lines[:4]))
    assert not ledger.ingest(path, allow_partial=True).run.fresh
    assert rows(ledger) == before


def test_an_altered_file_is_refused(ledger, tmp_path):
    run = whole()
    ledger.ingest(run.to(tmp_path / "r.jsonl"))
    forged = tmp_path / "forged.jsonl"
    forged.write_bytes(run.raw.replace(b'"root"', b'"toor"'))
    with pytest.raises(BadInputError, match=r"forged\.jsonl: the ledger has run .* other content"):
        ledger.ingest(forged)


def test_two_runs_in_a_file_are_taken_together_or_not_at_all(ledger, tmp_path):
    one, two = whole(), whole(client="usine", hosts=("x",))
    path = tmp_path / "both.jsonl"
    mixed = [
        line
        for pair in zip(one.raw.splitlines(True), two.raw.splitlines(True), strict=False)
        for line in pair
    ]
    rest = one.raw.splitlines(True)[len(mixed) // 2 :]
    path.write_bytes(b"".join(mixed + rest))
    assert {run.client for run in ledger.ingest(path).runs} == {"cabinet", "usine"}

    three, four = whole(), whole()
    ledger.ingest(four.to(tmp_path / "four.jsonl"))
    path.write_bytes(three.raw + four.raw.replace(b'"root"', b'"toor"'))
    with pytest.raises(BadInputError):
        ledger.ingest(path)
    assert rows(ledger)["Run"] == 3


def test_a_run_its_owner_started_is_ended_by_its_owner(ledger, tmp_path):
    run = whole(hosts=("a",))
    start(ledger, run, hosts=("a", "b"), requested_by="jeanne", reason="a call")
    assert [one.id for one in ledger.running_runs()] == [run.id]
    assert ledger.running_runs()[0].owner is not None

    report = ledger.ingest(run.to(tmp_path / "r.jsonl")).run
    assert report.status is RunStatus.RUNNING
    assert report.verdict is RunStatus.UNKNOWN  # b was expected and never seen

    assert ledger.finish_run(run.id, "unknown")
    detail = ledger.run(run.id)
    assert detail.run.status is RunStatus.UNKNOWN
    assert (detail.run.requested_by, detail.run.reason, detail.run.tier) == ("jeanne", "a call", "silver")
    assert [one.status for one in detail.outcomes] == [OutcomeStatus.OK, OutcomeStatus.LOST]
    assert ledger.running_runs() == ()


def test_the_first_end_of_a_run_stands(ledger):
    run = Writing()
    start(ledger, run)
    assert ledger.mark_lost(run.id)
    assert not ledger.finish_run(run.id, RunStatus.OK)
    assert ledger.run(run.id).run.status is RunStatus.LOST


def test_a_lost_run_whose_whole_file_turns_up_was_not_lost(ledger, tmp_path):
    run = whole()
    start(ledger, run)
    ledger.mark_lost(run.id)
    assert ledger.ingest(run.to(tmp_path / "r.jsonl")).run.status is RunStatus.OK


def test_a_cancelled_run_stays_cancelled(ledger, tmp_path):
    run = whole()
    start(ledger, run)
    ledger.finish_run(run.id, RunStatus.CANCELLED)
    assert ledger.ingest(run.to(tmp_path / "r.jsonl")).run.status is RunStatus.CANCELLED


@pytest.mark.parametrize(("field", "value"), [("client", "usine"), ("service", "backup"), ("check", True)])
def test_a_file_that_claims_to_be_another_run_is_refused(ledger, tmp_path, field, value):
    run = whole()
    start(ledger, run, **{field: value})
    with pytest.raises(BadInputError, match="in the ledger"):
        ledger.ingest(run.to(tmp_path / "r.jsonl"))


def test_hosts_of_no_client_are_kept_apart(ledger, tmp_path):
    run = whole(client=None)
    assert ledger.ingest(run.to(tmp_path / "r.jsonl")).run.client == ""


def test_text_that_databases_refuse_is_kept_as_far_as_it_can_be(ledger, tmp_path):
    run = Writing().host("a")
    run.failure("a", "before-after").measured("a", "odd", {"key": "value"}).outcome("a").finish()
    raw = run.raw.replace(b"before-after", b"before\\u0000\\udcff-after")
    raw = raw.replace(b'{"key":"value"}', b'{"k\\u0000":["\\ud800", 1e300, 12345678901234567890123]}')
    path = tmp_path / "r.jsonl"
    path.write_bytes(raw)
    ledger.ingest(path)
    (failure,) = ledger.run(run.id).failures
    assert failure.message == "before\ufffd\ufffd-after"


# ── judging ──────────────────────────────────────────────────────────────────────────────────────
def test_controls_are_judged_by_the_thresholds_the_host_had(ledger, tmp_path):
    run = Writing().host("a")
    run.measured("a", "access.superusers", ["root", "toor"]).outcome("a").later(minutes=1).finish()
    ledger.ingest(run.to(tmp_path / "r.jsonl"))
    found = results(ledger, "a")
    assert found["HRD-06"].state is State.NON_COMPLIANT
    assert "toor" in found["HRD-06"].observed
    assert found["HRD-06"].measured_at == NOON
    assert found["HRD-06"].remedy
    assert found["PAT-01"].state is State.UNKNOWN
    assert found["BAK-01"].state is State.NOT_APPLICABLE


def test_a_run_that_measures_little_does_not_forget_the_rest(ledger, tmp_path):
    ledger.ingest(whole().to(tmp_path / "audit.jsonl"))
    backup = Writing(service="backup", start=NOON + timedelta(hours=1)).host("a")
    backup.measured("a", "packages.database", []).outcome("a").finish()
    ledger.ingest(backup.to(tmp_path / "backup.jsonl"))
    found = results(ledger, "a", now=backup.now)
    assert found["HRD-06"].state is State.COMPLIANT
    assert found["PAT-12"].state is State.COMPLIANT
    assert found["HRD-06"].measured_at < found["PAT-12"].measured_at


def test_files_collected_late_do_not_hide_newer_results(ledger, tmp_path):
    newer = Writing(start=NOON + timedelta(days=1)).host("a")
    newer.measured("a", "access.superusers", ["root", "toor"]).outcome("a").finish()
    ledger.ingest(newer.to(tmp_path / "newer.jsonl"))
    ledger.ingest(whole().to(tmp_path / "older.jsonl"))
    assert results(ledger, "a", now=newer.now)["HRD-06"].state is State.NON_COMPLIANT


def test_a_host_that_changed_hands_starts_anew(ledger, tmp_path):
    ledger.ingest(whole(client="usine").to(tmp_path / "theirs.jsonl"))
    assert ledger.latest_results({"cabinet": {"a": THRESHOLDS}}) == ()
    backup = Writing().host("a").measured("a", "packages.database", []).outcome("a").finish()
    ledger.ingest(backup.to(tmp_path / "ours.jsonl"))
    assert results(ledger, "a")["HRD-06"].state is State.UNKNOWN


def test_results_are_judged_anew_when_the_tier_demands_something_else(ledger, tmp_path):
    fresh = {
        "refreshed": "2026-03-01T11:00:00Z",
        "sources": 1,
        "missing": [],
        "unsigned": [],
        "security_release": "2026-02-28T00:00:00Z",
    }
    run = Writing().host("a").measured("a", "packages.index", fresh)
    run.measured(
        "a", "packages.updates", updates(update(available="2026-02-20T00:00:00Z", basis="package_build"))
    )
    ledger.ingest(run.outcome("a").finish().to(tmp_path / "r.jsonl"))
    assert results(ledger, "a")["PAT-01"].state is State.COMPLIANT
    gold = {**THRESHOLDS, "security_update_days": 7}
    assert results(ledger, "a", thresholds=gold)["PAT-01"].state is State.NON_COMPLIANT


@pytest.fixture
def audit(ledger, tmp_path):
    """Ingest an audit of ``host``, its index fresh, that found one security update waiting."""

    def ingested(host, at, **package):
        time = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        index = {"refreshed": time, "sources": 1, "missing": [], "unsigned": [], "security_release": time}
        run = Writing(start=at).host(host).measured(host, "packages.index", index)
        run.measured(host, "packages.updates", updates(update(**package)))
        ledger.ingest(run.outcome(host).finish().to(tmp_path / f"{uuid.uuid4()}.jsonl"))

    return ingested


BRONZE = {"audit_seconds": 7 * 86400, "backup_age_hours": 26, "backup_paths": ["/etc"]}


def backed_up(received):
    latest = {"id": "abc", "time": received, "received": received, "paths": ["/etc"]}
    return {"snapshots": 3, "latest": latest, "oldest_received": received, "created": received}


def test_ages_go_on_counting_between_two_runs(ledger, tmp_path):
    run = Writing().host("a", "bronze", BRONZE)
    run.measured("a", "backup.repository", backed_up("2026-03-01T02:00:00Z"))
    ledger.ingest(run.outcome("a").finish().to(tmp_path / "r.jsonl"))

    def backup(**since):
        return results(ledger, "a", thresholds=BRONZE, now=NOON + timedelta(**since))["BAK-01"]

    assert backup().state is State.COMPLIANT
    assert backup(hours=16).state is State.COMPLIANT  # 26 hours after the snapshot
    overdue = backup(hours=16, seconds=1)
    assert overdue.state is State.NON_COMPLIANT
    assert overdue.valid_until > NOON + timedelta(days=14)
    assert backup(days=3).observed == "3.4 d ago"
    assert backup(days=15).state is State.UNKNOWN  # nobody measured since: no longer known at all


def test_an_update_becomes_overdue_between_two_runs(ledger, audit):
    weekly = {**THRESHOLDS, "audit_seconds": 7 * 86400, "index_age_days": 30}
    audit("a", NOON, available="2026-02-20T00:00:00Z", basis="package_build")
    assert results(ledger, "a", thresholds=weekly)["PAT-01"].state is State.COMPLIANT
    later = NOON + timedelta(days=6)
    assert results(ledger, "a", thresholds=weekly, now=later)["PAT-01"].state is State.NON_COMPLIANT


def test_an_update_nothing_dates_counts_from_when_the_fleet_first_saw_it(ledger, audit):
    audit("a", NOON)
    assert results(ledger, "a")["PAT-01"].state is State.COMPLIANT
    late = NOON + timedelta(days=20)
    audit("b", late)
    assert results(ledger, "b", now=late)["PAT-01"].state is State.NON_COMPLIANT  # 20 days since a saw it
    audit("c", late, to="3.0-3")
    assert results(ledger, "c", now=late)["PAT-01"].state is State.COMPLIANT
    audit("d", NOON - timedelta(days=30), to="3.0-3")  # collected late: it was waiting much earlier
    audit("c", late, to="3.0-3")
    assert results(ledger, "c", now=late)["PAT-01"].state is State.NON_COMPLIANT


def test_an_update_does_not_become_younger_when_the_archive_stops_dating_it(ledger, audit):
    audit("a", NOON, available="2026-02-01T00:00:00Z", basis="package_build")
    assert results(ledger, "a")["PAT-01"].state is State.NON_COMPLIANT
    later = NOON + timedelta(hours=1)
    audit("a", later)
    assert results(ledger, "a", now=later)["PAT-01"].state is State.NON_COMPLIANT


def test_a_better_date_replaces_the_one_known_and_a_worse_one_does_not(ledger, audit):
    from vigie.ledger.models import UpdateSeen

    def first_seen():
        return UpdateSeen.objects.get(package="openssl", version="3.0-2").first_seen

    audit("a", NOON)
    assert first_seen() == NOON
    audit("a", NOON + timedelta(hours=1), available="2026-02-20T00:00:00Z", basis="package_build")
    assert first_seen() == datetime(2026, 2, 20, tzinfo=UTC)
    audit("b", NOON + timedelta(hours=2), available="2026-02-25T00:00:00Z", basis="package_build")
    assert first_seen() == datetime(2026, 2, 20, tzinfo=UTC)
    audit("b", NOON + timedelta(hours=3), available="2026-02-10T00:00:00Z", basis="issued")
    assert first_seen() == datetime(2026, 2, 10, tzinfo=UTC)


@pytest.mark.parametrize("available", ["yesterday", "2026-02-01T00:00:00", "2036-01-01T00:00:00Z", ""])
def test_a_date_that_is_none_dates_nothing(ledger, audit, available):
    from vigie.ledger.models import UpdateSeen

    audit("a", NOON, available=available, basis="issued")
    assert UpdateSeen.objects.get().first_seen == NOON


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"packages": 3},
        {"packages": [1, {"name": 4}]},
        {"packages": [update()]},
        {"packages": [update(), 1]},
    ],
)
def test_a_host_that_sends_nonsense_is_an_error_of_that_control_alone(ledger, tmp_path, value):
    run = (
        Writing()
        .host("a")
        .measured("a", "packages.updates", value)
        .measured("a", "access.superusers", ["root"])
    )
    ledger.ingest(run.outcome("a").finish().to(tmp_path / "r.jsonl"))
    found = results(ledger, "a")
    assert found["PAT-01"].state in (State.ERROR, State.UNKNOWN)
    assert found["HRD-06"].state is State.COMPLIANT


def test_a_host_whose_clock_is_ahead_is_in_error_until_it_is_right_and_spoils_no_other(ledger, tmp_path):
    wrong = Writing().host("a").host("b")
    wrong.measured("a", "access.superusers", ["root"], at=NOON + timedelta(days=365))
    wrong.measured("b", "access.superusers", ["root"])
    ledger.ingest(wrong.outcome("a").outcome("b").finish().to(tmp_path / "wrong.jsonl"))
    assert results(ledger, "a")["HRD-06"].state is State.ERROR
    assert "clock is ahead" in results(ledger, "a")["HRD-06"].detail
    assert results(ledger, "b")["HRD-06"].state is State.COMPLIANT
    right = Writing(start=NOON + timedelta(hours=1)).host("a").measured("a", "access.superusers", ["root"])
    ledger.ingest(right.outcome("a").finish().to(tmp_path / "right.jsonl"))
    assert results(ledger, "a", now=NOON + timedelta(hours=2))["HRD-06"].state is State.COMPLIANT
