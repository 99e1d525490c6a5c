# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Local file systems: space and inodes. Network file systems are left out: their server answers for them."""

from __future__ import annotations

import os

from .common import ProbeError, capped, read_text

LOCAL = {"btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "reiserfs", "vfat", "xfs", "zfs"}


def filesystems():
    """[{mount, type, size, used_percent, inodes_used_percent}], one per writable local file system."""
    found, seen = [], set()
    for mount, kind, options in mounts(read_text("/proc/self/mounts")):
        if (kind in LOCAL or mount == "/") and "ro" not in options and os.path.isdir(mount):
            device = os.stat(mount).st_dev
            if device not in seen:
                seen.add(device)
                found.append(_usage(mount, kind))
    if not found:
        raise ProbeError("no local file system is mounted writable")
    return capped(found)


def mounts(text):
    """(mount point, type, options) of each line of /proc/self/mounts, with its octal escapes undone."""
    for line in text.splitlines():
        fields = line.split(" ")
        if len(fields) >= 4:
            mount = fields[1].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
            yield mount, fields[2], fields[3].split(",")


def _usage(mount, kind):
    """Used space as df shows it: blocks reserved for root count as neither used nor free."""
    status = os.statvfs(mount)
    used = status.f_blocks - status.f_bfree
    inodes = status.f_files - status.f_ffree
    return {
        "mount": mount,
        "type": kind,
        "size": status.f_blocks * status.f_frsize,
        "used_percent": _percent(used, used + status.f_bavail),
        "inodes_used_percent": _percent(inodes, status.f_files) if status.f_files else None,
    }


def _percent(part, whole):
    return round(100.0 * part / whole, 1) if whole else 100.0
