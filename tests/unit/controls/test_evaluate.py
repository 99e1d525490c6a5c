"""The evaluator: pure, total, and never green without a measurement."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vigie.msp.plugins.module_utils.controls import STATES, evaluate, load_controls

ROOT = Path(__file__).parents[3]
CONTROLS = load_controls(ROOT / "roles/compliance_audit/files/controls")
BY_ID = {control.id: control for control in CONTROLS}
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
GOLD = {
    "security_update_days": 7,
    "other_update_days": 30,
    "reboot_days": 7,
    "index_age_days": 1,
    "support_left_days": 180,
    "automatic_updates_days": 2,
    "backup_age_hours": 5,
    "backup_paths": ["/etc", "/srv/data"],
    "backup_retention_days": 30,
    "verify_days": 7,
    "drill_days": 31,
    "monitoring": True,
    "disk_used_percent": 90,
    "ssh_password_login_forbidden": True,
    "audit_seconds": 21600,
}


def iso(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def ago(**span):
    return iso(NOW - timedelta(**span))


def taken(value, **span):
    return {"value": value, "time": ago(**span) if span else iso(NOW)}


def judged(control, measurements, parameters=GOLD, now=NOW):
    return {result["control"]: result for result in evaluate(CONTROLS, measurements, parameters, now)}[
        control
    ]


def group(count=0, undated=0, oldest=None, **more):
    return {"count": count, "undated": undated, "oldest": oldest, "oldest_name": "openssl", **more}


FRESH_INDEX = {
    "refreshed": ago(hours=1),
    "missing": [],
    "unsigned": [],
    "sources": 2,
    "security_release": ago(days=2),
}
SNAPSHOT = {"id": "a", "time": ago(hours=1), "received": ago(hours=1), "paths": ["/etc", "/srv"]}


def repository(**more):
    value = {"snapshots": 3, "latest": SNAPSHOT, "oldest_received": ago(days=29), "created": ago(days=400)}
    return {**value, **more}


def attempt(code, succeeded):
    return {"exit_code": code, "attempted": ago(minutes=1), "succeeded": succeeded}


SSH = {"root_password_login": False, "password_login": False, "empty_passwords": False}
CASES = [
    # control, a value that passes, a value that fails
    ("PAT-01", {"security": group()}, {"security": group(1, 0, ago(days=8))}),
    ("PAT-03", {"other": group(2, 0, ago(days=29))}, {"other": group(2, 1, ago(days=31))}),
    ("PAT-04", FRESH_INDEX, {**FRESH_INDEX, "refreshed": ago(days=2)}),
    ("PAT-04", FRESH_INDEX, {**FRESH_INDEX, "missing": ["http://x y"]}),
    ("PAT-04", FRESH_INDEX, {**FRESH_INDEX, "sources": 0}),
    ("PAT-04", FRESH_INDEX, {**FRESH_INDEX, "refreshed": None}),
    ("PAT-04", FRESH_INDEX, {**FRESH_INDEX, "security_release": None}),
    ("PAT-04", FRESH_INDEX, {**FRESH_INDEX, "security_release": ago(days=8)}),
    ("PAT-05", {"enabled": True, "last_run": ago(days=1)}, {"enabled": False, "last_run": ago(days=1)}),
    ("PAT-05", {"enabled": True, "last_run": ago(days=1)}, {"enabled": True, "last_run": None}),
    ("PAT-06", group(), group(1, 0, ago(days=8))),
    ("PAT-07", group(), group(1, 0, ago(days=8))),
    ("PAT-08", group(unread=0), group(1, 0, ago(days=8), unread=3)),
    ("PAT-09", {"supported_until": iso(NOW + timedelta(days=181))}, {"supported_until": ago(days=84)}),
    ("PAT-10", [], [{"name": "openssl", "version": "3"}]),
    ("PAT-11", {"entries": [], "unchecked": []}, {"entries": [], "unchecked": ["a.list: trusted=yes"]}),
    ("PAT-12", [], ["half-installed"]),
    ("BAK-01", repository(), repository(latest={**SNAPSHOT, "received": ago(hours=6)})),
    ("BAK-01", repository(), repository(latest=None, snapshots=0)),
    ("BAK-02", {"time": ago(days=6), "passed": True}, {"time": ago(days=6), "passed": False}),
    ("BAK-03", {"time": ago(days=30), "passed": True}, {"time": ago(days=30), "passed": False}),
    ("BAK-04", repository(), repository(latest={**SNAPSHOT, "paths": ["/etc", "/srv/database"]})),
    ("BAK-04", repository(), repository(latest=None)),
    ("BAK-05", repository(), repository(oldest_received=ago(days=10))),
    (
        "BAK-05",
        repository(oldest_received=ago(days=2), created=ago(days=2)),
        repository(oldest_received=None),
    ),
    ("BAK-09", attempt(0, ago(hours=4)), attempt(3, ago(hours=6))),
    ("BAK-09", attempt(1, ago(hours=4)), attempt(None, None)),
    ("MON-01", {"answers": True, "reason": None}, {"answers": False, "reason": "refused"}),
    ("MON-02", {"backup": ago(hours=4)}, {"backup": None}),
    ("MON-03", [], ["nginx.service"]),
    ("MON-04", {"synchronised": True, "offset_seconds": 0.1}, {"synchronised": True, "offset_seconds": 0.2}),
    (
        "MON-04",
        {"synchronised": True, "offset_seconds": None},
        {"synchronised": False, "offset_seconds": None},
    ),
    ("MON-05", [{"mount": "/", "used_percent": 90}], [{"mount": "/", "used_percent": 90.1}]),
    (
        "MON-06",
        [{"mount": "/", "inodes_used_percent": None}],
        [{"mount": "/", "inodes_used_percent": None}, {"mount": "/v", "inodes_used_percent": 99}],
    ),
    ("HRD-01", SSH, {**SSH, "root_password_login": True}),
    ("HRD-02", SSH, {**SSH, "password_login": True}),
    ("HRD-02", SSH, {**SSH, "empty_passwords": True}),
    ("HRD-05", [], ["guest"]),
    ("HRD-06", ["root"], ["root", "toor"]),
    ("HRD-09", {"persistent": True}, {"persistent": False}),
    ("HRD-11", {"enforcing": True}, {"enforcing": False}),
]


def measured(control, value, **more):
    support = {"packages.index": taken(FRESH_INDEX)}
    return {**support, BY_ID[control].measurement: taken(value), **more}


@pytest.mark.parametrize(("control", "good", "bad"), CASES)
def test_each_control_tells_good_from_bad(control, good, bad):
    assert judged(control, measured(control, good))["state"] == "compliant"
    assert judged(control, measured(control, bad))["state"] == "non_compliant"


def test_every_control_has_a_case():
    assert {case[0] for case in CASES} == set(BY_ID)


@pytest.mark.parametrize("control", sorted(BY_ID))
def test_missing_measurement_is_unknown_and_a_failed_one_is_error(control):
    assert judged(control, {})["state"] == "unknown"
    failed = {BY_ID[control].measurement: {"error": "timed out", "time": iso(NOW)}}
    assert (judged(control, failed)["state"], judged(control, failed)["detail"]) == ("error", "timed out")


@pytest.mark.parametrize("control", [c.id for c in CONTROLS if c.parameters])
def test_absent_parameter_is_not_applicable(control):
    for name in BY_ID[control].parameters:
        parameters = {key: value for key, value in GOLD.items() if key != name}
        assert judged(control, {}, parameters)["state"] == "not_applicable"


@pytest.mark.parametrize("control", sorted(BY_ID))
def test_absence_is_believed_only_where_the_control_allows_it(control):
    gone = {BY_ID[control].measurement: taken({"absent": "podman"})}
    expected = "not_applicable" if BY_ID[control].may_be_absent else "error"
    assert judged(control, gone)["state"] == expected


@pytest.mark.parametrize("control", ["PAT-01", "PAT-03"])
def test_nothing_good_is_said_of_updates_over_a_stale_index(control):
    stale = taken({**FRESH_INDEX, "refreshed": ago(days=3)})
    clean = measured(control, {"security": group(), "other": group()}, **{"packages.index": stale})
    assert judged(control, clean)["state"] == "unknown"
    assert "PAT-04" in judged(control, clean)["detail"]
    overdue = {"security": group(1, 0, ago(days=60)), "other": group(1, 0, ago(days=60))}
    assert (
        judged(control, measured(control, overdue, **{"packages.index": stale}))["state"] == "non_compliant"
    )
    never = {"packages.updates": clean["packages.updates"]}
    assert judged(control, never)["state"] == "unknown"


def test_an_update_without_a_date_is_unknown():
    assert judged("PAT-01", measured("PAT-01", {"security": group(1, 1)}))["state"] == "unknown"


def test_services_that_could_not_be_read_are_unknown():
    assert judged("PAT-08", measured("PAT-08", group(unread=1)))["state"] == "unknown"


def test_a_young_snapshot_in_a_repository_of_unknown_age_is_unknown():
    young = repository(oldest_received=ago(days=3), created=None)
    assert judged("BAK-05", measured("BAK-05", young))["state"] == "unknown"


def test_a_measurement_past_its_validity_is_unknown():
    updates = {
        "packages.updates": taken({"security": group()}, hours=14),
        "packages.index": taken(FRESH_INDEX),
    }
    result = judged("PAT-01", updates)
    assert result["state"] == "unknown"
    assert result["valid_until"] == ago(hours=1)  # two cadences of six hours and one hour, from 14 hours ago


def test_validity_is_at_least_two_hours():
    often = {**GOLD, "audit_seconds": 60}
    result = judged("PAT-12", {"packages.database": taken([])}, often)
    assert result["valid_until"] == iso(NOW + timedelta(hours=2))


def test_times_in_the_future_are_errors_not_youth():
    future = {"backup.repository": taken(repository(latest={**SNAPSHOT, "received": ago(hours=-1)}))}
    assert judged("BAK-01", future)["state"] == "error"
    ahead = {"packages.database": {"value": [], "time": ago(hours=-1)}}
    assert judged("PAT-12", ahead)["state"] == "error"


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.just(ago(days=1)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.dictionaries(
    st.sampled_from(
        [
            "security",
            "other",
            "count",
            "undated",
            "oldest",
            "latest",
            "received",
            "paths",
            "refreshed",
            "missing",
            "sources",
            "supported_until",
            "oldest_received",
            "created",
            "answers",
            "mount",
            "used_percent",
            "absent",
        ]
    ),
    ODD,
    max_size=6,
)


@given(st.sampled_from(sorted(BY_ID)), ODD | FIELDS | st.lists(FIELDS, max_size=3), ODD)
def test_no_value_a_host_can_send_raises(control, value, parameter):
    names = BY_ID[control].parameters
    parameters = {**GOLD, **dict.fromkeys(names, parameter)}
    for given_parameters in (GOLD, parameters):
        result = judged(control, {BY_ID[control].measurement: taken(value)}, given_parameters)
        assert result["state"] in STATES


@given(ODD | st.dictionaries(st.sampled_from(["value", "error", "time", "measured_at"]), ODD))
def test_no_measurement_a_host_can_send_raises(measurement):
    for result in evaluate(CONTROLS, {c.measurement: measurement for c in CONTROLS}, GOLD, NOW):
        assert result["state"] in STATES
        if result["state"] == "compliant":
            assert isinstance(measurement, dict)
            assert "value" in measurement


@given(st.dictionaries(st.sampled_from(sorted(GOLD)), ODD))
def test_nothing_is_compliant_without_a_measurement(parameters):
    assert {result["state"] for result in evaluate(CONTROLS, {}, parameters, NOW)} <= {
        "unknown",
        "not_applicable",
    }


RANK = {"compliant": 0, "unknown": 1, "error": 1, "non_compliant": 2}
AGED = {
    "PAT-01": lambda t: {"security": group(1, 0, t)},
    "PAT-04": lambda t: {**FRESH_INDEX, "refreshed": t},
    "PAT-06": lambda t: group(1, 0, t),
    "BAK-01": lambda t: repository(latest={**SNAPSHOT, "received": t}),
    "BAK-03": lambda t: {"time": t, "passed": True},
    "BAK-09": lambda t: attempt(3, t),
    "MON-02": lambda t: {"backup": t},
    "PAT-09": lambda t: {"supported_until": t},
}


@given(st.sampled_from(sorted(AGED)), st.integers(0, 10**8), st.integers(0, 10**8))
def test_older_is_never_greener(control, one, other):
    newer, older = (NOW - timedelta(seconds=seconds) for seconds in sorted((one, other)))
    states = [judged(control, measured(control, AGED[control](iso(t))))["state"] for t in (newer, older)]
    assert RANK[states[0]] <= RANK[states[1]]


@given(st.sampled_from(sorted(BY_ID)), st.integers(0, 10**7), st.integers(0, 10**7))
def test_time_passing_never_makes_green(control, one, other):
    good = next(case[1] for case in CASES if case[0] == control)
    before, after = (NOW + timedelta(seconds=seconds) for seconds in sorted((one, other)))
    states = [judged(control, measured(control, good), now=now)["state"] for now in (before, after)]
    assert not (states[1] == "compliant" and states[0] != "compliant")
