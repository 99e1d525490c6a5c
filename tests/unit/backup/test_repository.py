"""The provider's side: initialising, measuring and forgetting, with a server and a restic that misbehave."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

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
        self.config = "config-one"

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def fingerprint(self) -> str:
        return self.config

    def created(self) -> datetime:
        return NOW - timedelta(days=100)

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


@pytest.fixture
def marker(access):
    """Where the controller remembers the repository; restic names `one` until told otherwise."""
    return Path(access.password_file).parent / "repository.json"


def opened(fake, name: str) -> None:
    """What restic says of the repository it opens."""
    fake.answer("cat", stdout=json.dumps({"version": 2, "id": name}, indent=2))


def remember(marker: Path, name: str = "one", config: str = "config-one") -> str:
    text = json.dumps({"id": name, "config": config, "recorded": "2026-01-01T00:00:00Z"})
    marker.write_text(text)
    return text


def test_a_missing_repository_is_made_once(access, fake, marker):
    opened(fake, "one")
    assert repository.initialise(access, Api(exists=False), 10, dry_run=False) == (True, None)
    assert fake.commands() == ["init", "cat"]
    assert stat.S_IMODE(marker.stat().st_mode) == 0o600
    before = marker.read_text()
    assert repository.initialise(access, Api(), 10, dry_run=False) == (False, None)
    assert fake.commands() == ["init", "cat"]
    assert marker.read_text() == before
    assert list(marker.parent.glob(".repository*")) == []


def test_check_mode_makes_nothing(access, fake, marker):
    opened(fake, "one")
    assert repository.initialise(access, Api(exists=False), 10, dry_run=True) == (True, None)
    assert fake.commands() == []
    assert repository.initialise(access, Api(), 10, dry_run=True) == (False, None)
    assert not marker.exists()


def test_a_repository_from_before_is_remembered(access, fake, marker):
    opened(fake, "one")
    assert repository.initialise(access, Api(), 10, dry_run=False) == (False, None)
    assert fake.commands() == ["cat"]
    assert json.loads(marker.read_text())["id"] == "one"


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_lost_repository_is_not_silently_replaced(access, fake, marker, dry_run):
    before = remember(marker)
    with pytest.raises(ResticError, match="config_backup_accept_lost_repository: true") as caught:
        repository.initialise(access, Api(exists=False), 10, dry_run)
    assert caught.value.kind == "lost_repository"
    assert fake.commands() == []
    assert marker.read_text() == before


@pytest.mark.parametrize("dry_run", [True, False])
def test_another_repository_in_its_place_is_a_loss_too(access, fake, marker, dry_run):
    before, api = remember(marker), Api()
    api.config = "config-two"
    opened(fake, "two")
    with pytest.raises(ResticError, match="another repository") as caught:
        repository.initialise(access, api, 10, dry_run)
    assert caught.value.kind == "lost_repository"
    assert marker.read_text() == before


@pytest.mark.parametrize("exists", [True, False])
def test_a_loss_that_is_accepted_gives_a_new_repository(access, fake, marker, exists):
    remember(marker)
    api = Api(exists=exists)
    api.config = "config-two"
    opened(fake, "two")
    assert repository.initialise(access, api, 10, False, accept_lost=True) == (not exists, "one")
    assert fake.commands() == ([] if exists else ["init"]) + ["cat"]
    found = json.loads(marker.read_text())
    assert (found["id"], found["replaces"]) == ("two", "one")
    api.there = True
    assert repository.initialise(access, api, 10, dry_run=False) == (False, None)


def test_accepting_a_loss_in_check_mode_changes_nothing(access, fake, marker):
    before = remember(marker)
    assert repository.initialise(access, Api(exists=False), 10, True, accept_lost=True) == (True, "one")
    assert fake.commands() == []
    assert marker.read_text() == before


def test_the_same_repository_with_a_rewritten_config_is_no_loss(access, fake, marker):
    remember(marker)
    api = Api()
    api.config = "config-migrated"
    opened(fake, "one")
    assert repository.initialise(access, api, 10, dry_run=False) == (False, None)
    assert json.loads(marker.read_text())["config"] == "config-migrated"


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}", '{"id": "", "config": "c", "recorded": "r"}'])
def test_a_broken_marker_is_not_taken_for_none(access, fake, marker, text):
    marker.write_text(text)
    with pytest.raises(ResticError, match=r"repository\.json") as caught:
        repository.initialise(access, Api(exists=False), 10, dry_run=False)
    assert caught.value.kind == "unreadable"
    assert fake.commands() == []


@pytest.mark.parametrize("said", ["", "[]", "{}", '{"id": null}'])
def test_a_repository_without_an_id_is_an_error(access, fake, marker, said):
    fake.answer("cat", stdout=said)
    with pytest.raises(ResticError, match="named no id"):
        repository.initialise(access, Api(), 10, dry_run=False)
    assert not marker.exists()


@pytest.fixture
def measured(access, fake, monkeypatch):
    """Measure with this server."""

    def measure(api: Api) -> dict[str, object]:
        monkeypatch.setattr(repository, "ServerApi", lambda _access: api)
        monkeypatch.setattr(repository.restic, "probe", lambda _url: None)
        return repository.measure(access, 10)

    return measure


def test_measuring_a_lost_repository_is_an_error(measured, marker, fake):
    with pytest.raises(ResticError) as caught:
        measured(Api(exists=False))
    assert caught.value.kind == "no_repository"
    remember(marker)
    with pytest.raises(ResticError) as caught:
        measured(Api(exists=False))
    assert caught.value.kind == "lost_repository"


def test_measuring_another_repository_is_an_error(measured, marker, fake):
    found = entry(1, timedelta(hours=1))
    fake.answer("snapshots", stdout=json.dumps([found]))
    before, api = remember(marker), Api(found)
    assert measured(api)["snapshots"] == 1
    assert fake.commands() == ["snapshots"]
    api.config = "config-two"
    opened(fake, "two")
    with pytest.raises(ResticError) as caught:
        measured(api)
    assert caught.value.kind == "lost_repository"
    opened(fake, "one")
    assert measured(api)["snapshots"] == 1
    assert marker.read_text() == before


def test_measuring_writes_no_marker(measured, marker, fake):
    fake.answer("snapshots", stdout="[]")
    assert measured(Api())["snapshots"] == 0
    assert not marker.exists()


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
