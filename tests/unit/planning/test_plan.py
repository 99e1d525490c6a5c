"""What is due, waiting or later."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigie.planning import Occurrence, State, deliverable_services, due, plan
from vigie.subscriptions import SERVICE_ORDER, Client, Fleet, Provider, default_catalogue

ALWAYS = [{"days": ["daily"], "start": "00:00", "duration": "25h"}]
NIGHT = [{"days": ["sat"], "start": "22:00", "duration": "6h"}]
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)  # a Monday
YEAR = timedelta(days=366)
DAY = timedelta(days=1)


CATALOGUE = cache(default_catalogue)


def client(slug: str = "acme", tier: str = "silver", **more: Any) -> Client:
    data = {"name": slug, "tier": tier, "start": "2026-01-15", "hosts": [slug], "windows": NIGHT, **more}
    return Client.model_validate(data).completed(slug, "Europe/Paris", "fr")


def planned(
    *clients: Client,
    last: Mapping[tuple[str, str], datetime] | None = None,
    now: datetime = NOW,
    horizon: timedelta = YEAR,
    deliverable: tuple[str, ...] = SERVICE_ORDER,
) -> list[Occurrence]:
    catalogue = CATALOGUE()
    by_slug = {one.slug: one for one in clients}
    provider = Provider("msp", Path("/msp"), "MSP", "Europe/Paris", "fr", catalogue, by_slug, None)
    fleets = {slug: Fleet(one, catalogue.tiers[one.tier], (slug,)) for slug, one in by_slug.items()}
    return plan(provider, fleets, last or {}, now, horizon, deliverable=deliverable)


def only(found: list[Occurrence], service: str) -> Occurrence:
    (occurrence,) = [one for one in found if one.service == service]
    return occurrence


def test_a_new_client_owes_everything_since_its_first_day() -> None:
    found = planned(client())
    assert [one.service for one in found] == list(SERVICE_ORDER)
    start = datetime(2026, 1, 14, 23, tzinfo=UTC)
    assert {one.due for one in found} == {start}
    assert {one.service: one.state for one in found if one.state is not State.DUE} == {"patch": State.WAITING}
    assert only(found, "patch").starts == datetime(2026, 11, 28, 21, tzinfo=UTC)
    assert only(found, "audit").starts == NOW


def test_order_is_by_client_then_by_service() -> None:
    found = planned(client("alpha"), client("beta", "unmanaged"))
    assert [(one.client, one.service) for one in found] == [("alpha", s) for s in SERVICE_ORDER] + [
        ("beta", "audit")
    ]


def test_before_the_subscription_starts_nothing_is_due() -> None:
    found = planned(client(start="2026-12-01"))
    assert {one.state for one in found} == {State.LATER}
    assert only(found, "audit").starts == datetime(2026, 11, 30, 23, tzinfo=UTC)
    assert planned(client(start="2026-12-01"), horizon=DAY) == []


def test_a_service_without_playbook_is_never_due() -> None:
    found = planned(client(), deliverable=("monitor", "patch", "backup", "audit"))
    missing = [one.service for one in found if one.state is State.NOT_DELIVERABLE]
    assert missing == ["verify", "drill", "report"]
    assert not {one.service for one in due(found)} & set(missing)


def test_deliverable_services_are_those_with_a_playbook() -> None:
    playbooks = Path(__file__).resolve().parents[3] / "playbooks"
    assert deliverable_services() == {name for name in SERVICE_ORDER if (playbooks / f"{name}.yml").exists()}


def test_the_backup_run_is_due_daily_though_hosts_back_up_every_four_hours() -> None:
    last = {("acme", "backup"): NOW - timedelta(hours=20)}
    assert only(planned(client(tier="bronze"), last=last), "backup").due == NOW + timedelta(hours=4)
    last = {("acme", "backup"): NOW - timedelta(hours=5)}
    assert only(planned(client(tier="gold"), last=last), "backup").state is State.DUE


def test_later_shows_the_window_after_the_due_time() -> None:
    last = {("acme", "patch"): datetime(2026, 11, 21, 21, 5, tzinfo=UTC)}
    one = only(planned(client(), last=last), "patch")
    assert one.state is State.LATER
    assert one.due == datetime(2026, 12, 5, 21, tzinfo=UTC)  # the opening, not five minutes into it
    assert one.starts == one.due


def test_patches_do_not_drift_out_of_their_window() -> None:
    """A run starts some minutes after it is due; over two years the minutes must not add up."""
    last: dict[tuple[str, str], datetime] = {}
    runs = []
    now = NOW
    for _ in range(52):
        one = only(planned(client(), last=last, now=now), "patch")
        ran = one.starts + timedelta(minutes=17)
        last["acme", "patch"] = ran
        runs.append(ran)
        now = ran
    gaps = {after - before for before, after in pairwise(runs)}
    assert min(gaps) >= timedelta(days=14, hours=-1)
    assert max(gaps) <= timedelta(days=14, hours=1)


def test_a_run_of_the_future_is_not_believed() -> None:
    last = {("acme", "audit"): NOW + DAY}
    one = only(planned(client(), last=last), "audit")
    assert (one.state, one.last_good) == (State.DUE, None)


def test_times_without_zone_are_refused() -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001
    with pytest.raises(ValueError, match="has no time zone"):
        planned(client(), now=naive)
    with pytest.raises(ValueError, match="has no time zone"):
        planned(client(), last={("acme", "audit"): naive})


MOMENTS = st.datetimes(datetime(2026, 2, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
TIERS = st.sampled_from(["bronze", "silver", "gold"])
AGES = st.timedeltas(timedelta(), timedelta(days=400))


@given(now=MOMENTS, age=AGES, tier=TIERS, service=st.sampled_from([s for s in SERVICE_ORDER if s != "patch"]))
def test_due_exactly_when_the_last_run_is_as_old_as_the_cadence(
    now: datetime, age: timedelta, tier: str, service: str
) -> None:
    found = only(
        planned(client(tier=tier), last={("acme", service): now - age}, now=now, horizon=2 * YEAR), service
    )
    cadence = CATALOGUE().tiers[tier].cadence(service)
    assert cadence is not None
    assert (found.state is State.DUE) == (age >= cadence)
    assert found.due == now - age + cadence
    assert found.starts == max(now, found.due)


@given(now=MOMENTS, age=AGES, tier=TIERS)
def test_patch_runs_only_while_a_window_is_open(now: datetime, age: timedelta, tier: str) -> None:
    found = only(
        planned(client(tier=tier), last={("acme", "patch"): now - age}, now=now, horizon=2 * YEAR), "patch"
    )
    assert found.window is not None
    assert found.starts in found.window
    assert found.starts >= max(found.due, now)
    if found.state is State.DUE:
        assert now in found.window
    cadence = CATALOGUE().tiers[tier].cadence("patch")
    assert cadence is not None
    # never early by more than the part of the window that had passed, never before a cadence's window
    assert now - age + cadence - timedelta(hours=6) <= found.due <= now - age + cadence


@given(now=MOMENTS, age=AGES, ahead=st.timedeltas(timedelta(), timedelta(days=60)))
def test_what_is_due_stays_due_until_it_runs(now: datetime, age: timedelta, ahead: timedelta) -> None:
    last = {("acme", service): now - age for service in SERVICE_ORDER}
    always = client(windows=ALWAYS)
    before = {one.service for one in due(planned(always, last=last, now=now))}
    after = {one.service for one in due(planned(always, last=last, now=now + ahead))}
    assert before <= after


@given(now=MOMENTS, age=AGES, days=st.integers(0, 100))
def test_the_horizon_only_leaves_out_what_is_due_after_it(now: datetime, age: timedelta, days: int) -> None:
    last = {("acme", service): now - age for service in SERVICE_ORDER}
    everything = planned(client(), last=last, now=now, horizon=10 * YEAR)
    near = planned(client(), last=last, now=now, horizon=days * DAY)
    assert near == [one for one in everything if one.due <= now + days * DAY]
