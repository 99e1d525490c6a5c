"""Differences of two readings of dpkg's database are exactly what changed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vigie.msp.plugins.module_utils.dpkg_state import (
    PackageState,
    differences,
    held,
    journal_left,
    parse_snapshot,
    unfinished,
)

STATES = st.builds(
    PackageState,
    version=st.sampled_from(["1.0", "1.1", "2:0.9"]),
    status=st.sampled_from(["installed", "unpacked", "half-configured"]),
    held=st.booleans(),
    broken=st.booleans(),
)
SNAPSHOTS = st.dictionaries(st.sampled_from(["apt", "libc6", "libc6:i386", "openssl"]), STATES)


def row(
    name: str,
    architecture: str = "amd64",
    version: str = "1.0",
    want: str = "install",
    status: str = "installed",
    flag: str = "ok",
) -> str:
    return "\t".join([name, architecture, version, want, status, flag]) + "\n"


def test_names_are_those_dpkg_and_apt_print() -> None:
    text = row("libc6") + row("libc6", "i386") + row("tzdata", "all")
    assert set(parse_snapshot(text, "amd64")) == {"libc6", "libc6:i386", "tzdata"}


def test_a_removed_package_with_configuration_left_is_absent() -> None:
    assert parse_snapshot(row("vim", want="deinstall", status="config-files"), "amd64") == {}


def test_holds_and_unfinished_packages_are_recognised() -> None:
    text = row("a", want="hold") + row("b", status="unpacked") + row("c", flag="reinstreq")
    packages = parse_snapshot(text, "amd64")
    assert held(packages) == ["a"]
    assert unfinished(packages) == ["b", "c"]


def test_new_changed_and_removed_packages_are_told_apart() -> None:
    before = parse_snapshot(row("changed") + row("removed") + row("same"), "amd64")
    after = parse_snapshot(row("changed", version="1.1") + row("new") + row("same"), "amd64")
    assert differences(before, after) == [
        {"kind": "package", "name": "changed", "before": "1.0", "after": "1.1"},
        {"kind": "package", "name": "new", "before": None, "after": "1.0"},
        {"kind": "package", "name": "removed", "before": "1.0", "after": None},
    ]


def test_a_package_that_stays_half_configured_does_not_look_upgraded() -> None:
    before = parse_snapshot(row("a"), "amd64")
    after = parse_snapshot(row("a", version="1.1", status="half-configured"), "amd64")
    assert differences(before, after)[0]["after"] == "1.1 (half-configured)"


@given(SNAPSHOTS)
def test_nothing_changed_means_no_difference(packages: dict[str, PackageState]) -> None:
    assert differences(packages, dict(packages)) == []


@given(SNAPSHOTS, SNAPSHOTS)
def test_going_back_swaps_before_and_after(
    one: dict[str, PackageState], other: dict[str, PackageState]
) -> None:
    there = [(change["name"], change["before"], change["after"]) for change in differences(one, other)]
    back = [(change["name"], change["after"], change["before"]) for change in differences(other, one)]
    assert there == back


def test_dpkgs_journal_is_seen(tmp_path) -> None:  # type: ignore[no-untyped-def]
    assert not journal_left(str(tmp_path / "missing"))
    assert not journal_left(str(tmp_path))
    (tmp_path / "0001").touch()
    assert journal_left(str(tmp_path))
