# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Patching's metrics for node_exporter, and the configuration files it left to be merged.

Standard library only, Python 3.8.
"""

from __future__ import annotations

import os
import re
import tempfile
from datetime import datetime, timezone

METRICS_FILE = "vigie_patch.prom"

METRICS = (
    ("last_run_timestamp_seconds", "When patching last ran."),
    ("last_run_success", "Whether the last run of patching did all it should."),
    ("last_success_timestamp_seconds", "When patching last succeeded."),
    ("index_refreshed_timestamp_seconds", "When every package index was last fetched without error."),
    ("pending_updates", "Updates the host knows of and does not have, after the last run."),
    ("held_packages", "Packages on hold (apt-mark hold)."),
    ("reboot_required", "Whether the host must be restarted."),
    ("services_to_restart", "Services that still run code an update has replaced."),
)


def utc(seconds):
    """ISO 8601 UTC with Z, of a time in seconds since the epoch."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def measured_metrics(measurements):
    """Metrics taken from the audit's measurements; one that ended with an error gives no metric."""
    values = {entry["name"]: entry["value"] for entry in measurements if "value" in entry}
    metrics = {}
    if "packages.updates" in values:
        updates = values["packages.updates"]
        metrics["pending_updates"] = {scope: updates[scope]["count"] for scope in ("security", "other")}
    if "system.restart" in values:
        metrics["reboot_required"] = values["system.restart"]["required"]
    if "system.stale_services" in values:
        metrics["services_to_restart"] = values["system.stale_services"]["count"]
    return metrics


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
