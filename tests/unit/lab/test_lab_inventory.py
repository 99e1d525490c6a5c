"""Inventories the lab reads and writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from tests.lab.errors import LabError
from tests.lab.host import Host
from tests.lab.inventory import read_hosts, render, render_connection
from tests.lab.podman import Podman

KEY, KNOWN = Path("/lab/key"), Path("/lab/known_hosts")


def host(name: str, address: str = "10.0.0.1") -> Host:
    return Host(cast("Podman", None), f"vigie-x-{name}", name, "bookworm", address)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "hosts.yml"
    path.write_text(text)
    return path


def test_hosts_are_found_in_nested_groups_and_their_variables_merged(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
all:
  children:
    a: {hosts: {one: {lab_suite: bookworm}}, children: {b: {hosts: {two: {lab_suite: trixie}}}}}
    c: {hosts: {one: {ansible_host: 10.1.2.3}}}
""",
    )
    assert read_hosts(path) == {"one": ("bookworm", "10.1.2.3"), "two": ("trixie", None)}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("all: {hosts: {one: {}}}", "host one has no `lab_suite`"),
        ("all: {}", "no hosts"),
        ("[1, 2]", "no hosts"),
        ("all: {hosts: [one, two]}", "`hosts` must be a mapping"),
        ("a: [", "cannot read"),
        ("\0", "cannot read"),
    ],
)
def test_a_bad_inventory_is_refused_with_its_path(tmp_path: Path, text: str, complaint: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(LabError) as error:
        read_hosts(path)
    assert str(path) in str(error.value)
    assert complaint in str(error.value)


def test_a_missing_inventory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="cannot read"):
        read_hosts(tmp_path / "absent.yml")


def test_a_rendered_inventory_checks_host_keys_and_can_be_read_back(tmp_path: Path) -> None:
    text = render({"one": host("one")}, KEY, KNOWN, {"web": ["one"]})
    tree: dict[str, Any] = yaml.safe_load(text)
    assert tree["all"]["children"] == {"web": {"hosts": {"one": {}}}}
    assert "StrictHostKeyChecking=yes" in tree["all"]["vars"]["ansible_ssh_extra_args"]
    assert f"UserKnownHostsFile={KNOWN}" in tree["all"]["vars"]["ansible_ssh_extra_args"]
    assert read_hosts(write(tmp_path, text)) == {"one": ("bookworm", "10.0.0.1")}


def test_a_group_that_names_no_host_of_the_lab_is_refused() -> None:
    with pytest.raises(LabError, match="ghost"):
        render({"one": host("one")}, KEY, KNOWN, {"web": ["one", "ghost"]})


def test_connection_variables_alone_name_no_hosts() -> None:
    assert list(yaml.safe_load(render_connection(KEY, KNOWN))["all"]) == ["vars"]
