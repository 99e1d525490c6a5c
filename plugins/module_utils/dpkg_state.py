# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What dpkg says is installed, and what changed between two readings.

A plan says what apt meant to do; only the package database says what was done. Every package change Vigie
records is the difference of two snapshots taken here. Standard library only, Python 3.8.
"""

from __future__ import annotations

import os
import subprocess
from typing import NamedTuple

DPKG_UPDATES = "/var/lib/dpkg/updates"
"""dpkg's journal: numbered files are left here when dpkg was killed."""

QUERY_FORMAT = (
    "${Package}\t${Architecture}\t${Version}\t${db:Status-Want}\t${db:Status-Status}\t${db:Status-Eflag}\n"
)

# States in which the package's files are not on the system.
ABSENT = ("not-installed", "config-files")
# States that a package passes through; found at rest, dpkg was interrupted. "triggers-awaited" and
# "triggers-pending" are finished by the same `dpkg --configure --pending`.
UNFINISHED = ("half-installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending")


class PackageState(NamedTuple):
    """One package as dpkg records it. ``held`` is the administrator's wish, ``status`` the fact."""

    version: str
    status: str
    held: bool
    broken: bool

    @property
    def label(self):
        """Version, with the status when it is not plainly installed."""
        return self.version if self.status == "installed" else f"{self.version} ({self.status})"


def parse_snapshot(text, native):
    """Read dpkg-query output in QUERY_FORMAT into ``{name: PackageState}``, absent packages left out.

    A package of a foreign architecture is named ``name:arch``, as dpkg and apt print it.
    """
    packages = {}
    for line in text.splitlines():
        name, architecture, version, want, status, flag = line.split("\t")
        if status in ABSENT:
            continue
        key = name if architecture in (native, "all") else f"{name}:{architecture}"
        packages[key] = PackageState(version, status, want == "hold", flag == "reinstreq")
    return packages


def snapshot():
    """Read the whole package database (about 10 ms).

    Raises:
        RuntimeError: dpkg's database cannot be read; the message is dpkg's own.
    """
    native = _dpkg(["dpkg", "--print-architecture"]).strip()
    return parse_snapshot(_dpkg(["dpkg-query", "--show", "--showformat", QUERY_FORMAT]), native)


def _dpkg(command):
    environment = dict(os.environ, LC_ALL="C")
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        universal_newlines=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(
            f"the package database cannot be read: {command[0]} ended with {done.returncode}: "
            f"{done.stderr.strip()}"
        )
    return done.stdout


def differences(before, after):
    """What changed between two snapshots, as ``vigie_changes`` of kind package, sorted by name.

    ``before`` is null for a package that is new, ``after`` for one that was removed.
    """
    changes = []
    for name in sorted(set(before) | set(after)):
        old, new = before.get(name), after.get(name)
        old_label, new_label = old and old.label, new and new.label
        if old_label != new_label:
            changes.append({"kind": "package", "name": name, "before": old_label, "after": new_label})
    return changes


def unfinished(packages):
    """Names of the packages an interrupted dpkg left between two states."""
    return sorted(name for name, state in packages.items() if state.status in UNFINISHED or state.broken)


def held(packages):
    """Names of the packages the administrator put on hold (``apt-mark hold``)."""
    return sorted(name for name, state in packages.items() if state.held)


def journal_left(directory=DPKG_UPDATES):
    """Whether dpkg was killed while writing its database (apt then refuses to work)."""
    try:
        return any(name.isdigit() for name in os.listdir(directory))
    except FileNotFoundError:
        return False
