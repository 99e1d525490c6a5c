"""Findings put together: by tier, by client and host, and what is wrong in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from vigie.compliance.findings import Finding
from vigie.compliance.score import FAILING, Score, score
from vigie.errors import ExitCode
from vigie.ledger.states import Severity, State

OPEN = (State.NON_COMPLIANT, State.ERROR, State.UNKNOWN)
"""States somebody has to do something about, the worst first."""
SEVERITIES = tuple(Severity)


def score_of(findings: Iterable[Finding]) -> Score:
    """The score of findings."""
    return score({"severity": one.result.severity, "state": one.state} for one in findings)


def grouped(findings: Iterable[Finding], key: Callable[[Finding], str]) -> dict[str, list[Finding]]:
    """Findings by what ``key`` says of them, in the order in which they come."""
    groups: dict[str, list[Finding]] = {}
    for one in findings:
        groups.setdefault(key(one), []).append(one)
    return groups


def exit_code(findings: Sequence[Finding]) -> ExitCode:
    """0 only when everything due is known and right; nothing assessed is unknown, never fine."""
    whole = score_of(findings)
    if whole.count(*FAILING):
        return ExitCode.NON_COMPLIANT
    return ExitCode.UNKNOWN if whole.count(State.UNKNOWN) or not whole.assessed else ExitCode.OK


@dataclass(frozen=True)
class Problem:
    """Something that is not compliant, or not known, on one or more hosts of a client."""

    hosts: tuple[str, ...]
    control: str
    severity: str
    state: State
    title: str
    observed: str = ""
    expected: str = ""
    detail: str = ""
    remedy: str = ""


def problems(findings: Iterable[Finding]) -> list[Problem]:
    """What is open among one client's findings: the worst first, the same thing on several hosts once."""
    found: dict[Problem, list[str]] = {}
    for host, of_host in grouped(findings, lambda one: one.host).items():
        for problem in _of_host(of_host):
            found.setdefault(problem, []).append(host)
    return sorted((_on(problem, hosts) for problem, hosts in found.items()), key=_order)


def _of_host(findings: Sequence[Finding]) -> list[Problem]:
    due = [one for one in findings if one.state is not State.NOT_APPLICABLE]
    if len(due) > 1 and all(one.state is State.UNKNOWN for one in due):
        return [_nothing_known(due)]
    return [_problem(one) for one in due if one.state in OPEN]


def _nothing_known(due: Sequence[Finding]) -> Problem:
    """One line for a host of which nothing is known, instead of one for each control."""
    first = due[0]
    details = {one.result.detail for one in due}
    return Problem(
        hosts=(),
        control=f"all {len(due)}",
        severity=min((one.result.severity for one in due), key=_rank),
        state=State.UNKNOWN,
        title="Nothing is known of this host" if first.run is None else "Nothing known of this host is valid",
        detail=details.pop() if len(details) == 1 else f"last measured by run {first.run}",
        remedy=f"Run `vigie run audit --client {first.client}`; `vigie runs` shows what happened so far.",
    )


def _problem(one: Finding) -> Problem:
    result = one.result
    return Problem(
        hosts=(),
        control=result.control,
        severity=result.severity,
        state=result.state,
        title=result.title,
        observed=result.observed,
        expected=result.expected,
        detail=result.detail,
        remedy=result.remedy,
    )


def _on(problem: Problem, hosts: Sequence[str]) -> Problem:
    return Problem(**{**problem.__dict__, "hosts": tuple(hosts)})


def _order(problem: Problem) -> tuple[int, int, str, tuple[str, ...]]:
    return OPEN.index(problem.state), _rank(problem.severity), problem.control, problem.hosts


def _rank(severity: str) -> int:
    return SEVERITIES.index(Severity(severity))
