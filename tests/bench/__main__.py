"""Where the time goes: ``make bench`` (``python -m tests.bench --hosts 4 --repeat 3``).

Measures, over the same lab hosts, wall clock and controller CPU (this process's children) of:

- raw parallel ``ssh host true``, the floor;
- bare ``ansible-playbook`` and ``vigie run`` of the audit;
- bare ``ansible-playbook`` and ``vigie run`` of the baseline (monitor, patch, backup, audit), once converged.

Prints medians and ratios. Nothing is asserted: figures are for people to read, on a machine they know.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.lab.lab import Lab
from tests.lab.progress import Progress
from tests.lab.provider import Subscription, write_provider

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
SERVICES = ("monitor", "patch", "backup", "audit")


def measure(action: Callable[[], None], repeat: int) -> dict[str, float]:
    """Median wall and CPU seconds of ``action`` over ``repeat`` calls."""
    wall, cpu = [], []
    for _ in range(repeat):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        action()
        wall.append(time.monotonic() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return {"wall_s": round(statistics.median(wall), 2), "cpu_s": round(statistics.median(cpu), 2)}


class Bench:
    """One provider with one client on lab hosts of its own."""

    def __init__(self, lab: Lab, hosts: int, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.hosts = [f"bench-{number}" for number in range(1, hosts + 1)]
        lab.up({**dict.fromkeys(self.hosts, "bookworm"), "bench-server": "trixie"})
        self.provider = folder / "bench"
        write_provider(lab, self.provider, {"bench": Subscription("gold", self.hosts)}, "bench-server")
        self.environment = {
            **os.environ,
            "VIGIE_INVENTORY": str(self.provider),
            "VIGIE_STATE_DIR": str(folder / "state"),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        }

    def run(self, *command: str) -> None:
        """Run a program of the environment; a failure ends the benchmark with its output."""
        done = subprocess.run(
            [str(BIN / command[0]), *command[1:]],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)} exited with {done.returncode}\n{done.stdout}{done.stderr}")

    def vigie(self, *services: str) -> None:
        """The wrapper: isolation, results and ledger included."""
        self.run("vigie", "run", *services, "--client", "bench")

    def bare(self, playbook: str) -> None:
        """The same playbook by hand, with the repository's ansible.cfg."""
        path = str(ROOT / "playbooks" / f"{playbook}.yml")
        self.run("ansible-playbook", "-i", str(self.provider), "--limit", "client_bench", path)

    def raw(self) -> None:
        """One SSH connection per host, all at once."""
        processes = [
            subprocess.Popen(self.lab.ssh_command(host, "true"), stdout=subprocess.DEVNULL)
            for host in self.hosts
        ]
        if any(process.wait() for process in processes):
            raise SystemExit("ssh host true failed")


def compare(bench: Bench, repeat: int) -> dict[str, dict[str, float]]:
    """Every figure, by name."""
    return {
        "ssh host true, in parallel": measure(bench.raw, repeat),
        "audit, bare ansible-playbook": measure(lambda: bench.bare("audit"), repeat),
        "audit, vigie run": measure(lambda: bench.vigie("audit"), repeat),
        "no-op baseline, bare ansible-playbook": measure(lambda: bench.bare("site"), repeat),
        "no-op baseline, vigie run": measure(lambda: bench.vigie(*SERVICES), repeat),
    }


def table(figures: dict[str, dict[str, float]]) -> str:
    """The figures, each with its ratio to raw SSH and, for Vigie, to the bare playbook."""
    raw = figures["ssh host true, in parallel"]["wall_s"]
    lines = [f"{'what':<40}{'wall s':>8}{'cpu s':>8}{'÷ ssh':>8}{'÷ bare':>8}"]
    for name, row in figures.items():
        bare = figures.get(name.replace("vigie run", "bare ansible-playbook"), row)
        ratio = f"{row['wall_s'] / bare['wall_s']:.2f}" if bare is not row else ""
        lines.append(f"{name:<40}{row['wall_s']:>8}{row['cpu_s']:>8}{row['wall_s'] / raw:>8.1f}{ratio:>8}")
    return "\n".join(lines)


def main() -> int:
    """Bring up, converge once, measure, print, remove."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--hosts", type=int, default=4, help="hosts in the fleet (default 4)")
    parser.add_argument(
        "--repeat", type=int, default=3, help="measurements of each, medians shown (default 3)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    lab = Lab("bench", Progress())
    try:
        with tempfile.TemporaryDirectory(prefix="vigie-bench-") as folder:
            bench = Bench(lab, options.hosts, Path(folder))
            bench.run("vigie", "provision")
            bench.vigie(*SERVICES)
            figures = compare(bench, options.repeat)
    finally:
        lab.down()
    sys.stdout.write(f"{json.dumps(figures, indent=2) if options.json else table(figures)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
