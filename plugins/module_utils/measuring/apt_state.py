# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The state of apt and dpkg themselves: sources, freshness of the indexes, holds, automatic updates."""

from __future__ import annotations

import glob
import os
import re
from urllib.parse import urlsplit

from .common import ProbeError, absent, capped, changed, has_systemd, iso, modified, read_text, run
from .packages import without_credentials

SOURCES = "/etc/apt/sources.list"
LISTS = "/var/lib/apt/lists"
UNCHECKED_OPTIONS = ("APT::Get::AllowUnauthenticated", "Acquire::AllowInsecureRepositories")
PERIODIC = ("APT::Periodic::Update-Package-Lists", "APT::Periodic::Unattended-Upgrade")
ONE_LINE = re.compile(r"^(deb|deb-src)\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*(.*)$")
YES = ("yes", "true", "with", "on", "enable", "1")


def sources():
    """Every enabled binary repository: {entries: [...], unchecked: [what switches signature checks off]}."""
    if not os.path.isdir("/etc/apt"):
        return absent("apt is not installed")
    entries = read_sources()
    settings = apt_settings()
    unchecked = [name for name in UNCHECKED_OPTIONS if settings.get(name, "").lower() in YES]
    unchecked += [
        "%s: trusted=yes: %s %s" % (e["file"], e["uri"], e["suite"]) for e in entries if e["trusted"]
    ]
    return {"entries": capped(entries), "unchecked": capped(unchecked)}


def read_sources():
    """The enabled binary entries of sources.list and sources.list.d, in both formats."""
    found = []
    for path in [SOURCES, *sorted(glob.glob(SOURCES + ".d/*"))]:
        if not os.path.isfile(path):
            continue
        if path.endswith(".list"):
            found += one_line_entries(read_text(path), path)
        elif path.endswith(".sources"):
            found += stanza_entries(read_text(path), path)
    return found


def _entry(path, uri, suite, options):
    trusted = (
        options.get("trusted", "no").lower() in YES or options.get("allow-insecure", "no").lower() in YES
    )
    return {
        "file": path,
        "uri": without_credentials(uri),
        "suite": suite,
        "trusted": trusted,
        "signed_by": options.get("signed-by"),
    }


def one_line_entries(text, path):
    """Entries of the one-line format: deb [options] uri suite components."""
    found = []
    for line in text.splitlines():
        match = ONE_LINE.match(line.split("#")[0].strip())
        if match and match.group(1) == "deb":
            pairs = (option.split("=", 1) for option in (match.group(2) or "").split() if "=" in option)
            options = {key.lower(): value for key, value in pairs}
            found.append(_entry(path, match.group(3), match.group(4), options))
    return found


def stanza_entries(text, path):
    """Entries of the deb822 format: one per URI and suite of every enabled stanza."""
    found = []
    for stanza in re.split(r"\n\s*\n", text):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in (
            "no",
            "false",
            "0",
        ):
            continue
        pairs = [
            (uri, suite)
            for uri in fields.get("uris", "").split()
            for suite in fields.get("suites", "").split()
        ]
        found += [_entry(path, uri, suite, fields) for uri, suite in pairs]
    return found


def _fields(stanza):
    fields, last = {}, None
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in (" ", "\t") and last:
            fields[last] += "\n" + line.strip()
        elif ":" in line:
            last, _colon, value = line.partition(":")
            last = last.strip().lower()
            fields[last] = value.strip()
    if "\n" in fields.get("signed-by", ""):
        fields["signed-by"] = "a key inside the file"
    return fields


def index():
    """When the package indexes were last refreshed, and which sources have none or an unsigned one.

    {refreshed, refreshed_basis, sources: how many, missing: [...], unsigned: [...], security_release}: the
    first two are those of `last_refresh`, the last is the Date of the oldest security suite's Release.
    """
    entries = [
        entry for entry in read_sources() if urlsplit(entry["uri"]).scheme not in ("cdrom", "file", "copy")
    ]
    missing, unsigned, dates, signed = [], [], [], {}
    for entry in entries:
        place = os.path.join(LISTS, list_name(entry["uri"], entry["suite"]))
        label = "%s %s" % (entry["uri"], entry["suite"])
        if os.path.exists(place + "_InRelease"):
            signed[label] = place + "_InRelease"
            dates += [release_date(place + "_InRelease")] if entry["suite"].endswith("-security") else []
        elif os.path.exists(place + "_Release"):
            unsigned += [] if os.path.exists(place + "_Release.gpg") else [label]
        else:
            missing.append(label)
    dated = sorted(date for date in dates if date)
    refreshed, basis = last_refresh(signed)
    return {
        "refreshed": iso(refreshed),
        "refreshed_basis": basis,
        "sources": len(entries),
        "missing": capped(missing),
        "unsigned": capped(unsigned),
        "security_release": dated[0] if dated else None,
    }


