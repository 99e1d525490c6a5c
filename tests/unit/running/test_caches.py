"""What roles keep between runs lies where a run, which sees only its client's folders, can write it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from vigie.running.execute import _view
from vigie.running.model import RunRequest
from vigie.state import StateDirectory

DEFAULTS = Path(__file__).resolve().parents[3] / "roles" / "compliance_audit" / "defaults" / "main.yml"


def dates_cache(**variables):
    text = yaml.safe_load(DEFAULTS.read_text(encoding="utf-8"))["compliance_audit_dates_cache"]
    return Templar(loader=DataLoader(), variables=variables).template(trust_as_template(text))


def test_build_dates_survive_the_run_that_learnt_them(tmp_path):
    state = StateDirectory(tmp_path)
    request = RunRequest(state, tmp_path, "acme", "audit", DEFAULTS, {"h": {}}, {}, timedelta(minutes=1))

    cache = Path(dates_cache(vigie_state_dir=str(tmp_path), vigie_client="acme"))

    assert cache.name == "package-dates"
    assert any(cache.is_relative_to(folder) for folder in _view(request, (), {}).write)


@pytest.mark.parametrize("known", [{}, {"vigie_state_dir": "/s"}, {"vigie_client": "acme"}])
def test_hosts_that_are_nobodys_keep_none(known):
    assert dates_cache(**known) == ""
