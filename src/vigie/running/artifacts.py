"""What is kept of runs, and for how long."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.vigie.msp.plugins.module_utils.redaction import Redactor
from vigie.state import StateDirectory, private_directory

KEEP_RUNS = 50
"""Of each client, at least so many runs keep their files, however old."""
KEEP_SECONDS = 90 * 24 * 3600
"""Younger runs keep theirs, however many."""
MAX_REASON = 160
"""Characters of a failure in a summary; all of it is in the ledger."""
INGESTED = "ingested"
"""Marks a run whose results are in the ledger; only such a run's files are ever removed."""


def rotate(state: StateDirectory, client: str, now: float | None = None) -> list[Path]:
    """Remove the files of runs that are old, not among the newest, and in the ledger; returns which."""
    folder = state.runs(client)
    if not folder.is_dir():
        return []
    by_age = sorted(
        (entry for entry in folder.iterdir() if entry.is_dir() and not entry.is_symlink()),
        key=lambda entry: entry.stat().st_mtime,
        reverse=True,
    )
    limit = (time.time() if now is None else now) - KEEP_SECONDS
    old = [
        entry for entry in by_age[KEEP_RUNS:] if entry.stat().st_mtime < limit and (entry / INGESTED).exists()
    ]
    for entry in old:
        shutil.rmtree(entry, ignore_errors=True)
    return old


def prepare(folder: Path) -> Path:
    """Make a run's folder, private as all of the state."""
    return private_directory(folder)


def mark_ingested(folder: Path) -> None:
    """Note that the results are in the ledger, so that rotation may take the files one day."""
    (folder / INGESTED).touch(mode=0o600)


def scrub(path: Path, secrets: Iterable[str]) -> None:
    """Mask once more, at the end of a run: some secrets came into being while it was going on."""
    if not path.is_file():
        return
    redactor = Redactor(secrets)
    redactor.refresh()
    before = path.read_text(encoding="utf-8", errors="replace")
    after = redactor.text(before)
    if after != before:
        path.write_text(after, encoding="utf-8")


def first_failures(results: Path) -> dict[str, str]:
    """Why hosts failed: the first line of each one's first failure, for the summary of a run."""
    found: dict[str, str] = {}
    if not results.is_file():
        return found
    with results.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if '"type":"failure"' not in line:
                continue
            with contextlib.suppress(ValueError, KeyError, IndexError):
                record = json.loads(line)
                first = record["message"].strip().splitlines()[0]
                found.setdefault(record["host"], f"{record['task']}: {first[:MAX_REASON]}")
    return found


def write_summary(folder: Path, summary: dict[str, object]) -> None:
    """Keep the verdict beside the results, for people and for support."""
    path = folder / "run.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
