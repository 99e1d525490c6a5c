"""Records are built from whatever tasks return, and are always of the published shape."""

import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vigie.msp.plugins.module_utils import results

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "docs/schemas/results-1.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
NOW = "2026-01-31T12:00:00Z"
RUN = "00000000-0000-4000-8000-000000000000"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
NEARLY_A_MEASUREMENT = st.fixed_dictionaries(
    {},
    optional={
        "name": JSON | st.just("disk.root"),
        "value": JSON,
        "error": JSON,
        "time": JSON | st.just(NOW) | st.just("2026-13-31T12:00:00Z"),
        "source": JSON,
    },
)


def line(kind, fields):
    run = results.Run(RUN, clock=lambda: datetime(2026, 1, 31, 12, tzinfo=UTC))
    return json.loads(results.to_line(run.record(kind, **fields)))


@given(raw=JSON | st.lists(NEARLY_A_MEASUREMENT | JSON, max_size=4))
def test_any_measurements_give_valid_records_and_at_least_one_for_each(raw):
    fields = results.measurement_fields("web1", raw, "Measure", NOW)

    for one in fields:
        VALIDATOR.validate(line("measurement", one))
    assert len(fields) == (len(raw) if isinstance(raw, list) else 1)


@given(raw=JSON, changed=st.booleans())
def test_any_changes_give_valid_records(raw, changed):
    for one in results.change_fields("web1", None, "Task", {results.CHANGES_KEY: raw}, changed):
        VALIDATOR.validate(line("change", one))


@given(result=st.dictionaries(st.sampled_from(["msg", "stderr", "module_stderr", "results"]), JSON))
def test_any_failure_has_a_message(result):
    message = results.failure_message(result)

    assert message
    assert len(message) < results.MAX_MESSAGE + 100


def test_a_good_measurement_is_kept_as_it_is():
    raw = [{"name": "apt.pending", "value": {"security": 3}, "time": NOW, "source": "python3-apt"}]

    assert results.measurement_fields("web1", raw, "Measure", NOW) == [
        {
            "host": "web1",
            "name": "apt.pending",
            "value": {"security": 3},
            "source": "python3-apt",
            "measured_at": NOW,
        }
    ]


def test_null_is_a_value():
    (fields,) = results.measurement_fields("h", [{"name": "x", "value": None, "time": NOW}], "T", NOW)

    assert fields["value"] is None
    assert "error" not in fields


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"a": 1}, "is dict, not a list"),
        ([3], "holds int, not a mapping"),
        ([{"value": 1}], "without a name"),
        ([{"name": "x", "time": NOW}], "either a value or an error"),
        ([{"name": "x", "value": 1, "error": "e", "time": NOW}], "either a value or an error"),
        ([{"name": "x", "value": 1, "time": "yesterday"}], "no time in UTC"),
        ([{"name": "x", "value": float("nan"), "time": NOW}], "JSON"),
        ([{"name": "x", "value": "y" * (results.MAX_VALUE + 1), "time": NOW}], "too large"),
    ],
)
def test_unusable_measurements_become_errors_that_say_why(raw, said):
    (fields,) = results.measurement_fields("h", raw, "Measure", NOW)

    assert "value" not in fields
    assert said in fields["error"]
    assert "Measure" in fields["error"]


def test_a_change_without_details_is_recorded_under_its_tasks_name():
    (fields,) = results.change_fields("h", "r", "Write it", {}, changed=True)

    assert (fields["kind"], fields["name"]) == ("other", "Write it")
    assert results.change_fields("h", "r", "Write it", {}, changed=False) == []


def test_declared_changes_of_loop_items_are_all_found():
    item = {results.CHANGES_KEY: [{"kind": "package", "name": "bash", "before": "1", "after": "2"}]}

    fields = results.change_fields("h", None, "T", {"results": [item, {"x": 1}, item]}, changed=True)

    assert [(one["kind"], one["before"], one["after"]) for one in fields] == [("package", "1", "2")] * 2


def test_a_task_that_hides_its_output_stays_hidden():
    assert "no_log" in results.failure_message({"censored": "...", "msg": "canary"})
    assert "canary" not in results.failure_message({"censored": "...", "msg": "canary"})


def test_the_failed_item_of_a_loop_is_named():
    message = results.failure_message(
        {
            "msg": "One or more items failed",
            "results": [{"item": "a"}, {"item": "b", "failed": True, "msg": "no"}],
        }
    )

    assert "item b: no" in message


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        ({"ok": 1}, "ok"),
        ({"ok": 1, "changed": 1}, "changed"),
        ({"ok": 1, "changed": 1, "failures": 1}, "failed"),
        ({"failures": 1, "unreachable": 1}, "unreachable"),
        ({"skipped": 2}, "skipped"),
        ({"rescued": 1}, "skipped"),
        ({"ignored": 1}, "skipped"),
        ({}, "skipped"),
        ({"ok": 2, "rescued": 1}, "ok"),
        ({"ok": 2, "ignored": 1}, "ok"),
    ],
)
def test_the_status_of_a_host_comes_from_its_recap(counts, status):
    fields = results.outcome_fields("h", counts, 1.23456)

    assert fields["status"] == status
    VALIDATOR.validate(line("outcome", fields))


def test_only_failures_that_no_rescue_made_good_are_kept():
    assert results.really_failed(["a", "b", "c"], rescued=2) == ["c"]
    assert results.really_failed(["a"], rescued=1) == []
    assert results.really_failed(["a"], rescued=3) == []


def test_bytes_that_are_no_text_stay_readable():
    assert results.plain({"a\udcff": ["bad \udcff name", "nul \0"]}) == {
        "a\\udcff": ["bad \\udcff name", "nul \\x00"]
    }
