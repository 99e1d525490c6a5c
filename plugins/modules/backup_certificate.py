#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Vigie maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keep a backup server's TLS certificate valid for its names."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_certificate
short_description: Keep a server certificate valid, signed by an authority of the server's own
version_added: "0.1.0"
author:
  - Vigie maintainers (@vigie-msp)
description:
  - Makes a certificate authority for this server alone, once, and a server certificate signed by it, anew
    whenever the names change or it has less than O(renew_days) left.
  - Hosts trust the authority's certificate, which RV(certificate) returns, and so survive a renewal.
  - The authority's key never leaves the server.
options:
  directory:
    description: Where authority, certificate and keys are kept; made when missing.
    type: path
    required: true
  names:
    description: Host names and IP addresses by which the server is reached.
    type: list
    elements: str
    required: true
  group:
    description: Group that may read the server's key.
    type: str
    required: true
  days:
    description: Validity of the server's certificate.
    type: int
    default: 397
  renew_days:
    description: Days before its end at which it is made anew.
    type: int
    default: 60
  authority_days:
    description: Validity of the authority. When it ends, delete it and run the provider's and then the hosts'
      playbooks.
    type: int
    default: 7300
attributes:
  check_mode:
    description: Says whether a certificate would be made; there is none to return before the first.
    support: full
  diff_mode:
    description: There is no diff.
    support: none
requirements:
  - openssl on the host
"""

EXAMPLES = r"""
- name: Certificate of the backup server
  vigie.msp.backup_certificate:
    directory: /etc/vigie-backup-server/tls
    names: [backup.example.net, 192.0.2.10]
    group: vigie-backup
"""

RETURN = r"""
certificate:
  description: The authority's certificate (PEM), for those who connect; empty in check mode before the first.
  returned: success
  type: str
vigie_changes:
  description: The changes, as Vigie records them.
  returned: when changed
  type: list
  elements: dict
"""

import grp
import ipaddress
import os
import re
import shutil
import tempfile

from ansible.module_utils.basic import AnsibleModule

NAME = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def alternative_name(module: AnsibleModule, name: str) -> str:
    """``DNS:backup`` or ``IP:192.0.2.10``."""
    try:
        return "IP:%s" % ipaddress.ip_address(name)
    except ValueError:
        if not NAME.match(name):
            module.fail_json(msg="names: '%s' is neither a host name nor an IP address" % name)
        return "DNS:" + name


def openssl(module: AnsibleModule, arguments: list) -> None:
    """Run openssl; its failure ends the module."""
    code, _output, error = module.run_command([module.get_bin_path("openssl", required=True), *arguments])
    if code:
        module.fail_json(msg="openssl %s failed: %s" % (arguments[0], error.strip()[-500:]))


def good(module: AnsibleModule, directory: str, names: list) -> bool:
    """Whether the certificate is there, the authority's, lasts long enough and has exactly these names."""
    paths = [os.path.join(directory, name) for name in ("server.crt", "server.key", "authority.crt")]
    if not all(os.path.exists(path) for path in paths):
        return False
    program = module.get_bin_path("openssl", required=True)
    seconds = str(module.params["renew_days"] * 86400)
    code, output, _error = module.run_command(
        [program, "x509", "-in", paths[0], "-noout", "-checkend", seconds, "-ext", "subjectAltName"]
    )
    verified, _output, _error = module.run_command([program, "verify", "-CAfile", paths[2], paths[0]])
    found = re.findall(r"(?:DNS|IP Address):[^,\s]+", output)
    wanted = [name.replace("IP:", "IP Address:") for name in names]
    return code == 0 and verified == 0 and sorted(map(canonical, found)) == sorted(map(canonical, wanted))


def canonical(name: str) -> str:
    """Openssl writes IPv6 addresses in full; compare the addresses, not their spelling."""
    kind, _colon, value = name.partition(":")
    return "%s:%s" % (kind, ipaddress.ip_address(value) if kind == "IP Address" else value)


