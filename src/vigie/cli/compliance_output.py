"""How ``vigie compliance`` shows what it found: tables, JSON, CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from vigie.cli.context import out
from vigie.cli.control_display import open_controls
from vigie.cli.ledger import plain_data
from vigie.compliance.findings import Finding
from vigie.compliance.score import FAILING, Score, percent
from vigie.compliance.tables import grouped, problems, score_of
from vigie.ledger.states import State

GRADE_STYLES = {"A": "bold green", "B": "green", "C": "yellow", "D": "red", "E": "red", "F": "bold red"}
FIGURES = (
    "hosts",
    "score",
    "raw",
    "coverage",
    "criticals",
    "grade",
    "ok",
    "fail",
    "unknown",
    "waived",
    "n/a",
)
NARROW = {"coverage": "cover", "criticals": "crit", "unknown": "unkn", "waived": "waiv"}
"""Headings on a terminal of less than WIDE columns."""
WIDE = 118
LEFT_OUT = frozenset({"ok", "waived", "n/a"})
"""Columns there is no room for on less than NARROWEST columns."""
NARROWEST = 98
CSV_COLUMNS = (
    "client",
    "tier",
    "host",
    "control",
    "title",
    "family",
    "severity",
    "state",
    "detail",
    "observed",
    "expected",
    "remedy",
    "measured_at",
    "valid_until",
    "run",
)


# ── tables ───────────────────────────────────────────────────────────────────────────────────────
def show(findings: Sequence[Finding]) -> None:
    """By tier, then by client and host, then what is open and why."""
    out.print(_tiers(findings))
    out.print(_clients(findings))
    for client, of_client in grouped(findings, lambda one: one.client).items():
        found = problems(of_client)
        if found:
            title = f"{client} ({of_client[0].tier}): what is not compliant or not known, and why"
            out.print(open_controls(title, found))
    _legend(findings)


def _figures(title: str, *names: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    for name in _columns():
        table.add_column(name if out.width >= WIDE else NARROW.get(name, name), justify="right", no_wrap=True)
    return table


def _columns() -> list[str]:
    return [name for name in FIGURES if out.width >= NARROWEST or name not in LEFT_OUT]


def _row(findings: Sequence[Finding]) -> list[Text]:
    whole = score_of(findings)
    hosts = {one.host for one in findings}
    shown = [str(len(hosts)), *map(_percent, (whole.score, whole.raw_score, whole.coverage))]
    cells = [Text(text) for text in shown] + [_criticals(whole), _grade(whole), *_counts(whole)]
    named = dict(zip(FIGURES, cells, strict=True))
    return [named[name] for name in _columns()]


def _percent(value: float | None) -> str:
    return percent(value).replace(" ", "")


def _criticals(whole: Score) -> Text:
    return Text(str(whole.open_criticals), style="bold red" if whole.open_criticals else "")


def _grade(whole: Score) -> Text:
    return Text(whole.grade or "-", style=GRADE_STYLES.get(whole.grade or "", "magenta"))


def _counts(whole: Score) -> list[Text]:
    counts = (
        (whole.count(State.COMPLIANT), "green"),
        (whole.count(*FAILING), "bold red"),
        (whole.count(State.UNKNOWN), "magenta"),
        (whole.count(State.WAIVED), "cyan"),
        (whole.count(State.NOT_APPLICABLE), "dim"),
    )
    return [Text(str(number), style=style if number else "dim") for number, style in counts]


def _tiers(findings: Sequence[Finding]) -> Table:
    table = _figures("By tier", "tier", "clients")
    tiers = grouped(findings, lambda one: one.tier)
    for tier, of_tier in tiers.items():
        clients = len({one.client for one in of_tier})
        table.add_row(tier, str(clients), *_row(of_tier))
    if len(tiers) > 1:
        table.add_section()
        table.add_row("all", str(len({one.client for one in findings})), *_row(findings), style="bold")
    return table


def _clients(findings: Sequence[Finding]) -> Table:
    table = _figures("By client and host", "client, host")
    for client, of_client in grouped(findings, lambda one: one.client).items():
        table.add_section()
        table.add_row(Text(f"{client} ({of_client[0].tier})", style="bold"), *_row(of_client))
        for host, of_host in grouped(of_client, lambda one: one.host).items():
            table.add_row(Text(f"  {host}"), *_row(of_host))
    return table


def _legend(findings: Sequence[Finding]) -> None:
    whole = score_of(findings)
    out.print(f"Together: {whole}.", highlight=False)
    out.print(
        "Raw counts waivers as failures. What is unknown lowers the score: nothing is compliant that was not "
        "measured.",
        style="dim",
        highlight=False,
    )


# ── documents ────────────────────────────────────────────────────────────────────────────────────
def document(findings: Sequence[Finding], now: datetime) -> dict[str, Any]:
    """For ``--json``: all figures together on every level, and every result."""
    clients = grouped(findings, lambda one: one.client)
    tiers = grouped(findings, lambda one: one.tier)
    return {
        "now": plain_data(now),
        "all": score_of(findings).as_dict(),
        "tiers": [{"tier": tier, **score_of(found).as_dict()} for tier, found in tiers.items()],
        "clients": [
            {
                "client": client,
                "tier": found[0].tier,
                **score_of(found).as_dict(),
                "hosts": [
                    {
                        "host": host,
                        "run": of_host[0].run,
                        **score_of(of_host).as_dict(),
                        "results": [plain_data(one.result) for one in of_host],
                    }
                    for host, of_host in grouped(found, lambda one: one.host).items()
                ],
            }
            for client, found in clients.items()
        ],
    }


def write_csv(findings: Sequence[Finding]) -> None:
    """One row per host and control on standard output."""
    writer = csv.writer(sys.stdout)
    writer.writerow(CSV_COLUMNS)
    for one in findings:
        row = {
            **plain_data(one.result),
            **{key: getattr(one, key) for key in ("client", "tier", "host", "run")},
        }
        writer.writerow([_cell(row[name]) for name in CSV_COLUMNS])


def _cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula: hosts decide about parts of the text."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
