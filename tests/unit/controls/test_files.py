"""Control files: what ships is sound, and what is malformed is told with file, line and key."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from ansible_collections.vigie.msp.plugins.module_utils.control_files import FRAMEWORKS
from ansible_collections.vigie.msp.plugins.module_utils.control_rules import COMPARISONS
from ansible_collections.vigie.msp.plugins.module_utils.controls import ControlFileError, load_controls
from ansible_collections.vigie.msp.plugins.module_utils.measuring import PROBES

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "roles/compliance_audit/files/controls"
FROM_CONTROLLER = {"backup.repository", "backup.verified", "backup.drill"}
GOOD = """\
family: patching
controls:
  - id: PAT-01
    title: {en: One, fr: Un}
    rationale: {en: Why, fr: Pourquoi}
    severity: high
    measurement: packages.updates
    assessment:
      - {compare: empty}
    remedy: {en: Do, fr: Faire}
    mapping: {cis_v8: {reference: "7.3", checked: false}}
"""


def load(tmp_path, text, name="patching.yml"):
    (tmp_path / name).write_text(text)
    return load_controls(tmp_path)


def problem(tmp_path, text):
    with pytest.raises(ControlFileError) as caught:
        load(tmp_path, text)
    return str(caught.value)


def test_a_good_file_loads(tmp_path):
    assert [control.id for control in load(tmp_path, GOOD)] == ["PAT-01"]


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (("severity: high", "severity: hihg"), 6, "did you mean 'high'"),
        (("family: patching", "family: patchin"), 1, "did you mean 'patching'"),
        (("compare: empty", "compare: emty"), 9, "did you mean 'empty'"),
        (("compare: empty", "compare: empty, feild: x"), 9, "did you mean 'field'"),
        (("compare: empty", "compare: at_most, limit: ten"), 9, "must be a number"),
        (("compare: empty", "compare: at_most"), 9, "either 'parameter' or 'limit'"),
        (("compare: empty", "compare: age_at_most, field: x, limit: 3"), 9, "'unit' is missing"),
        (("id: PAT-01", "id: patching-1"), 3, "must look like PAT-01"),
        (("{en: One, fr: Un}", "{en: One}"), 4, "one in fr"),
        (("    severity: high\n", ""), 3, "'severity' is missing"),
        (("severity: high", "severity: high\n    validity: soon"), 7, "is not a duration"),
        (("severity: high", "severity: high\n    requires: [PAT-99]"), 7, "there is no control 'PAT-99'"),
        (('"7.3"', "7.3"), 11, "a quoted text"),
        (("cis_v8", "cis_v9"), 11, "did you mean 'cis_v8'"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path, change, line, words):
    message = problem(tmp_path, GOOD.replace(*change))
    assert f"{tmp_path}/patching.yml:{line}:" in message
    assert words in message


@pytest.mark.parametrize(
    "text", ["", "[]", "family: [", "\x00", "family: patching\ncontrols: 3\n", "a: &a [*a]\n"]
)
def test_what_is_no_control_file_is_refused(tmp_path, text):
    assert "patching.yml" in problem(tmp_path, text)


def test_all_problems_are_told_at_once(tmp_path):
    message = problem(tmp_path, GOOD.replace("severity: high", "severity: no").replace("id: PAT-01", "id: x"))
    assert len(message.splitlines()) == 2


def test_an_id_used_twice_names_both_places(tmp_path):
    (tmp_path / "a.yml").write_text(GOOD)
    message = problem(tmp_path, GOOD)
    assert f"already defined at {tmp_path}/a.yml:3" in message


def test_a_directory_without_controls_is_refused(tmp_path):
    with pytest.raises(ControlFileError, match="holds no control file"):
        load_controls(tmp_path)


def test_shipped_controls_use_measurements_that_exist():
    names = {probe.name for probe in PROBES} | FROM_CONTROLLER
    controls = load_controls(SHIPPED)
    assert len(controls) >= 28
    assert {control.measurement for control in controls} <= names
    assert all(set(control.mapping) <= set(FRAMEWORKS) for control in controls)


def test_the_published_schema_accepts_what_ships_and_names_every_comparison():
    schema = json.loads((ROOT / "docs/schemas/controls.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for path in SHIPPED.glob("*.yml"):
        jsonschema.validate(yaml.safe_load(path.read_text()), schema)
    assert set(schema["$defs"]["condition"]["properties"]["compare"]["enum"]) == set(COMPARISONS)
