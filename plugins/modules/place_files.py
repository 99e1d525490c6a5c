#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Vigie maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Put many files into place in one round trip."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: place_files
short_description: Put many directories and files into place in one round trip
version_added: "0.1.0"
author:
  - Vigie maintainers (@vigie-msp)
description:
  - Each module execution costs a host about half a second; a role's whole configuration is one execution
    here.
  - All new contents are validated before the first file is replaced. Each is replaced at once, by renaming.
  - A secret's content appears in no result, diff or log.
options:
  files:
    description: What to put into place, in this order.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      directory:
        description: Whether this is a directory, made with its parents when missing.
        type: bool
        default: false
      content:
        description: The file's text.
        type: str
      secret:
        description: The one line of a secret's file; the line's end is added.
        type: str
      mode:
        description: Permissions, as an octal string.
        type: str
        default: "0644"
      owner:
        description: Name of the owner.
        type: str
        default: root
      group:
        description: Name of the group.
        type: str
        default: root
      validate:
        description:
          - Command with C(%s) for a file that holds the new content under the same name. It refuses the
            content by its exit code or by writing to standard error, because C(systemd-analyze verify) only
            does the latter.
        type: str
attributes:
  check_mode:
    description: Says which files would change.
    support: full
  diff_mode:
    description: Shows the texts, except secret ones.
    support: full
"""

EXAMPLES = r"""
- name: Put the backup's settings into place
  vigie.msp.place_files:
    files:
      - {path: /etc/vigie/backup, directory: true, mode: "0700"}
      - {path: /etc/vigie/backup/settings.json, content: "{}", mode: "0600"}
      - {path: /etc/vigie/backup/repository, secret: "{{ password }}", mode: "0600"}
"""

RETURN = r"""
changed_paths:
  description: The paths that were changed (in check mode, would be).
  returned: success
  type: list
  elements: str
vigie_changes:
  description: The changes, as Vigie records them; contents by the start of their SHA-256, secrets as
    C(secret).
  returned: when changed
  type: list
  elements: dict
