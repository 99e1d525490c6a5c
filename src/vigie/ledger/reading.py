"""Reading a results file: every line checked before anything is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from vigie.errors import BadInputError
from vigie.ledger.lines import (
    SCHEMA,
    ChangeLine,
    FailureLine,
    HostLine,
    Line,
    MeasurementLine,
    OutcomeLine,
    RunFinished,
    RunStarted,
    parse,
)

MAX_LINE_BYTES = 16 * 2**20
"""No honest line comes near; a file without line ends must not fill the memory."""
PARTIAL_HINT = "the run was interrupted; to keep what it had written, as lost: vigie collect --partial {}"
CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far ahead of ours another clock may be; as much as ``control_rules`` allows a measurement."""
MOMENT = "%Y-%m-%dT%H:%M:%SZ"
CLOCK_HINT = (
    "nothing of this file was taken; compare the clocks of this machine, of the controller that wrote the"
    " file and of its hosts (timedatectl), then collect the file again once that time has come"
)


@dataclass
class RunLines:
    """The lines of one run, sorted by what they are."""

    started: RunStarted
    hosts: dict[str, HostLine] = field(default_factory=dict)
    measurements: list[MeasurementLine] = field(default_factory=list)
    changes: list[ChangeLine] = field(default_factory=list)
    failures: list[FailureLine] = field(default_factory=list)
    outcomes: dict[str, OutcomeLine] = field(default_factory=dict)
    finished: RunFinished | None = None
    last: Line | None = None
    count: int = 0
    digest: str = ""


class _Reader:
    """Takes the lines of one file in order and complains with file and line."""

    def __init__(self, path: Path, now: datetime) -> None:
        self.path = path
        self.latest = now + CLOCK_TOLERANCE
        self.number = 0
        self.runs: dict[str, RunLines] = {}
        self._hashes: dict[str, hashlib._Hash] = {}

    def fail(self, why: str, hint: str = "") -> NoReturn:
        where = f"{self.path}:{self.number}" if self.number else str(self.path)
        raise BadInputError(f"{where}: {why}", hint or "nothing of this file was taken")

    def take(self, raw: bytes) -> None:
        """Add one line to its run."""
        line = self._parsed(raw)
        self._check_times(line)
        run = self._run_of(line)
        if line.seq != run.count:
            self.fail(
                f"expected seq {run.count} of run {line.run}, found {line.seq}: lines are missing or repeated"
            )
        if run.finished is not None:
            self.fail(f"run {line.run} goes on after run_finished")
        self._add(run, line)
        run.count, run.last = run.count + 1, line
        self._hashes[line.run].update(raw.rstrip(b"\r\n") + b"\n")

    def _parsed(self, raw: bytes) -> Line:
        try:
            raw.decode()
        except UnicodeDecodeError:
            self.fail("not a results file: not UTF-8 text")
        try:
            return parse(raw)
        except ValidationError as error:
            self.fail(_plainly(error))

    def _check_times(self, line: Line) -> None:
        """A time to come would pass for the newest there is, and hide what is measured until then."""
        if line.time > self.latest:
            self.fail(f"time {line.time:{MOMENT}} lies in the future", CLOCK_HINT)

    def _run_of(self, line: Line) -> RunLines:
        run = self.runs.get(line.run)
        if run is None:
            if not isinstance(line, RunStarted):
                self.fail(f"run {line.run} does not begin with run_started")
            run = self.runs[line.run] = RunLines(line)
            self._hashes[line.run] = hashlib.sha256()
        elif isinstance(line, RunStarted):
            self.fail(f"run {line.run} starts twice: lines are missing or repeated")
        return run

    def _add(self, run: RunLines, line: Line) -> None:
        if isinstance(line, HostLine):
            run.hosts.setdefault(line.host, line)  # a host may be in several plays
        elif isinstance(line, RunFinished):
            if line.processed != len(run.outcomes):
                self.fail(
                    f"run_finished speaks of {line.processed} hosts, but {len(run.outcomes)} have an outcome"
                )
            run.finished = line
        elif not isinstance(line, RunStarted):
            if line.host not in run.hosts:
                self.fail(f"host {line.host!r} was not announced by a host line")
            self._add_to_host(run, line)

    def _add_to_host(
        self, run: RunLines, line: MeasurementLine | ChangeLine | FailureLine | OutcomeLine
    ) -> None:
        if isinstance(line, MeasurementLine):
            run.measurements.append(_believable(line))
        elif isinstance(line, ChangeLine):
            run.changes.append(line)
        elif isinstance(line, FailureLine):
            run.failures.append(line)
        elif line.host in run.outcomes:
            self.fail(f"host {line.host!r} has two outcomes")
        else:
            run.outcomes[line.host] = line

    def end(self, allow_partial: bool) -> list[RunLines]:
        """What was read, once it is known to be whole (or may be partial)."""
        self.number = 0
        if not self.runs:
            self.fail("holds no run")
        for name, run in self.runs.items():
            if run.finished is None and not allow_partial:
                self.fail(f"run {name} has no run_finished", PARTIAL_HINT.format(self.path))
            run.digest = self._hashes[name].hexdigest()
        return list(self.runs.values())


