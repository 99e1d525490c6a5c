"""Clients laid over an inventory read by the real ansible-inventory: fleets, and what stands against them."""
# ruff: noqa: ISC004 - a message expected word for word stays on its line

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from vigie.subscriptions import (
    ConfigurationError,
    Inventory,
    load,
    load_provider,
    read_inventory,
    resolve_fleets,
    survey,
)

Edit = Callable[[str, str, str], None]
HOSTS = ("acme-web", "acme-db", "smith-files", "backup1")
GROUPS: dict[str, tuple[str, ...]] = {
    "all": HOSTS,
    "acme": ("acme-web", "acme-db"),
    "smith": ("smith-files",),
    "backup_servers": ("backup1",),
    "empty": (),
}


def problems_of(directory: Path, **groups: tuple[str, ...]) -> list[str]:
    inventory = Inventory({name: {} for name in HOSTS}, GROUPS | groups)
    with pytest.raises(ConfigurationError) as caught:
        resolve_fleets(load_provider(directory), inventory)
    return [str(problem) for problem in caught.value.problems]


def test_a_sound_directory(directory: Path) -> None:
    provider, inventory, fleets = load(directory)
    assert {slug: fleet.hosts for slug, fleet in fleets.items()} == {
        "acme": ("acme-web", "acme-db"),
        "smith": ("smith-files",),
    }
    assert inventory.groups["client_acme"] == inventory.groups["tier_gold"] == ("acme-web", "acme-db")
    assert inventory.hosts["acme-web"]["vigie_tier"] == "gold"
    assert inventory.hosts["acme-web"]["ansible_user"] == "root"
    assert fleets["acme"].tier.plain_services["backup"]["paths"] == ["/etc", "/srv", "/var/www"]
    assert provider.catalogue.tiers["gold"].plain_services["backup"]["paths"] == ["/etc"]
    assert fleets["acme"].monthly_fee == Decimal(249 + 2 * 79)
    assert inventory.warnings == ()


def test_unknown_group(directory: Path, edit: Edit) -> None:
    edit("clients/acme.yml", "hosts: [acme]", "hosts: [acem]")
    assert problems_of(directory) == [
        "clients/acme.yml:7:9: hosts[0]: the inventory has no group 'acem'; did you mean 'acme'?"
    ]


def test_client_without_hosts(directory: Path, edit: Edit) -> None:
    edit("clients/acme.yml", "hosts: [acme]", "hosts: [empty]")
    assert problems_of(directory) == [
        "clients/acme.yml:7:8: hosts: the client has no hosts: nothing in empty"
    ]


def test_host_of_two_clients_through_overlapping_groups(directory: Path) -> None:
    assert problems_of(directory, smith=("smith-files", "acme-db")) == [
        "clients/smith.yml:9:9: hosts[0]: host 'acme-db' of group 'smith' already belongs to client 'acme' "
        "through group 'acme'"
    ]


def test_the_backup_server_belongs_to_no_client(directory: Path, edit: Edit) -> None:
    edit("clients/smith.yml", "hosts: [smith]", "hosts: [smith, backup_servers]")
    (found,) = problems_of(directory)
    assert found.startswith(
        "clients/smith.yml:9:16: hosts[1]: group 'backup_servers' holds the backup server"
    )


@pytest.mark.parametrize("name", ["../../etc", "a/b", "fe80::1", "a b", ".hidden", "-rf", "x" * 300, "a\n"])
def test_a_host_name_that_could_leave_its_directory_is_refused(directory: Path, name: str) -> None:
    (found,) = problems_of(directory, smith=(name,))
    assert found.startswith("clients/smith.yml:9:9: hosts[0]: group 'smith' has a host named")


def test_the_backup_server_must_exist(directory: Path, edit: Edit) -> None:
    edit("provider.yml", "server: backup1", "server: backup2")
    assert problems_of(directory) == [
        "provider.yml:6:11: backup.server: the inventory has no host 'backup2'; did you mean 'backup1'?"
    ]


def test_hosts_without_the_plugin_are_told(directory: Path) -> None:
    (directory / "subscriptions.yml").unlink()
    found = survey(directory)
    assert [problem.file for problem in found.problems] == [
        "host 'acme-web'",
        "host 'acme-db'",
        "host 'smith-files'",
    ]
    assert "needs subscriptions.yml" in found.problems[0].message
    assert any("there is no subscriptions.yml" in warning for warning in found.warnings)