"""

import grp
import hashlib
import os
import pwd
import shlex
import shutil
import stat
import tempfile

from ansible.module_utils.basic import AnsibleModule

FILE = {
    "path": {"type": "path", "required": True},
    "directory": {"type": "bool", "default": False},
    "content": {"type": "str"},
    "secret": {"type": "str", "no_log": True},
    "mode": {"type": "str", "default": "0644"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "validate": {"type": "str"},
}


def wanted(item: dict) -> bytes | None:
    """The bytes a file should hold; none for a directory."""
    if item["directory"]:
        return None
    text = item["secret"] + "\n" if item["content"] is None else item["content"]
    return text.encode()


def current(item: dict) -> tuple:
    """(bytes or None, description) of what is at a path now; the description is for the record of changes."""
    try:
        status = os.lstat(item["path"])
    except FileNotFoundError:
        return None, None
    rights = "%s:%s %04o" % (
        _name(pwd.getpwuid, status.st_uid),
        _name(grp.getgrgid, status.st_gid),
        stat.S_IMODE(status.st_mode),
    )
    if item["directory"] or not stat.S_ISREG(status.st_mode):
        return None, rights
    with open(item["path"], "rb") as handle:
        content = handle.read()
    return content, "%s %s" % (digest(item, content), rights)


def _name(lookup: object, number: int) -> str:
    try:
        return lookup(number)[0]
    except KeyError:
        return str(number)


def digest(item: dict, content: bytes) -> str:
    """How a content is named in results."""
    return "secret" if item["secret"] is not None else hashlib.sha256(content).hexdigest()[:12]


def target(item: dict) -> str:
    """The description that a path should have."""
    rights = "%s:%s %04o" % (item["owner"], item["group"], int(item["mode"], 8))
    content = wanted(item)
    return rights if content is None else "%s %s" % (digest(item, content), rights)


def validate(module: AnsibleModule, item: dict, content: bytes) -> None:
    """Let a command judge the new content, in a private directory and under its real name."""
    directory = tempfile.mkdtemp(prefix="vigie-")
    try:
        path = os.path.join(directory, os.path.basename(item["path"]))
        with open(path, "wb") as handle:
            handle.write(content)
        os.chmod(path, 0o600 if item["secret"] is not None else 0o644)
        command = [part.replace("%s", path) for part in shlex.split(item["validate"])]
        code, output, error = module.run_command(command)
    finally:
        shutil.rmtree(directory)
    if code or error.strip():
        module.fail_json(
            msg="the new %s is refused by '%s': %s"
            % (item["path"], item["validate"], (error or output).strip()[-1000:])
        )


def place(module: AnsibleModule, item: dict, replace: bool) -> None:
    """Bring one path to its content, owner and mode."""
    path = item["path"]
    if item["directory"]:
        os.makedirs(path, exist_ok=True)
        own(path, item)
    elif not replace:
        own(path, item)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".vigie-", dir=os.path.dirname(path))
        try:
            with os.fdopen(descriptor, "wb") as handle:
                handle.write(wanted(item))
            own(temporary, item)
            module.atomic_move(temporary, path)
            own(path, item)
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)


def own(path: str, item: dict) -> None:
    """Set owner, group and mode."""
    os.chown(path, pwd.getpwnam(item["owner"]).pw_uid, grp.getgrnam(item["group"]).gr_gid)
    os.chmod(path, int(item["mode"], 8))


def check(module: AnsibleModule, item: dict) -> None:
    """Refuse an entry that says nothing, or two things, or would replace something else than a file."""
    given = [item["directory"], item["content"] is not None, item["secret"] is not None].count(True)
    if given != 1:
        module.fail_json(msg="%s needs exactly one of directory, content and secret" % item["path"])
    try:
        int(item["mode"], 8)
    except ValueError:
        module.fail_json(msg="%s: '%s' is no octal mode" % (item["path"], item["mode"]))
    there = os.path.lexists(item["path"])
    fits = os.path.isdir(item["path"]) if item["directory"] else os.path.isfile(item["path"])
    if there and (os.path.islink(item["path"]) or not fits):
        module.fail_json(
            msg="%s exists and is not a %s; move it away first"
            % (item["path"], "directory" if item["directory"] else "plain file")
        )


def main() -> None:
    """Compare, validate, place."""
    module = AnsibleModule(
        argument_spec={"files": {"type": "list", "elements": "dict", "required": True, "options": FILE}},
        # Ansible's own record of the call in the host's journal masks secrets inside a list only by chance.
        no_log=True,
        supports_check_mode=True,
    )
    pending, diff = [], []
    for item in module.params["files"]:
        check(module, item)
        content, described = current(item)
        if described != target(item) or content != wanted(item):
            pending.append((item, content, described))
    for item, content, described in pending:
        if item["validate"] and content != wanted(item):
            validate(module, item, wanted(item))
        public = item["content"] is not None
        diff.append(
            {
                "before_header": item["path"],
                "after_header": item["path"],
                "before": (content or b"").decode(errors="replace") if public else "%s\n" % described,
                "after": item["content"] if public else "%s\n" % target(item),
            }
        )
    try:
        for item, content, _described in [] if module.check_mode else pending:
            place(module, item, content != wanted(item))
    except (OSError, KeyError) as error:
        module.fail_json(msg="cannot put %s into place: %s" % (item["path"], error))
    result = {
        "changed": bool(pending),
        "changed_paths": [item["path"] for item, _content, _before in pending],
    }
    if pending:
        result["vigie_changes"] = [
            {"kind": "file", "name": item["path"], "before": before, "after": target(item)}
            for item, _content, before in pending
        ]
    module.exit_json(diff=diff, **result)


if __name__ == "__main__":
    main()
