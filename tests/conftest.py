"""Fixtures that give tests real hosts (tests/lab), and the rule for machines that cannot have them."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator

import pytest

from tests.lab import Host, Lab, LabError, unavailable_reason
from tests.lab.lab import lab_root, leftovers_of_pytest
from tests.lab.podman import WAY_OUT, Podman

_lab_tests_ran = pytest.StashKey[bool]()
_numbers = itertools.count(1)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip lab tests where there can be no lab; with VIGIE_REQUIRE_LAB=1 (CI) that is a failure instead."""
    if item.get_closest_marker("lab") is None:
        return
    reason = unavailable_reason()
    if reason and os.environ.get("VIGIE_REQUIRE_LAB") == "1":
        pytest.fail(f"VIGIE_REQUIRE_LAB=1, but {reason}. {WAY_OUT}", pytrace=False)
    if reason:
        pytest.skip(reason)
    item.session.stash[_lab_tests_ran] = True


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove labs that this session, or an earlier one that was killed, left behind."""
    if session.stash.get(_lab_tests_ran, False):
        with contextlib.suppress(LabError):
            for name in leftovers_of_pytest(Podman(lab_root())):
                Lab(name).down()


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A lab that the session's tests share; hosts made with `lab.up({...})` live until the session ends."""
    with _temporary_lab(f"pytest-{os.getpid()}") as shared:
        yield shared


@pytest.fixture
def own_lab() -> Iterator[Lab]:
    """A lab of the test's own, removed after the test."""
    with _temporary_lab(f"pytest-{os.getpid()}-{next(_numbers)}") as throw_away:
        yield throw_away


@pytest.fixture
def lab_host(own_lab: Lab) -> Callable[..., Host]:
    """Make a throw-away host: `lab_host()`, `lab_host("trixie")`, `lab_host("bullseye", name="web")`."""

    def make(suite: str = "bookworm", name: str | None = None) -> Host:
        name = name or f"{suite}-{next(_numbers)}"
        return own_lab.up({name: suite})[name]

    return make


@contextlib.contextmanager
def _temporary_lab(name: str) -> Iterator[Lab]:
    made = Lab(name)
    try:
        yield made
    finally:
        made.down()
