"""The Podman network of a lab: a bridge of its own, so that its hosts have addresses that do not change."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from tests.lab.errors import LabError
from tests.lab.podman import Podman


def name(lab: str) -> str:
    """The network's name."""
    return f"vigie-{lab}"


def labs(podman: Podman) -> list[str]:
    """Names of the labs that have a network on this machine."""
    listing = podman.call("network", "ls", "--filter", "label=vigie.lab", "--format", "{{.Name}}")
    return [line.removeprefix("vigie-") for line in listing.stdout.split()]


def ensure(podman: Podman, lab: str, addresses: Sequence[str]) -> ipaddress.IPv4Network:
    """Create the lab's network if it is missing; it holds `addresses` (one /24), or is any free one."""
    wanted = _subnet(addresses)
    existing = _existing(podman, lab)
    if existing is None:
        subnet = ["--subnet", str(wanted)] if wanted else []
        podman.call("network", "create", "--disable-dns", "--label", f"vigie.lab={lab}", *subnet, name(lab))
        existing = _existing(podman, lab)
    if existing is None:
        raise LabError(f"podman made no network {name(lab)}")
    if wanted and existing != wanted:
        raise LabError(
            f"network {name(lab)} is {existing}, but the hosts ask for addresses in {wanted}; "
            f"remove the lab with `python -m tests.lab --lab {lab} down` first"
        )
    return existing


def remove(podman: Podman, lab: str) -> None:
    """Remove the lab's network, if it is there and the lab made it.

    Not by force, which would remove any container that somebody attached to it.
    """
    if lab in labs(podman):
        podman.call("network", "rm", name(lab))


def _existing(podman: Podman, lab: str) -> ipaddress.IPv4Network | None:
    if podman.call("network", "exists", name(lab), check=False).returncode != 0:
        return None
    subnets = podman.json("network", "inspect", name(lab))[0]["subnets"]
    return ipaddress.IPv4Network(subnets[0]["subnet"])


def _subnet(addresses: Sequence[str]) -> ipaddress.IPv4Network | None:
    """The one /24 that holds all addresses asked for."""
    try:
        found = {ipaddress.IPv4Network(f"{address}/24", strict=False) for address in addresses}
    except ValueError as error:
        raise LabError(f"{error}: a lab host needs an IPv4 address") from error
    if len(found) > 1:
        raise LabError(
            f"a lab's addresses must share one /24 network, not {', '.join(map(str, sorted(found)))}"
        )
    return found.pop() if found else None
