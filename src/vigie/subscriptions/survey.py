"""Everything there is to say about a provider's directory: what ``vigie check`` shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.vigie.msp.plugins.module_utils.documents import Problem
from vigie.subscriptions.fleets import assign, overridden_contracts, unassigned
from vigie.subscriptions.inventory import SUBSCRIPTIONS, read_inventory
from vigie.subscriptions.loading import examine
from vigie.subscriptions.models import Fleet, Inventory, Provider
from vigie.subscriptions.problems import ConfigurationError


@dataclass(frozen=True)
class Survey:
    """A provider's directory, as far as it can be understood, with all that is wrong or doubtful."""

    provider: Provider | None
    inventory: Inventory | None
    fleets: dict[str, Fleet] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()


def load(directory: Path) -> tuple[Provider, Inventory, dict[str, Fleet]]:
    """The provider, the inventory and the fleets: what planning and running start from.

    Raises:
        ConfigurationError: The directory has problems; all of them are listed.
    """
    seen = survey(directory)
    if seen.problems or seen.provider is None or seen.inventory is None:
        raise ConfigurationError(seen.problems, "nothing was done; `vigie check` shows whether all is mended")
    return seen.provider, seen.inventory, seen.fleets


def survey(directory: Path) -> Survey:
    """Examine a provider's directory without stopping at the first problem."""
    provider, problems = examine(directory)
    inventory, refusals = _inventory(directory, layered=not problems)
    if provider is None or inventory is None:
        return Survey(provider, inventory, problems=(*problems, *refusals))
    fleets, more = assign(provider, inventory)
    problems += more
    if not problems and not refusals:
        problems += overridden_contracts(provider, inventory, fleets)
    # The plugin's refusal repeats what was found here; it is told when it is all there is.
    found = tuple(problems) or tuple(refusals)
    return Survey(provider, inventory, fleets, found, _warnings(provider, inventory, fleets))


def _inventory(directory: Path, *, layered: bool) -> tuple[Inventory | None, list[Problem]]:
    """The inventory; without the subscriptions when these are what cannot be read."""
    refusals: list[Problem] = []
    if layered:
        try:
            return read_inventory(directory), []
        except ConfigurationError as error:
            refusals += error.problems
    try:
        return read_inventory(directory, subscriptions=False), refusals
    except ConfigurationError as error:
        return None, refusals or list(error.problems)


def _warnings(provider: Provider, inventory: Inventory, fleets: dict[str, Fleet]) -> tuple[str, ...]:
    found = [f"ansible-inventory: {text}" for text in inventory.warnings]
    if not (provider.directory / SUBSCRIPTIONS).exists():
        found.append(f"there is no {SUBSCRIPTIONS}, so plain ansible-playbook sees no subscription")
    free = unassigned(provider, inventory, fleets)
    if free:
        found.append(f"no client's: {', '.join(free)}: nothing is delivered to or measured on these hosts")
    return tuple(found)
