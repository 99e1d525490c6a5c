"""The demo: the demo provider's fleet as real hosts, and Vigie's whole main job on it.

``python -m tests.lab.demo up`` (``make demo``) and ``down`` (``make demo-down``). Everything the demo makes
is in the lab named ``demo``, in ``.demo/`` and in ``inventories/demo/known_hosts``; ``down`` removes exactly
that.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.errors import LabError
from tests.lab.inventory import read_hosts
from tests.lab.lab import HostSpec, Lab
from tests.lab.progress import Progress

ROOT = Path(__file__).resolve().parents[2]
PROVIDER = ROOT / "inventories" / "demo"
KNOWN_HOSTS = PROVIDER / "known_hosts"
WORK = ROOT / ".demo"
VIGIE = Path(sys.executable).parent / "vigie"

ANSWERED = frozenset({0})
JUDGED = frozenset({0, 3, 5})
"""What ``vigie compliance`` may end with here: one host is out of support on purpose, and that shows."""

TRY_NEXT = """
What to try next:

  . .demo/env                                             # vigie on PATH, and pointed at the demo
  vigie compliance --client usine                         # why the out-of-support host is red
  vigie tiers diff silver gold                            # what the client pays more for
  vigie runs                                              # then: vigie show RUN
  vigie plan                                              # what is due next, and when
  vigie restore cabinet-dossiers --path /etc/hostname --check
  python -m tests.lab --lab demo stop usine-erp           # a host goes down; then audit: never green
  make demo                                               # again: reuses everything, changes nothing
  make demo-down                                          # removes what the demo made, nothing else
"""


@dataclass
class Demo:
    """The demo's steps, timed."""

    spent: list[tuple[str, float]] = field(default_factory=list)

    def step(self, title: str, action: Callable[[], object]) -> None:
        """Run one step under a heading and remember how long it took."""
        sys.stdout.write(f"\n━━ {title}\n")
        sys.stdout.flush()
        start = time.monotonic()
        action()
        self.spent.append((title, time.monotonic() - start))

    def vigie(self, title: str, *arguments: str, expect: frozenset[int] = ANSWERED) -> None:
        """Run one ``vigie`` command as a user would, showing the command."""
        self.step(f"{title}: vigie {' '.join(arguments)}", lambda: vigie(*arguments, expect=expect))

    def summary(self) -> str:
        """How long each step took."""
        width = max(len(title) for title, _ in self.spent)
        rows = [f"  {title:<{width}}  {seconds:6.1f} s" for title, seconds in self.spent]
        return "\n".join(
            ["\nHow long each step took:", *rows, f"  {'total':<{width}}  {self.total():6.1f} s"]
        )

    def total(self) -> float:
        """Seconds spent in all steps."""
        return sum(seconds for _, seconds in self.spent)


def environment() -> dict[str, str]:
    """What points ``vigie`` at the demo, away from the user's own state."""
    return {"VIGIE_INVENTORY": str(PROVIDER), "VIGIE_STATE_DIR": str(WORK / "state")}


def vigie(*arguments: str, expect: frozenset[int]) -> None:
    """Run ``vigie``; an exit status that is not expected ends the demo."""
    command = [str(VIGIE), *arguments]
    code = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment()}, check=False).returncode
    if code not in expect:
        raise LabError(f"`vigie {' '.join(arguments)}` exited with {code}")


def bring_up() -> None:
    """Start the provider's fleet with the addresses its inventory names, and let SSH know the hosts' keys."""
    lab = Lab("demo", Progress())
    wanted = {
        name: HostSpec(suite, address)
        for name, (suite, address) in read_hosts(PROVIDER / "hosts.yml").items()
    }
    lab.up(wanted)
    shutil.copyfile(lab.known_hosts, KNOWN_HOSTS)


def write_environment() -> None:
    """Write ``.demo/env``, to be sourced by the user's shell."""
    WORK.mkdir(exist_ok=True)
    lines = [f"export {name}={value}" for name, value in environment().items()]
    (WORK / "env").write_text(
        "\n".join([*lines, f"export PATH={VIGIE.parent}:$PATH"]) + "\n", encoding="utf-8"
    )


def up() -> int:
    """The whole main job, step by step."""
    demo = Demo()
    demo.step("Seven real hosts: three clients' fleets and a backup server", bring_up)
    write_environment()
    demo.vigie("The subscriptions are sound", "check")
    demo.vigie("What each tier promises", "tiers")
    demo.vigie("The provider's own side: backup server, accounts", "provision")
    demo.vigie("Measure every host as it was found", "run", "audit")
    demo.vigie("Before", "compliance", expect=JUDGED)
    demo.vigie("What is due", "plan")
    demo.vigie("Do what is due", "run", "--due")
    demo.vigie("Measure again", "run", "audit")
    demo.vigie("After: promised, delivered, missed", "compliance", expect=JUDGED)
    sys.stdout.write(demo.summary() + "\n" + TRY_NEXT)
    return 0


def down() -> int:
    """Remove the demo's hosts, network, state and known_hosts."""
    removed = Lab("demo").down()
    shutil.rmtree(WORK, ignore_errors=True)
    KNOWN_HOSTS.unlink(missing_ok=True)
    sys.stdout.write(
        f"removed: {', '.join(removed) or 'no hosts (none were there)'}; {WORK}; {KNOWN_HOSTS}\n"
    )
    return 0


def main() -> int:
    """Parse, call, and turn a LabError into a message."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.demo", description=__doc__)
    parser.add_argument("action", choices=["up", "down"])
    action = parser.parse_args().action
    try:
        return up() if action == "up" else down()
    except LabError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped; `make demo` goes on from here, `make demo-down` removes everything\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
