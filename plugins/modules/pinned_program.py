#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Vigie maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Have one program on a host, recent enough, in one round trip."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: pinned_program
short_description: Have a static program in at least a given version, taken from a pinned Debian package if
  need be
version_added: "0.1.0"
author:
  - Vigie maintainers (@vigie-msp)
description:
  - Looks for the program in O(directories) and accepts the first that is recent enough.
  - Otherwise, when the host's own package manager offers it recent enough, says so in RV(offered) and
    installs nothing, so that the caller installs the package, which then gets security updates like any
    other.
  - Otherwise downloads the package pinned for this machine's architecture, checks its SHA-256 and puts the
    program into the first of O(directories). The package itself is not installed.
  - Where the host's C library is too old for the program, and a package of the C library is pinned too, both
    are put into a directory of O(library_directory) and the program's place is taken by a script that runs it
    with its own library. Nothing else on the host uses that library.
options:
  name:
    description: The program's name; also its package's.
    type: str
    required: true
  minimum:
    description: The lowest version that will do.
    type: str
    required: true
  version_argument:
    description: The argument that makes the program print its version.
    type: str
    default: version
  directories:
    description: Absolute directories to look in. The first receives the pinned program, and is made when
      missing.
    type: list
    elements: path
    required: true
  prefer_package:
    description: Whether a recent enough package of the host's distribution is preferred to the pinned
      program.
    type: bool
    default: true
  pinned:
    description:
      - By machine (as C(uname -m) says it) a dictionary with C(url) and C(sha256) of a Debian package and,
        optionally, C(libc), a dictionary with those of the package C(libc6) for hosts with an older one.
    type: dict
    required: true
  library_directory:
    description: Where a program with a C library of its own is kept.
    type: path
    default: /usr/local/lib/vigie
attributes:
  check_mode:
    description: Says what would be installed; downloads nothing.
    support: full
  diff_mode:
    description: There is no diff.
    support: none
"""

EXAMPLES = r"""
- name: Have restic
  vigie.msp.pinned_program:
    name: restic
    minimum: 0.18.0
    directories: [/usr/local/bin, /usr/bin]
    pinned:
      x86_64:
        url: http://deb.debian.org/debian/pool/main/r/restic/restic_0.18.0-1+b4_amd64.deb
        sha256: 4888fb20b272a28b84ac39171b7d7f0d9a58c2aeae51ec28e54684648d66e12c
"""

RETURN = r"""
path:
  description: Where the program is, or will be once the offered package is installed.
  returned: success
  type: str
version:
  description: Its version; none when it is not installed yet.
  returned: success
  type: str
offered:
  description: Whether the caller is to install the distribution's package.
  returned: success
  type: bool
vigie_changes:
  description: The file that was put there, as Vigie records it.
  returned: when changed
  type: list
  elements: dict
