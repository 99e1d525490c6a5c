"""Who owns which host: the clients' subscriptions laid over the inventory."""

from __future__ import annotations

from typing import Any

from ansible_collections.vigie.msp.plugins.module_utils.documents import Problem, suggestion
from ansible_collections.vigie.msp.plugins.module_utils.subscriptions import (
    CONTRACT_VARIABLES,
    assign_hosts,
    role_variables,
    state_directory,
)
from vigie.subscriptions.loading import CLIENTS, PROVIDER, effective_tier
from vigie.subscriptions.models import Fleet, Inventory, Provider
from vigie.subscriptions.problems import ConfigurationError, read, shown


def resolve_fleets(provider: Provider, inventory: Inventory) -> dict[str, Fleet]:
    """The fleet of each client, by slug.

    Raises:
        ConfigurationError: A client without hosts, a host of two clients, a group or backup server that the
            inventory does not have, or a host whose contract was overridden; all of them are listed.
    """
    fleets, problems = assign(provider, inventory)
    problems = problems or overridden_contracts(provider, inventory, fleets)
    if problems:
        raise ConfigurationError(problems)
    return fleets


def assign(provider: Provider, inventory: Inventory) -> tuple[dict[str, Fleet], list[Problem]]:
    """Give each client its hosts; and everything that stands against it."""
    problems: list[Problem] = []

    def report(slug: str, keys: tuple[Any, ...], message: str) -> None:
        problems.append(_at(provider, f"{CLIENTS}/{slug}.yml", keys, message))

    server = provider.backup.server if provider.backup else None
    if server and server not in inventory.hosts:
        message = f"the inventory has no host '{server}'{suggestion(server, inventory.hosts)}"
        problems.append(_at(provider, PROVIDER, ("backup", "server"), message))
    wanted = {slug: {"hosts": client.hosts} for slug, client in provider.clients.items()}
    hosts = assign_hosts(wanted, inventory.groups, server, report)
    fleets = {
        slug: Fleet(client, effective_tier(provider.catalogue.tiers[client.tier], client), hosts[slug])
        for slug, client in provider.clients.items()
    }
    return fleets, problems


def _at(provider: Provider, name: str, keys: tuple[Any, ...], message: str) -> Problem:
    """A problem in one of the provider's files; the file is read again only to find the line."""
    path = provider.directory / name
    document = read(path, [])
    return document.problem(keys, message) if document else Problem(shown(path), message)


def unassigned(provider: Provider, inventory: Inventory, fleets: dict[str, Fleet]) -> tuple[str, ...]:
    """Hosts of the inventory that no client pays for and that are not the provider's backup server."""
    known = {host for fleet in fleets.values() for host in fleet.hosts}
    if provider.backup:
        known.add(provider.backup.server)
    return tuple(host for host in inventory.hosts if host not in known)


def overridden_contracts(provider: Provider, inventory: Inventory, fleets: dict[str, Fleet]) -> list[Problem]:
    """Hosts whose contract variables are not what the catalogue and the client's file say."""
    problems: list[Problem] = []
    for slug, fleet in fleets.items():
        for host in fleet.hosts:
            problems += _contract_problems(contract(provider, slug, fleet, host), inventory.hosts[host], host)
    return problems


def _contract_problems(promised: dict[str, Any], actual: dict[str, Any], host: str) -> list[Problem]:
    if "vigie_client" not in actual:
        message = (
            "has no subscription in Ansible's eyes: the provider's directory needs subscriptions.yml "
            "(plugin: vigie.msp.subscriptions), read after the other sources"
        )
        return [Problem(f"host '{host}'", message)]
    changed = [name for name, value in promised.items() if actual.get(name) != value]
    if not changed:
        return []
    message = (
        f"the inventory sets {', '.join(changed)}, which belongs to the contract: remove it from "
        "host_vars and group_vars; service levels are changed in the catalogue or the client's overrides"
    )
    return [Problem(f"host '{host}'", message)]


def contract(provider: Provider, slug: str, fleet: Fleet, host: str) -> dict[str, Any]:
    """The variables of one host that nothing may override, as the inventory plugin sets them."""
    variables = role_variables(
        provider={
            "slug": provider.slug,
            "time_zone": provider.time_zone,
            "language": provider.language,
            "backup": provider.backup.model_dump() if provider.backup else {},
        },
        client={
            "tier": fleet.tier.name,
            "time_zone": fleet.client.time_zone,
            "language": fleet.client.language,
        },
        services=fleet.tier.plain_services,
        slug=slug,
        host=host,
        state_dir=state_directory(provider.slug),
    )
    return {name: value for name, value in variables.items() if name in CONTRACT_VARIABLES}
