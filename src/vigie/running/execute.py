"""One run from request to report: prepare, isolate, follow, judge, collect."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from vigie.errors import VigieError
from vigie.ledger.states import RunStatus
from vigie.running import artifacts, environment, inventory, sandbox, ssh
from vigie.running.model import Isolation, RunReport, RunRequest
from vigie.running.playbooks import collection_root
from vigie.running.ports import LedgerPort
from vigie.running.process import ChildResult, Message, follow
from vigie.running.scratch import scratch_folder, write_json, write_private
from vigie.running.verdict import run_verdict, verdicts
from vigie.state import PROVIDER_SCOPE, private_directory

Progress = Callable[[Message], None]


def execute(
    request: RunRequest,
    ledger: LedgerPort,
    progress: Progress = lambda _message: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> RunReport:
    """Make the run and record it. The caller holds the client's lock.

    Args:
        request: What to run.
        ledger: Told of the beginning, the results and the end.
        progress: Called with each message of the run: ``task``, ``failed``, ``recap``, ``end``, ``warning``.
        cancelled: Asked now and then whether to stop.

    Raises:
        VigieError: The run could not even be prepared; it is not in the ledger then.
    """
    began = time.monotonic()
    known = _known_hosts(request)
    isolation, warnings = choose_isolation(request)
    artifacts.prepare(request.artifacts)
    ledger.start(request)
    try:
        with scratch_folder(request.run_id) as scratch:
            command, variables = _prepare(request, isolation, scratch, known)
            child = follow(
                command,
                variables,
                request.run_id,
                request.timeout.total_seconds(),
                cancelled,
                progress,
                errors=scratch / "stderr",
            )
            crash = (scratch / "stderr").read_text(encoding="utf-8", errors="replace")
    except BaseException:
        ledger.lost(request.run_id)
        raise
    report = _report(request, child, crash, isolation, warnings, time.monotonic() - began)
    return _record(request, report, ledger)


# ── preparing ────────────────────────────────────────────────────────────────────────────────────
def _known_hosts(request: RunRequest) -> str:
    if not any(inventory.uses_ssh(values) for values in request.hosts.values()):
        return ""
    return ssh.known_hosts(request.directory, request.client)


def choose_isolation(request: RunRequest) -> tuple[Isolation, list[str]]:
    """How far the run can be kept apart here, and what the operator should know about it."""
    wanted = request.isolation or Isolation.SANDBOX
    local = [name for name, values in request.hosts.items() if inventory.is_this_machine(values)]
    if request.isolation is None and local and request.client != PROVIDER_SCOPE:
        wanted = Isolation.PROCESSES
    if wanted is Isolation.NONE:
        return wanted, []
    reason = sandbox.available(wanted)
    if reason is None:
        return wanted, []
    return Isolation.NONE, [f"this run was not isolated by bubblewrap: {reason}"]


def _prepare(
    request: RunRequest, isolation: Isolation, scratch: Path, known: str
) -> tuple[list[str], dict[str, str]]:
    keys = private_keys(request)
    arguments = _write_ssh(scratch, known, () if keys else ssh.default_identities(Path.home()))
    _write_files(request, scratch, arguments, keys)
    variables = environment.run_environment(
        os.environ,
        scratch,
        collection_root().parent.parent.parent,
        len(request.hosts),
        arguments,
        _markers(request),
    ) | environment.vault_variables(os.environ, request.directory)
    child = [sys.executable, "-m", "vigie.running.child", str(scratch / "spec.json")]
    if isolation is Isolation.NONE:
        return child, variables
    view = _view(request, keys, variables)
    program = sandbox.program()
    return [*sandbox.command(program, isolation, view, scratch), *child], variables


def private_keys(request: RunRequest) -> tuple[Path, ...]:
    """The key files the inventory names for the run's hosts."""
    named = (inventory.private_key(values, request.directory) for values in request.hosts.values())
    return tuple(dict.fromkeys(key for key in named if key is not None))


