# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run apt and dpkg unattended: wait for their locks, ask no question, keep local configuration files.

Standard library only, Python 3.8.
"""

from __future__ import annotations

import os
import subprocess
import time

LOCK_FILES = (
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/lock",
    "/var/lib/apt/lists/lock",
    "/var/cache/apt/archives/lock",
)

ENVIRONMENT = {
    "LC_ALL": "C",
    "LANG": "C",
    "LANGUAGE": "C",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBIAN_PRIORITY": "critical",
    "APT_LISTCHANGES_FRONTEND": "none",
    "UCF_FORCE_CONFFOLD": "1",
    # needrestart's apt hook would restart services or ask; Vigie reports instead, after the upgrade.
    "NEEDRESTART_SUSPEND": "1",
    "NEEDRESTART_MODE": "l",
}

CONFIGURATION_OPTIONS = ("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold")

# --no-remove comes from the caller. Recommends: patching brings newer versions of what is there only.
INSTALL_OPTIONS = (
    *CONFIGURATION_OPTIONS,
    "-o",
    "Dpkg::Use-Pty=0",
    "-o",
    "APT::Install-Recommends=false",
    "-o",
    "APT::Keep-Downloaded-Packages=false",
)

# Without Error-Mode=any apt-get update returns 0 when a source cannot be fetched (apt >= 2.1.8).
UPDATE_OPTIONS = ("-o", "APT::Update::Error-Mode=any", "-o", "Acquire::Retries=2")

LOCK_MESSAGES = ("Could not get lock", "Unable to acquire the dpkg frontend lock", "Unable to lock")

TAIL_LINES = 40


class PatchError(Exception):
    """A step of patching failed; the message says what was seen and the way out."""


def unattended_environment():
    """The caller's proxy settings and nothing else of its environment, plus ENVIRONMENT."""
    kept = {
        name: value for name, value in os.environ.items() if name.lower().endswith("_proxy") or name == "HOME"
    }
    return dict(kept, **ENVIRONMENT)


def run(command):
    """Run a command without terminal or input; return ``(exit code, stdout and stderr together)``."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=unattended_environment(),
            universal_newlines=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise PatchError(f"cannot run {command[0]}: {error}") from error
    return done.returncode, done.stdout


def run_locked(command, deadline, clock=time.monotonic, sleep=time.sleep, execute=run):
    """Run an apt or dpkg command once its locks are free; wait for them until ``deadline`` (of ``clock``).

    Another apt may take a lock between the look and the start: that failure is waited for as well.

    Raises:
        PatchError: the lock was still held at the deadline; the message names the holder.
    """
    while True:
        wait_for_locks(deadline, clock=clock, sleep=sleep)
        code, output = execute(command)
        if code == 0 or not any(message in output for message in LOCK_MESSAGES):
            return code, output
        if clock() >= deadline:
            raise PatchError(f"apt's lock was taken by another program until the deadline: {tail(output, 3)}")
        sleep(1)


def wait_for_locks(deadline, clock=time.monotonic, sleep=time.sleep, holders=None):
    """Return when no program holds one of apt's locks.

    Raises:
        PatchError: one is still held at ``deadline``.
    """
    find = holders or lock_holders
    while True:
        found = find()
        if not found:
            return
        if clock() >= deadline:
            raise PatchError(
                "another program still holds apt's lock: {0}. Nothing was changed. Let it finish, or raise "
                "patch_baseline_lock_timeout; if it hangs, look at it on the host before ending it".format(
                    "; ".join(found)
                )
            )
        sleep(1)


def lock_holders(paths=LOCK_FILES, locks_file="/proc/locks", proc="/proc"):
    """Describe the processes that hold one of the lock files, from /proc/locks (see proc_locks(5)).

    Reading takes no lock, so a concurrent apt is never disturbed. Unreadable: nobody, apt decides then.
    """
    inodes = {}
    for path in paths:
        try:
            inodes[str(os.stat(path).st_ino)] = path
        except OSError:
            continue
    found = {}
    for pid, inode in _posix_locks(locks_file):
        # The inode alone could belong to another file system: the process must have that very file open.
        if inode in inodes and _has_open(pid, inodes[inode], proc):
            found.setdefault(pid, inodes[inode])
    return [f"{_command_line(pid, proc)} (process {pid}, lock {path})" for pid, path in found.items()]


def _posix_locks(locks_file):
    """Yield ``(pid, inode)`` of the POSIX locks; a line that only waits (``->``) holds nothing."""
    try:
        with open(locks_file, encoding="ascii", errors="replace") as stream:
            lines = stream.read().splitlines()
    except OSError:
        return
    for line in lines:
        fields = line.split()
        if len(fields) >= 8 and fields[1] == "POSIX":
            yield fields[4], fields[5].rsplit(":", 1)[-1]


def _has_open(pid, path, proc):
    directory = os.path.join(proc, pid, "fd")
    try:
        return any(_link(os.path.join(directory, name)) == path for name in os.listdir(directory))
    except OSError:
        return False


def _link(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _command_line(pid, proc):
    try:
        with open(os.path.join(proc, pid, "cmdline"), "rb") as stream:
            words = stream.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        words = ""
    return words[:120] or "an unknown program"


def tail(output, lines=TAIL_LINES):
    """The last lines of a command's output, without dpkg's progress lines."""
    kept = [line for line in output.splitlines() if line.strip() and not line.startswith("(Reading database")]
    return "\n".join(kept[-lines:])
