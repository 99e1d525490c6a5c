"""From commitments and windows to occurrences: what is due, for whom, and when next."""

from vigie.planning.occurrences import Occurrence, State, deliverable_services, due, plan
from vigie.planning.windows import Opening, next_opening, openings

__all__ = [
    "Occurrence",
    "Opening",
    "State",
    "deliverable_services",
    "due",
    "next_opening",
    "openings",
    "plan",
]
