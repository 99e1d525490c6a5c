# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operating system: release and support, restart, kernel, services, clock, logs, access control."""

from __future__ import annotations

import glob
import os
import platform
import re

from .common import (
    ProbeError,
    absent,
    capped,
    has_systemd,
    in_container,
    iso,
    modified,
    read_or_none,
    read_text,
    run,
)
from .support_dates import DATA, support_of

RESTART_FLAG = "/run/reboot-required"


def kind():
    """What this host is: {container: kind or null, systemd: bool, kernel}."""
    return {"container": in_container(), "systemd": has_systemd(), "kernel": platform.release()}


def release():
    """The release and its end: {id, version, name, codename, supported_until, support, data}."""
    text = read_or_none("/etc/os-release")
    if not text:
        raise ProbeError("/etc/os-release is missing or empty")
    fields = dict(re.findall(r'^([A-Z_]+)="?([^"\n]*)"?$', text, re.MULTILINE))
    system, version = fields.get("ID", ""), fields.get("VERSION_ID", "")
    known = support_of(system, version)
    return {
        "id": system,
        "version": version,
        "name": fields.get("PRETTY_NAME", system),
        "codename": known[0] if known else fields.get("VERSION_CODENAME"),
        "supported_until": known[1] + "T23:59:59Z" if known else None,
        "support": known[2] if known else None,
        "data": DATA,
    }


def restart():
    """Whether a restart is due and since when: {required, reasons: [...], and a group of 0 or 1}."""
    reasons, since = [], []
    flagged = modified(RESTART_FLAG)
    if flagged is not None:
        packages = sorted(set((read_or_none(RESTART_FLAG + ".pkgs") or "").split()))
        reasons += packages or ["restart requested"]
        since.append(iso(flagged))
    running = kernel()
    if running.get("current") is False:
        reasons.append("kernel %s is installed, %s runs" % (running["newest"], running["running"]))
        since += [running["oldest"]] if running["oldest"] else []
    return {
        "required": bool(reasons),
        "reasons": capped(reasons),
        "count": int(bool(reasons)),
        "undated": int(bool(reasons) and not since),
        "oldest": min(since) if since else None,
        "oldest_name": reasons[0] if reasons else None,
    }


def kernel():
    """Whether the newest installed kernel runs: {running, newest, current, and a group of 0 or 1}."""
    container = in_container()
    if container:
        return absent("%s: the kernel belongs to the machine below" % container)
    running, packaged = _running_kernel()
    installed = _installed_kernels()
    if not packaged and ("linux-image-" + platform.release()) not in [name for name, _version in installed]:
        return absent("kernel %s does not come from a package" % platform.release())
    if not installed:
        raise ProbeError("the running kernel is a package's, but no kernel package is installed any more")
    newest = _newest(installed)
    since = None if running == newest[1] else iso(modified("/var/lib/dpkg/info/%s.list" % newest[0]))
    outdated = int(running != newest[1])
    return {
        "running": running,
        "newest": newest[1],
        "current": not outdated,
        "count": outdated,
        "undated": int(outdated and since is None),
        "oldest": since,
        "oldest_name": newest[0] if since else None,
    }


def _running_kernel():
    """(package version, whether a distribution built it), from what the running kernel says of itself."""
    signature = read_or_none("/proc/version_signature")
    if signature:  # Ubuntu 5.15.0-91.101-generic 5.15.131
        return "-".join(signature.split()[1].split("-")[:2]), True
    match = re.search(r"Debian (\S+)", platform.version())
    return (match.group(1), True) if match else (platform.release(), False)


def _installed_kernels():
    form = "${db:Status-Status}\t${Package}\t${Version}\n"
    text = run(["dpkg-query", "-W", "-f", form, "linux-image-[0-9]*"], accept=(0, 1))
    rows = [line.split("\t") for line in text.splitlines()]
    return [(row[1], row[2]) for row in rows if row[0] == "installed" and not row[1].endswith("-dbg")]


def _newest(installed):
    newest = installed[0]
    for package in installed[1:]:
        if _is_newer(package, newest):
            newest = package
    return newest


def _is_newer(one, other):
    try:
        run(["dpkg", "--compare-versions", one[1], "gt", other[1]])
        return True
    except ProbeError:
        return False


def failed_units():
    """Names of systemd units in state failed."""
    if not has_systemd():
        return absent("systemd is not running")
    text = run(["systemctl", "--failed", "--plain", "--no-legend", "--no-pager"])
    return capped(line.split()[0] for line in text.splitlines() if line.strip())


def clock():
    """Whether the clock is disciplined: {synchronised, offset_seconds or null, by}."""
    container = in_container()
    if container:
        return absent("%s: the clock is that of the machine below" % container)
    if os.path.exists("/usr/bin/chronyc"):
        fields = run(["chronyc", "-c", "tracking"], seconds=5).strip().split(",")
        if len(fields) < 14:
            raise ProbeError("chronyc -c tracking gave %d fields" % len(fields))
        return {
            "synchronised": fields[13] == "Normal",
            "offset_seconds": abs(float(fields[4])),
            "by": "chrony",
        }
    if not has_systemd():
        raise ProbeError("neither chrony nor systemd: nothing says whether the clock is synchronised")
    text = run(["timedatectl", "show", "-p", "NTPSynchronized", "--value"], seconds=5).strip()
    return {"synchronised": text == "yes", "offset_seconds": None, "by": "timedatectl"}


def logs():
    """Whether logs outlive a restart: {persistent, journal: persistent, volatile or off, syslog}."""
    journal, syslog = _journal(), _syslog()
    return {"persistent": journal == "persistent" or syslog is not None, "journal": journal, "syslog": syslog}


def _journal():
    if not has_systemd():
        return "off"
    storage = "auto"
    for pattern in (
        "/usr/lib/systemd/journald.conf.d/*.conf",
        "/etc/systemd/journald.conf",
        "/etc/systemd/journald.conf.d/*.conf",
    ):
        for path in sorted(glob.glob(pattern)):
            for value in re.findall(r"^\s*Storage\s*=\s*(\S+)", read_text(path), re.MULTILINE):
                storage = value.lower()
    if storage == "none":
        return "off"
    if storage == "volatile" or not os.path.isdir("/var/log/journal"):
        return "volatile"
    return "volatile" if filesystem_type("/var/log/journal") in ("tmpfs", "ramfs") else "persistent"


def filesystem_type(path):
    """The type of the file system that holds a path, from the longest mount point above it."""
    best = ("", "")
    for line in read_text("/proc/self/mounts").splitlines():
        mount, kind_of = line.split()[1:3]
        inside = path == mount or path.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best[0]):
            best = (mount, kind_of)
    return best[1]


def _syslog():
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            name = read_text(path).strip()
        except OSError:  # the process ended meanwhile
            continue
        if name in ("rsyslogd", "syslog-ng"):
            return name
    return None


def access_control():
    """Mandatory access control: {system, enforcing, profiles}."""
    container = in_container()
    if container:
        return absent("%s: profiles are loaded by the machine below" % container)
    selinux = read_or_none("/sys/fs/selinux/enforce")
    if selinux is not None:
        return {"system": "selinux", "enforcing": selinux == "1", "profiles": None}
    if read_or_none("/sys/module/apparmor/parameters/enabled") != "Y":
        return {"system": None, "enforcing": False, "profiles": 0}
    profiles = read_or_none("/sys/kernel/security/apparmor/profiles") or ""
    enforced = len(re.findall(r"\(enforce\)$", profiles, re.MULTILINE))
    return {"system": "apparmor", "enforcing": enforced > 0, "profiles": enforced}
