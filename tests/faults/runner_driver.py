"""``vigie run`` without a provider's directory: makes the run that a JSON file describes.

python -m tests.faults.runner_driver run SPEC     make the run; prints the report as JSON
python -m tests.faults.runner_driver sweep SPEC   close lost runs; prints what was found
"""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
from datetime import timedelta
from pathlib import Path

from vigie.errors import BadInputError
from vigie.ledger.records import Owner
from vigie.running.batch import run_all
from vigie.running.model import Isolation, RunRequest
from vigie.running.ports import OpenRun
from vigie.running.recovery import sweep_lost
from vigie.running.stopping import told_to_stop
from vigie.state import StateDirectory


class FileLedger:
    """A ledger in a JSON file: id → client, service, owner, status."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def runs(self) -> dict[str, dict[str, object]]:
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def _note(self, run_id: str, **fields: object) -> None:
        with self._lock:
            runs = self.runs()
            runs.setdefault(run_id, {}).update(fields)
            self.path.write_text(json.dumps(runs))

    def start(self, request: RunRequest) -> None:
        owner = dataclasses.asdict(Owner.current())
        fields = {"client": request.client, "service": request.service, "owner": owner, "status": "running"}
        self._note(request.run_id, **fields)

    def collect(self, results: Path, partial: bool) -> None:
        lines = results.read_text().splitlines()
        if not lines:
            raise BadInputError(f"{results}: empty")
        records = [json.loads(line) for line in lines]
        self._note(records[0]["run"], collected=len(records), partial=partial)

    def finish(self, report: object) -> None:
        self._note(report.run_id, status=str(report.status))

    def open_runs(self) -> tuple[OpenRun, ...]:
        return tuple(
            OpenRun(run_id, run["client"], run["service"], Owner(**run["owner"]))
            for run_id, run in self.runs().items()
            if run["status"] == "running"
        )

    def lost(self, run_id: str) -> None:
        self._note(run_id, status="lost")


class Listener:
    """Says on standard error what is going on, for tests that wait for it."""

    def say(self, text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def started(self, request: RunRequest) -> None:
        self.say(f"started {request.run_id}")

    def message(self, _request: RunRequest, message: dict[str, object]) -> None:
        self.say(json.dumps(message))

    def finished(self, request: RunRequest, report: object) -> None:
        pass

    def refused(self, request: RunRequest, error: Exception) -> None:
        pass


def request_of(spec: dict[str, object]) -> RunRequest:
    root = Path(spec["root"])
    fields = {
        "state": StateDirectory(root / "state"),
        "directory": root,
        "playbook": root / "play.yml",
        "groups": {"all": tuple(spec["hosts"])},
        "timeout": timedelta(seconds=spec.get("timeout", 120)),
        "isolation": Isolation(spec["isolation"]) if spec.get("isolation") else None,
        **{
            name: spec[name]
            for name in ("client", "service", "hosts", "extra_vars", "check", "run_id")
            if name in spec
        },
    }
    return RunRequest(**fields)


def main(action: str, spec_file: str) -> int:
    spec = json.loads(Path(spec_file).read_text())
    ledger = FileLedger(Path(spec["root"]) / "ledger.json")
    state = StateDirectory(Path(spec["root"]) / "state")
    if action == "sweep":
        json.dump([str(lost) for lost in sweep_lost(state, ledger)], sys.stdout)
        return 0
    with told_to_stop() as stop:
        result = run_all([request_of(spec)], ledger, 1, stop, Listener())
    refused = [[type(error).__name__, str(error), error.hint] for _request, error in result.refused]
    json.dump({"reports": [report.as_dict() for report in result.reports], "refused": refused}, sys.stdout)
    return int(result.exit_code)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
