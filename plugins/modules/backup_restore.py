#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Vigie maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring a file or directory of a host back from its own repository."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_restore
short_description: Restore a file or directory of a host from its backups
version_added: "0.1.0"
author:
  - Vigie maintainers (@vigie-msp)
description:
  - Runs on the host, with the settings and credentials that the role C(config_backup) put there.
  - Restores into a private scratch directory first. Then each file that differs in content, owner, mode or
    extended attributes is replaced at once, by renaming; what was there before is kept below RV(saved).
  - Files that the snapshot does not have are left alone.
  - Nothing is written through a symbolic link that took the place of a directory of the path.
options:
  path:
    description: Absolute path of the file or directory, as it was called on the host.
    type: path
    required: true
  snapshot:
    description: Id of the snapshot, or V(latest).
    type: str
    default: latest
  target:
    description: Directory that stands for the root; other than V(/) to restore beside the original.
    type: path
    default: /
  settings:
    description: The host's backup settings.
    type: path
    default: /etc/vigie/backup/settings.json
  deadline:
    description: Seconds after which restic is stopped.
    type: int
    default: 3600
attributes:
  check_mode:
    description: Restores into the scratch directory only, and says what would be replaced.
    support: full
  diff_mode:
    description: Lists what differs, without contents.
    support: full
requirements:
  - restic 0.18 or later on the host
"""

EXAMPLES = r"""
- name: Bring a lost file back
  vigie.msp.backup_restore:
    path: /etc/fstab
"""

RETURN = r"""
snapshot:
  description: The snapshot that was restored from, with C(id) and C(time).
  returned: success
  type: dict
restored:
  description: Paths that were brought back (in check mode, would be); after a failure, those before it.
  returned: always
  type: list
  elements: str
special_files:
  description: Sockets, pipes and devices, which are not restored.
  returned: success
  type: list
  elements: str
saved:
  description: Directory on the host with copies of what was replaced; empty when nothing was.
  returned: always
  type: str
vigie_changes:
  description: The changes, as Vigie records them; after a failure, those before it.
  returned: always
  type: list
  elements: dict