def last_refresh(signed):
    """When every source last answered, and what says so: (epoch or None, words).

    ``signed`` has the path of each source's InRelease by the source's label. Every `apt-get update` touches
    lists/partial, also one that fails. The ctime of an InRelease (its mtime is the server's) moves when its
    mirror answers with it, new or unchanged, and not when the mirror is unreachable, has lost it, or sends a
    forged one: tried with apt 2.2.4, 2.6.1 and 3.0.4. For lack of a key it stays with 2.6.1 only. A Release
    apart from its signature has no such mark. The oldest of all counts, lists/partial included: a restored or
    copied file has a new ctime, but was not fetched.
    """
    times = [(changed(path), "InRelease of " + label) for label, path in sorted(signed.items())]
    # Within one update partial is touched first: when it is the oldest, every InRelease bears it out.
    attempt = "lists/partial, borne out by every InRelease" if signed else "lists/partial: the last attempt"
    times.append((modified(LISTS + "/partial"), attempt))
    known = [(moment, basis) for moment, basis in times if moment is not None]
    return min(known, key=lambda pair: pair[0]) if known else (None, "nothing was ever fetched")


def list_name(uri, suite):
    """The beginning of the names of a repository's files below lists/, quoted the way apt does it."""
    parts = urlsplit(uri)
    place = (parts.netloc.rpartition("@")[2] + parts.path).rstrip("/")
    flat = suite.rstrip("/") if suite.endswith("/") else "dists/" + suite
    return re.sub(r'[\\|{}\[\]<>"^~_=!@#$%&*\x00-\x20\x7f-\uffff]', _quoted, place + "/" + flat).replace(
        "/", "_"
    )


def _quoted(match):
    return "".join("%%%02x" % byte for byte in match.group().encode("utf-8"))


def release_date(path):
    """The Date of a Release file as ISO 8601, or None when it has none that can be read."""
    from email.utils import parsedate_to_datetime  # pylint: disable=import-outside-toplevel

    match = re.search(r"^Date: (.*)$", read_text(path, 65536), re.MULTILINE)
    try:
        return iso(parsedate_to_datetime(match.group(1)).timestamp()) if match else None
    except (TypeError, ValueError):
        return None


def apt_settings():
    """Apt's effective configuration as a flat mapping."""
    found = {}
    for line in run(["apt-config", "dump"]).splitlines():
        match = re.match(r'^(\S+) "(.*)";$', line)
        if match:
            found[match.group(1)] = match.group(2)
    return found


def automatic():
    """Whether unattended upgrades are on, and when they last ran: {enabled, missing: [...], last_run}."""
    settings, missing = apt_settings(), []
    if not os.path.exists("/usr/bin/unattended-upgrade"):
        missing.append("unattended-upgrades is not installed")
    missing += ["%s is off" % name for name in PERIODIC if settings.get(name, "0") in ("", "0")]
    if (
        has_systemd()
        and run(["systemctl", "is-active", "apt-daily-upgrade.timer"], accept=(0, 3, 4)).strip() != "active"
    ):
        missing.append("apt-daily-upgrade.timer is not active")
    stamp = modified("/var/lib/apt/periodic/unattended-upgrades-stamp")
    return {"enabled": not missing, "missing": missing, "last_run": iso(stamp)}


def holds():
    """Packages held back by hand: [{name, version}]."""
    form = "${db:Status-Want}\t${binary:Package}\t${Version}\n"
    rows = [line.split("\t") for line in run(["dpkg-query", "-W", "-f", form]).splitlines()]
    return capped({"name": row[1], "version": row[2]} for row in rows if len(row) == 3 and row[0] == "hold")


def audit():
    """What dpkg finds wrong with its own database: a list of package names or lines."""
    if not os.path.exists("/usr/bin/dpkg"):
        raise ProbeError("dpkg is not installed")
    lines = run(["dpkg", "--audit"], accept=(0, 1)).splitlines()
    return capped(line.strip() for line in lines if line.startswith(" "))
