"""How controls look in the terminal: open ones as blocks with found, demanded and the way out."""

from __future__ import annotations

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from vigie.cli.ledger import harmless
from vigie.compliance.tables import Problem
from vigie.ledger.states import State

STATE_STYLES = {
    State.COMPLIANT: "green",
    State.NON_COMPLIANT: "bold red",
    State.ERROR: "red",
    State.UNKNOWN: "magenta",
    State.NOT_APPLICABLE: "dim",
    State.WAIVED: "cyan",
}


def open_controls(title: str, found: Iterable[Problem]) -> Table:
    """A block for each control that somebody has to do something about."""
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("control", no_wrap=True)
    table.add_column("found, demanded, and what to do", overflow="fold", ratio=1)
    for problem in found:
        table.add_row(_what(problem), _why(problem))
        table.add_section()
    return table


def _what(problem: Problem) -> Text:
    """The control, how severe, and its state, one below the other: there is no room beside each other."""
    state = Text(str(problem.state).replace("_", " "), style=STATE_STYLES[problem.state])
    return Text("\n").join([Text(problem.control, style="bold"), Text(problem.severity), state])


def _why(problem: Problem) -> Text:
    text = Text(problem.title, style="bold")
    for label, said in (
        ("on: ", ", ".join(problem.hosts)),
        ("found: ", problem.observed),
        ("demanded: ", problem.expected),
        ("", problem.detail),
        ("→ ", problem.remedy),
    ):
        if said:
            text.append(f"\n{label}{harmless(said)}", style="not bold dim" if label == "→ " else "not bold")
    return text