def make_authority(module: AnsibleModule, directory: str) -> None:
    """The authority's key and certificate."""
    openssl(
        module,
        [
            "req",
            "-x509",
            *KEY,
            "-days",
            str(module.params["authority_days"]),
            "-subj",
            "/CN=Vigie backup authority of %s" % module.params["names"][0][:30],
            "-addext",
            "basicConstraints=critical,CA:TRUE,pathlen:0",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout",
            os.path.join(directory, "authority.key"),
            "-out",
            os.path.join(directory, "authority.crt"),
        ],
    )


def make_certificate(module: AnsibleModule, authority: str, directory: str, names: list) -> None:
    """The server's key and certificate, made in ``directory``."""
    request, extensions = os.path.join(directory, "request"), os.path.join(directory, "extensions")
    with open(extensions, "w", encoding="ascii") as handle:
        handle.write(
            "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
            "extendedKeyUsage=serverAuth\nsubjectAltName=%s\n" % ",".join(names)
        )
    openssl(
        module,
        [
            "req",
            "-new",
            *KEY,
            "-subj",
            "/CN=%s" % module.params["names"][0][:60],
            "-keyout",
            os.path.join(directory, "server.key"),
            "-out",
            request,
        ],
    )
    openssl(
        module,
        [
            "x509",
            "-req",
            "-in",
            request,
            "-days",
            str(module.params["days"]),
            "-extfile",
            extensions,
            "-CA",
            os.path.join(authority, "authority.crt"),
            "-CAkey",
            os.path.join(authority, "authority.key"),
            "-set_serial",
            "0x" + os.urandom(16).hex(),
            "-out",
            os.path.join(directory, "server.crt"),
        ],
    )


def install(source: str, directory: str, name: str, mode: int, group: int) -> None:
    """Move a finished file into place with its rights."""
    path = os.path.join(source, name)
    os.chown(path, 0, group)
    os.chmod(path, mode)
    os.rename(path, os.path.join(directory, name))


def renew(module: AnsibleModule, directory: str, names: list) -> None:
    """Make what is missing: the authority if there is none, and a new server certificate."""
    group = grp.getgrnam(module.params["group"]).gr_gid
    os.makedirs(directory, mode=0o755, exist_ok=True)
    scratch = tempfile.mkdtemp(prefix=".new-", dir=directory)
    try:
        if not os.path.exists(os.path.join(directory, "authority.key")):
            make_authority(module, scratch)
            install(scratch, directory, "authority.crt", 0o644, 0)
            install(scratch, directory, "authority.key", 0o600, 0)
        make_certificate(module, directory, scratch, names)
        install(scratch, directory, "server.key", 0o640, group)
        install(scratch, directory, "server.crt", 0o644, 0)
    finally:
        shutil.rmtree(scratch)


def main() -> None:
    """Check, renew, return the authority's certificate."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "group": {"type": "str", "required": True},
            "days": {"type": "int", "default": 397},
            "renew_days": {"type": "int", "default": 60},
            "authority_days": {"type": "int", "default": 7300},
        },
        supports_check_mode=True,
    )
    directory = module.params["directory"]
    names = sorted({alternative_name(module, name) for name in module.params["names"]})
    if not names:
        module.fail_json(msg="names: give at least one name or address of the server")
    changed = (
        not good(module, directory, names)
        if module.get_bin_path("openssl") or not module.check_mode
        else True
    )
    result = {"changed": changed, "certificate": ""}
    try:
        if changed and not module.check_mode:
            renew(module, directory, names)
        path = os.path.join(directory, "authority.crt")
        if os.path.exists(path):
            with open(path, encoding="ascii") as handle:
                result["certificate"] = handle.read()
    except (OSError, KeyError) as error:
        module.fail_json(msg="cannot make the certificate in %s: %s" % (directory, error))
    if changed:
        result["vigie_changes"] = [
            {
                "kind": "file",
                "name": os.path.join(directory, "server.crt"),
                "before": None,
                "after": "for " + ", ".join(names),
            }
        ]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
