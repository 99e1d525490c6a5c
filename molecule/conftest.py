"""Which hosts of a scenario a test module concerns: all, or those that its `testinfra_hosts` names."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop a module's tests for hosts it does not name.

    Testinfra ignores `testinfra_hosts` when hosts are given on the command line, as in the shared verify.yml.
    A name that is no host of the scenario is an error: its tests would silently never run.
    """
    given = set((config.getoption("--hosts") or "").split(","))
    dropped = [item for item in items if not _concerned(item, given)]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]


def _concerned(item: pytest.Item, given: set[str]) -> bool:
    wanted = getattr(getattr(item, "module", None), "testinfra_hosts", None)
    host = getattr(item, "callspec", None) and item.callspec.params.get("_testinfra_host")
    if wanted is None or host is None:
        return True
    unknown = set(wanted) - given
    if unknown:
        raise pytest.UsageError(
            f"{item.path}: testinfra_hosts names {', '.join(sorted(unknown))}; "
            f"the scenario has {', '.join(sorted(given))}"
        )
    return host.backend.get_pytest_id() in wanted
