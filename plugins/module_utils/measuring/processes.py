# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Services that still run code which an update has replaced on disk.

Read from /proc directly: it needs nothing installed, costs a fraction of needrestart, and the time of
the replacing file says since when the service has been outdated.
"""

from __future__ import annotations

import glob
import os
import re

from .common import capped, iso, read_text

CODE = re.compile(r"^\S+ ..x. \S+ \S+ \S+ +((?:/usr|/lib|/opt|/bin|/sbin)\S*) \(deleted\)$", re.MULTILINE)
UNIT = re.compile(r"/system\.slice/(?:.*/)?([^/]+\.service)")
MOST_MAPS = 2 * 1024 * 1024


def stale_services():
    """Outdated services: {count, undated, unread, oldest, oldest_name, services: [{unit, since, file}]}.

    ``unread`` counts processes that may not be looked into, even by root: in a container that lacks
    CAP_SYS_PTRACE those of other users. Nothing good may be concluded about them.
    """
    found, unread = {}, 0
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            _look(folder, found)
        except PermissionError:
            unread += 1
        except (FileNotFoundError, ProcessLookupError):  # the process ended meanwhile
            continue
    services = sorted(found.values(), key=lambda service: (service["since"] or "", service["unit"]))
    dated = [service for service in services if service["since"]]
    return {
        "count": len(services),
        "undated": len(services) - len(dated),
        "unread": unread,
        "services": capped(services),
        "oldest": dated[0]["since"] if dated else None,
        "oldest_name": dated[0]["unit"] if dated else None,
    }


def _look(folder, found):
    if not _ours(folder):
        return
    files = CODE.findall(read_text(folder + "/maps", MOST_MAPS))
    unit = UNIT.search(read_text(folder + "/cgroup")) if files else None
    if not unit:
        return
    dates = sorted(filter(None, (_replaced(path) for path in files)))
    entry = {"unit": unit.group(1), "since": dates[0] if dates else None, "file": files[0]}
    known = found.setdefault(entry["unit"], entry)
    if entry["since"] and (not known["since"] or entry["since"] < known["since"]):
        found[entry["unit"]] = entry


def _ours(folder):
    """Whether a process sees the same files as we do: those of containers on this machine do not."""
    return os.path.samefile(folder + "/root", "/") and os.path.samefile(
        folder + "/ns/pid", "/proc/self/ns/pid"
    )


def _replaced(path):
    """When the file now at this path was put there: dpkg renames it into place, which sets its ctime."""
    try:
        return iso(os.stat(path).st_ctime)
    except OSError:
        return None
