#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Vigie maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hold a rest-server's password files to exactly the declared accounts."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_accounts
short_description: Hold the htpasswd files of a rest-server to exactly the declared accounts
version_added: "0.1.0"
author:
  - Vigie maintainers (@vigie-msp)
description:
  - Writes bcrypt hashes. A hash that still fits its password is kept, so that a second run changes nothing.
  - An account that is not declared is removed from the file; its repository is not touched.
options:
  files:
    description: The password files.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path of the file; its directory must exist.
        type: path
        required: true
      accounts:
        description: All accounts of the file.
        type: list
        elements: dict
        required: true
        suboptions:
          name:
            description: Name of the account.
            type: str
            required: true
          password:
            description: Its password.
            type: str
            required: true
  group:
    description: Group that may read the files.
    type: str
    required: true
attributes:
  check_mode:
    description: Says which accounts would change.
    support: full
  diff_mode:
    description: Lists the accounts' names.
    support: full
"""

EXAMPLES = r"""
- name: Accounts of the hosts' listener
  vigie.msp.backup_accounts:
    group: vigie-backup
    files:
      - path: /etc/vigie-backup-server/hosts.htpasswd
        accounts: [{name: cabinet.web1, password: "{{ password }}"}]
"""

RETURN = r"""
vigie_changes:
  description: The changes, as Vigie records them.
  returned: when changed
  type: list
  elements: dict
"""

import grp
import os
import re
import stat
import tempfile

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vigie.msp.plugins.module_utils.bcrypt_accounts import (
    CryptError,
    libcrypt,
    parse,
    plan,
)

MODE = 0o640
NAME = re.compile(r"^[\w@.-]+$")
"""What rest-server accepts in an account's name."""

ACCOUNT = {
    "name": {"type": "str", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
}
FILE = {
    "path": {"type": "path", "required": True},
    "accounts": {"type": "list", "elements": "dict", "required": True, "options": ACCOUNT},
}


def passwords_of(module: AnsibleModule, accounts: list) -> dict:
    """Name → password, once it is sure that rest-server will understand them."""
    passwords = {}
    for account in accounts:
        name, password = account["name"], account["password"]
        if not NAME.match(name):
            module.fail_json(
                msg="'%s' cannot be an account: only letters, digits and @._- are allowed" % name
            )
        if name in passwords:
            module.fail_json(msg="account %s is declared twice" % name)
        if len(password) < 16:
            module.fail_json(
                msg="the password of account %s is shorter than 16 characters: its file below the "
                "secrets directory is damaged; delete it to have a new one generated" % name
            )
        passwords[name] = password
    return passwords


def write(path: str, text: str, group: int) -> None:
    """Replace the file at once."""
    descriptor, temporary = tempfile.mkstemp(prefix=".accounts-", dir=os.path.dirname(path))
    try:
        with os.fdopen(descriptor, "w") as handle:
            handle.write(text)
        os.chown(temporary, 0, group)
        os.chmod(temporary, MODE)
        os.rename(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def update(module: AnsibleModule, path: str, passwords: dict, group: int | None) -> tuple:
    """Bring one file to its accounts; returns (changes, diff)."""
    text, rights = "", None
    if os.path.exists(path):
        status = os.stat(path)
        rights = (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))
        with open(path, encoding="utf-8") as handle:
            text = handle.read()
    new = plan(text, passwords, *libcrypt())
    changes = [change(path, name, None, "account") for name in new.added]
    changes += [change(path, name, "account", "account with another password") for name in new.changed]
    changes += [change(path, name, "account", None) for name in new.removed]
    if not changes and (new.text != text or rights != (0, group, MODE)):
        changes = [{"kind": "file", "name": path, "before": "other form or rights", "after": "as declared"}]
    if changes and not module.check_mode:
        write(path, new.text, group)
    names = ["".join("%s\n" % name for name in sorted(parse(content))) for content in (text, new.text)]
    return changes, {"before_header": path, "after_header": path, "before": names[0], "after": names[1]}


def change(path: str, name: str, before: str | None, after: str | None) -> dict:
    """One entry for the record of changes."""
    return {"kind": "other", "name": "%s:%s" % (path, name), "before": before, "after": after}


def main() -> None:
    """Update each file."""
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "options": FILE},
            "group": {"type": "str", "required": True},
        },
        no_log=True,  # keeps the call, and so every password, out of the server's journal
        supports_check_mode=True,
    )
    try:
        group = grp.getgrnam(module.params["group"]).gr_gid
    except KeyError:
        group = None
        if not module.check_mode:
            module.fail_json(msg="there is no group %s on this host" % module.params["group"])
    changes, diffs = [], []
    try:
        for item in module.params["files"]:
            made, diff = update(module, item["path"], passwords_of(module, item["accounts"]), group)
            changes += made
            diffs.append(diff)
    except (CryptError, OSError, UnicodeDecodeError) as error:
        module.fail_json(msg=str(error))
    result = {"vigie_changes": changes} if changes else {}
    module.exit_json(changed=bool(changes), diff=diffs, **result)


if __name__ == "__main__":
    main()
