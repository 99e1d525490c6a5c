"""The provider's side: initialising, measuring and forgetting, with a server and a restic that misbehave."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vigie.msp.plugins.module_utils import backup_repository as repository
from ansible_collections.vigie.msp.plugins.module_utils.backup_restic import ResticError
from ansible_collections.vigie.msp.plugins.module_utils.backup_server_api import iso, parse_time

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RETENTION = {"daily": 30, "monthly": 180, "yearly": 0}


def entry(number: int, age: timedelta, **more: object) -> dict[str, object]:
    return {"id": f"{number:064x}", "time": iso(NOW - age), "paths": ["/etc"], **more}


class Api:
    """A server with these snapshot files."""

    def __init__(self, *entries: dict[str, object], exists: bool = True) -> None:
        self.files = [str(found["id"]) for found in entries]
        self.times = {str(found["id"]): parse_time(found["time"]) for found in entries}
        self.there: bool | Exception = exists

    def exists(self) -> bool:
        if isinstance(self.there, Exception):
            raise self.there
        return self.there

    def names(self, _kind: str) -> list[str]:
        return list(self.files)

    def received(self, ids):
        return {name: self.times[name] for name in ids}

    def now(self) -> datetime:
        return NOW


def forgetting(fake, keep, remove) -> None:
    fake.answer("forget", stdout=json.dumps([{"keep": keep, "remove": remove}]))


def test_a_missing_repository_is_made_once(access, fake):
    assert repository.initialise(access, Api(exists=False), 10, dry_run=False)
    assert fake.commands() == ["init"]
    assert not repository.initialise(access, Api(), 10, dry_run=False)
    assert fake.commands() == ["init"]


def test_check_mode_makes_nothing(access, fake):
    assert repository.initialise(access, Api(exists=False), 10, dry_run=True)
    assert fake.commands() == []


@pytest.mark.parametrize("kind", ["unreachable", "unauthorized", "certificate", "failed"])
def test_nothing_is_made_when_the_server_says_anything_else(access, fake, kind):
    api = Api()
    api.there = ResticError(kind, "no")
    with pytest.raises(ResticError) as caught:
        repository.initialise(access, api, 10, dry_run=False)
    assert caught.value.kind == kind
    assert fake.commands() == []


def test_a_snapshot_file_that_restic_leaves_out_is_damage(access, fake):
    fake.answer("snapshots", stdout="[]")
    with pytest.raises(ResticError) as caught:
        repository.snapshots(access, Api(entry(1, timedelta(hours=1))), 10)
    assert caught.value.kind == "damaged"


def test_a_backup_that_ends_meanwhile_is_no_damage(access, fake):
    listed = entry(1, timedelta(hours=9))
    fake.answer("snapshots", stdout=json.dumps([listed]))
    api = Api(listed)
    answers = [[listed["id"]], [listed["id"], "f" * 64]]
    api.names = lambda _kind: answers.pop(0)
    assert len(repository.snapshots(access, api, 10)) == 1


def test_no_list_is_an_error_and_not_an_empty_one(access, fake):
    fake.answer("snapshots", stdout="warning\n")
    with pytest.raises(ResticError, match="printed no list"):
        repository.snapshots(access, Api(), 10)


def test_retention_keeps_by_age_alone():
    arguments = repository.retention_arguments({"daily": 30, "monthly": 365, "yearly": 1096})
    assert arguments == [
        "--keep-within",
        "30d",
        "--keep-within-monthly",
        "365d",
        "--keep-within-yearly",
        "1096d",
    ]
    assert repository.retention_arguments({"daily": 14, "monthly": 0, "yearly": 0}) == [
        "--keep-within",
        "14d",
    ]


def test_nothing_to_forget_asks_once_and_deletes_nothing(access, fake):
    kept = entry(1, timedelta(hours=1))
    forgetting(fake, [kept], [])
    plan = repository.apply_retention(access, Api(kept), RETENTION, 10, dry_run=False)
    assert not plan.remove
    (call,) = fake.calls()
    assert "--dry-run" in call["argv"]
    assert call["argv"][call["argv"].index("--group-by") + 1] == ""


def test_what_the_retention_drops_is_forgotten_by_id(access, fake):
    kept, old = entry(1, timedelta(hours=1)), entry(2, timedelta(days=90))
    forgetting(fake, [kept], [old])
    api = Api(kept, old)
    api.names = lambda _kind, answers=[[kept["id"], old["id"]]] * 2 + [[kept["id"]]]: answers.pop(0)
    plan = repository.apply_retention(access, api, RETENTION, 10, dry_run=False)
    assert [found.id for found in plan.remove] == [old["id"]]
    assert fake.calls()[-1]["argv"][-1] == old["id"]
    assert "--prune" in fake.calls()[-1]["argv"]


def test_a_server_that_refuses_deletion_is_noticed(access, fake):
    kept, old = entry(1, timedelta(hours=1)), entry(2, timedelta(days=90))
    forgetting(fake, [kept], [old])
    with pytest.raises(ResticError) as caught:
        repository.apply_retention(access, Api(kept, old), RETENTION, 10, dry_run=False)
    assert caught.value.kind == "forbidden"


@pytest.mark.parametrize(
    ("forged", "arrived"),
    [
        (entry(3, timedelta(days=-30)), NOW),
        (entry(3, timedelta(days=20)), NOW),
        (entry(3, timedelta(hours=1), original="1" * 64), NOW),
    ],
    ids=["in the future", "back-dated", "rewritten"],
)
def test_nothing_is_forgotten_while_snapshots_look_forged(access, fake, forged, arrived):
    old = entry(2, timedelta(days=90))
    forgetting(fake, [forged], [old])
    api = Api(forged, old)
    api.times[str(forged["id"])] = arrived
    with pytest.raises(ResticError) as caught:
        repository.apply_retention(access, api, RETENTION, 10, dry_run=False)
    assert caught.value.kind == "anomaly"
    assert len(fake.calls()) == 1


@given(
    st.datetimes(
        min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - the zone is added below
        max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    ),
    st.integers(0, 999_999_999),
    st.sampled_from(["Z", "+00:00", "+02:00", "-05:30"]),
)
def test_restics_times_are_read(moment, nanoseconds, zone):
    text = moment.strftime("%Y-%m-%dT%H:%M:%S") + f".{nanoseconds:09d}{zone}"
    expected = datetime.fromisoformat(moment.strftime("%Y-%m-%dT%H:%M:%S") + zone.replace("Z", "+00:00"))
    assert parse_time(text) == expected


@pytest.mark.parametrize("text", ["", "yesterday", None, 7])
def test_what_is_no_time_is_an_error(text):
    with pytest.raises(ResticError):
        parse_time(text)
