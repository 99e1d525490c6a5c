"""What ``ansible-inventory`` said on standard error, as problems and warnings.

For a source no plugin could read, Ansible prints one warning per plugin it tried. Only one of them matters:
that of the plugin the file was meant for.
"""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.vigie.msp.plugins.module_utils.documents import Problem
from vigie.subscriptions.problems import shown

_FAILURE = re.compile(r"^\[WARNING\]: Failed to parse inventory with '(.+?)' plugin: (.*?)\n\n", re.M | re.S)
_PARAGRAPH = re.compile(r"^\[(WARNING|ERROR)\]: (.*?)(?=\n\n|\n\[|\Z)", re.M | re.S)
_ORIGIN = re.compile(r"^Origin: (/.*?)(?::(\d+):(\d+))?$", re.M)
_SOURCE = re.compile(r"Completely failed to parse inventory source (.*)")
_PLACED = re.compile(r"^(/[^:\n]+):(\d+):(\d+): (?:([\w.\[\]-]+): )?(.*)$")

# A YAML file ends in these plugins after the one that matters has refused it.
_NOISE = ("Plugin configuration YAML file, not YAML inventory", "no root 'plugin' key found")
_LAST_RESORT = frozenset({"ini", "host_list", "advanced_host_list", "toml"})


def problems(directory: Path, stderr: str) -> list[Problem]:
    """Why Ansible refused the inventory, naming the source."""
    source = _SOURCE.search(stderr)
    if not source:
        said = [text for kind, text in _PARAGRAPH.findall(stderr) if kind == "ERROR"]
        return [Problem(shown(directory), _one_line(said[-1] if said else stderr))]
    failures = [(plugin, text) for plugin, text in _FAILURE.findall(stderr) if not _is_noise(text)]
    wanted = [failure for failure in failures if failure[0] not in _LAST_RESORT] or failures
    if not wanted:
        return [Problem(shown(Path(source[1].strip())), "no inventory plugin can read this source")]
    found = [_placed(line) for line in wanted[0][1].splitlines()]
    if any(problem is not None for problem in found):
        return [problem for problem in found if problem is not None]
    return [_at_origin(Path(source[1].strip()), wanted[0][1], stderr)]


def warnings(stderr: str) -> tuple[str, ...]:
    """What Ansible warned about while it accepted the inventory: often that a part was skipped."""
    return tuple(_one_line(text) for kind, text in _PARAGRAPH.findall(stderr) if kind == "WARNING")


def _is_noise(text: str) -> bool:
    return any(noise in text for noise in _NOISE)


def _placed(line: str) -> Problem | None:
    """A problem our own plugin already placed."""
    found = _PLACED.match(line)
    if not found:
        return None
    path, row, column, key, message = found.groups()
    return Problem(shown(Path(path)), message, int(row), int(column), key or "")


def _at_origin(source: Path, text: str, stderr: str) -> Problem:
    for path, line, column in _ORIGIN.findall(stderr):
        if line and Path(path) == source:
            return Problem(shown(source), _one_line(text), int(line), int(column))
    return Problem(shown(source), _one_line(text))


def _one_line(text: str) -> str:
    return " ".join(text.split())[:1000]
