"""A provider directory for lab hosts: default catalogue, clients made to order, the lab's addresses."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.lab.lab import Lab

DEMO = Path(__file__).resolve().parents[2] / "inventories" / "demo"


@dataclass(frozen=True)
class Subscription:
    """One client to write: its tier, its hosts, and any further keys of its file."""

    tier: str
    hosts: Sequence[str]
    more: Mapping[str, Any] = field(default_factory=dict)


def write_provider(
    lab: Lab, directory: Path, clients: Mapping[str, Subscription], backup_server: str
) -> Path:
    """Write ``directory`` as a provider whose fleets are hosts of ``lab``; return it.

    Args:
        lab: A lab in which every host named is up.
        directory: Made anew; its name is the provider's slug.
        clients: Slug to subscription.
        backup_server: The lab host that is to be the backup server.
    """
    (directory / "clients").mkdir(parents=True)
    for name in ("catalogue.yml", "subscriptions.yml"):
        shutil.copyfile(DEMO / name, directory / name)
    provider = yaml.safe_load((DEMO / "provider.yml").read_text(encoding="utf-8"))
    provider["backup"]["server"] = backup_server
    _write(directory / "provider.yml", provider)
    for slug, subscription in clients.items():
        _write(directory / "clients" / f"{slug}.yml", _client(slug, subscription))
    groups = {slug: list(subscription.hosts) for slug, subscription in clients.items()}
    inventory = lab.inventory({**groups, "backup_servers": [backup_server]})
    (directory / "hosts.yml").write_text(inventory, encoding="utf-8")
    shutil.copyfile(lab.known_hosts, directory / "known_hosts")
    return directory


def _client(slug: str, subscription: Subscription) -> dict[str, Any]:
    """A client file: open all day, so that a test may run at any hour."""
    return {
        "name": slug.capitalize(),
        "tier": subscription.tier,
        "start": "2026-01-01",
        "time_zone": "Europe/Paris",
        "language": "fr",
        "contacts": [{"name": "Test", "email": f"test@{slug}.example", "role": "owner"}],
        "hosts": [slug],
        "windows": [{"days": ["daily"], "start": "00:00", "duration": "24h"}],
        **subscription.more,
    }


def _write(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(yaml.safe_dump(dict(document), sort_keys=False), encoding="utf-8")