def _write_ssh(scratch: Path, known: str, identities: tuple[Path, ...]) -> str:
    hosts = write_private(scratch / "known_hosts", known)
    configuration = write_private(scratch / "ssh_config", ssh.client_configuration(hosts, identities))
    return ssh.arguments(configuration, hosts)


def _write_files(request: RunRequest, scratch: Path, arguments: str, keys: tuple[Path, ...]) -> None:
    write_private(scratch / "ansible.cfg", "[defaults]\n")
    # One look per second at cancellation, and no output file: ours is redacted.
    write_json(scratch / "env" / "settings", {"pexpect_timeout": 1, "suppress_output_file": True})
    document = inventory.build(request.hosts, request.groups, request.directory, arguments)
    write_json(scratch / "inventory.yml", document)
    extra = write_json(scratch / "extra_vars.json", request.extra_vars) if request.extra_vars else None
    jump = any(ssh.uses_jump_host(values) for values in request.hosts.values())
    write_json(
        scratch / "spec.json",
        {
            "run": request.run_id,
            "scratch": str(scratch),
            "playbook": str(request.playbook),
            "inventory": str(scratch / "inventory.yml"),
            "extra_vars": str(extra) if extra else None,
            "check": request.check,
            "log": str(request.artifacts / "stdout.log"),
            "secrets": secret_folders(request),
            "agent_keys": [str(key) for key in keys]
            if jump and not environment.ssh_agent_of(os.environ)
            else [],
        },
    )


def secret_folders(request: RunRequest) -> list[str]:
    """The folders whose contents must not appear in anything that is kept."""
    return [str(_secrets(request))]


def _secrets(request: RunRequest) -> Path:
    """The provider's own runs prepare every client's accounts, and so see all of the secrets."""
    if request.client == PROVIDER_SCOPE:
        return request.state.root / "secrets"
    return request.state.secrets(request.client)


def _markers(request: RunRequest) -> dict[str, str]:
    """What the callback is told, and the mark by which processes of the run are found."""
    markers = {
        "VIGIE_RUN_ID": request.run_id,
        "VIGIE_RESULTS_FILE": str(request.results),
        "VIGIE_CLIENT": request.client,
        "VIGIE_SERVICE": request.service,
    }
    return markers | ({"VIGIE_REVISION": request.revision} if request.revision else {})


def _view(request: RunRequest, keys: tuple[Path, ...], variables: Mapping[str, str]) -> sandbox.View:
    state = request.state
    provider = request.client == PROVIDER_SCOPE
    write = [_secrets(request), state.cache(request.client), request.artifacts]
    write += [state.bin, state.public] if provider else []
    read = [
        *sandbox.program_paths(),
        *(() if provider else (state.bin, state.public)),
        request.playbook.resolve().parent,
    ]
    read += keys or ssh.default_identities(Path.home())
    read += [
        Path(variables[name])
        for name in ("SSH_AUTH_SOCK", "ANSIBLE_VAULT_PASSWORD_FILE")
        if name in variables
    ]
    for folder in (*write, state.bin, state.public):
        private_directory(folder)
    return sandbox.View(read=tuple(read), write=tuple(write), hidden=state.root)


# ── judging and recording ────────────────────────────────────────────────────────────────────────
def _report(
    request: RunRequest,
    child: ChildResult,
    crash: str,
    isolation: Isolation,
    warnings: list[str],
    seconds: float,
) -> RunReport:
    hosts = verdicts(request.hosts, child.recap)
    stopped = child.stopped
    if stopped is None and not child.ended:
        stopped = RunStatus.LOST
    message, hint = explain(request, child, crash, stopped)
    changed = {host: count for host, count in (child.recap or {}).get("changed", {}).items() if host in hosts}
    return RunReport(
        run_id=request.run_id,
        client=request.client,
        service=request.service,
        status=run_verdict(hosts, stopped),
        hosts=hosts,
        artifacts=request.artifacts,
        seconds=seconds,
        check=request.check,
        isolation=isolation,
        message=message,
        hint=hint,
        warnings=(*warnings, *child.warnings),
        changed=changed,
    )


