# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge measurements by controls: pure, total, replayable.

``evaluate()`` never raises for anything a host may have said, and never calls ``compliant`` what was not
measured: no measurement is ``unknown``, a measurement that failed or makes no sense is ``error``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.vigie.msp.plugins.module_utils.control_files import (
    Control,
    ControlFileError,
    load_controls,
)
from ansible_collections.vigie.msp.plugins.module_utils.control_rules import (
    CLOCK_TOLERANCE,
    COMPARISONS,
    COMPLIANT,
    ERROR,
    NON_COMPLIANT,
    UNITS,
    UNKNOWN,
    Outcome,
    RuleError,
    number,
    parse_time,
)

__all__ = ["STATES", "Control", "ControlFileError", "evaluate", "load_controls", "validity_of"]

NOT_APPLICABLE, WAIVED = "not_applicable", "waived"
STATES = (COMPLIANT, NON_COMPLIANT, ERROR, UNKNOWN, NOT_APPLICABLE, WAIVED)

WORST_FIRST = (NON_COMPLIANT, ERROR, UNKNOWN, COMPLIANT)
SHORTEST_VALIDITY = timedelta(hours=2)
LONGEST_VALIDITY = timedelta(days=36525)
SPARE_CADENCES, SPARE_TIME = 2, timedelta(hours=1)


def evaluate(
    controls: Iterable[Control], measurements: Mapping[str, Any], parameters: Mapping[str, Any], now: datetime
) -> list[dict[str, Any]]:
    """One result per control, in the order of the controls.

    Args:
        controls: What load_controls() returned.
        measurements: By name; each has ``value`` or ``error``, and ``time`` or ``measured_at``.
        parameters: The tier's thresholds, ``compliance_audit_parameters``.
        now: The moment of judgement, a datetime with a zone. Ages count up to it, validity ends against it.

    Returns:
        Mappings of control, title, family, severity, state, detail, observed, expected, remedy, measured_at
        and valid_until; texts in English.
    """
    now = now.astimezone(timezone.utc)
    results = {control.id: _judge(control, measurements, parameters, now) for control in controls}
    for control in controls:
        _respect_requirements(control, results)
    return list(results.values())


def _judge(control, measurements, parameters, now):
    result = {
        "control": control.id,
        "title": control.title["en"],
        "family": control.family,
        "severity": control.severity,
        "state": UNKNOWN,
        "detail": "",
        "observed": "",
        "expected": "",
        "remedy": control.remedy["en"],
        "measured_at": None,
        "valid_until": None,
    }
    missing = missing_parameter(control, parameters)
    if missing:
        result.update(state=NOT_APPLICABLE, detail="the tier promises nothing here (%s)" % missing)
        return result
    try:
        result.update(_verdict(control, measurements.get(control.measurement), parameters, now))
    except RuleError as error:
        result.update(state=ERROR, detail="%s: %s" % (control.measurement, error))
    return result


def missing_parameter(control, parameters):
    """The name of a parameter the control needs and the tier does not set (or sets to false), or None."""
    for name in control.parameters:
        if parameters.get(name) is None or parameters[name] is False:
            return name
    return None


def _verdict(control, measurement, parameters, now):
    """What of a result depends on the measurement."""
    if measurement is None:
        return {"state": UNKNOWN, "detail": "%s was never measured" % control.measurement}
    if not isinstance(measurement, dict):
        raise RuleError("the measurement is not a mapping")
    measured = parse_time(measurement.get("time", measurement.get("measured_at")))
    if measured - now > CLOCK_TOLERANCE:
        raise RuleError("the measurement's time lies in the future: whose clock is wrong?")
    expires = _expiry(measured, validity_of(control, parameters))
    verdict = {"measured_at": _iso(measured), "valid_until": _iso(expires)}
    if now > expires:
        return dict(
            verdict,
            state=UNKNOWN,
            detail="measured %s, no longer valid since %s" % (_iso(measured), _iso(expires)),
        )
    if measurement.get("error") is not None or "value" not in measurement:
        words = str(measurement.get("error", "the measurement has neither value nor error"))
        return dict(verdict, state=ERROR, detail=words[:500])
    try:
        return dict(verdict, **_compare(control, measurement["value"], parameters, now))
    except RuleError as error:
        return dict(verdict, state=ERROR, detail="%s: %s" % (control.measurement, error))


