#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: every measurement of a host in one read-only call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: measure
short_description: Measure a host for compliance, read-only, in one call
version_added: 0.1.0
description:
  - Takes every measurement Vigie's controls judge, in one round trip, without changing anything on the host
    and without talking to any other machine.
  - Each probe runs in a process of its own with a time budget. One that hangs or fails becomes a measurement
    with an error; the others are kept. The module itself does not fail for what a host is like.
  - On the controller, the age of each pending update is added from the package's build date, asked of its
    mirror.
author:
  - Vigie maintainers (@vigie-msp)
options:
  names:
    description: Measurements to take; all of them by default.
    type: list
    elements: str
  seconds:
    description: Time for the whole host. Probes that are not finished by then are errors.
    type: int
    default: 60
  dates_cache:
    description:
      - Folder on the controller in which build dates of packages are kept. Without it, or when it cannot be
        written, each audit asks again.
      - Evaluated on the controller only.
    type: path
  date_updates:
    description: Whether the controller asks mirrors for build dates. Without them, updates have no age.
    type: bool
    default: true
extends_documentation_fragment:
  - action_common_attributes
attributes:
  action:
    description: Whether an action plugin of the same name does part of the work on the controller.
    support: full
  async:
    description: Whether the task can run in the background.
    support: none
  check_mode:
    support: full
    details: Nothing is ever changed.
  diff_mode:
    support: none
  platform:
    platforms: posix
requirements:
  - Python 3.8 or newer on the host
  - python3-apt on the host is used when it is there, else C(apt-get -s)
"""

EXAMPLES = r"""
- name: Measure
  vigie.msp.measure:

- name: Measure the accounts alone
  vigie.msp.measure:
    names: [access.empty_passwords, access.superusers]
"""

RETURN = r"""
vigie_measurements:
  description: One entry per measurement, with either a value or an error.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The measurement's name.
      type: str
    value:
      description: What was found; its shape depends on the measurement.
      type: raw
    error:
      description: Why nothing could be found.
      type: str
    time:
      description: When, ISO 8601 in UTC.
      type: str
    source:
      description: Where it was read.
      type: str
  sample:
    - name: access.superusers
      value: [root]
      time: "2026-11-23T10:00:00Z"
      source: /etc/passwd
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vigie.msp.plugins.module_utils.measuring import measure


def main():
    """Measure and hand back everything."""
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str"},
            "seconds": {"type": "int", "default": 60},
            "dates_cache": {"type": "path"},
            "date_updates": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    measurements = measure(module.params["names"], module.params["seconds"])
    module.exit_json(changed=False, vigie_measurements=measurements)


if __name__ == "__main__":
    main()
