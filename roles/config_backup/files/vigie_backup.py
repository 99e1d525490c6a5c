# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Back this host up once: what ``vigie-backup.timer`` runs. Installed by the role ``config_backup``.

Usage: ``vigie_backup.py [SETTINGS]``; by default ``/etc/vigie/backup/settings.json``.

Exit codes: 0 a complete snapshot was made; 1 failed; 3 incomplete: a snapshot was made but a declared path or
some files are missing from it; 75 another backup is running. Metrics are written on every exit but the last;
those of the last success stay until there is a newer one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from typing import Any, Iterator, Mapping, NamedTuple

# The role puts this module of the collection (plugins/module_utils) beside this program.
import backup_restic as restic

SETTINGS = "/etc/vigie/backup/settings.json"
EXIT_OK, EXIT_FAILED, EXIT_INCOMPLETE, EXIT_BUSY = 0, 1, restic.EXIT_INCOMPLETE, 75
LOCK_PATIENCE = "15m"
"""How long to wait for the provider's maintenance (prune) to release the repository."""

INVENTORIES = {
    "dpkg-selections": ["dpkg", "--get-selections"],
    "apt-manual": ["apt-mark", "showmanual"],
    "apt-hold": ["apt-mark", "showhold"],
}
"""File in the staging directory → command: with these, a rebuilt host gets the same packages again."""

REQUIRED = (
    "url",
    "account",
    "host",
    "paths",
    "exclude",
    "restic",
    "password_file",
    "server_password_file",
    "certificate",
    "state_dir",
    "cache_dir",
    "textfile_dir",
    "deadline",
)


class BackupError(Exception):
    """The backup failed: the text says what to look at."""


class Outcome(NamedTuple):
    """What one attempt came to."""

    code: int
    summary: Mapping[str, Any]
    problems: tuple[str, ...] = ()


def read_settings(path: str) -> dict[str, Any]:
    """The settings the role wrote.

    Raises:
        BackupError: The file is missing, is not JSON, or lacks a key.
    """
    try:
        with open(path, encoding="utf-8") as handle:
            settings = json.load(handle)
    except (OSError, ValueError) as error:
        raise BackupError(
            "cannot read the settings %s: %s; run the backup playbook again" % (path, error)
        ) from error
    missing = (
        [key for key in REQUIRED if key not in settings] if isinstance(settings, dict) else list(REQUIRED)
    )
    if missing:
        raise BackupError("%s lacks %s; run the backup playbook again" % (path, ", ".join(missing)))
    return settings


@contextlib.contextmanager
def only_one(state_dir: str) -> Iterator[bool]:
    """Hold this host's lock: two first backups at once would store everything twice."""
    os.makedirs(state_dir, mode=0o700, exist_ok=True)
    with open(os.path.join(state_dir, "lock"), "w", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def write_private(path: str, text: str, mode: int = 0o600) -> None:
    """Replace a file at once, so that no reader and no power cut sees half of it. Same text: left alone."""
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="surrogateescape") as handle:
        if handle.read() == text:
            return
    temporary = "%s.%d" % (path, os.getpid())
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    os.chmod(temporary, mode)
    os.rename(temporary, path)


def stage_inventories(state_dir: str) -> str:
    """Write the package selections to files for the snapshot; returns their directory.

    Raises:
        BackupError: A command failed or printed nothing where something must be.
    """
    staging = os.path.join(state_dir, "system")
    os.makedirs(staging, mode=0o700, exist_ok=True)
    for name, command in INVENTORIES.items():
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False
            )
        except FileNotFoundError:
            continue  # no dpkg here: there is no selection to keep
        except subprocess.TimeoutExpired as error:
            raise BackupError("%s did not end in 120 s" % " ".join(command)) from error
        if done.returncode or (name == "dpkg-selections" and not done.stdout):
            raise BackupError(
                "%s failed: %s" % (" ".join(command), done.stderr.decode(errors="replace").strip())
            )
        write_private(os.path.join(staging, name), done.stdout.decode("utf-8", "surrogateescape"))
    return staging


def sort_paths(paths: list[str]) -> tuple[list[str], list[str]]:
    """Declared paths that exist and those that do not: restic 0.18 ends with 0 when one is missing."""
    present = [path for path in paths if os.path.lexists(path)]
    return present, [path for path in paths if path not in present]


def backup_arguments(settings: Mapping[str, Any], paths: list[str]) -> list[str]:
    """The arguments of ``restic backup``; nothing secret among them."""
    arguments = [
        "backup",
        "--json",
        "--quiet",
        "--no-scan",
        "--retry-lock",
        LOCK_PATIENCE,
        "--host",
        settings["host"],
    ]
    for pattern in settings["exclude"]:
        arguments += ["--exclude", pattern]
    return [*arguments, "--", *paths]


