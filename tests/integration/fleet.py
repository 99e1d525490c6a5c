"""The demo's provider on hosts of the tests' own: what the integration tests work on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.host import Host
from tests.lab.lab import Lab

VIGIE = Path(sys.executable).parent / "vigie"


@dataclass
class Vigie:
    """The ``vigie`` program, pointed at one provider directory and one state directory."""

    provider: Path
    state: Path
    lab: Lab

    @property
    def environment(self) -> dict[str, str]:
        """The environment its commands get."""
        return {**os.environ, "VIGIE_INVENTORY": str(self.provider), "VIGIE_STATE_DIR": str(self.state)}

    def __call__(self, *arguments: str, expect: int | None = 0, timeout: float = 900) -> Any:
        """Run a command; return its JSON document when ``--json`` is among the arguments, else its output.

        Args:
            arguments: The command line after ``vigie``.
            expect: The exit status it must have; None takes any.
            timeout: Seconds.
        """
        done = self.process(*arguments, timeout=timeout)
        shown = (
            f"vigie {' '.join(arguments)} → {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
        )
        assert expect is None or done.returncode == expect, shown
        assert "Traceback" not in done.stdout + done.stderr, shown
        return json.loads(done.stdout) if "--json" in arguments else done.stdout + done.stderr

    def process(self, *arguments: str, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        """Run a command and return the finished process."""
        return subprocess.run(
            [VIGIE, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def host(self, name: str) -> Host:
        """A host of the fleet."""
        return self.lab.host(name)

    def audit(self, client: str) -> None:
        """Measure one client's fleet again."""
        self("run", "audit", "--client", client)

    def results(self, host: str) -> dict[str, dict[str, Any]]:
        """The present result of every control of a host, by control id."""
        document = self("compliance", "--host", host, "--json", expect=None)
        return {row["control"]: row for row in host_of(document, host)["results"]}

    def runs(self, **wanted: str) -> list[dict[str, Any]]:
        """The newest runs first; ``client``, ``service`` and ``status`` narrow them."""
        options = [word for name, value in wanted.items() for word in (f"--{name}", value)]
        return list(self("runs", *options, "--json")["runs"])

    def show(self, run: str) -> dict[str, Any]:
        """One run with outcomes, changes and failures."""
        return dict(self("show", run, "--json"))


def host_of(document: dict[str, Any], host: str) -> dict[str, Any]:
    """A host's part of what ``vigie compliance --json`` said."""
    for client in document["clients"]:
        for entry in client["hosts"]:
            if entry["host"] == host:
                return dict(entry)
    raise AssertionError(f"{host} is not in the document")
