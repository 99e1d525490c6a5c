"""From what was asked for to run requests; asking for what does not exist is an error, never silence."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ansible_collections.vigie.msp.plugins.module_utils.documents import suggestion
from vigie.errors import UsageError
from vigie.running.model import RunRequest
from vigie.running.playbooks import SERVICES, deliverable, own_playbook, playbook_of
from vigie.state import PROVIDER_SCOPE, StateDirectory
from vigie.subscriptions import Fleet, Inventory, Provider

TIMEOUTS = {"patch": timedelta(hours=2)}
"""Updates of a host that was neglected take long; stopping them in the middle is the worst of all."""
DEFAULT_TIMEOUT = timedelta(minutes=30)


@dataclass(frozen=True)
class Chosen:
    """Hosts of one client that take part."""

    fleet: Fleet
    hosts: tuple[str, ...]

    @property
    def limited(self) -> bool:
        """Is it only a part of the fleet?"""
        return len(self.hosts) < len(self.fleet.hosts)


def choose(
    provider: Provider,
    fleets: Mapping[str, Fleet],
    clients: Collection[str] = (),
    tiers: Collection[str] = (),
    hosts: Collection[str] = (),
) -> dict[str, Chosen]:
    """The clients and hosts that ``--client``, ``--tier`` and ``--host`` select together; without any: all.

    Raises:
        UsageError: A word names nothing, or together they select nothing.
    """
    owned = {host: slug for slug, fleet in fleets.items() for host in fleet.hosts}
    _known("client", clients, fleets)
    _known("tier", tiers, provider.catalogue.tiers)
    _known("host", hosts, owned)
    chosen: dict[str, Chosen] = {}
    for slug, fleet in fleets.items():
        wanted = tuple(host for host in fleet.hosts if not hosts or host in hosts)
        if wanted and (not clients or slug in clients) and (not tiers or fleet.tier.name in tiers):
            chosen[slug] = Chosen(fleet, wanted)
    if not chosen:
        raise UsageError(
            "no host of any client is selected", "--client, --tier and --host must hold together"
        )
    return chosen


def _known(kind: str, words: Collection[str], known: Collection[str]) -> None:
    for word in words:
        if word not in known:
            raise UsageError(f"there is no {kind} '{word}'{suggestion(word, known)}")


def services_for(chosen: Chosen, named: Sequence[str]) -> list[str]:
    """The services to deliver to one client, in order: those named, else all; only what its tier has."""
    offered = chosen.fleet.tier.services.offered
    return [
        service
        for service in SERVICES
        if service in offered and (service in named if named else deliverable(service))
    ]


def require_services(chosen: Mapping[str, Chosen], named: Sequence[str]) -> None:
    """Refuse services that do not exist, cannot be delivered, or that no selected client has.

    Raises:
        UsageError: Naming the service and what there is.
    """
    for service in named:
        playbook_of(service)
        if not any(service in one.fleet.tier.services.offered for one in chosen.values()):
            tiers = ", ".join(sorted({one.fleet.tier.name for one in chosen.values()}))
            raise UsageError(
                f"no selected client has '{service}': their tiers ({tiers}) do not offer it",
                "`vigie tiers` shows what each tier offers",
            )


def client_request(
    provider: Provider,
    inventory: Inventory,
    state: StateDirectory,
    chosen: Chosen,
    service: str,
    **options: Any,
) -> RunRequest:
    """The request to deliver ``service`` to the chosen hosts of a client.

    ``options`` are further fields of RunRequest; ``timeout`` None means the service's default.
    """
    options["timeout"] = options.get("timeout") or TIMEOUTS.get(service, DEFAULT_TIMEOUT)
    return RunRequest(
        state=state,
        directory=provider.directory,
        client=chosen.fleet.client.slug,
        service=service,
        tier=chosen.fleet.tier.name,
        hosts={host: inventory.hosts[host] for host in chosen.hosts},
        groups=inventory.groups,
        limited=chosen.limited,
        revision=provider.revision,
        requested_by=getpass.getuser(),
        **{
            "playbook": playbook_of(service) if "playbook" not in options else options.pop("playbook"),
            **options,
        },
    )


def provider_request(
    provider: Provider, inventory: Inventory, state: StateDirectory, **options: Any
) -> RunRequest:
    """The request to set up the provider's own servers.

    Raises:
        UsageError: There is no backup server to set up.
    """
    if provider.backup is None:
        raise UsageError(
            f"{provider.directory}/provider.yml names no backup server, so there is nothing to provision",
            "add `backup: {server: <inventory host>}`, or do without: tiers with backup need it",
        )
    server = provider.backup.server
    variables = inventory.hosts[server]
    options["timeout"] = options.get("timeout") or DEFAULT_TIMEOUT
    return RunRequest(
        state=state,
        directory=provider.directory,
        client=PROVIDER_SCOPE,
        service="provision",
        playbook=own_playbook("provider"),
        hosts={server: variables, "localhost": _controller(variables)},
        groups={**inventory.groups, "backup_servers": (server,)},
        revision=provider.revision,
        requested_by=getpass.getuser(),
        **options,
    )


def _controller(server: Mapping[str, Any]) -> dict[str, Any]:
    """The controller as a host of the provider's own runs: it knows what the server knows of the provider."""
    own = {name: value for name, value in server.items() if name.startswith("vigie_")}
    return {**own, "ansible_connection": "local", "ansible_python_interpreter": sys.executable}
