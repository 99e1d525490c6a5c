"""What the ledger answers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.ledger.writing import NOON, whole
from vigie.errors import UsageError, VigieError
from vigie.ledger.states import RunStatus


def add(ledger, tmp_path, status="ok", **options):
    run = whole(status=status, **options)
    ledger.ingest(run.to(tmp_path / f"{run.id}.jsonl"))
    return run


def test_only_good_runs_of_a_whole_fleet_satisfy_the_schedule(ledger, tmp_path):
    later = NOON
    add(ledger, tmp_path, start=NOON)
    for options in ({"check": True}, {"status": "failed"}, {"status": "unreachable"}, {"service": "patch"}):
        later += timedelta(hours=1)
        add(ledger, tmp_path, start=later, **options)
    ledger.finish_run(
        ledger.start_run(client="cabinet", service="audit", tier="silver", hosts=["a"], limited=True), "ok"
    )
    assert ledger.last_good_runs() == {("cabinet", "audit"): NOON, ("cabinet", "patch"): later}


def test_a_host_that_joined_since_makes_the_service_due(ledger, tmp_path):
    add(ledger, tmp_path, start=NOON)
    add(ledger, tmp_path, start=NOON + timedelta(days=1), hosts=("a",))
    good = ledger.last_good_runs
    assert good({"cabinet": ["a"]}) == {("cabinet", "audit"): NOON + timedelta(days=1)}
    assert good({"cabinet": ["a", "b"]}) == {("cabinet", "audit"): NOON}
    assert good({"cabinet": ["a", "b", "c"]}) == {}
    assert good({"usine": ["a"]}) == {}


def test_a_host_on_which_all_was_skipped_was_not_served(ledger, tmp_path):
    run = whole()
    ledger.start_run(run_id=run.id, client="cabinet", service="audit", tier="silver", hosts=("a", "b"))
    for line in run.lines:
        if line["type"] == "outcome" and line["host"] == "b":
            line.update(status="skipped", ok=0, skipped=3)
    ledger.ingest(run.to(tmp_path / "r.jsonl"))
    ledger.finish_run(run.id, RunStatus.OK)
    assert set(ledger.last_good_runs({"cabinet": ["a"]})) == {("cabinet", "audit")}
    assert ledger.last_good_runs({"cabinet": ["a", "b"]}) == {}


def test_runs_are_listed_newest_first_and_filtered(ledger, tmp_path):
    old = add(ledger, tmp_path)
    new = add(ledger, tmp_path, start=NOON + timedelta(days=1), client="usine", status="failed")
    assert [run.id for run in ledger.runs()] == [new.id, old.id]
    assert [run.id for run in ledger.runs(limit=1)] == [new.id]
    assert [run.id for run in ledger.runs(client="cabinet")] == [old.id]
    assert [run.id for run in ledger.runs(status="failed")] == [new.id]
    assert ledger.runs(service="backup") == ()


def test_a_run_is_found_by_the_beginning_of_its_id(ledger, tmp_path):
    one, two = "aaaabbbb-0000-4000-8000-000000000001", "aaaabbbb-0000-4000-8000-000000000002"
    for run_id in (one, two):
        add(ledger, tmp_path, run_id=run_id)
    assert ledger.run(two.upper()).run.id == two
    with pytest.raises(UsageError, match="several runs begin with 'aaaa'") as caught:
        ledger.run("aaaa")
    assert one in str(caught.value)
    with pytest.raises(UsageError, match="no run 'cccc'"):
        ledger.run("cccc")
    with pytest.raises(UsageError, match="too short"):
        ledger.run("a")
    with pytest.raises(UsageError, match="no run"):
        ledger.run("%%%%")  # a pattern to a database, to us a name


def test_a_run_starts_and_ends_once(ledger):
    fields = {"client": "c", "service": "audit", "tier": "t", "hosts": ["a"]}
    run = ledger.start_run(**fields)
    with pytest.raises(VigieError, match="already"):
        ledger.start_run(run_id=run, **fields)
    with pytest.raises(VigieError, match="no run"):
        ledger.finish_run("aaaabbbb-0000-4000-8000-000000000001", RunStatus.OK)
    with pytest.raises(VigieError, match="cannot end as running"):
        ledger.finish_run(run, RunStatus.RUNNING)
