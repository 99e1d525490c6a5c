"""The closed sets of statuses, and the one place that says what a run's outcomes amount to."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class RunStatus(StrEnum):
    """How a run stands. Only ``running`` may still change."""

    RUNNING = "running"
    OK = "ok"
    FAILED = "failed"
    """At least one host failed a task."""
    UNREACHABLE = "unreachable"
    """At least one host could not be reached, none failed."""
    UNKNOWN = "unknown"
    """Nothing was done, or not on every host that was meant: never a success."""
    LOST = "lost"
    """The run's process died before saying how it ended."""
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


class OutcomeStatus(StrEnum):
    """What a run did on one host."""

    RUNNING = "running"
    OK = "ok"
    CHANGED = "changed"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    SKIPPED = "skipped"
    LOST = "lost"
    """The host was to be worked on, and the run never said what became of it."""


class State(StrEnum):
    """What is known of one control on one host."""

    COMPLIANT = "compliant"
    NON_COMPLIANT = "non_compliant"
    ERROR = "error"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not_applicable"
    WAIVED = "waived"


class Severity(StrEnum):
    """How much a control matters."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


DONE: frozenset[str] = frozenset({OutcomeStatus.OK, OutcomeStatus.CHANGED})
"""The run did on the host all it had to do. Where every task was skipped, nothing was done."""


def verdict(outcomes: Iterable[str]) -> RunStatus:
    """The status of a finished run, from what it did on every host it was meant for.

    A host without an end (``running``, ``lost``) or an empty run makes it ``unknown``; so does a host on
    which everything was skipped, as in ``vigie.running.verdict``.
    """
    seen = set(outcomes)
    if OutcomeStatus.FAILED in seen:
        return RunStatus.FAILED
    if OutcomeStatus.UNREACHABLE in seen:
        return RunStatus.UNREACHABLE
    return RunStatus.OK if seen and seen <= DONE else RunStatus.UNKNOWN
