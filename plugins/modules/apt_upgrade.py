#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Vigie maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring a Debian host's packages up to date within a scope, in one round trip."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: apt_upgrade
short_description: Apply a Debian host's pending updates, all or security only, and report what changed
version_added: "0.1.0"
author:
  - Vigie maintainers (@vigie-msp)
description:
  - Refreshes the package indexes, works out which updates are in scope, installs them at those exact versions
    and compares dpkg's database before and after, so that what is reported is what happened.
  - Waits for apt's locks and names their holder, finishes an interrupted dpkg run first, keeps local
    configuration files, never downgrades, never removes a package unless allowed, never touches a held
    package, never reboots.
  - Says whether the host needs a reboot or service restarts, with the probes the audit uses.
  - A security update is one offered by an archive whose name matches O(security_archives).
options:
  scope:
    description:
      - V(security) installs the newest version a security archive offers of each installed package.
      - V(all) installs the version apt prefers of each installed package.
    type: str
    required: true
    choices: [security, all]
  security_archives:
    description: Shell patterns of the archive names (suite or codename) that bring security updates.
    type: list
    elements: str
    default: ["*-security"]
  exclude:
    description: Shell patterns of package names that are left at the version they have, and reported.
    type: list
    elements: str
    default: []
  index_max_age:
    description:
      - Seconds for which package indexes fetched without error are used again, unless a source changed since.
    type: int
    default: 3600
  lock_timeout:
    description: Seconds to wait for another program to release apt's locks.
    type: int
    default: 300
  min_free_mb:
    description: Megabytes that must stay free, after the upgrade, on each file system it writes to.
    type: int
    default: 300
  allow_removals:
    description: Whether an update may remove other packages. Otherwise it is left out and reported.
    type: bool
    default: false
  textfile_directory:
    description: Textfile directory of node_exporter, for C(vigie_patch.prom); empty writes no metrics.
    type: str
    default: /var/lib/prometheus/node-exporter
attributes:
  check_mode:
    description: Nothing at all is written on the host; indexes stay as they are, so does the plan.
    support: full
  diff_mode:
    description: Lists packages with their versions before and after.
    support: full
requirements:
  - apt and dpkg on the host (Debian 11 or later); python3-apt, which is installed when missing
notes:
  - The metrics file is a record of the run and never counts as a change; neither does refreshing an index.
  - When an index cannot be refreshed the updates of the others are installed and the task then fails.
"""

EXAMPLES = r"""
- name: Apply security updates
  vigie.msp.apt_upgrade:
    scope: security

- name: Apply everything except the database server
  vigie.msp.apt_upgrade:
    scope: all
    exclude: ["postgresql-*"]
"""

RETURN = r"""
withheld:
  description: Updates in scope that were not installed, with the reason of each.
  returned: always
  type: dict
  sample: {"openssl": "held (apt-mark hold)"}
held:
  description: All packages on hold.
  returned: always
  type: list
  elements: str
kept_configuration:
  description: New versions of configuration files put beside a locally modified one, which was kept.
  returned: always
  type: list
  elements: str
vigie_changes:
  description: Each package that changed, with its version before and after (planned ones in check mode).
  returned: always
  type: list
  elements: dict
  sample: [{"kind": "package", "name": "openssl", "before": "3.0.20-1", "after": "3.0.22-1"}]
vigie_measurements:
  description:
    - RV(withheld) and the audit's measurements of pending updates, holds, the index, restart, stale services.
  returned: always
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vigie.msp.plugins.module_utils.apt_host import require_apt
from ansible_collections.vigie.msp.plugins.module_utils.apt_run import PatchError
from ansible_collections.vigie.msp.plugins.module_utils.apt_session import Session

OPTIONS = {
    "scope": {"type": "str", "required": True, "choices": ["security", "all"]},
    "security_archives": {"type": "list", "elements": "str", "default": ["*-security"]},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "index_max_age": {"type": "int", "default": 3600},
    "lock_timeout": {"type": "int", "default": 300},
    "min_free_mb": {"type": "int", "default": 300},
    "allow_removals": {"type": "bool", "default": False},
    "textfile_directory": {"type": "str", "default": "/var/lib/prometheus/node-exporter"},
}


def main():
    """Patch, and hand back everything that is known, also when a step failed."""
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    try:
        require_apt()
        session = Session(module.params, module.check_mode)
    except PatchError as error:
        module.fail_json(msg=str(error))
    session.patch()
    result = session.result()
    for warning in session.warnings:
        module.warn(warning)
    if session.problems:
        module.fail_json(msg="\n".join(session.problems), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