def attempt(settings: Mapping[str, Any]) -> Outcome:
    """Make one snapshot.

    Raises:
        BackupError, restic.ResticError: No snapshot was made.
    """
    present, missing = sort_paths(settings["paths"])
    if not present:
        raise BackupError("none of the declared paths exists: %s" % ", ".join(settings["paths"]))
    staging = stage_inventories(settings["state_dir"])
    restic.probe(settings["url"])
    result = restic.run(
        access(settings), backup_arguments(settings, [*present, staging]), settings["deadline"]
    )
    error = restic.failure(result)
    if error and error.kind != "incomplete":
        raise error
    summary = next((m for m in result.messages() if m.get("message_type") == "summary"), None)
    if not summary or not summary.get("snapshot_id"):
        raise BackupError("restic ended with %d but named no snapshot" % result.code)
    problems = tuple("declared path is missing: " + path for path in missing) + (
        (str(error),) if error else ()
    )
    return Outcome(EXIT_INCOMPLETE if problems else EXIT_OK, summary, problems)


def access(settings: Mapping[str, Any]) -> restic.Access:
    """How this host reaches its repository."""
    return restic.Access(
        url=settings["url"],
        account=settings["account"],
        server_password=restic.read_secret(settings["server_password_file"]),
        password_file=settings["password_file"],
        certificate=settings["certificate"],
        cache_dir=settings["cache_dir"],
        program=settings["restic"],
    )


def last_success(state_dir: str) -> dict[str, Any]:
    """What the last complete backup left behind; empty before the first."""
    try:
        with open(os.path.join(state_dir, "last_success.json"), encoding="utf-8") as handle:
            found = json.load(handle)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def record_success(state_dir: str, outcome: Outcome, now: float) -> None:
    """Remember a complete backup for later metrics."""
    summary = outcome.summary
    write_private(
        os.path.join(state_dir, "last_success.json"),
        json.dumps(
            {
                "time": int(now),
                "snapshot": summary["snapshot_id"],
                "files": summary.get("total_files_processed", 0),
                "bytes": summary.get("total_bytes_processed", 0),
            }
        )
        + "\n",
    )


def metrics(code: int, started: float, ended: float, success: Mapping[str, Any]) -> str:
    """The text for node_exporter's textfile collector."""
    rows = [
        ("last_attempt_timestamp_seconds", "When the last backup attempt ended.", int(ended)),
        ("last_exit_code", "Exit code of the last attempt: 0 complete, 1 failed, 3 incomplete.", code),
        ("last_duration_seconds", "Duration of the last attempt.", round(ended - started, 3)),
    ]
    if success:
        rows += [
            ("last_success_timestamp_seconds", "When the last complete backup ended.", success["time"]),
            ("last_success_files", "Files in the last complete backup.", success["files"]),
            ("last_success_bytes", "Bytes of the files in the last complete backup.", success["bytes"]),
        ]
    return "".join(
        "# HELP vigie_backup_%s %s\n# TYPE vigie_backup_%s gauge\nvigie_backup_%s %s\n"
        % (name, text, name, name, value)
        for name, text, value in rows
    )


def write_metrics(settings: Mapping[str, Any], code: int, started: float) -> None:
    """Write the metrics; a failure to is reported and does not fail the backup."""
    if not settings["textfile_dir"]:
        return
    try:
        os.makedirs(settings["textfile_dir"], mode=0o755, exist_ok=True)
        write_private(
            os.path.join(settings["textfile_dir"], "vigie_backup.prom"),
            metrics(code, started, time.time(), last_success(settings["state_dir"])),
            0o644,
        )
    except OSError as error:
        say("warning: cannot write metrics: %s" % error)


def say(text: str) -> None:
    """One line for the journal."""
    sys.stderr.write("vigie-backup: %s\n" % text)


def interrupted(number: int, _frame: object) -> None:
    """Turn SIGTERM into an exception, so that restic is stopped and the metrics are written."""
    raise BackupError("stopped by %s" % signal.Signals(number).name)


def back_up(settings: Mapping[str, Any]) -> int:
    """One attempt with its record; returns the exit code."""
    started, code = time.time(), EXIT_FAILED
    try:
        outcome = attempt(settings)
        code = outcome.code
        for problem in outcome.problems:
            say("warning: " + problem)
        if code == EXIT_OK:
            record_success(settings["state_dir"], outcome, time.time())
        say(
            "snapshot %s, %s files, %s bytes added, %d s"
            % (
                outcome.summary["snapshot_id"][:8],
                outcome.summary.get("total_files_processed"),
                outcome.summary.get("data_added"),
                time.time() - started,
            )
        )
    except (BackupError, restic.ResticError, OSError) as error:
        say("error: %s" % error)
    finally:
        write_metrics(settings, code, started)
    return code


def main(arguments: list[str]) -> int:
    """Read the settings, take the lock, back up."""
    signal.signal(signal.SIGTERM, interrupted)
    try:
        settings = read_settings(arguments[0] if arguments else SETTINGS)
        with only_one(settings["state_dir"]) as alone:
            if alone:
                return back_up(settings)
        say("another backup of this host is running")
    except BackupError as error:
        say("error: %s" % error)
        return EXIT_FAILED
    return EXIT_BUSY


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