def read_results(path: Path, allow_partial: bool = False, now: datetime | None = None) -> list[RunLines]:
    """Every run in the file, each line checked.

    Args:
        path: A ``results.jsonl``.
        allow_partial: Also accept runs without ``run_finished``; a truncated last line is then dropped.
        now: Times later than this, by more than ``CLOCK_TOLERANCE``, are refused; default: the present.

    Raises:
        BadInputError: Something is wrong with the file; the message names the line.
    """
    reader = _Reader(path, now or datetime.now(UTC))
    try:
        with path.open("rb") as stream:
            for raw in _lines(stream.readline):
                reader.number += 1
                if len(raw) > MAX_LINE_BYTES:
                    reader.fail(f"longer than {MAX_LINE_BYTES // 2**20} MiB: not a line of a results file")
                if not raw.endswith(b"\n") and _truncated(raw):
                    if allow_partial:
                        break
                    reader.fail("the last line is truncated", PARTIAL_HINT.format(path))
                reader.take(raw)
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror}") from error
    return reader.end(allow_partial)


def _believable(line: MeasurementLine) -> MeasurementLine:
    """The measurement, or an error in its place where the host's clock runs ahead of the line's own.

    Its time would make it the newest there is until that moment came; the other hosts of the file are sound.
    """
    ahead = line.measured_at - line.time
    if ahead <= CLOCK_TOLERANCE:
        return line
    error = f"measured {ahead.total_seconds():.0f} s after it was written down: the host's clock is ahead"
    said = line.model_dump(by_alias=True, exclude={"value", "error"}) | {
        "error": error,
        "measured_at": line.time,
    }
    return MeasurementLine.model_validate(said)


def _lines(readline: object) -> Iterator[bytes]:
    return iter(lambda: readline(MAX_LINE_BYTES + 1), b"")  # type: ignore[operator]


def _truncated(raw: bytes) -> bool:
    """Whether a line without its end is cut off: an object cut short is not JSON."""
    if not raw.lstrip().startswith(b"{"):
        return False
    try:
        parse(raw)
    except ValidationError as error:
        return any(problem["type"] == "json_invalid" for problem in error.errors(include_url=False))
    return False


def _plainly(error: ValidationError) -> str:
    """The first problem in plain words, with the key concerned."""
    problem = error.errors(include_url=False, include_context=False)[0]
    if problem["type"] == "json_invalid":
        return "not a line of a results file: not JSON"
    keys = [str(part) for part in problem["loc"][1:]]  # the first is the union's branch
    if keys == ["schema"] and problem["type"] != "missing":
        return f"schema {problem['input']!r} is not one this Vigie reads (it reads {SCHEMA})"
    where = f"{'.'.join(keys)}: " if keys else ""
    return f"{where}{problem['msg'].removeprefix('Value error, ')}"
