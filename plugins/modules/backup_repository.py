#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Vigie maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make a host's backup repository and apply its retention, from the provider's side."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_repository
short_description: Make a host's restic repository on a rest-server and apply its retention
version_added: "0.1.0"
author:
  - Vigie maintainers (@vigie-msp)
description:
  - Runs on the controller and talks to the maintenance listener, with an account that no host has.
  - Initialises the repository only when the server itself says that there is none; a server that is down,
    refuses the account or shows another certificate, and a repository that has lost files, are errors and
    make nothing.
  - Remembers the repository's id in C(repository.json) beside O(password_file). When the server then has no
    repository, or another one, the host's history is lost; this fails and makes nothing, unless
    O(accept_lost) is set.
  - Forgets only what is older than the retention and frees its space. Does nothing when the snapshots look
    tampered with (dated in the future, back-dated, altered copies) and fails then.
  - When a backup holds the repository's lock, forgetting is left for the next run and RV(deferred) says so.
extends_documentation_fragment:
  - vigie.msp.backup_repository
options:
  accept_lost:
    description: Whether a new repository may take the place of one that this host had and that is lost.
    type: bool
    default: false
  retention:
    description:
      - For how many days snapshots are kept. Everything of the last O(retention.daily) days, one of each
        month for O(retention.monthly) days, one of each year for O(retention.yearly) days, counted from the
        latest snapshot.
      - Without it nothing is ever forgotten.
    type: dict
    suboptions:
      daily:
        description: Days within which every snapshot is kept; at least 1.
        type: int
        required: true
      monthly:
        description: Days within which one snapshot of each month is kept; 0 for none.
        type: int
        default: 0
      yearly:
        description: Days within which one snapshot of each year is kept; 0 for none.
        type: int
        default: 0
attributes:
  check_mode:
    description: Says what would be made and forgotten.
    support: full
  diff_mode:
    description: There is no diff.
    support: none
"""

EXAMPLES = r"""
- name: Make the repository and apply the retention
  vigie.msp.backup_repository:
    url: https://backup.example.net:8001
    account: cabinet.web1
    password_file: /var/lib/vigie/acme/secrets/cabinet/web1/repository
    server_password_file: /var/lib/vigie/acme/secrets/cabinet/web1/maintenance
    certificate: /var/lib/vigie/acme/public/backup.crt
    cache_dir: /var/lib/vigie/acme/cache/cabinet
    retention: {daily: 30, monthly: 180, yearly: 0}
  delegate_to: localhost
"""

RETURN = r"""
initialised:
  description: Whether the repository was made now (in check mode, would be).
  returned: success
  type: bool
snapshots:
  description: How many snapshots the repository has now.
  returned: success
  type: int
forgotten:
  description: Ids of the snapshots that were forgotten (in check mode, would be).
  returned: success
  type: list
  elements: str
deferred:
  description: Whether forgetting was left for the next run, because a backup is running.
  returned: success
  type: bool
kind:
  description: One word for what went wrong; V(lost_repository) when the host had a repository and it is gone.
  returned: failure
  type: str
vigie_changes:
  description: The changes, as Vigie records them.
  returned: when something changed
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vigie.msp.plugins.module_utils import backup_repository as repository
from ansible_collections.vigie.msp.plugins.module_utils.backup_arguments import ACCESS, access, fail
from ansible_collections.vigie.msp.plugins.module_utils.backup_restic import Access, ResticError, probe
from ansible_collections.vigie.msp.plugins.module_utils.backup_server_api import ServerApi

RETENTION = {
    "daily": {"type": "int", "required": True},
    "monthly": {"type": "int", "default": 0},
    "yearly": {"type": "int", "default": 0},
}


def main() -> None:
    """Read the parameters, do it, answer."""
    module = AnsibleModule(
        argument_spec={
            **ACCESS,
            "retention": {"type": "dict", "options": RETENTION},
            "accept_lost": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    retention = module.params["retention"]
    if retention and (retention["daily"] < 1 or min(retention.values()) < 0):
        module.fail_json(
            msg="retention: daily must be at least 1 day, monthly and yearly 0 or more; this is %s"
            % (retention,)
        )
    try:
        where = access(module)
        probe(where.url)
        with repository.alone(where), ServerApi(where) as api:
            result = bring_up(module, where, api)
    except ResticError as error:
        fail(module, error)
    except OSError as error:
        module.fail_json(msg="cannot use the cache directory %s: %s" % (module.params["cache_dir"], error))
    module.exit_json(**result)


def bring_up(module: AnsibleModule, where: Access, api: ServerApi) -> dict:
    """Make the repository if it is missing, apply the retention, and describe both."""
    deadline, dry_run = module.params["deadline"], module.check_mode
    made, given_up = repository.initialise(where, api, deadline, dry_run, module.params["accept_lost"])
    result = {
        "changed": made or bool(given_up),
        "initialised": made,
        "snapshots": 0,
        "forgotten": [],
        "deferred": False,
    }
    changes = []
    if made or given_up:
        before = "%s, lost" % given_up[:8] if given_up else None
        changes.append(change(where, before, "initialised" if made else "another repository accepted"))
    if not made and module.params["retention"]:
        forget(module, where, api, result, changes)
    elif not made:
        result["snapshots"] = len(repository.snapshots(where, api, deadline))
    if changes:
        result["vigie_changes"] = changes
    return result


def forget(module: AnsibleModule, where: Access, api: ServerApi, result: dict, changes: list) -> None:
    """Apply the retention; a running backup is no failure, the next run will do it."""
    retention, deadline = module.params["retention"], module.params["deadline"]
    try:
        plan = repository.apply_retention(where, api, retention, deadline, module.check_mode)
    except ResticError as error:
        if error.kind != "locked":
            raise
        module.warn("%s: snapshots were not forgotten this time: %s" % (where.account, error))
        result.update(deferred=True, snapshots=len(api.names("snapshots")))
        return
    result["snapshots"] = len(plan.keep)
    if plan.remove:
        result.update(changed=True, forgotten=[snapshot.id for snapshot in plan.remove])
        before = len(plan.keep) + len(plan.remove)
        changes.append(change(where, "%d snapshots" % before, "%d snapshots" % len(plan.keep)))


def change(where: Access, before: str | None, after: str) -> dict:
    """One entry for the record of changes."""
    return {"kind": "repository", "name": where.account, "before": before, "after": after}


if __name__ == "__main__":
    main()
