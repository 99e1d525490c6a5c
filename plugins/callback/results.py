# Copyright (c) 2026 The Vigie authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: results
type: aggregate
short_description: writes what the Vigie ledger needs to results.jsonl
version_added: 0.1.0
author:
  - The Vigie authors (@vigie-msp)
description:
  - Writes one JSON object a line while a play runs. C(vigie collect) takes the file into the ledger.
  - Records the targeted hosts, the measurements and changes that tasks return, failures, and the play
    recap. Nothing else of a task's result is stored.
  - Secrets are masked. Whatever is found in files below a host's C(vigie_secrets_dir) is replaced by
    asterisks, as are values of keys that name a secret and credentials in messages. Tasks with C(no_log) stay
    hidden.
  - Failing to write never breaks the play. It is said loudly, and the file is then taken as an interrupted
    run.
  - Without C(VIGIE_RUN_ID), hosts of several clients make one run per client. Hosts of no client make a run
    of theirs.
requirements:
  - enable in configuration (C(callbacks_enabled = vigie.msp.results))
options:
  file:
    description:
      - The file to write, readable by its owner alone. It gets all runs of this playbook.
      - By default one file per run is made in C(vigie-results) below the current directory.
    type: path
    env:
      - name: VIGIE_RESULTS_FILE
    ini:
      - section: callback_vigie_results
        key: file
  run_id:
    description: UUID of the run. Generated when absent.
    type: str
    env:
      - name: VIGIE_RUN_ID
  client:
    description: The client the run is for. By default the C(vigie_client) of the hosts.
    type: str
    env:
      - name: VIGIE_CLIENT
  service:
    description: The service the run delivers. By default the name of the playbook's file.
    type: str
    env:
      - name: VIGIE_SERVICE
  revision:
    description: Commit of the provider directory.
    type: str
    env:
      - name: VIGIE_REVISION
