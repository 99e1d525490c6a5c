# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pending package updates, read from apt's indexes without changing anything, not even apt's caches.

A package counts as a pending security update when a version newer than the installed one comes from a
suite whose name ends in "-security" (labels vary: Ubuntu's is just "Ubuntu"), also when it is held, and
also when a pin keeps it from being the candidate.
"""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit, urlunsplit

from .common import ProbeError, read_or_none, run

MOST_PACKAGES = 3000
SIMULATED = re.compile(r"^Inst (\S+) \[([^\]]+)\] \((\S+) (.*?) ?\[[^\]]*\]\)")


def updates():
    """Every pending update: {security, other: summaries, packages: [...], reader}."""
    try:
        import apt_pkg  # pylint: disable=import-outside-toplevel
    except ImportError:
        found, reader = simulated_updates(), "apt-get -s"
    else:
        found, reader = list(_from_cache(apt_pkg)), "python3-apt"
    found.sort(key=lambda package: (not package["security"], package["name"]))
    return dict(summarise(found), packages=found[:MOST_PACKAGES], reader=reader)


def summarise(packages):
    """Counts of each group, the date of its oldest dated fix, and how many have no date yet."""
    groups = {}
    for group in ("security", "other"):
        members = [package for package in packages if package["security"] == (group == "security")]
        dates = sorted(package["available"] for package in members if package.get("available"))
        oldest = [package["name"] for package in members if dates and package.get("available") == dates[0]]
        groups[group] = {
            "count": len(members),
            "undated": len(members) - len(dates),
            "oldest": dates[0] if dates else None,
            "oldest_name": oldest[0] if oldest else None,
        }
    return groups


def without_credentials(uri):
    """A URI without user and password, and without a query: those may be secrets."""
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _entry(name, installed, candidate, security, origin, uri, held):
    return {
        "name": name,
        "from": installed,
        "to": candidate,
        "security": security,
        "origin": origin,
        "uri": without_credentials(uri) if uri else None,
        "held": held,
        "available": None,
        "basis": "unknown",
    }


# -- python3-apt ---------------------------------------------------------------------------------------


def _open_cache(apt_pkg):
    """Open apt's cache read-only.

    Apt refreshes its two cache files whenever they are outdated and their folder is writable. Given as
    /proc/self/fd/N they can be read, but nothing can be created beside them, so opening fails instead of
    writing; then the outdated one is left out and built in memory (0.5 s instead of 0.1 s).
    """
    apt_pkg.init()
    paths = {key: apt_pkg.config.find_file("Dir::Cache::" + key) for key in ("pkgcache", "srcpkgcache")}
    for used in (("pkgcache", "srcpkgcache"), ("srcpkgcache",), ()):
        for key, path in paths.items():
            apt_pkg.config.set("Dir::Cache::" + key, _unwritable(path) if key in used else "")
        try:
            return apt_pkg.Cache(None)
        except (apt_pkg.Error, SystemError) as error:
            failure = error
    raise ProbeError("apt's package lists cannot be read: %s" % failure)


def _unwritable(path):
    try:
        return "/proc/self/fd/%d" % os.open(path, os.O_RDONLY)
    except OSError:
        return ""


def _from_cache(apt_pkg):
    cache = _open_cache(apt_pkg)
    choices = apt_pkg.DepCache(cache)
    release = release_version()
    locate = _locator(apt_pkg, cache)
    for package in cache.packages:
        installed = package.current_ver
        if not installed:
            continue
        candidate = choices.get_candidate_ver(package)
        newer = [v for v in package.version_list if apt_pkg.version_compare(v.ver_str, installed.ver_str) > 0]
        if not newer:
            continue
        upgradable = candidate is not None and candidate in newer
        found = _security_version(apt_pkg, newer, candidate if upgradable else None, release)
        if not upgradable and not found:
            continue
        source = found or (candidate, candidate.file_list[0])
        origin, uri = locate(source[1])
        yield _entry(
            package.get_fullname(True),
            installed.ver_str,
            (candidate if upgradable else source[0]).ver_str,
            found is not None,
            origin,
            uri,
            package.selected_state == apt_pkg.SELSTATE_HOLD,
        )


def _security_version(apt_pkg, newer, candidate, release):
    """The oldest newer version from a security suite, with its place.

    Versions beyond the candidate are hidden by a pin; they count only when they are made for our release.
    """
    found = []
    for version in newer:
        beyond = candidate is None or apt_pkg.version_compare(version.ver_str, candidate.ver_str) > 0
        places = [place for place in version.file_list if is_security(place[0].archive)]
        found += [
            (version, place) for place in places if not beyond or same_release(place[0].version, release)
        ]
    ordered = sorted(found, key=_by_version(apt_pkg))
    return ordered[0] if ordered else None


def _by_version(apt_pkg):
    from functools import cmp_to_key  # pylint: disable=import-outside-toplevel

    return cmp_to_key(lambda one, other: apt_pkg.version_compare(one[0].ver_str, other[0].ver_str))


def _locator(apt_pkg, cache):
    """A function from a version's place to ``(origin, URI of the .deb or None)``."""
    records = apt_pkg.PackageRecords(cache)
    sources = apt_pkg.SourceList()
    sources.read_main_list()

    def locate(place):
        origin = "%s:%s/%s" % (place[0].origin, place[0].version, place[0].archive)
        index = sources.find_index(place[0])
        if not index or not records.lookup(place):
            return origin, None
        return origin, index.archive_uri(records.filename)

    return locate


def is_security(archive):
    """Whether a suite's name marks it as a security suite."""
    return archive.endswith(("-security", "/updates"))


def same_release(version, release):
    """Whether a suite's version ("12", "12.5") belongs to the running release ("12")."""
    return bool(release) and (version == release or version.startswith(release + "."))


def release_version():
    """VERSION_ID of this host, or an empty string."""
    text = read_or_none("/etc/os-release") or ""
    match = re.search(r'^VERSION_ID="?([^"\n]*)', text, re.MULTILINE)
    return match.group(1) if match else ""


# -- without python3-apt -------------------------------------------------------------------------------

WITHOUT_WRITING = [
    "-o",
    "Debug::NoLocking=1",
    "-o",
    "Dir::Cache::pkgcache=",
    "-o",
    "Dir::Cache::srcpkgcache=",
]


def simulated_updates():
    """The same list from apt-get's simulation; versions hidden by pins are not in it."""
    text = run(["apt-get", "-s", "-q", "--ignore-hold", *WITHOUT_WRITING, "dist-upgrade"], seconds=20)
    matches = [match for match in map(SIMULATED.match, text.splitlines()) if match]
    if not matches:
        return []
    names = [match.group(1) for match in matches[:MOST_PACKAGES]]
    addresses = _addresses(run(["apt-get", "download", "--print-uris", *WITHOUT_WRITING, *names], seconds=20))
    held = _held()
    return [_simulated(match, addresses, held) for match in matches]


def _held():
    rows = (line.split() for line in run(["dpkg", "--get-selections"]).splitlines())
    return {row[0] for row in rows if row[-1:] == ["hold"]}


def _simulated(match, addresses, held):
    name, installed, candidate, origins = match.groups()
    places = [place.strip() for place in origins.split(",")]
    security = [place for place in places if is_security(place)]
    uri = addresses.get((name.split(":")[0], candidate))
    return _entry(name, installed, candidate, bool(security), (security or places)[0], uri, name in held)


def _addresses(text):
    """(name, version) -> URI, from the lines of --print-uris: 'URI' name_version_arch.deb size hash."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"^'([^']+)' ([^_ ]+)_([^_ ]+)_[^_ ]+\.deb ", line)
        if match:
            found[match.group(2), match.group(3).replace("%3a", ":")] = match.group(1)
    return found