"""

import json
import os
import re
import shutil
import tempfile
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vigie.msp.plugins.module_utils import backup_placing as placing
from ansible_collections.vigie.msp.plugins.module_utils import backup_restic as restic

SHOWN_SNAPSHOTS = 10


def access(module: AnsibleModule) -> tuple:
    """The host's settings, and how it reaches its repository."""
    path = module.params["settings"]
    try:
        with open(path, encoding="utf-8") as handle:
            settings = json.load(handle)
        return settings, restic.Access(
            url=settings["url"],
            account=settings["account"],
            server_password=restic.read_secret(settings["server_password_file"]),
            password_file=settings["password_file"],
            certificate=settings["certificate"],
            cache_dir=settings["cache_dir"],
            program=settings["restic"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        return module.fail_json(
            msg="cannot use the backup settings %s on this host (%s); run the backup service on it "
            "first" % (path, error)
        )


def choose(where: restic.Access, wanted: str, deadline: int) -> tuple:
    """(the snapshot that is meant, all snapshots with the newest first).

    Raises:
        ResticError: There is no such snapshot, or more than one.
    """
    result = restic.call(where, ["snapshots", "--json", "--no-lock"], deadline)
    found = sorted(json.loads(result.stdout.strip() or "[]"), key=lambda entry: entry["time"], reverse=True)
    fitting = (
        found[:1] if wanted == "latest" else [entry for entry in found if entry["id"].startswith(wanted)]
    )
    if len(fitting) != 1:
        raise restic.ResticError(
            "failed",
            "%s snapshot '%s' in the repository; there are: %s"
            % ("more than one" if fitting else "no", wanted, listed(found)),
        )
    return fitting[0], found


def listed(found: list) -> str:
    """The newest snapshots for a message."""
    shown = ["%s of %s" % (entry["id"][:8], entry["time"][:16]) for entry in found[:SHOWN_SNAPSHOTS]]
    return (
        ", ".join(shown) + (" and %d older" % (len(found) - len(shown)) if len(found) > len(shown) else "")
        or "none"
    )


def pattern(path: str) -> str:
    """The path as a pattern that fits nothing else."""
    return re.sub(r"([*?\[\]\\])", r"\\\1", path)


def extract(module: AnsibleModule, where: restic.Access, scratch: str) -> dict:
    """Restore into the scratch directory; returns the snapshot."""
    path, deadline = module.params["path"], module.params["deadline"]
    snapshot, found = choose(where, module.params["snapshot"], deadline)
    restic.call(
        where,
        [
            "restore",
            snapshot["id"],
            "--target",
            scratch,
            "--include",
            pattern(path),
            "--verify",
            "--retry-lock",
            "2m",
            "--quiet",
        ],
        deadline,
    )
    if not os.path.lexists(scratch + path):
        module.fail_json(
            msg="%s is not in the snapshot %s of %s, which holds %s. Name another snapshot: %s"
            % (
                path,
                snapshot["id"][:8],
                snapshot["time"][:16],
                ", ".join(snapshot.get("paths") or ()),
                listed(found),
            )
        )
    return {"id": snapshot["id"], "time": snapshot["time"]}


def bring_back(module: AnsibleModule, scratch: str, saved: str, done: list) -> dict:
    """Compare with the host, keep copies, replace; each difference joins ``done`` once it is in its place."""
    found = list(placing.differences(scratch, module.params["path"], module.params["target"]))
    todo = [difference for difference in found if placing.is_placeable(difference)]
    if module.check_mode:
        done += todo
    else:
        for difference in todo:
            placing.save(difference, saved)
        for difference in todo:
            placing.place(difference, scratch)
            done.append(difference)
    return {
        "special_files": [difference.path for difference in found if not placing.is_placeable(difference)],
    }


def record(done: list, saved: str) -> dict:
    """What was put into place, also when the rest could not be."""
    return {
        "changed": bool(done),
        "restored": [item.path for item in done],
        "saved": saved if saved and os.path.isdir(saved) else "",
        "diff": [
            {
                "before_header": item.path,
                "after_header": item.path,
                "before": "%s\n" % (item.before or "absent"),
                "after": "%s\n" % item.after,
            }
            for item in done
        ],
        "vigie_changes": [
            {"kind": "file", "name": item.path, "before": item.before, "after": item.after} for item in done
        ],
    }


def stopped(done: list, saved: str) -> str:
    """For a message: what is different on the host although the restore failed."""
    if not done:
        return "; nothing was replaced"
    kept = " and copies of what they replaced are in %s" % saved if os.path.isdir(saved) else ""
    return "; %d paths before it are in place already%s: repair the cause and restore again" % (
        len(done),
        kept,
    )


def main() -> None:
    """Restore, compare, place."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "snapshot": {"type": "str", "default": "latest"},
            "target": {"type": "path", "default": "/"},
            "settings": {"type": "path", "default": "/etc/vigie/backup/settings.json"},
            "deadline": {"type": "int", "default": 3600},
        },
        supports_check_mode=True,
    )
    path = module.params["path"]
    if not path.startswith("/") or os.path.normpath(path) != path or path == "/":
        module.fail_json(
            msg="path: '%s' is not the plain absolute path of a file or directory, like /etc/fstab" % path
        )
    if not re.match(r"^(latest|[0-9a-f]{4,64})$", module.params["snapshot"]):
        module.fail_json(
            msg="snapshot: '%s' is neither 'latest' nor a snapshot's id" % module.params["snapshot"]
        )
    done, saved = [], ""
    try:
        settings, where = access(module)
        restic.probe(where.url)
        os.makedirs(settings["state_dir"], mode=0o700, exist_ok=True)
        scratch = tempfile.mkdtemp(prefix="restore-", dir=settings["state_dir"])
        saved = os.path.join(
            settings["state_dir"], "replaced", time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        )
        try:
            snapshot = extract(module, where, scratch)
            result = bring_back(module, scratch, saved, done)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except (restic.ResticError, placing.PlacingError, OSError) as error:
        module.fail_json(msg="%s: %s%s" % (path, error, stopped(done, saved)), **record(done, saved))
    module.exit_json(snapshot=snapshot, **result, **record(done, saved))


if __name__ == "__main__":
    main()
