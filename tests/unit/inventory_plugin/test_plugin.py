"""The inventory plugin in real Ansible without the vigie program: plain inventory and playbook."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
Edit = Callable[[str, str, str], None]


def ansible(program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return subprocess.run(
        [str(Path(sys.executable).with_name(program)), *arguments],
        cwd=cwd,
        env={**environment, "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def listing(directory: Path) -> dict[str, dict[str, object]]:
    done = ansible("ansible-inventory", "-i", str(directory), "--list", cwd=directory)
    assert done.returncode == 0, done.stderr
    hosts: dict[str, dict[str, object]] = json.loads(done.stdout)["_meta"]["hostvars"]
    return hosts


def refusal(directory: Path) -> str:
    done = ansible("ansible-inventory", "-i", str(directory), "--list", cwd=directory)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_copied_example_works_with_its_own_ansible_cfg_and_no_warning(directory: Path) -> None:
    done = ansible("ansible-inventory", "--graph", cwd=directory)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.replace(" ", "") for line in done.stdout.splitlines()]
    assert lines[lines.index("|--@client_acme:") : lines.index("|--@client_acme:") + 4] == [
        "|--@client_acme:",
        "||--@acme:",
        "|||--acme-web",
        "|||--acme-db",
    ]
    assert "|--@tier_bronze:" in lines


def test_the_demo_works_from_the_repository_root_with_no_warning(tmp_path: Path) -> None:
    """With the files beside it that are no inventory: the root's ansible.cfg must have them ignored."""
    copy = tmp_path / "inventories" / "demo"
    shutil.copytree(ROOT / "inventories" / "demo", copy)
    (copy / "known_hosts").write_text("192.0.2.1 ssh-ed25519 AAAA\n", encoding="utf-8")
    (copy / "known_hosts.d").mkdir(exist_ok=True)
    (copy / "known_hosts.d" / "usine").write_text("192.0.2.1 ssh-ed25519 AAAA\n", encoding="utf-8")
    done = ansible("ansible-inventory", "-i", str(copy), "--graph", cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    for name in (
        "client_boulangerie",
        "client_cabinet",
        "client_usine",
        "tier_bronze",
        "tier_silver",
        "tier_gold",
    ):
        assert f"@{name}:" in done.stdout


def test_plain_ansible_playbook_sees_tiers_and_variables(directory: Path) -> None:
    (directory / "play.yml").write_text(
        "- hosts: tier_gold\n  gather_facts: false\n  connection: local\n  tasks:\n"
        "    - ansible.builtin.debug:\n"
        "        msg: '{{ inventory_hostname }} {{ vigie_client }} {{ config_backup_paths }}'\n",
        encoding="utf-8",
    )
    (directory / "play.yml").rename(directory.parent / "play.yml")
    done = ansible("ansible-playbook", str(directory.parent / "play.yml"), cwd=directory)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "acme-db acme ['/etc', '/srv', '/var/www']" in done.stdout
    assert "smith-files" not in done.stdout


def test_the_plugin_and_the_package_derive_the_same(directory: Path) -> None:
    from vigie.subscriptions import load
    from vigie.subscriptions.fleets import contract

    provider, _inventory, fleets = load(directory)
    seen = listing(directory)
    for slug, fleet in fleets.items():
        for host in fleet.hosts:
            promised = contract(provider, slug, fleet, host)
            assert {name: seen[host][name] for name in promised} == promised


def test_the_backup_server(directory: Path, edit: Edit) -> None:
    hosts = listing(directory)
    assert hosts["backup1"]["backup_server_accounts"] == [
        {"client": "acme", "host": "acme-db", "account": "acme.acme-db"},
        {"client": "acme", "host": "acme-web", "account": "acme.acme-web"},
        {"client": "smith", "host": "smith-files", "account": "smith.smith-files"},
    ]
    assert hosts["backup1"]["vigie_client"] == "provider"
    assert "compliance_audit_parameters" not in hosts["backup1"]
    assert hosts["acme-web"]["config_backup_server_url"] == "https://192.0.2.10:8000"
    edit("provider.yml", "  server: backup1", "  address: vault.example.net\n  server: backup1")
    assert listing(directory)["acme-web"]["config_backup_server_url"] == "https://vault.example.net:8000"


def test_the_backup_server_is_told_its_ports_and_names(directory: Path, edit: Edit) -> None:
    names = ("backup_server_names", "backup_server_port", "backup_server_maintenance_port")
    server = listing(directory)["backup1"]
    assert [server[name] for name in names] == [["backup1", "192.0.2.10"], 8000, 8001]
    stated = "  address: vault.example.net\n  port: 443\n  maintenance_port: 8443\n  server: backup1"
    edit("provider.yml", "  server: backup1", stated)
    hosts = listing(directory)
    assert [hosts["backup1"][name] for name in names] == [["backup1", "vault.example.net"], 443, 8443]
    assert hosts["acme-web"]["config_backup_server_url"] == "https://vault.example.net:443"
    edit("hosts.yml", "ansible_host: 192.0.2.10}", "ansible_host: 192.0.2.10, backup_server_port: 8000}")
    server = listing(directory)["backup1"]
    assert [server[name] for name in names] == [["backup1", "vault.example.net"], 8000, 8443]


def test_the_servers_address_may_stand_in_host_vars(directory: Path, edit: Edit) -> None:
    edit("hosts.yml", "backup1: {ansible_host: 192.0.2.10}", "backup1:")
    assert listing(directory)["acme-web"]["config_backup_server_url"] == "https://backup1:8000"
    (directory / "host_vars").mkdir()
    (directory / "host_vars" / "backup1.yml").write_text("ansible_host: 198.51.100.7\n", encoding="utf-8")
    assert listing(directory)["acme-web"]["config_backup_server_url"] == "https://198.51.100.7:8000"
    (directory / "host_vars" / "backup1.yml").write_text("ansible_host: '{{ where }}'\n", encoding="utf-8")
    assert "write the address hosts use as backup.address" in refusal(directory)


def test_group_variables_of_the_source_are_stronger_than_derived_ones(directory: Path, edit: Edit) -> None:
    edit("hosts.yml", "    acme:\n", "    acme:\n      vars: {patch_baseline_scope: none}\n")
    edit("hosts.yml", "192.0.2.22}", "192.0.2.22, monitoring_agent_enabled: false}")
    hosts = listing(directory)
    assert hosts["acme-web"]["patch_baseline_scope"] == "none"
    assert hosts["acme-db"]["monitoring_agent_enabled"] is False
    assert hosts["acme-web"]["monitoring_agent_enabled"] is True
    assert hosts["acme-web"]["compliance_audit_parameters"]["security_update_days"] == 7  # type: ignore[index]


def test_group_vars_directories_are_stronger_too(directory: Path) -> None:
    (directory / "group_vars").mkdir()
    (directory / "group_vars" / "all.yml").write_text("patch_baseline_scope: none\n", encoding="utf-8")
    assert listing(directory)["acme-web"]["patch_baseline_scope"] == "none"


@pytest.mark.parametrize("variable", ["vigie_client", "vigie_secrets_dir", "config_backup_account"])
def test_the_contract_may_not_be_set_in_a_source(directory: Path, edit: Edit, variable: str) -> None:
    edit("hosts.yml", "192.0.2.22}", f"192.0.2.22, {variable}: other}}")
    assert f"host 'acme-db': the inventory sets '{variable}', which belongs to the contract" in refusal(
        directory
    )


CASES = {
    "unknown tier": (
        ("clients/acme.yml", "tier: gold", "tier: goald"),
        "acme.yml:3:7: tier: the catalogue has no tier",
    ),
    "unknown group": (
        ("clients/acme.yml", "hosts: [acme]", "hosts: [acem]"),
        "acme.yml:7:9: hosts[0]: the inventory has no group 'acem'; did you mean 'acme'?",
    ),
    "two clients": (
        ("clients/smith.yml", "hosts: [smith]", "hosts: [acme]"),
        "smith.yml:9:9: hosts[0]: host 'acme-web' of group 'acme' already belongs to client 'acme'",
    ),
    "unknown key": (
        ("clients/acme.yml", "windows:", "widnows:"),
        "acme.yml:8:1: widnows: unknown key 'widnows'",
    ),
    "unknown setting": (
        ("catalogue.yml", "security_within: 30d", "securty_within: 30d"),
        "catalogue.yml:30:9: tiers.bronze.services.patch.securty_within: unknown key",
    ),
    "bad duration": (("catalogue.yml", "index_age: 3d", "index_age: 3"), "catalogue.yml:40:20: tiers.bronze"),
    "missing setting": (
        ("catalogue.yml", "        paths: [/etc]\n", ""),
        "backup.paths: this key is missing",
    ),
    "bad retention": (("catalogue.yml", "{daily: 14d}", "{dialy: 14d}"), "retention: must be a mapping like"),
    "forbidden override": (
        ("clients/acme.yml", "backup.paths", "patch.every"),
        "acme.yml:14:3: overrides.patch.every: this tier does not let",
    ),
    "bad override": (
        ("clients/acme.yml", "[/etc, /srv, /var/www]", "/etc"),
        "acme.yml:14:17: overrides.backup.paths: must be a list of absolute paths",
    ),
    "no backup server": (("provider.yml", "backup:\n  server: backup1", "#\n#"), "has backup: say where"),
    "unknown backup server": (
        ("provider.yml", "server: backup1", "server: backup2"),
        "provider.yml:6:11: backup.server: the inventory has no host 'backup2'; did you mean 'backup1'?",
    ),
    "truncated": (("provider.yml", "backup:\n", "backup: {\n"), "provider.yml:"),
    "a host named as a group": (
        ("hosts.yml", "        acme-web:", "        acme:"),
        "host 'acme': a group has the same name",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_wrong_data_names_file_and_key(directory: Path, edit: Edit, name: str) -> None:
    change, expected = CASES[name]
    edit(*change)
    assert expected in refusal(directory)


def test_a_missing_catalogue_is_named(directory: Path) -> None:
    (directory / "catalogue.yml").unlink()
    assert "catalogue.yml: there is no such file" in refusal(directory)
    assert "Completely failed to parse inventory source" in refusal(directory)


def test_vaulted_host_vars_do_not_stop_a_listing_without_password(directory: Path) -> None:
    (directory / "host_vars").mkdir()
    (directory / "host_vars" / "acme-db.yml").write_text(
        "$ANSIBLE_VAULT;1.1;AES256\n6162\n", encoding="utf-8"
    )
    done = ansible("ansible-inventory", "--graph", cwd=directory)
    assert done.returncode == 0
    assert "acme-db" in done.stdout


def test_other_file_names(directory: Path) -> None:
    (directory / "catalogue.yml").rename(directory.parent / "tiers.yml")
    with (directory / "subscriptions.yml").open("a", encoding="utf-8") as file:
        file.write("catalogue: ../tiers.yml\n")
    assert listing(directory)["acme-web"]["vigie_tier"] == "gold"
