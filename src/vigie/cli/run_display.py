"""How runs are shown while they go on, and when they are over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from vigie.errors import VigieError
from vigie.ledger.states import RunStatus
from vigie.running.batch import BatchResult
from vigie.running.model import RunReport, RunRequest
from vigie.running.process import Message

STYLES = {
    RunStatus.OK: "green",
    RunStatus.FAILED: "red",
    RunStatus.UNREACHABLE: "red",
    RunStatus.CANCELLED: "yellow",
}
"""Colours of statuses; any other is magenta: nobody knows."""


@dataclass
class _Live:
    """A run that is going on."""

    task: TaskID | None
    step: str = "starting"
    failed: set[str] = field(default_factory=set)


class RunDisplay:
    """Progress bars on a terminal, plain lines elsewhere; always on the console it is given.

    Args:
        console: Where to; standard error, so that ``--json`` stays clean.
        requests: All runs that are to be made.
    """

    def __init__(self, console: Console, requests: Iterable[RunRequest]) -> None:
        self._console = console
        self._hosts = sum(len(request.hosts) for request in requests)
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("hosts {task.fields[step]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._all = self._bars.add_task("[bold]all runs[/]", total=self._hosts, step="")
        self._live: dict[str, _Live] = {}
        self._failed = 0

    def __enter__(self) -> RunDisplay:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def started(self, request: RunRequest) -> None:
        """A run begins."""
        task = self._bars.add_task(f"  {escape(_title(request))}", total=len(request.hosts), step="starting")
        self._live[request.run_id] = _Live(task)
        if not self._console.is_terminal:
            self._line(f"{_title(request)}: {len(request.hosts)} hosts, run {request.run_id}")

    def message(self, request: RunRequest, message: Message) -> None:
        """A run says something: which task it is at, which host failed, or its recap."""
        live = self._live[request.run_id]
        if message["type"] == "task":
            live.step = str(message["name"])
        elif message["type"] == "failed":
            live.failed.add(str(message["host"]))
        elif message["type"] == "warning":
            self._line(f"{_title(request)}: warning: {message['message']}")
        self._update(live)

    def _update(self, live: _Live) -> None:
        if live.task is None:
            return
        failed = f"[red]{len(live.failed)} failed[/] · " if live.failed else ""
        self._bars.update(live.task, completed=len(live.failed), step=f"· {failed}{escape(live.step[:48])}")

    def finished(self, request: RunRequest, report: RunReport) -> None:
        """A run ended."""
        self._close(request)
        good = sum(1 for status in report.hosts.values() if status is RunStatus.OK)
        self._failed += len(report.hosts) - good
        step = f"· [red]{self._failed} not ok[/]" if self._failed else ""
        self._bars.update(self._all, advance=len(report.hosts), step=step)
        hosts = f"{good}/{len(report.hosts)} hosts ok"
        self._line(
            f"{_title(request)}: {report.status}, {hosts}, {report.seconds:.0f} s",
            style=STYLES.get(report.status, "magenta"),
        )

    def refused(self, request: RunRequest, error: VigieError) -> None:
        """A run could not be made."""
        self._close(request)
        self._bars.update(self._all, advance=len(request.hosts))
        self._line(f"{_title(request)}: {error}", style="red")

    def _close(self, request: RunRequest) -> None:
        live = self._live.pop(request.run_id, None)
        if live and live.task is not None:
            self._bars.remove_task(live.task)

    def _line(self, text: str, style: str | None = None) -> None:
        self._console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def _title(request: RunRequest) -> str:
    return f"{request.client} {request.service}{' (check)' if request.check else ''}"


def summary(result: BatchResult) -> Table:
    """One line per run, worst news included."""
    table = Table(title=None, expand=False)
    for name, justify in (("client", "left"), ("service", "left"), ("status", "left"), ("hosts", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for name in ("changed", "seconds"):
        table.add_column(name, justify="right")
    table.add_column("not ok / why", overflow="fold")
    for report in result.reports:
        table.add_row(*_cells(report))
    for request, error in result.refused:
        table.add_row(request.client, request.service, "[red]not run[/]", "0", "", "", escape(str(error)))
    for request in result.skipped:
        table.add_row(request.client, request.service, "[yellow]not begun[/]", "0", "", "", "told to stop")
    return table


def _cells(report: RunReport) -> list[str]:
    style = STYLES.get(report.status, "magenta")
    good = sum(1 for status in report.hosts.values() if status is RunStatus.OK)
    bad = [
        f"{host} {status}{': ' + report.reasons[host] if host in report.reasons else ''}"
        for host, status in report.hosts.items()
        if status is not RunStatus.OK
    ]
    why = "\n".join(text for text in (report.message, *bad) if text)
    return [
        report.client,
        report.service,
        f"[{style}]{report.status}[/]{' (check)' if report.check else ''}",
        f"{good}/{len(report.hosts)}",
        str(sum(1 for count in report.changed.values() if count)),
        f"{report.seconds:.0f}",
        escape(why),
    ]


def notes(result: BatchResult) -> list[str]:
    """What should be read after the table: ways out, warnings, where the logs are."""
    lines: dict[str, None] = {}
    for report in result.reports:
        for warning in report.warnings:
            lines[f"warning: {warning}"] = None
        if report.status is not RunStatus.OK:
            lines[f"{report.client} {report.service}: vigie show {report.run_id}"] = None
            if report.hint:
                lines[f"  → {report.hint}"] = None
    for _request, error in result.refused:
        if error.hint:
            lines[f"  → {error.hint}"] = None
    return list(lines)


def as_document(result: BatchResult) -> dict[str, object]:
    """For ``--json``."""
    return {
        "exit_code": int(result.exit_code),
        "runs": [report.as_dict() for report in result.reports],
        "refused": [
            {"client": request.client, "service": request.service, "reason": str(error), "hint": error.hint}
            for request, error in result.refused
        ],
        "not_begun": [{"client": request.client, "service": request.service} for request in result.skipped],
    }
