"""Defaults and argument specifications of every role say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[3] / "roles"


def defaults_and_options(role: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What ``defaults/main.yml`` sets, and the options the specification names."""
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text())
    specification = yaml.safe_load((role / "meta/argument_specs.yml").read_text())
    return defaults, specification["argument_specs"]["main"]["options"]


@pytest.mark.parametrize("role", sorted(ROLES.iterdir()), ids=lambda role: role.name)
def test_every_option_has_its_default_and_the_other_way_round(role: Path) -> None:
    defaults, options = defaults_and_options(role)
    assert set(options) == set(defaults)
    assert all(name.startswith(f"{role.name}_") for name in defaults)


@pytest.mark.parametrize("role", sorted(ROLES.iterdir()), ids=lambda role: role.name)
def test_specified_defaults_are_the_roles_and_are_plain(role: Path) -> None:
    """Ansible resolves the whole specification before the role starts.

    A template in it fails on hosts that lack one of its variables, even where the default is not used.
    """
    defaults, options = defaults_and_options(role)
    specified = {name: option["default"] for name, option in options.items() if "default" in option}
    assert specified == {name: value for name, value in defaults.items() if "{{" not in str(value)}
