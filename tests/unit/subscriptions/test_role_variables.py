"""The one derivation: from a tier to a host's variables, as docs/interfaces.md has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.vigie.msp.plugins.module_utils import subscription_files
from ansible_collections.vigie.msp.plugins.module_utils import subscriptions as derivation
from vigie.state import StateDirectory
from vigie.subscriptions import SERVICE_ORDER, Client, Services, default_catalogue
from vigie.subscriptions.models import BackupServer, Catalogue, ProviderFile, Retention, Tier

PROVIDER = {
    "slug": "msp",
    "time_zone": "Europe/Paris",
    "language": "fr",
    "backup": {"server": "vault", "port": 8000, "maintenance_port": 8001},
}


def variables(tier: str, address: str = "192.0.2.1", **client: str) -> dict[str, object]:
    services = default_catalogue().tiers[tier].plain_services
    return derivation.role_variables(
        PROVIDER, {"tier": tier, **client}, services, "acme", "web", "/state/msp", address
    )


def test_silver_as_the_interface_page_has_it() -> None:
    assert variables("silver") == {
        "vigie_provider": "msp",
        "vigie_client": "acme",
        "vigie_tier": "silver",
        "vigie_time_zone": "Europe/Paris",
        "vigie_language": "fr",
        "vigie_state_dir": "/state/msp",
        "vigie_secrets_dir": "/state/msp/secrets/acme",
        "patch_baseline_scope": "security",
        "config_backup_enabled": True,
        "config_backup_paths": ["/etc"],
        "config_backup_interval": 43200,
        "config_backup_retention": {"daily": 30, "monthly": 180, "yearly": 0},
        "config_backup_account": "acme.web",
        "config_backup_server_url": "https://192.0.2.1:8000",
        "config_backup_maintenance_url": "https://192.0.2.1:8001",
        "config_backup_server_certificate": "/state/msp/public/vault.crt",
        "monitoring_agent_enabled": True,
        "compliance_audit_parameters": {
            "security_update_days": 14,
            "other_update_days": 60,
            "reboot_days": 14,
            "index_age_days": 2,
            "support_left_days": 90,
            "backup_age_hours": 13,
            "backup_paths": ["/etc"],
            "backup_retention_days": 30,
            "verify_days": 7,
            "drill_days": 92,
            "monitoring": True,
            "agent_dead_seconds": 300,
            "disk_used_percent": 90,
            "ssh_password_login_forbidden": True,
            "audit_seconds": 86400,
        },
    }


def test_unmanaged_changes_nothing_and_promises_little() -> None:
    found = variables("unmanaged")
    assert found["patch_baseline_scope"] == "none"
    assert found["config_backup_enabled"] is False
    assert found["monitoring_agent_enabled"] is False
    assert [name for name in found if name.startswith("config_backup_")] == ["config_backup_enabled"]
    assert found["compliance_audit_parameters"] == {
        "support_left_days": 0,
        "disk_used_percent": 90,
        "ssh_password_login_forbidden": False,
        "audit_seconds": 604800,
    }


@pytest.mark.parametrize(
    ("name", "bronze", "silver", "gold"),
    [
        ("security_update_days", 30, 14, 7),
        ("other_update_days", 90, 60, 30),
        ("index_age_days", 3, 2, 1),
        ("reboot_days", 30, 14, 7),
        ("support_left_days", 0, 90, 180),
        ("backup_age_hours", 26, 13, 5),
        ("backup_retention_days", 14, 30, 30),
        ("agent_dead_seconds", 600, 300, 120),
        ("ssh_password_login_forbidden", False, True, True),
        ("drill_days", 365, 92, 30),
        ("verify_days", 30, 7, 7),
        ("audit_seconds", 604800, 86400, 21600),
    ],
)
def test_the_default_numbers(name: str, bronze: object, silver: object, gold: object) -> None:
    tiers = default_catalogue().tiers
    found = [tiers[tier].audit_parameters[name] for tier in ("bronze", "silver", "gold")]
    assert found == [bronze, silver, gold]


def test_the_clients_own_zone_and_language_win() -> None:
    found = variables("bronze", time_zone="Asia/Tokyo", language="en")
    assert (found["vigie_time_zone"], found["vigie_language"]) == ("Asia/Tokyo", "en")


def test_ipv6_addresses_are_bracketed() -> None:
    assert variables("gold", "2001:db8::1")["config_backup_server_url"] == "https://[2001:db8::1]:8000"


def test_overrides_reach_role_and_audit_and_leave_the_tier_alone() -> None:
    tier = {
        "services": default_catalogue().tiers["silver"].plain_services,
        "client_may_override": ["backup.paths"],
    }
    services = derivation.effective_services(tier, {"backup.paths": ["/srv"]}, "acme")
    found = derivation.role_variables(PROVIDER, {"tier": "silver"}, services, "acme", "web", "/s", "h")
    assert found["config_backup_paths"] == ["/srv"]
    assert found["compliance_audit_parameters"]["backup_paths"] == ["/srv"]
    assert tier["services"]["backup"]["paths"] == ["/etc"]


def test_a_nested_override_leaves_its_neighbours() -> None:
    tier = {
        "services": default_catalogue().tiers["silver"].plain_services,
        "client_may_override": ["backup.retention.daily"],
    }
    services = derivation.effective_services(tier, {"backup.retention.daily": "60d"}, "acme")
    assert derivation.retention_days(services["backup"]) == {"daily": 60, "monthly": 180, "yearly": 0}
    assert tier["services"]["backup"]["retention"]["daily"] == "30d"


def test_the_backup_server_gets_every_account_and_no_clients_secrets() -> None:
    found = derivation.server_variables(PROVIDER, [("b", "two"), ("a", "one")], "/state/msp", "192.0.2.1")
    assert found["backup_server_accounts"] == [
        {"client": "a", "host": "one", "account": "a.one"},
        {"client": "b", "host": "two", "account": "b.two"},
    ]
    assert found["vigie_secrets_dir"] == "/state/msp/secrets"
    assert found["vigie_client"] == "provider"


@pytest.mark.parametrize("ports", [{}, {"port": 443, "maintenance_port": 8443}])
def test_the_backup_server_is_where_the_hosts_are_sent(ports: dict[str, int]) -> None:
    provider = {**PROVIDER, "backup": {"server": "vault", **ports}}
    services = default_catalogue().tiers["silver"].plain_services
    host = derivation.role_variables(
        provider, {"tier": "silver"}, services, "acme", "web", "/s", "backup.example.net"
    )
    server = derivation.server_variables(provider, [], "/s", "backup.example.net")
    url = "https://%s:%d"
    assert server["backup_server_names"] == ["vault", "backup.example.net"]
    assert host["config_backup_server_url"] == url % (
        server["backup_server_names"][1],
        server["backup_server_port"],
    )
    assert host["config_backup_maintenance_url"] == url % (
        server["backup_server_names"][1],
        server["backup_server_maintenance_port"],
    )
    assert server["backup_server_port"] == ports.get("port", 8000)
    assert server["backup_server_maintenance_port"] == ports.get("maintenance_port", 8001)


def test_a_server_reached_by_its_inventory_name_has_that_name_once() -> None:
    assert derivation.server_variables(PROVIDER, [], "/s", "vault")["backup_server_names"] == ["vault"]


@pytest.mark.parametrize("base", [None, "", "~/vigie", "relative", "/abs"])
def test_the_state_directory_is_the_packages(monkeypatch: pytest.MonkeyPatch, base: str | None) -> None:
    monkeypatch.delenv("VIGIE_STATE_DIR", raising=False)
    if base is not None:
        monkeypatch.setenv("VIGIE_STATE_DIR", base)
    assert derivation.state_directory("msp") == str(StateDirectory.of_provider("msp").root)


def test_the_state_directory_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("VIGIE_STATE_DIR", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert derivation.state_directory("msp") == f"{tmp_path}/vigie/msp"
    assert str(StateDirectory.of_provider("msp").root) == f"{tmp_path}/vigie/msp"


def test_plugin_and_models_know_the_same_keys() -> None:
    """The inventory plugin checks without pydantic; a key added to one only would be refused by the other."""
    assert tuple(derivation.SERVICES) == SERVICE_ORDER
    for name, known in derivation.SERVICES.items():
        annotation = Services.model_fields[name].annotation
        model = annotation.__args__[0]  # type: ignore[union-attr]
        assert set(known) == set(model.model_fields)
        optional = {key for key, field in model.model_fields.items() if not field.is_required()}
        assert set(subscription_files.OPTIONAL[name]) == optional
    assert set(derivation.RETENTION) == set(Retention.model_fields)
    assert set(subscription_files.CLIENT_KEYS) == set(Client.model_fields)
    assert set(subscription_files.TIER_KEYS) == set(Tier.model_fields)
    assert set(subscription_files.CATALOGUE_KEYS) == set(Catalogue.model_fields)
    assert set(subscription_files.PROVIDER_KEYS) == set(ProviderFile.model_fields)
    assert set(subscription_files.BACKUP_KEYS) == set(BackupServer.model_fields)
