"""Limits of this machine that many systemd hosts would hit."""

from __future__ import annotations

from pathlib import Path

from tests.lab.progress import Progress

INOTIFY_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
PER_HOST = 8  # inotify instances of a booted host: 7 were measured, all of them root's
RESERVE = 64  # for the rest of root's processes
RAISED = 1024


def make_room(hosts: int, progress: Progress, setting: Path = INOTIFY_INSTANCES) -> None:
    """Raise the limit on root's inotify instances, until this machine restarts, when `hosts` hosts need it.

    Debian's 128 is enough for about eight hosts; further ones would not boot ("Too many open files").
    """
    limit = int(setting.read_text())
    needed = hosts * PER_HOST + RESERVE
    if needed <= limit:
        return
    wanted = max(RAISED, needed)
    try:
        setting.write_text(f"{wanted}\n")
    except OSError as error:
        progress.say(
            f"{hosts} hosts need more than {limit} inotify instances and may not boot; it could not be "
            f"raised ({error.strerror}): sysctl fs.inotify.max_user_instances={wanted}"
        )
    else:
        progress.say(
            f"{hosts} hosts: raised fs.inotify.max_user_instances from {limit} to {wanted}, until restart"
        )
