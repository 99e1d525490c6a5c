# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One patching of one host: the steps of vigie.msp.apt_upgrade, in order, and what is reported afterwards.

Python 3.8, standard library and python3-apt.
"""

from __future__ import annotations

import importlib
import sys
import time

from ansible_collections.vigie.msp.plugins.module_utils import (
    apt_host,
    apt_plan,
    apt_run,
    dpkg_state,
    measuring,
    patch_report,
)
from ansible_collections.vigie.msp.plugins.module_utils.apt_run import PatchError

# What a kernel may take on /boot (image, symbols, initramfs): estimated, not measured; apt does not know.
KERNEL_SIZE = 100 * apt_host.MEGABYTE

# What a patch run reports about the host: the audit's measurements that patching may have changed.
MEASURED = ("packages.updates", "packages.holds", "packages.index", "system.restart", "system.stale_services")


class Session:
    """Patches once. Steps raise PatchError; `patch` keeps what was done until then."""

    def __init__(self, parameters, check_mode):
        self.parameters = parameters
        self.check_mode = check_mode
        self.started = time.time()
        self.deadline = time.monotonic() + parameters["lock_timeout"]
        self.metrics = patch_report.read_metrics(parameters["textfile_directory"])
        self.problems = []
        self.warnings = []
        self.planned = []
        self.withheld = {}
        self.kept_configuration = []
        self.measurements = []
        self.fetched_now = False
        self.before = self._snapshot()
        self.after = self.before

    @staticmethod
    def _snapshot():
        try:
            return dpkg_state.snapshot()
        except RuntimeError as error:
            raise PatchError(str(error)) from error

    def patch(self):
        """Do every step; afterwards the attributes say what was done and what went wrong."""
        try:
            self._wait_for_others()
            self._finish_interrupted()
            self._refresh()
            self._upgrade()
        except PatchError as error:
            self.problems.append(str(error))
        self._look_again()
        self._write_metrics()

    def _wait_for_others(self):
        """Start from a state no other program is changing, so that its changes are not taken for ours."""
        if not self.check_mode:
            apt_run.wait_for_locks(self.deadline)
            self.before = self.after = self._snapshot()

    def _finish_interrupted(self):
        """Complete a dpkg run that was killed, as apt would ask the administrator to."""
        names = dpkg_state.unfinished(self.before)
        if not names and not dpkg_state.journal_left():
            return
        if self.check_mode:
            self._warn("an interrupted dpkg run would be finished first", names or ["its journal"])
            return
        command = ["dpkg", "--configure", "-a", "--force-confdef", "--force-confold"]
        _code, output = apt_run.run_locked(command, self.deadline)
        names = dpkg_state.unfinished(self._snapshot())
        if names:
            raise PatchError(
                f"an earlier dpkg run was interrupted and `dpkg --configure -a` does not finish it "
                f"({', '.join(names)}); nothing was upgraded. Repair them on the host, then run again:\n"
                f"{apt_run.tail(output)}"
            )

    def _refresh(self, force=False):
        """Fetch the indexes when they are old; one that cannot be had is a problem, the rest is used."""
        if not force and self._index_is_fresh():
            return
        if self.check_mode:
            self.warnings.append("package indexes may be out of date: check mode does not refresh them")
            return
        code, output = apt_run.run_locked(["apt-get", "update", *apt_run.UPDATE_OPTIONS], self.deadline)
        self.fetched_now = True
        if code == 0:
            self.metrics["index_refreshed_timestamp_seconds"] = time.time()
            return
        self.metrics.pop("index_refreshed_timestamp_seconds", None)
        complaints = "\n".join(_complaints(output))
        self.problems.append(
            f"package indexes could not all be refreshed (apt-get update ended with {code}); mend or "
            f"remove the source:\n{complaints}"
        )

    def _index_is_fresh(self):
        refreshed = self.metrics.get("index_refreshed_timestamp_seconds", 0)
        recent = 0 <= self.started - refreshed < self.parameters["index_max_age"]
        return recent and refreshed > apt_host.newest_change(apt_host.SOURCES)

    def _upgrade(self):
        index = self._open_index()
        if not self._index_is_usable(index):
            return
        arguments = self._plan(index)
        if not self.planned:
            return
        self._require_space(index)
        if not self.check_mode:
            self._install(arguments)

    def _index_is_usable(self, index):
        """An empty or partial index must never look like a host without updates."""
        archives = self.parameters["security_archives"]
        if apt_plan.has_security_source(index):
            return True
        if self.check_mode and not apt_plan.package_files(index):
            self.warnings.append(
                "the host has no package index yet and check mode does not fetch one: what would "
                "be upgraded is unknown"
            )
            return False
        self.problems.append(
            f"none of the host's package indexes comes from a security archive ({', '.join(archives)}): "
            "pending security updates cannot be known. Add the security suite to /etc/apt/sources.list.d, or "
            "name the archive in patch_baseline_security_archives"
        )
        return self.parameters["scope"] == "all"

    def _open_index(self):
        """Import python3-apt, installing it when it is missing, and open the cache."""
        apt_pkg = _import_apt_pkg()
        if apt_pkg is None and self.check_mode:
            raise PatchError(
                "python3-apt is missing on the host: what would be upgraded cannot be told. A run without "
                "check mode installs it"
            )
        if apt_pkg is None:
            self._apt_get(["install", "python3-apt"])
            apt_pkg = _import_apt_pkg()
        if apt_pkg is None:
            raise PatchError(
                f"python3-apt is installed, but {sys.executable} cannot import it: set "
                "ansible_python_interpreter to /usr/bin/python3 for this host"
            )
        try:
            return apt_plan.open_index(
                apt_pkg, self.parameters["security_archives"], write_cache=not self.check_mode
            )
        except SystemError as error:
            raise PatchError(f"apt cannot read its configuration, sources or indexes: {error}") from error

    def _plan(self, index):
        """Fill `planned` and `withheld`; return the words for apt-get install."""
        if index.depcache.broken_count:
            raise PatchError(
                "packages on the host have unmet dependencies: nothing was upgraded. See "
                "`apt-get --simulate --fix-broken install` on the host and repair it first"
            )
        found = apt_plan.updates(index)
        targets, self.withheld = apt_plan.choose(found, self.parameters["scope"], self.parameters["exclude"])
        protected = [update.package for update in found if update.name in self.withheld]
        accepted, refused = apt_plan.resolve(index, targets, protected, self.parameters["allow_removals"])
        self.withheld.update(refused)
        self.planned = apt_plan.marked(index)
        return [target.argument for target in accepted]

    def _require_space(self, index):
        """Refuse to start what would fill a file system (half-unpacked packages are the worst outcome)."""
        archives = index.apt_pkg.config.find_dir("Dir::Cache::archives")
        needs = [
            (archives, index.depcache.deb_size),
            ("/usr", max(0, index.depcache.usr_size)),
            ("/var/lib/dpkg", 0),
        ]
        if any(change["name"].startswith("linux-image-") for change in self.planned):
            needs.append(("/boot", KERNEL_SIZE))
        reserve = self.parameters["min_free_mb"]
        for path, free, need in apt_host.short_of_space(needs, reserve * apt_host.MEGABYTE):
            raise PatchError(
                f"not enough free space on the file system of {path}: {free // apt_host.MEGABYTE} MB free, "
                f"the upgrade takes {need // apt_host.MEGABYTE} MB and {reserve} MB must stay free "
                "(patch_baseline_min_free_mb). Nothing was upgraded; `apt-get clean` and "
                "`apt-get autoremove` free some"
            )

    def _install(self, arguments):
        """Install; if the mirror moved on since the index was fetched, refresh, plan again, retry once."""
        automatic = apt_host.automatic()
        try:
            code, output = self._apt_get(["install", *arguments], check=False)
            if code != 0 and "Failed to fetch" in output and not self.fetched_now:
                self._refresh(force=True)
                arguments = self._plan(self._open_index())
                if not arguments:
                    return
                code, output = self._apt_get(["install", *arguments], check=False)
            _require_success(code, output)
        finally:
            apt_host.restore_automatic(automatic)

    def _apt_get(self, words, check=True):
        keep = [] if self.parameters["allow_removals"] else ["--no-remove"]
        command = ["apt-get", "--yes", "--quiet", "--quiet", *keep, *apt_run.INSTALL_OPTIONS, *words]
        code, output = apt_run.run_locked(command, self.deadline)
        if check:
            _require_success(code, output)
        return code, output

    def _look_again(self):
        """Read what is true now, with the probes of the audit: the same facts, in the same shape."""
        try:
            self.after = self._snapshot()
        except PatchError as error:
            self.problems.append(str(error))
        self.measurements = measuring.measure(MEASURED)
        if self.changes and not self.check_mode:
            self.kept_configuration = patch_report.kept_configuration(self.started)
        kept = "locally modified configuration was kept; compare with the new default"
        self._warn(kept, self.kept_configuration)
        self._warn("updates left out", [f"{name}: {self.withheld[name]}" for name in sorted(self.withheld)])

    def _warn(self, text, entries):
        if entries:
            self.warnings.append(f"{text}: {'; '.join(entries)}")

    @property
    def changes(self):
        """Changed packages: done, or planned in check mode."""
        return self.planned if self.check_mode else dpkg_state.differences(self.before, self.after)

    def _write_metrics(self):
        directory = self.parameters["textfile_directory"]
        if self.check_mode or not directory:
            return
        values = dict(
            self.metrics, last_run_timestamp_seconds=self.started, last_run_success=not self.problems
        )
        if not self.problems:
            values["last_success_timestamp_seconds"] = self.started
        values["held_packages"] = len(dpkg_state.held(self.after))
        values.update(patch_report.measured_metrics(self.measurements))
        try:
            patch_report.write_metrics(directory, values)
        except OSError as error:
            self.problems.append(f"the metrics of patching cannot be written: {error}")

    def result(self):
        """Everything the task returns, whether it succeeded or not."""
        changes = self.changes
        withheld = {
            "name": "patching.withheld",
            "value": self.withheld,
            "time": patch_report.utc(time.time()),
            "source": "vigie.msp.apt_upgrade",
        }
        return {
            "changed": bool(changes),
            "withheld": self.withheld,
            "held": dpkg_state.held(self.after),
            "kept_configuration": self.kept_configuration,
            "vigie_changes": changes,
            "vigie_measurements": [*self.measurements, withheld],
            "diff": {
                "before": _listing(changes, "before"),
                "after": _listing(changes, "after"),
                "before_header": "packages",
                "after_header": "packages",
            },
        }


def _import_apt_pkg():
    importlib.invalidate_caches()
    try:
        return importlib.import_module("apt_pkg")
    except ImportError:
        return None


def _require_success(code, output):
    if code != 0:
        raise PatchError(
            f"apt-get ended with {code}; what was upgraded before that is listed as changed. Its last "
            f"lines:\n{apt_run.tail(output)}"
        )


def _complaints(output):
    """The errors and warnings of apt's output, or its end when it has none."""
    return [line for line in output.splitlines() if line.startswith(("E: ", "W: "))] or [
        apt_run.tail(output, 5)
    ]


def _listing(changes, side):
    return "".join(f"{change['name']} {change[side]}\n" for change in changes if change[side])