def explain(
    request: RunRequest, child: ChildResult, crash: str, stopped: RunStatus | None
) -> tuple[str, str]:
    """Why a run has no verdict for every host, in words, and the way out."""
    log = request.artifacts / "stdout.log"
    output = "\n".join(child.tail)
    if stopped is RunStatus.TIMED_OUT:
        minutes = request.timeout.total_seconds() / 60
        return (
            f"stopped after {minutes:g} min",
            "see what it was doing in the log, or give it more time: --timeout",
        )
    if stopped is RunStatus.CANCELLED:
        return "stopped by the operator", ""
    if stopped is RunStatus.LOST:
        reason = (crash.strip().splitlines() or ["it was killed"])[-1]
        return f"the run's process ended before it could say how: {reason}", f"the log is {log}"
    if not request.hosts:
        return "no hosts: nothing was checked", "give the client a group that has hosts"
    if child.recap is None:
        return f"the playbook did not start: {_last_error(output)}", f"the log is {log}"
    if not child.recap.get("processed"):
        return "no host matched: nothing was checked", f"the log is {log}"
    if "Host key verification failed" in output:
        return "the SSH host key of a host is not the known one, or not known", _scan_hint(request)
    return "", ""


def _scan_hint(request: RunRequest) -> str:
    return f"compare fingerprints, then: ssh-keyscan HOST >> {request.directory / 'known_hosts'}"


def _last_error(output: str) -> str:
    """The message of Ansible's last error, without the excerpt of the file around it."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for line in reversed(lines):
        if line.startswith(("[ERROR]", "ERROR!")):
            return line.removeprefix("[ERROR]:").removeprefix("ERROR!").strip()
    return lines[-1] if lines else "it said nothing"


def _record(request: RunRequest, report: RunReport, ledger: LedgerPort) -> RunReport:
    """Put the run into the ledger; what the runner knows of its end counts more than the file."""
    artifacts.scrub(request.artifacts / "stdout.log", secret_folders(request))
    report = replace(report, reasons=artifacts.first_failures(request.results))
    whole = report.status not in (RunStatus.CANCELLED, RunStatus.TIMED_OUT, RunStatus.LOST)
    try:
        if request.results.exists():
            ledger.collect(request.results, not whole or not _finished(request.results))
            artifacts.mark_ingested(request.artifacts)
            report = _doubt_if_unrecorded(report, request, whole)
        elif whole:
            report = _unrecorded(report, f"the run wrote no {request.results}")
    except VigieError as error:
        report = _unrecorded(report, str(error))
    ledger.finish(report)
    artifacts.write_summary(request.artifacts, report.as_dict())
    artifacts.rotate(request.state, request.client)
    return report


def _doubt_if_unrecorded(report: RunReport, request: RunRequest, whole: bool) -> RunReport:
    if whole and not _finished(request.results):
        return _unrecorded(report, f"{request.results} breaks off before the run's end")
    return report


def _unrecorded(report: RunReport, reason: str) -> RunReport:
    """A run whose results are not in the ledger proves nothing: at best it is unknown."""
    status = RunStatus.UNKNOWN if report.status is RunStatus.OK else report.status
    warnings = (*report.warnings, f"results are not (all) recorded: {reason}")
    return replace(report, status=status, warnings=warnings)


def _finished(results: Path) -> bool:
    """Does the file end with ``run_finished``?"""
    with results.open("rb") as handle:
        handle.seek(max(0, results.stat().st_size - 4096))
        last = handle.read().splitlines()[-1:]
    return bool(last) and b'"type":"run_finished"' in last[0]
