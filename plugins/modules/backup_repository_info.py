#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Vigie maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measure a host's backup repository, from the provider's side."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_repository_info
short_description: Measure a restic repository on a rest-server, with the server's own times
version_added: "0.1.0"
author:
  - Vigie maintainers (@vigie-msp)
description:
  - Runs on the controller, through the maintenance listener, and changes nothing.
  - Takes each snapshot's time of arrival from the server's disk (which the role C(backup_server) has written
    down), because a host can write any time into a snapshot.
  - Whatever hinders it (server down, no repository or another one than the host had, wrong password,
    unreadable snapshots, no restic) becomes a measurement with an C(error) and never a value; the task itself
    succeeds.
extends_documentation_fragment:
  - vigie.msp.backup_repository
attributes:
  check_mode:
    description: It only reads.
    support: full
  diff_mode:
    description: There is no diff.
    support: none
"""

EXAMPLES = r"""
- name: Measure the repository
  vigie.msp.backup_repository_info:
    url: https://backup.example.net:8001
    account: cabinet.web1
    password_file: /var/lib/vigie/acme/secrets/cabinet/web1/repository
    server_password_file: /var/lib/vigie/acme/secrets/cabinet/web1/maintenance
    certificate: /var/lib/vigie/acme/public/backup.crt
    cache_dir: /var/lib/vigie/acme/cache/cabinet
  delegate_to: localhost
"""

RETURN = r"""
snapshots:
  description: How many snapshots there are; none when this could not be measured.
  returned: always
  type: int
vigie_measurements:
  description:
    - The measurement C(backup.repository). Its value has C(snapshots), C(latest) (C(id), C(time),
      C(received), C(paths); or null), C(oldest_received) and C(created).
  returned: always
  type: list
  elements: dict
"""

from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vigie.msp.plugins.module_utils.backup_arguments import ACCESS, access
from ansible_collections.vigie.msp.plugins.module_utils.backup_repository import measure
from ansible_collections.vigie.msp.plugins.module_utils.backup_restic import ResticError
from ansible_collections.vigie.msp.plugins.module_utils.backup_server_api import iso


def main() -> None:
    """Measure, and answer with a measurement whatever happens."""
    module = AnsibleModule(argument_spec=ACCESS, supports_check_mode=True)
    measurement = {"name": "backup.repository", "source": "controller:" + module.params["url"]}
    snapshots = None
    try:
        measurement["value"] = measure(access(module), module.params["deadline"])
        snapshots = measurement["value"]["snapshots"]
    except (ResticError, OSError) as error:
        measurement["error"] = str(error)
    measurement["time"] = iso(datetime.now(timezone.utc))
    module.exit_json(changed=False, snapshots=snapshots, vigie_measurements=[measurement])


if __name__ == "__main__":
    main()
