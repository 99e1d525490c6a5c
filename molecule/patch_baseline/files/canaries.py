#!/usr/bin/env python3
"""Make a package repository with known updates on this host, and install the older versions.

Which updates Debian offers changes by the day, so a scenario cannot rely on them alone. These packages are
real packages in a real repository, built with dpkg-deb; their updates never run out. The repository has two
suites: `vigie-canary` and `vigie-canary-security`.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path

REPOSITORY = Path("/srv/canaries")
PLAIN, SECURITY = "vigie-canary", "vigie-canary-security"

# (suite, package, version, further control fields)
OFFERED = [
    # Fixed in 1.1; 1.2 is newer, but no security update: scope security stops at 1.1.
    (SECURITY, "canary-fixed", "1.1", ""),
    (PLAIN, "canary-fixed", "1.2", ""),
    (PLAIN, "canary-other", "1.1", ""),
    (SECURITY, "canary-held", "1.1", ""),
    (SECURITY, "canary-automatic", "1.1", ""),
    (SECURITY, "canary-configured", "1.1", ""),
    # May only go in when canary-victim goes out.
    (SECURITY, "canary-greedy", "1.1", "Conflicts: canary-victim\n"),
    # Needs a package the host does not have, which no security archive offers.
    (SECURITY, "canary-needy", "1.1", "Depends: canary-new\n"),
    (PLAIN, "canary-new", "1.0", ""),
]
INSTALLED = ["fixed", "other", "held", "automatic", "configured", "greedy", "victim", "needy"]


def build(package: str, version: str, fields: str, folder: Path) -> Path:
    """Build one package; canary-configured has a configuration file, canary-failing 1.1 fails in postinst."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        root.chmod(0o755)
        (root / "DEBIAN").mkdir()
        (root / "DEBIAN/control").write_text(
            f"Package: {package}\nVersion: {version}\nArchitecture: all\n"
            f"Maintainer: Vigie <canary@example.org>\n{fields}Description: test package of Vigie\n"
        )
        if package == "canary-configured":
            (root / "etc").mkdir()
            (root / "etc/canary.conf").write_text(f"default of {version}\n")
            (root / "DEBIAN/conffiles").write_text("/etc/canary.conf\n")
        if (package, version) == ("canary-failing", "1.1"):
            (root / "DEBIAN/postinst").write_text("#!/bin/sh\necho this package means to fail\nexit 3\n")
            (root / "DEBIAN/postinst").chmod(0o755)
        target = folder / f"{package}_{version}_all.deb"
        subprocess.run(["dpkg-deb", "--build", "-Znone", root, target], check=True, stdout=subprocess.DEVNULL)
    return target


def publish(suite: str) -> None:
    """Write a suite's packages, its Packages index and its Release file."""
    folder = REPOSITORY / suite
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for _suite, package, version, fields in [offer for offer in OFFERED if offer[0] == suite]:
        built = build(package, version, fields, folder)
        control = subprocess.run(["dpkg-deb", "-f", built], check=True, capture_output=True, text=True).stdout
        digest = hashlib.sha256(built.read_bytes()).hexdigest()
        entries.append(f"{control}Filename: ./{built.name}\nSize: {built.stat().st_size}\nSHA256: {digest}\n")
    packages = "\n".join(entries).encode()
    (folder / "Packages").write_bytes(packages)
    (folder / "Release").write_text(
        f"Origin: Vigie\nLabel: Canary\nSuite: {suite}\nCodename: {suite}\n"
        f"Date: Thu, 01 Jan 2026 00:00:00 UTC\n"
        f"SHA256:\n {hashlib.sha256(packages).hexdigest()} {len(packages)} Packages\n"
    )


def install_old_versions() -> None:
    """Install version 1.0 of every package that has an update, and let the administrator have had a say."""
    with tempfile.TemporaryDirectory() as scratch:
        built = [build(f"canary-{name}", "1.0", "", Path(scratch)) for name in INSTALLED]
        subprocess.run(["dpkg", "-i", *built], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["apt-mark", "hold", "canary-held"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["apt-mark", "auto", "canary-automatic"], check=True, stdout=subprocess.DEVNULL)
    Path("/etc/canary.conf").write_text("changed by the administrator\n")


def main() -> None:
    """Publish both suites, tell apt of them, install the old versions, and start dpkg's log afresh."""
    sources = []
    for suite in (PLAIN, SECURITY):
        publish(suite)
        sources.append(f"deb [trusted=yes] file:{REPOSITORY}/{suite} ./\n")
    Path("/etc/apt/sources.list.d/canaries.list").write_text("".join(sources))
    install_old_versions()
    Path("/var/log/dpkg.log").write_text("")


if __name__ == "__main__":
    main()
