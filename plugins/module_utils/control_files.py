# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read and check the files that define controls: roles/compliance_audit/files/controls/<family>.yml.

Every mistake in every file is reported at once, each with file, line and key. The same rules are published
as docs/schemas/controls.schema.json for editors.
"""

from __future__ import annotations

import glob
import os
import re
from typing import Any

from ansible_collections.vigie.msp.plugins.module_utils.control_rules import COMPARISONS, UNITS
from ansible_collections.vigie.msp.plugins.module_utils.documents import (
    DocumentError,
    Problem,
    read_document,
    suggestion,
)
from ansible_collections.vigie.msp.plugins.module_utils.subscriptions import duration_seconds

SEVERITIES = ("critical", "high", "medium", "low")
FAMILIES = ("patching", "backup", "monitoring", "hardening", "continuity")
FRAMEWORKS = ("cis_v8", "anssi_hygiene", "iso_27001_2022", "nis2_2024_2690")
NULL_STATES = ("compliant", "non_compliant", "unknown")
IDENTIFIER = re.compile(r"^[A-Z]{3}-[0-9]{2}$")
NAME = re.compile(r"^[a-z][a-z0-9_.]*$")
REQUIRED = ("id", "title", "rationale", "severity", "measurement", "assessment", "remedy", "mapping")
OPTIONAL = ("applies_when", "requires", "may_be_absent", "validity")


class ControlFileError(ValueError):
    """Control files cannot be used; ``problems`` says where and why, one line each."""

    def __init__(self, problems):
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class Control:
    """A rule over one measurement.

    Attributes:
        id, family, severity, measurement: Words; see the files.
        title, rationale, remedy: Mappings with ``en`` and ``fr``.
        assessment: Conditions, all of which must hold.
        parameters: Names of the tier's parameters without which the control does not apply.
        requires: Ids of controls that must be compliant for this one to be.
        may_be_absent: Whether the thing measured may provably not exist on a host.
        validity: Seconds, or {parameter, unit}, or None for the default.
        mapping: By framework, {reference, checked}.
    """

    def __init__(self, family: str, entry: dict[str, Any]) -> None:
        self.family = family
        self.id, self.severity, self.measurement = entry["id"], entry["severity"], entry["measurement"]
        self.title, self.rationale, self.remedy = entry["title"], entry["rationale"], entry["remedy"]
        self.assessment, self.mapping = tuple(entry["assessment"]), entry["mapping"]
        self.requires = tuple(entry.get("requires", ()))
        self.may_be_absent = entry.get("may_be_absent", False)
        validity = entry.get("validity")
        self.validity = duration_seconds(validity) if isinstance(validity, str) else validity
        used = [condition["parameter"] for condition in self.assessment if "parameter" in condition]
        self.parameters = tuple(dict.fromkeys(list(entry.get("applies_when", ())) + used))


def load_controls(directory: str | os.PathLike[str]) -> tuple[Control, ...]:
    """All controls of the *.yml files of a directory, in the order of file names and entries.

    Raises:
        ControlFileError: A file is unreadable or malformed, there is none, or two controls share an id.
    """
    checker = _Checker()
    paths = sorted(glob.glob(os.path.join(str(directory), "*.yml")))
    if not paths:
        raise ControlFileError([Problem(str(directory), "holds no control file (*.yml)")])
    controls = [control for path in paths for control in checker.file(path)]
    checker.references(controls)
    if checker.problems:
        raise ControlFileError(checker.problems)
    return tuple(controls)


class _Checker:
    """Collects problems over all files; used once."""

    def __init__(self):
        self.problems, self.seen, self.places = [], {}, {}
        self.document = None

    def say(self, keys, message):
        self.problems.append(self.document.problem(keys, message))

    def file(self, path):
        try:
            self.document = read_document(path)
        except DocumentError as error:
            self.problems += error.problems
            return []
        data = self.document.data
        self.keys((), data, ("family", "controls"), ())
        self.word((), data, "family", FAMILIES)
        entries = data.get("controls")
        if not isinstance(entries, list):
            self.say(("controls",), "must be a list of controls")
            return []
        return [
            control
            for index, entry in enumerate(entries)
            for control in self.entry(("controls", index), entry)
        ]

    def entry(self, at, entry):
        """The control in a list, or an empty list when it has problems."""
        before = len(self.problems)
        if not isinstance(entry, dict):
            self.say(at, "must be a mapping")
            return []
        self.keys(at, entry, REQUIRED, OPTIONAL)
        self.identity(at, entry)
        for key in ("title", "rationale", "remedy"):
            self.texts((*at, key), entry.get(key))
        self.word(at, entry, "severity", SEVERITIES)
        for key in ("applies_when", "requires"):
            self.words((*at, key), entry.get(key, []))
        if not isinstance(entry.get("may_be_absent", False), bool):
            self.say((*at, "may_be_absent"), "must be true or false")
        self.validity((*at, "validity"), entry.get("validity"))
        self.assessment((*at, "assessment"), entry.get("assessment"))
        self.mapping((*at, "mapping"), entry.get("mapping"))
        if len(self.problems) > before:
            return []
        return [Control(self.document.data.get("family"), entry)]

    def identity(self, at, entry):
        identifier, measurement = entry.get("id"), entry.get("measurement")
        if not isinstance(identifier, str) or not IDENTIFIER.match(identifier):
            self.say((*at, "id"), "must look like PAT-01")
        elif identifier in self.seen:
            self.say((*at, "id"), "'%s' is already defined at %s" % (identifier, self.seen[identifier]))
        else:
            self.seen[identifier] = "%s:%d" % (self.document.path, self.document.place((*at, "id"))[0])
            self.places[identifier] = (self.document, (*at, "requires"))
        if not isinstance(measurement, str) or not NAME.match(measurement):
            self.say((*at, "measurement"), "must be the name of a measurement, like packages.updates")

    def keys(self, at, mapping, required, optional):
        known = (*required, *optional)
        for key in mapping:
            if key not in known:
                self.problems.append(
                    self.document.problem((*at, key), "unknown key" + suggestion(key, known), True)
                )
        for key in required:
            if key not in mapping:
                self.say(at, "'%s' is missing" % key)

    def word(self, at, mapping, key, known):
        if key in mapping and mapping[key] not in known:
            self.say(
                (*at, key), "'%s' is not one of them%s" % (mapping[key], suggestion(mapping[key], known))
            )

    def words(self, at, value):
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.say(at, "must be a list of words")

    def texts(self, at, value):
        good = isinstance(value, dict) and set(value) == {"en", "fr"}
        if not good or not all(isinstance(text, str) and text.strip() for text in value.values()):
            self.say(at, "must hold a text in en and one in fr")

    def validity(self, at, value):
        if isinstance(value, dict):
            self.keys(at, value, ("parameter", "unit"), ())
            self.word(at, value, "unit", tuple(UNITS))
        elif value is not None:
            try:
                duration_seconds(value)
            except ValueError as error:
                self.say(at, str(error))

    def assessment(self, at, conditions):
        if not isinstance(conditions, list) or not conditions:
            self.say(at, "must be a list of at least one condition")
            return
        for index, condition in enumerate(conditions):
            self.condition((*at, index), condition)

    def condition(self, at, condition):
        name = condition.get("compare") if isinstance(condition, dict) else None
        if name not in COMPARISONS:
            self.say(at, "'compare' must name a comparison%s" % suggestion(name, COMPARISONS))
            return
        rule = COMPARISONS[name]
        needs = ("compare", *rule.needs, *(("unit",) if rule.limit == "span" else ()))
        self.keys(at, condition, needs, (*rule.may, *(("parameter", "limit") if rule.limit else ())))
        if rule.limit and ("parameter" in condition) == ("limit" in condition):
            self.say(at, "needs either 'parameter' or 'limit'")
        self.word(at, condition, "unit", tuple(UNITS))
        self.word(at, condition, "when_null", NULL_STATES)
        self.word(at, condition, "when_none", NULL_STATES)
        for key in ("limit", "slack_hours"):
            if key in condition and (
                isinstance(condition[key], bool) or not isinstance(condition[key], (int, float))
            ):
                self.say((*at, key), "must be a number")
        for key in ("field", "items", "label", "since", "parameter"):
            if key in condition and (not isinstance(condition[key], str) or not NAME.match(condition[key])):
                self.say((*at, key), "must be a name")
        if "allowed" in condition:
            self.words((*at, "allowed"), condition["allowed"])

    def mapping(self, at, value):
        if not isinstance(value, dict):
            self.say(at, "must map frameworks to references")
            return
        self.keys(at, value, (), FRAMEWORKS)
        for framework, entry in value.items():
            if (
                not isinstance(entry, dict)
                or set(entry) != {"reference", "checked"}
                or not isinstance(entry["reference"], str)
                or not isinstance(entry["checked"], bool)
            ):
                self.say((*at, framework), "must be {reference: a quoted text, checked: true or false}")

    def references(self, controls):
        """Every id in ``requires`` exists and requires nothing itself: requirements are one step deep."""
        by_id = {control.id: control for control in controls}
        for control in controls:
            for needed in control.requires:
                document, keys = self.places[control.id]
                if needed not in self.seen:
                    self.problems.append(
                        document.problem(
                            keys, "there is no control '%s'%s" % (needed, suggestion(needed, self.seen))
                        )
                    )
                elif needed in by_id and by_id[needed].requires:
                    self.problems.append(document.problem(keys, "'%s' requires others itself" % needed))
