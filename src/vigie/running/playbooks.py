"""Which playbook delivers which service: those of the installed collection."""

from __future__ import annotations

import difflib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from vigie.errors import UsageError, VigieError

SERVICES = ("monitor", "patch", "backup", "audit", "verify", "drill", "report")
"""Everything a tier may promise, in the order it is delivered."""


@cache
def collection_root() -> Path:
    """The folder of the installed collection ``vigie.msp``.

    Raises:
        VigieError: The collection is not beside the Python package.
    """
    spec = find_spec("ansible_collections.vigie.msp")
    for location in (spec.submodule_search_locations or []) if spec else []:
        if (Path(location) / "playbooks").is_dir():
            return Path(location)
    raise VigieError(
        "the Ansible collection vigie.msp is not installed beside the vigie package",
        "reinstall vigie: `pip install --force-reinstall vigie` installs both",
    )


def deliverable(service: str) -> bool:
    """Does this version have a playbook for ``service``?"""
    return service in SERVICES and _path(service).is_file()


def playbook_of(service: str) -> Path:
    """The playbook that delivers ``service``.

    Raises:
        UsageError: There is no such service, or this version cannot deliver it yet.
    """
    if service not in SERVICES:
        close = difflib.get_close_matches(service, SERVICES, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"services are {', '.join(SERVICES)}"
        raise UsageError(f"there is no service '{service}'", hint)
    if not deliverable(service):
        able = ", ".join(name for name in SERVICES if deliverable(name)) or "none"
        raise UsageError(
            f"this version of Vigie cannot deliver '{service}' yet: it has no playbook for it",
            f"it delivers: {able}",
        )
    return _path(service)


def own_playbook(name: str) -> Path:
    """A playbook that is no service: ``provider`` or ``restore``.

    Raises:
        VigieError: The installed collection does not have it.
    """
    path = _path(name)
    if not path.is_file():
        raise VigieError(f"the installed collection has no playbook {path}", "reinstall vigie")
    return path


def _path(name: str) -> Path:
    return collection_root() / "playbooks" / f"{name}.yml"
