# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Questions about the host that patching asks besides apt's index: system, space, sources, marks.

Standard library only, Python 3.8.
"""

from __future__ import annotations

import os
import shutil

from ansible_collections.vigie.msp.plugins.module_utils import apt_run
from ansible_collections.vigie.msp.plugins.module_utils.apt_run import PatchError

SOURCES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d")
MEGABYTE = 1000 * 1000


def require_apt(release_file="/etc/os-release"):
    """Refuse a host that is not managed with apt, or a user who may not use it.

    Raises:
        PatchError: with the system's name and the way out.
    """
    release = read_release(release_file)
    family = (release.get("ID", "") + " " + release.get("ID_LIKE", "")).split()
    if "debian" not in family or not shutil.which("apt-get") or not shutil.which("dpkg-query"):
        system = release.get("PRETTY_NAME") or "an unknown system"
        raise PatchError(
            f"this host runs {system}: this version patches Debian and its derivatives (apt) only. Put the "
            "host in a tier without patching, or set patch_baseline_scope: none for it"
        )
    if os.geteuid() != 0:
        raise PatchError("patching needs root on the host: set ansible_become: true, or connect as root")


def read_release(path):
    """Read os-release(5) into a dict; empty when there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            pairs = [
                line.strip().split("=", 1) for line in stream if "=" in line and not line.startswith("#")
            ]
    except OSError:
        return {}
    return {name: value.strip("\"'") for name, value in pairs}


def newest_change(paths):
    """When the newest of the files (and of those in the directories) changed here, in epoch seconds."""
    newest = 0.0
    for path in paths:
        entries = [path]
        if os.path.isdir(path):
            entries += [os.path.join(path, name) for name in os.listdir(path)]
        newest = max([newest] + [os.stat(entry).st_ctime for entry in entries if os.path.exists(entry)])
    return newest


def short_of_space(needs, reserve):
    """Yield ``(path, free bytes, needed bytes)`` of file systems that would keep less than the reserve."""
    systems = {}
    for path, need in needs:
        if os.path.isdir(path):
            first, total = systems.get(os.stat(path).st_dev, (path, 0))
            systems[os.stat(path).st_dev] = (first, total + need)
    for path, need in systems.values():
        status = os.statvfs(path)
        free = status.f_bavail * status.f_frsize
        if free - need < reserve:
            yield path, free, int(need)


def automatic():
    """Names of the packages marked as installed automatically."""
    code, output = apt_run.run(["apt-mark", "showauto"])
    return set(output.split()) if code == 0 else set()


def restore_automatic(before):
    """Naming a version marks a package as manual (apt 2.6): give the mark back, or autoremove forgets it."""
    lost = sorted(before - automatic())
    if lost:
        code, output = apt_run.run(["apt-mark", "auto", *lost])
        if code != 0:
            raise PatchError(
                f"packages could not be marked as automatically installed again: {apt_run.tail(output, 5)}"
            )
