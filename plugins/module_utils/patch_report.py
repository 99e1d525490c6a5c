# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host needs after patching (reboot, service restarts), and patching's metrics for node_exporter.

Standard library only, Python 3.8.
"""

from __future__ import annotations

import glob
import os
import re
import tempfile
from datetime import datetime, timezone

REBOOT_FLAG = "/run/reboot-required"
METRICS_FILE = "vigie_patch.prom"

# needrestart(1), batch mode: 1 current, 2 ABI compatible upgrade pending, 3 version upgrade pending.
KERNEL_OUTDATED = ("2", "3")

METRICS = (
    ("last_run_timestamp_seconds", "When patching last ran."),
    ("last_run_success", "Whether the last run of patching did all it should."),
    ("last_success_timestamp_seconds", "When patching last succeeded."),
    ("index_refreshed_timestamp_seconds", "When every package index was last fetched without error."),
    ("pending_updates", "Updates the host knows of and does not have, after the last run."),
    ("held_packages", "Packages on hold (apt-mark hold)."),
    ("reboot_required", "Whether the host must be restarted."),
    ("services_to_restart", "Services that still run replaced files; absent when needrestart is missing."),
)


def utc(seconds):
    """ISO 8601 UTC with Z, of a time in seconds since the epoch."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_needrestart(output):
    """Read ``needrestart -b``: ``{"services": [...], "kernel": {"running", "expected", "status"}}``.

    ``kernel`` is None where needrestart says nothing of it (containers).
    """
    values = re.findall(r"^NEEDRESTART-(\w+): (.*)$", output, re.MULTILINE)
    single = {key: value.strip() for key, value in values}
    kernel = None
    if "KSTA" in single:
        kernel = {
            "running": single.get("KCUR", ""),
            "expected": single.get("KEXP", ""),
            "status": single["KSTA"],
        }
    return {"services": sorted(value.strip() for key, value in values if key == "SVC"), "kernel": kernel}


def kernel_is_packaged(release, dpkg_info="/var/lib/dpkg/info"):
    """Whether a Debian package brought the running kernel; if not, it is not the host's to renew."""
    return bool(glob.glob(os.path.join(dpkg_info, f"linux-image-{glob.escape(release)}*.list")))


def reboot_state(restart, packaged, flag=REBOOT_FLAG):
    """Whether a reboot is needed, since when, and why.

    Args:
        restart: what `parse_needrestart` returned, or None when needrestart is missing.
        packaged: what `kernel_is_packaged` said of the running kernel.
        flag: the file Debian and Ubuntu packages create; ``<flag>.pkgs`` names the packages.

    Returns:
        ``{"required": bool, "since": ISO time | None, "reasons": [...]}``.
    """
    reasons, since = [], None
    try:
        since = utc(os.stat(flag).st_mtime)
        reasons.append("asked by {0}".format(", ".join(_lines(flag + ".pkgs")) or "an installed package"))
    except OSError:
        pass
    kernel = restart["kernel"] if restart else None
    if kernel and packaged and kernel["status"] in KERNEL_OUTDATED:
        reasons.append("kernel {running} runs, {expected} is installed".format(**kernel))
    return {"required": bool(reasons), "since": since, "reasons": reasons}


def _lines(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return sorted(set(stream.read().split()))
    except OSError:
        return []


def read_metrics(directory):
    """The previous run's metrics without labels, ``{name without prefix: value}``; empty if none."""
    try:
        with open(os.path.join(directory, METRICS_FILE), encoding="ascii", errors="replace") as stream:
            found = re.findall(r"^vigie_patch_(\w+) (\S+)$", stream.read(), re.MULTILINE)
        return {name: float(value) for name, value in found}
    except (OSError, ValueError):
        return {}


def render_metrics(values):
    """Prometheus text format. A value is a number, a mapping of label ``scope`` to number, or None."""
    lines = []
    for name, text in METRICS:
        value = values.get(name)
        if value is None:
            continue
        lines.append(f"# HELP vigie_patch_{name} {text}")
        lines.append(f"# TYPE vigie_patch_{name} gauge")
        if isinstance(value, dict):
            lines += [f'vigie_patch_{name}{{scope="{key}"}} {value[key]}' for key in sorted(value)]
        else:
            lines.append(f"vigie_patch_{name} {int(value)}")
    return "\n".join(lines) + "\n"


def write_metrics(directory, values):
    """Replace the metrics file in one step, so that node_exporter never reads half of it.

    Raises:
        OSError: the directory cannot be made or written.
    """
    os.makedirs(directory, mode=0o755, exist_ok=True)
    # node_exporter reads *.prom only: an unfinished temporary file is never scraped.
    handle, temporary = tempfile.mkstemp(prefix=".vigie_patch.", suffix=".tmp", dir=directory)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(render_metrics(values))
        os.chmod(temporary, 0o644)
        os.replace(temporary, os.path.join(directory, METRICS_FILE))
    except BaseException:
        os.unlink(temporary)
        raise


def kept_configuration(since, directory="/etc"):
    """New defaults laid beside a kept configuration file since a time (``.dpkg-dist``, ``.ucf-dist``)."""
    found = []
    for path, _directories, names in os.walk(directory):
        for name in names:
            full = os.path.join(path, name)
            if name.endswith((".dpkg-dist", ".ucf-dist")) and os.lstat(full).st_ctime >= since:
                found.append(full)
    return sorted(found)
