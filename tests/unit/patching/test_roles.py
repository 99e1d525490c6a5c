"""Defaults and argument specifications of both roles say the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[3] / "roles"


@pytest.mark.parametrize("role", ["patch_baseline", "monitoring_agent"])
def test_every_option_has_its_default_and_the_other_way_round(role: str) -> None:
    defaults = yaml.safe_load((ROLES / role / "defaults/main.yml").read_text())
    options = yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text())["argument_specs"][
        "main"
    ]["options"]
    assert {name: option["default"] for name, option in options.items()} == defaults
    assert all(name.startswith(f"{role}_") for name in defaults)