"""

import os
import time
import uuid
from datetime import datetime, timezone

from ansible import context
from ansible.plugins.callback import CallbackBase
from ansible.release import __version__ as ansible_version

from ansible_collections.vigie.msp.plugins.module_utils import results
from ansible_collections.vigie.msp.plugins.module_utils.redaction import Redactor
from ansible_collections.vigie.msp.plugins.module_utils.results_file import ResultsFile, vigie_version


class CallbackModule(CallbackBase):
    """Turns what Ansible reports into records; the records themselves are made by module_utils/results.py."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "vigie.msp.results"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, display=None, options=None):
        super().__init__(display=display, options=options)
        self._playbook = ""
        self._runs = {}
        self._client_of = {}
        self._pending = {}
        self._started = {}
        self._last = {}
        self._redactor = Redactor()
        self._file = None
        self._broken = False

    # ── what Ansible calls ───────────────────────────────────────────────────────────────────────
    def v2_playbook_on_start(self, playbook):
        self._playbook = getattr(playbook, "_file_name", "") or ""

    def v2_playbook_on_play_start(self, play):
        self._guarded(self._play_started, play)

    def v2_runner_on_ok(self, result):
        self._guarded(self._task_done, result)

    def v2_runner_on_skipped(self, result):
        self._guarded(self._task_done, result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._guarded(self._task_failed, result, ignore_errors)

    def v2_runner_on_unreachable(self, result):
        self._guarded(self._unreachable, result)

    def v2_playbook_on_stats(self, stats):
        self._guarded(self._finish, stats)

    def _guarded(self, handler, *args):
        """Recording must never break a play, and must never fail in silence."""
        if self._broken:
            return
        try:
            handler(*args)
        except OSError as error:
            self._give_up(
                "cannot write %s: %s" % (error.filename or "the results file", error.strerror or error)
            )
        except Exception as error:  # pylint: disable=broad-exception-caught
            self._give_up("%s in %s: %s" % (type(error).__name__, handler.__name__, error))

    def _give_up(self, reason):
        self._broken = True
        self._display.warning(
            "vigie.msp.results: RESULTS OF THIS RUN ARE NOT RECORDED ANY MORE: %s. The play goes on; "
            "what it finds counts as unknown. Free space or mend the path, then run it again."
            % self._redactor.text(reason)
        )
        if self._file:
            self._file.abandon()

    # ── plays and hosts ──────────────────────────────────────────────────────────────────────────
    def _play_started(self, play):
        manager = play.get_variable_manager()
        now = time.monotonic()
        for host in manager._inventory.get_hosts(play.hosts):
            if host.name not in self._client_of:
                self._host_targeted(host, manager.get_vars(host=host, include_hostvars=False), play)
            self._started.setdefault(host.name, now)

    def _host_targeted(self, host, variables, play):
        secrets = variables.get("vigie_secrets_dir")
        if isinstance(secrets, str):
            self._redactor.watch(secrets)
        self._client_of[host.name] = self.get_option("client") or variables.get("vigie_client")
        run = self._run_of(host.name, play)
        parameters = variables.get("compliance_audit_parameters")
        tier = variables.get("vigie_tier")
        self._write(
            run,
            "host",
            {
                "host": host.name,
                "tier": results.plain(tier) if isinstance(tier, str) else None,
                "parameters": results.plain(parameters) if isinstance(parameters, dict) else {},
            },
        )

    def _run_of(self, host, play=None):
        """The run a host's records belong to; opened when the host is the first of its client."""
        client = self._client_of.get(host) or self.get_option("client")
        key = "" if self.get_option("run_id") else client
        if key not in self._runs:
            self._runs[key] = results.Run(self.get_option("run_id") or str(uuid.uuid4()))
            self._write(self._runs[key], "run_started", self._run_fields(client, play))
        return self._runs[key]

    def _run_fields(self, client, play):
        check = bool(context.CLIARGS.get("check")) or bool(getattr(play, "check_mode", False))
        name = os.path.basename(self._playbook)
        return {
            "client": results.plain(client) if client else None,
            "service": self.get_option("service") or os.path.splitext(name)[0],
            "playbook": name,
            "check": check,
            "revision": self.get_option("revision") or None,
            "versions": {"vigie": vigie_version(), "ansible": ansible_version},
        }

    # ── tasks ────────────────────────────────────────────────────────────────────────────────────
    def _task_done(self, result):
        host = result.host.get_name()
        self._last[host] = time.monotonic()
        data = result.result
        measured = results.returned(data, results.MEASUREMENTS_KEY)
        changed = result.is_changed()
        if not measured and not changed and not results.returned(data, results.CHANGES_KEY):
            return
        run, role, task = self._run_of(host), _role(result.task), result.task_name
        self._redactor.refresh()
        for raw in measured:
            for fields in results.measurement_fields(host, raw, task, run.now()):
                self._write(run, "measurement", fields)
        for fields in results.change_fields(host, role, task, data, changed):
            self._write(run, "change", fields)

    def _task_failed(self, result, ignore_errors):
        self._task_done(result)
        if ignore_errors:
            return
        host = result.host.get_name()
        fields = self._failure(result, unreachable=False)
        if _may_be_rescued(result.task):
            self._pending.setdefault(host, []).append(fields)
        else:
            self._write(self._run_of(host), "failure", fields)

    def _unreachable(self, result):
        host = result.host.get_name()
        self._last[host] = time.monotonic()
        if not getattr(result.task, "ignore_unreachable", False):
            self._write(self._run_of(host), "failure", self._failure(result, unreachable=True))

    def _failure(self, result, unreachable):
        self._redactor.refresh()
        return {
            "host": result.host.get_name(),
            "role": _role(result.task),
            "task": result.task_name,
            "message": results.failure_message(result.result),
            "unreachable": unreachable,
        }

    # ── the end ──────────────────────────────────────────────────────────────────────────────────
    def _finish(self, stats):
        processed = {}
        self._redactor.refresh()
        for host in sorted(stats.processed):
            run = self._run_of(host)
            summary = stats.summarize(host)
            for fields in results.really_failed(self._pending.get(host, []), summary.get("rescued", 0)):
                self._write(run, "failure", fields)
            self._write(run, "outcome", results.outcome_fields(host, summary, self._duration(host)))
            processed[run.run_id] = processed.get(run.run_id, 0) + 1
        if not self._runs and self.get_option("run_id"):
            self._run_of("")
        for run in self._runs.values():
            self._write(run, "run_finished", {"processed": processed.get(run.run_id, 0)})
        if self._file:
            self._file.close()

    def _duration(self, host):
        started = self._started.get(host)
        return self._last.get(host, started) - started if started is not None else 0.0

    def _write(self, run, kind, fields):
        if self._file is None:
            stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
            self._file = ResultsFile(self.get_option("file"), stamp, fresh=bool(self.get_option("run_id")))
        fields = {key: self._redactor.value(results.plain(value), key) for key, value in fields.items()}
        self._file.write(run.run_id, results.to_line(run.record(kind, **fields)))


def _role(task):
    """The short name of the role a task is in, or None."""
    role = getattr(task, "_role", None)
    return str(role.get_name(include_role_fqcn=False)) if role else None


def _may_be_rescued(task):
    """Is the task in a block (at any depth) that has a rescue?"""
    parent = getattr(task, "_parent", None)
    while parent is not None:
        if getattr(parent, "rescue", None):
            return True
        parent = getattr(parent, "_parent", None)
    return False
