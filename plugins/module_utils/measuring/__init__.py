# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measure a host, read-only, in one pass.

``measure()`` is the whole interface; it serves the Ansible module ``vigie.msp.measure`` and
``vigie audit localhost`` alike. Standard library only, Python 3.8 or newer, python3-apt used when there.
No probe writes anything or talks to another machine.
"""

from __future__ import annotations

import time

from . import access, apt_state, backups, monitoring, packages, processes, storage, system
from .common import iso
from .isolation import answers

WHOLE_HOST_SECONDS = 60


class Probe:
    """One thing to measure: the measurement's name, how, where from, and how long it may take.

    ``needs_root`` marks probes whose answer would be silently incomplete, and so falsely good, without root.
    """

    def __init__(self, name, function, source, seconds=10, needs_root=False):
        self.name, self.function, self.source = name, function, source
        self.seconds, self.needs_root = seconds, needs_root


PROBES = (
    Probe("packages.updates", packages.updates, "apt's package lists", seconds=45),
    Probe("packages.holds", apt_state.holds, "dpkg selections"),
    Probe("packages.index", apt_state.index, "/var/lib/apt/lists"),
    Probe("packages.sources", apt_state.sources, "/etc/apt/sources.list*, apt-config dump"),
    Probe("packages.automatic", apt_state.automatic, "apt-config dump, unattended-upgrades' stamp"),
    Probe("packages.database", apt_state.audit, "dpkg --audit", seconds=20),
    Probe("system.kind", system.kind, "/run, uname"),
    Probe("system.release", system.release, "/etc/os-release, support dates shipped with Vigie"),
    Probe("system.restart", system.restart, "/run/reboot-required, running kernel"),
    Probe("system.kernel", system.kernel, "uname, dpkg"),
    Probe("system.stale_services", processes.stale_services, "/proc/*/maps", needs_root=True),
    Probe("system.failed_units", system.failed_units, "systemctl --failed"),
    Probe("system.clock", system.clock, "chronyc or timedatectl"),
    Probe("system.logs", system.logs, "journald.conf, /var/log/journal, processes"),
    Probe("system.access_control", system.access_control, "/sys/kernel/security"),
    Probe("storage.filesystems", storage.filesystems, "/proc/self/mounts, statvfs"),
    Probe("monitoring.agent", monitoring.agent, "http://127.0.0.1:9100/metrics"),
    Probe("monitoring.textfiles", monitoring.textfiles, "/var/lib/prometheus/node-exporter"),
    Probe("backup.last_attempt", backups.last_attempt, backups.METRICS),
    Probe("access.ssh", access.ssh, "sshd -T", needs_root=True),
    Probe("access.empty_passwords", access.empty_passwords, "/etc/passwd, /etc/shadow"),
    Probe("access.superusers", access.superusers, "/etc/passwd"),
    Probe("access.listeners", access.listeners, "/proc/net"),
)


def measure(names=None, seconds=WHOLE_HOST_SECONDS, probes=PROBES):
    """Take the measurements called ``names`` (default: all) within ``seconds``, in the order of PROBES.

    Each is {name, time, source} with either value or error. An unknown name is an error of its own.
    """
    wanted = [probe for probe in probes if names is None or probe.name in names]
    taken = {}
    for probe, answer in answers(wanted, time.monotonic() + seconds):
        taken[probe.name] = dict(answer, name=probe.name, time=iso(time.time()), source=probe.source)
    results = [taken[probe.name] for probe in wanted]
    known = {probe.name for probe in probes}
    return results + [_nameless(name) for name in sorted(set(names or ()) - known)]


def _nameless(name):
    return {"name": name, "error": "no probe has this name", "time": iso(time.time()), "source": "vigie"}
