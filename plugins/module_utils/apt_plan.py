# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What apt could upgrade, and which upgrades a scope asks for.

Works on python3-apt's low-level ``apt_pkg`` (its ``apt`` layer costs another half second), which is passed
in: it is imported only once it is known to be there. Python 3.8.
"""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Any, NamedTuple, Optional


class Update(NamedTuple):
    """One installed package for which a newer version is known."""

    package: Any  # apt_pkg.Package
    name: str
    installed: str
    candidate: Optional[Any]  # apt_pkg.Version apt would choose, when newer than the installed one
    security: Optional[Any]  # newest apt_pkg.Version found in a security archive, when newer
    pinned: bool  # apt's pins forbid that security version
    held: bool

    @property
    def newest(self):
        """Version string an administrator would expect to end with."""
        chosen = self.security if self.candidate is None else self.candidate
        return chosen.ver_str


class Target(NamedTuple):
    """An upgrade to be made: the package, the exact version."""

    update: Update
    version: Any

    @property
    def argument(self):
        """The word for apt-get's command line."""
        return f"{self.update.package.get_fullname(False)}={self.version.ver_str}"


class Index(NamedTuple):
    """Open package cache with its dependency engine and the archives that count as security."""

    apt_pkg: Any
    cache: Any
    depcache: Any
    security_archives: tuple


def open_index(apt_pkg, security_archives, write_cache=True):
    """Open apt's cache. Without ``write_cache`` nothing at all is written on the host (slower by 0.3 s).

    Raises:
        apt_pkg.Error: apt's configuration, sources or lists cannot be read (a SystemError).
    """
    apt_pkg.init_config()
    apt_pkg.config.set("APT::Install-Recommends", "false")
    if not write_cache:
        apt_pkg.config.set("Dir::Cache::pkgcache", "")
        apt_pkg.config.set("Dir::Cache::srcpkgcache", "")
    apt_pkg.init_system()
    cache = apt_pkg.Cache(None)
    return Index(apt_pkg, cache, apt_pkg.DepCache(cache), tuple(security_archives))


def package_files(index):
    """The package indexes apt knows, the list of installed packages left out."""
    return [entry for entry in index.cache.file_list if entry.index_type.endswith("Package Index")]


def has_security_source(index):
    """Whether one of the package indexes comes from a security archive."""
    return any(is_security_file(entry, index.security_archives) for entry in package_files(index))


def is_security_file(entry, patterns):
    """Debian's and Ubuntu's security suites end in ``-security``; their labels vary, so names decide."""
    return any(
        fnmatch(name or "", pattern) for name in (entry.archive, entry.codename) for pattern in patterns
    )


def updates(index):
    """Every installed package with a newer version that apt or a security archive offers, by name."""
    found = []
    for package in index.cache.packages:
        if package.current_ver is not None:
            update = _update(index, package)
            if update is not None:
                found.append(update)
    return sorted(found, key=lambda update: update.name)


def _update(index, package):
    newer = [version for version in package.version_list if _compare(index, version, package.current_ver) > 0]
    if not newer:
        return None
    security = _newest(index, [version for version in newer if is_security(index, version)])
    candidate = index.depcache.get_candidate_ver(package)
    if candidate is not None and _compare(index, candidate, package.current_ver) <= 0:
        candidate = None
    if candidate is None and security is None:
        return None
    return Update(
        package=package,
        name=package.get_fullname(True),
        installed=package.current_ver.ver_str,
        candidate=candidate,
        security=security,
        pinned=security is not None and (candidate is None or _compare(index, security, candidate) > 0),
        held=package.selected_state == index.apt_pkg.SELSTATE_HOLD,
    )


def _compare(index, left, right):
    return index.apt_pkg.version_compare(left.ver_str, right.ver_str)


def _newest(index, versions):
    best = None
    for version in versions:
        if best is None or _compare(index, version, best) > 0:
            best = version
    return best


def is_security(index, version):
    """Whether this very version is offered by a security archive."""
    return any(is_security_file(entry, index.security_archives) for entry, _position in version.file_list)


def choose(found, scope, exclude):
    """Split updates into what the scope asks for and what it must leave alone.

    Returns:
        ``(targets, withheld)``; withheld maps a package's name to the reason, for updates in the scope only.
    """
    targets, withheld = [], {}
    for update in found:
        version = update.security if scope == "security" else update.candidate
        if version is None and not (scope == "all" and update.pinned):
            continue
        reason = _obstacle(update, version, scope, exclude)
        if reason:
            withheld[update.name] = reason
        else:
            targets.append(Target(update, version))
    return targets, withheld


def _obstacle(update, version, scope, exclude):
    if update.held:
        return "held (apt-mark hold)"
    if any(fnmatch(update.name, pattern) for pattern in exclude):
        return "excluded by patch_baseline_exclude"
    if version is None or (scope == "security" and update.pinned):
        return "pinned by apt preferences"
    return None


def resolve(index, targets, protected, allow_removals):
    """Mark the upgrades in apt's dependency engine; leave out those that would break or remove something.

    Args:
        index: an open index.
        targets: what `choose` chose.
        protected: packages that must stay exactly as they are.
        allow_removals: whether an upgrade may remove another package.

    Returns:
        ``(accepted, refused)``; refused maps names to reasons. The engine is left marked with the accepted.
    """
    depcache = index.depcache
    depcache.init()
    # Every target's version becomes the candidate first, so that dependencies choose it as well.
    for target in targets:
        depcache.set_candidate_ver(target.update.package, target.version)
    for target in targets:
        depcache.mark_install(target.update.package, True, False)
    _give_way(index, protected, allow_removals)
    accepted = [target for target in targets if depcache.marked_upgrade(target.update.package)]
    refused = {target.update.name for target in targets} - {target.update.name for target in accepted}
    reason = "cannot go in without packages that are held, excluded, missing or to be removed"
    return accepted, dict.fromkeys(refused, reason)


def _give_way(index, protected, allow_removals):
    """Keep what must stay; apt's resolver then keeps whatever cannot be upgraded beside it."""
    depcache = index.depcache
    # Each round keeps at least one package more than the round before, so this ends.
    for _round in range(len(index.cache.packages)):
        disturbed = [package for package in protected if not depcache.marked_keep(package)]
        if not allow_removals and depcache.del_count:
            disturbed += [package for package in index.cache.packages if depcache.marked_delete(package)]
        for package in disturbed:
            depcache.mark_keep(package)
        if depcache.broken_count:
            index.apt_pkg.ProblemResolver(depcache).resolve_by_keep()
        if not disturbed:
            return


def marked(index):
    """What the marked engine would do, as ``vigie_changes`` of kind package, sorted by name."""
    changes = []
    for package in index.cache.packages:
        current = package.current_ver.ver_str if package.current_ver is not None else None
        if index.depcache.marked_delete(package):
            after = None
        elif index.depcache.marked_install(package) or index.depcache.marked_upgrade(package):
            after = index.depcache.get_candidate_ver(package).ver_str
        else:
            continue
        changes.append(
            {"kind": "package", "name": package.get_fullname(True), "before": current, "after": after}
        )
    return sorted(changes, key=lambda change: change["name"])