def test_all_problems_come_together_with_those_of_the_plugin_told_once(directory: Path, edit: Edit) -> None:
    edit("clients/acme.yml", "hosts: [acme]", "hosts: [acem, backup_servers]")
    edit("clients/smith.yml", "hosts: [smith]", "hosts: [smyth]")
    assert len(survey(directory).problems) == 3


def test_a_host_of_nobody_is_a_warning(directory: Path, edit: Edit) -> None:
    edit("hosts.yml", "    smith:\n", "    spare:\n      hosts:\n        spare1:\n    smith:\n")
    found = survey(directory)
    assert found.problems == ()
    assert found.warnings == ("no client's: spare1: nothing is delivered to or measured on these hosts",)


@pytest.mark.parametrize("place", ["host_vars/acme-web.yml", "group_vars/acme.yml", "group_vars/all.yml"])
def test_a_contract_is_not_weakened_in_the_inventory(directory: Path, place: str) -> None:
    file = directory / place
    file.parent.mkdir()
    file.write_text("compliance_audit_parameters: {}\n", encoding="utf-8")
    (found,) = survey(directory).problems
    assert "host 'acme-" in found.message
    assert "'compliance_audit_parameters', which belongs to the contract" in found.message


def test_technique_may_be_overridden_anywhere(directory: Path) -> None:
    (directory / "group_vars").mkdir()
    (directory / "group_vars" / "acme.yml").write_text("config_backup_paths: [/group]\n", encoding="utf-8")
    (directory / "host_vars").mkdir()
    (directory / "host_vars" / "acme-db.yml").write_text("config_backup_paths: [/host]\n", encoding="utf-8")
    hosts = load(directory)[1].hosts
    assert hosts["acme-web"]["config_backup_paths"] == ["/group"]
    assert hosts["acme-db"]["config_backup_paths"] == ["/host"]
    assert hosts["acme-db"]["compliance_audit_parameters"]["backup_paths"] == ["/etc", "/srv", "/var/www"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("hosts.yml", "all: [\n", "hosts.yml:2:1: YAML parsing failed"),
        ("more.yml", "plugin: no.such.plugin\n", "more.yml: inventory config"),
        ("more.ini", "[group\n", "more.ini"),
    ],
)
def test_a_source_ansible_refuses_is_named(directory: Path, name: str, content: str, expected: str) -> None:
    (directory / name).write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_inventory(directory)
    assert str(caught.value).startswith(expected)
    assert "Traceback" not in str(caught.value)


def test_what_ansible_skips_is_a_warning(directory: Path, edit: Edit) -> None:
    edit("hosts.yml", "  vars:\n", "  foo: 3\n  vars:\n")
    assert any("Skipping key (foo)" in warning for warning in survey(directory).warnings)


def test_vaulted_values_are_neither_needed_nor_shown(directory: Path) -> None:
    secret = "canary-5d41402a"
    (directory / "group_vars").mkdir()
    (directory / "group_vars" / "acme.yml").write_text(
        f"password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\nplain: {secret}\n", encoding="utf-8"
    )
    provider, inventory, _fleets = load(directory)
    assert list(inventory.hosts["acme-web"]["password"]) == ["__ansible_vault"]
    assert secret not in repr(inventory) + repr(provider)


def test_the_callers_ansible_settings_do_not_leak_in(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = directory.parent / "other.cfg"
    other.write_text("[defaults]\ninventory_ignore_patterns = ^hosts\n", encoding="utf-8")
    monkeypatch.setenv("ANSIBLE_CONFIG", str(other))
    monkeypatch.setenv("ANSIBLE_INVENTORY_IGNORE_REGEX", "hosts")
    assert set(load(directory)[1].hosts) == set(HOSTS)


def test_a_relative_state_directory_means_the_same_to_ansible(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(directory.parent)
    monkeypatch.setenv("VIGIE_STATE_DIR", "here")
    assert load(directory)[1].hosts["acme-web"]["vigie_state_dir"] == str(directory.parent / "here" / "msp")


def test_a_thousand_hosts_in_reasonable_time(directory: Path) -> None:
    names = [f"h{number}" for number in range(1000)]
    lines = "".join(f"        {name}:\n" for name in names)
    (directory / "hosts.yml").write_text(
        f"all:\n  children:\n    backup_servers:\n      hosts:\n        backup1:\n"
        f"    smith:\n      hosts:\n        smith-files:\n    acme:\n      hosts:\n{lines}",
        encoding="utf-8",
    )
    before = time.monotonic()
    assert len(load(directory)[2]["acme"].hosts) == 1000
    assert time.monotonic() - before < 60