def _expiry(measured, validity):
    try:
        return measured + validity
    except OverflowError as error:
        raise RuleError("the measurement's time is out of range") from error


def _compare(control, value, parameters, now):
    """All conditions; the worst decides, and its words are shown."""
    if isinstance(value, dict) and set(value) == {"absent"}:
        if not control.may_be_absent:
            raise RuleError("said to be absent: %s" % str(value["absent"])[:200])
        return {"state": NOT_APPLICABLE, "detail": str(value["absent"])[:200]}
    outcomes = [_condition(condition, value, parameters, now) for condition in control.assessment]
    worst = min(outcomes, key=lambda outcome: WORST_FIRST.index(outcome.state))
    told = outcomes if worst.state == COMPLIANT else [worst]
    labels = [_label(control, outcomes, outcome) for outcome in told]
    return {
        "state": worst.state,
        "detail": worst.detail,
        "observed": "; ".join(label + outcome.observed for label, outcome in zip(labels, told, strict=True)),
        "expected": "; ".join(label + outcome.expected for label, outcome in zip(labels, told, strict=True)),
    }


def _label(control, outcomes, outcome):
    """What an outcome speaks of, where a control has several conditions and the words do not say it."""
    condition = control.assessment[outcomes.index(outcome)]
    unclear = len(outcomes) > 1 and not condition["compare"].startswith("is_")
    return "%s: " % condition["field"].replace("_", " ") if unclear and "field" in condition else ""


def _condition(condition, value, parameters, now):
    limit = parameters[condition["parameter"]] if "parameter" in condition else condition.get("limit")
    try:
        return COMPARISONS[condition["compare"]].function(value, condition, limit, now)
    except RuleError as error:
        return Outcome(ERROR, "", "", str(error))
    except (TypeError, ValueError, AttributeError, KeyError, OverflowError) as error:
        # A value no rule foresaw, from a host that can say anything: an error of this control alone.
        return Outcome(ERROR, "", "", "the value cannot be compared (%s)" % type(error).__name__)


def validity_of(control: Control, parameters: Mapping[str, Any]) -> timedelta:
    """How long a measurement counts: the control's own, or two audit cadences and an hour (2 h at least)."""
    validity = control.validity
    if isinstance(validity, dict):
        if parameters.get(validity["parameter"]) is None:
            return SHORTEST_VALIDITY
        return _duration(parameters[validity["parameter"]], UNITS[validity["unit"]], validity["parameter"])
    if validity is not None:
        return timedelta(seconds=validity)
    if parameters.get("audit_seconds") is None:
        return SHORTEST_VALIDITY
    return max(
        SHORTEST_VALIDITY,
        SPARE_CADENCES * _duration(parameters["audit_seconds"], 1, "audit_seconds") + SPARE_TIME,
    )


def _duration(value, unit, name):
    seconds = number(value, "the parameter %s" % name) * unit
    return timedelta(seconds=min(max(seconds, 0), LONGEST_VALIDITY.total_seconds()))


def _respect_requirements(control, results):
    """A control that leans on another is not compliant while the other is not: nobody can know."""
    result = results[control.id]
    if result["state"] != COMPLIANT:
        return
    for needed in control.requires:
        state = results[needed]["state"] if needed in results else "not evaluated"
        if state != COMPLIANT:
            result.update(
                state=UNKNOWN, detail="cannot be known while %s is %s" % (needed, state.replace("_", " "))
            )


def _iso(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
