"""How compliant: score, raw score, coverage, open criticals and grade, from counts that only ever add up.

Weights: critical 8, high 4, medium 2, low 1. The score is the weight of what is compliant in the weight of
everything that is compliant, non-compliant, in error or unknown; what is not applicable or waived is left
out, and the raw score counts waivers as failures. Percentages are floored to 0.1, so that 100 means all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vigie.ledger.states import Severity, State

WEIGHTS: dict[str, int] = {Severity.CRITICAL: 8, Severity.HIGH: 4, Severity.MEDIUM: 2, Severity.LOW: 1}
FAILING = frozenset({State.NON_COMPLIANT, State.ERROR})
ASSESSED = frozenset({State.COMPLIANT, State.NON_COMPLIANT, State.WAIVED})
"""States that say something about the host; an error or an unknown says that nobody knows."""
JUDGED = frozenset({State.COMPLIANT, State.NON_COMPLIANT, State.ERROR, State.UNKNOWN})
DUE = JUDGED | {State.WAIVED}

GRADES = ((95.0, "A"), (85.0, "B"), (70.0, "C"), (55.0, "D"), (40.0, "E"), (0.0, "F"))
"""The lowest score of each grade."""
CRITICAL_CAP = "C"
"""The best grade while a critical control fails."""


@dataclass(frozen=True)
class Score:
    """What a set of results amounts to. Sets are put together with ``+``; percentages are never averaged."""

    counts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Number of results by (severity, state)."""

    def __add__(self, other: Score) -> Score:
        keys = {*self.counts, *other.counts}
        return Score({key: self.counts.get(key, 0) + other.counts.get(key, 0) for key in keys})

    def count(self, *states: str) -> int:
        """How many results are in one of ``states``."""
        return sum(number for (_severity, state), number in self.counts.items() if state in states)

    def _weight(self, states: Iterable[str]) -> int:
        wanted = frozenset(states)
        return sum(WEIGHTS[sev] * number for (sev, state), number in self.counts.items() if state in wanted)

    @property
    def due(self) -> int:
        """Controls that apply, over all hosts; those of hosts never reached among them."""
        return self.count(*DUE)

    @property
    def assessed(self) -> int:
        """How many of them something is known about."""
        return self.count(*ASSESSED)

    @property
    def score(self) -> float | None:
        """0 to 100; None when nothing was assessed, or all of it is waived."""
        return self._percentage(JUDGED)

    @property
    def raw_score(self) -> float | None:
        """The score if there were no waivers; None when nothing was assessed."""
        return self._percentage(DUE)

    def _percentage(self, states: Iterable[str]) -> float | None:
        whole = self._weight(states)
        return _floored(self._weight({State.COMPLIANT}), whole) if self.assessed and whole else None

    @property
    def coverage(self) -> float | None:
        """Assessed in due, 0 to 100; None when nothing is due."""
        return _floored(self.assessed, self.due) if self.due else None

    @property
    def open_criticals(self) -> int:
        """Critical controls that fail, by non-compliance or error."""
        return sum(self.counts.get((Severity.CRITICAL, state), 0) for state in FAILING)

    @property
    def grade(self) -> str | None:
        """A to F; None without a score."""
        score = self.score
        if score is None:
            return None
        earned = next(letter for lowest, letter in GRADES if score >= lowest)
        return max(earned, CRITICAL_CAP) if self.open_criticals else earned

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``: all figures together, and the counts they come from."""
        return {
            "score": self.score,
            "raw_score": self.raw_score,
            "coverage": self.coverage,
            "open_criticals": self.open_criticals,
            "grade": self.grade,
            "due": self.due,
            "assessed": self.assessed,
            "states": {str(state): self.count(state) for state in State},
        }

    def __str__(self) -> str:
        if self.score is None and self.raw_score is None:
            return f"no score: nothing of the {self.due} controls that are due was assessed"
        return (
            f"score {percent(self.score)} (raw {percent(self.raw_score)}), "
            f"coverage {percent(self.coverage)} ({self.assessed} of {self.due} controls), "
            f"{self.open_criticals} open criticals, grade {self.grade or '-'}"
        )


def score(results: Iterable[Mapping[str, Any]]) -> Score:
    """The score of results, each with ``severity`` and ``state``."""
    counts: dict[tuple[str, str], int] = {}
    for result in results:
        key = (Severity(result["severity"]), State(result["state"]))
        counts[key] = counts.get(key, 0) + 1
    return Score(counts)


def percent(value: float | None) -> str:
    """A percentage in words; what does not exist is a dash, never a number."""
    return "-" if value is None else f"{value:.1f} %"


def _floored(part: int, whole: int) -> float:
    return part * 1000 // whole / 10