"""

import os
import platform
import re
import shutil
import subprocess
import tempfile

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vigie.msp.plugins.module_utils.debian_archive import (
    PackageError,
    fetch,
    member,
    members,
)

_VERSION = re.compile(r"\b([0-9]+(?:\.[0-9]+)+)")


def version_of(text: str) -> tuple | None:
    """``restic 0.18.0 compiled with go1.24`` → (0, 18, 0)."""
    found = _VERSION.search(text)
    return tuple(int(part) for part in found.group(1).split(".")) if found else None


def shown(version: tuple | None) -> str | None:
    """(0, 18, 0) → ``0.18.0``."""
    return ".".join(str(part) for part in version) if version else None


def installed_version(path: str, argument: str) -> tuple | None:
    """The version a program says it has; none when it is not there or does not run here."""
    try:
        done = subprocess.run(
            [path, argument], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return version_of(done.stdout.decode(errors="replace")) if done.returncode == 0 else None


def offered_version(module: AnsibleModule, name: str) -> tuple | None:
    """The version apt would install; none without apt, or without package indexes."""
    apt_cache = module.get_bin_path("apt-cache")
    if not apt_cache:
        return None
    code, output, _error = module.run_command(
        [apt_cache, "policy", name], environ_update={"LC_ALL": "C.UTF-8"}
    )
    candidate = re.search(r"^  Candidate: (?:[0-9]+:)?(\S+)", output, re.MULTILINE)
    return version_of(candidate.group(1)) if code == 0 and candidate else None


def install(module: AnsibleModule, minimum: tuple) -> tuple:
    """Put the pinned program into the first directory; returns its version.

    Raises:
        PackageError: No package is pinned for this machine, or it is not what it should be.
    """
    name, machine = module.params["name"], platform.machine()
    package = module.params["pinned"].get(machine)
    if not package:
        raise PackageError(
            "no package of %s is pinned for the machine type %s (only for %s): install %s %s or later "
            "yourself in one of %s"
            % (
                name,
                machine,
                ", ".join(sorted(module.params["pinned"])),
                name,
                shown(minimum),
                ", ".join(module.params["directories"]),
            )
        )
    content = member(fetch(package["url"], package["sha256"]), "usr/bin/" + name)
    version = put(module, content, minimum)
    if not version and package.get("libc"):
        libc = fetch(package["libc"]["url"], package["libc"]["sha256"])
        version = put(module, with_own_library(module, content, libc), minimum)
    if not version:
        raise PackageError(
            "the pinned program does not run on this host, or is older than %s; a C library older than "
            "2.34 (see `ldd --version`) is the usual reason" % shown(minimum)
        )
    return version


def put(module: AnsibleModule, content: bytes, minimum: tuple) -> tuple | None:
    """Put a program into the first directory if it runs here and is recent enough; returns its version."""
    name, directory = module.params["name"], module.params["directories"][0]
    os.makedirs(directory, mode=0o755, exist_ok=True)
    temporary = write(directory, "." + name, content)
    try:
        version = installed_version(temporary, module.params["version_argument"])
        if not version or version < minimum:
            return None
        os.rename(temporary, os.path.join(directory, name))
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
    return version


def with_own_library(module: AnsibleModule, program: bytes, libc: bytes) -> bytes:
    """Keep program and C library in a directory of their own; returns the script that runs the program."""
    parent, name = module.params["library_directory"], module.params["name"]
    parts = {os.path.basename(path): content for path, content in members(libc, is_shared_object).items()}
    loader = next((part for part in sorted(parts) if part.startswith("ld-linux")), None)
    if not loader:
        raise PackageError("the package pinned as C library has no loader (ld-linux*)")
    os.makedirs(parent, mode=0o755, exist_ok=True)
    scratch, home = tempfile.mkdtemp(prefix="." + name, dir=parent), os.path.join(parent, name)
    try:
        for part, content in [*parts.items(), (name, program)]:
            os.rename(write(scratch, part, content), os.path.join(scratch, part))
        os.chmod(scratch, 0o755)  # noqa: S103 - a program for everyone
        shutil.rmtree(home, ignore_errors=True)
        os.rename(scratch, home)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    script = (
        "#!/bin/sh\n# Written by Vigie: this host's C library is too old for %s, so it has its own.\n" % name
    )
    return (
        '%sexec "%s/%s" --library-path "%s" "%s/%s" "$@"\n' % (script, home, loader, home, home, name)
    ).encode()


def is_shared_object(path: str) -> bool:
    """Whether a file of libc6 is the loader or a library, and not a converter or a module for profiling."""
    return re.match(r"^(usr/)?lib/[^/]+/(ld-linux[^/]*|lib[a-z_]+)\.so\.[0-9]+$", path) is not None


def write(directory: str, prefix: str, content: bytes) -> str:
    """Write an executable under a temporary name; returns its path."""
    descriptor, temporary = tempfile.mkstemp(prefix=prefix, dir=directory)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
    os.chmod(temporary, 0o755)  # noqa: S103 - a program for everyone
    return temporary


def main() -> None:
    """Find the program, or install it."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "minimum": {"type": "str", "required": True},
            "version_argument": {"type": "str", "default": "version"},
            "directories": {"type": "list", "elements": "path", "required": True},
            "prefer_package": {"type": "bool", "default": True},
            "pinned": {"type": "dict", "required": True},
            "library_directory": {"type": "path", "default": "/usr/local/lib/vigie"},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    minimum = version_of(parameters["minimum"])
    if not minimum or not parameters["directories"]:
        module.fail_json(
            msg="minimum must be a version like 0.18.0, and directories name at least one directory"
        )
    paths = [os.path.join(directory, parameters["name"]) for directory in parameters["directories"]]
    for path in paths:
        version = installed_version(path, parameters["version_argument"])
        if version and version >= minimum:
            module.exit_json(changed=False, path=path, version=shown(version), offered=False)
    offered = offered_version(module, parameters["name"]) if parameters["prefer_package"] else None
    if offered and offered >= minimum:
        module.exit_json(changed=False, path="/usr/bin/" + parameters["name"], version=None, offered=True)
    before = installed_version(paths[0], parameters["version_argument"])
    try:
        version = None if module.check_mode else install(module, minimum)
    except (PackageError, OSError) as error:
        module.fail_json(msg="%s: %s" % (parameters["name"], error))
    module.exit_json(
        changed=True,
        path=paths[0],
        version=shown(version),
        offered=False,
        vigie_changes=[{"kind": "file", "name": paths[0], "before": shown(before), "after": shown(version)}],
    )


if __name__ == "__main__":
    main()
