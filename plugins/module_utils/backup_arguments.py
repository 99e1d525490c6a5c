# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parameters that all modules about backup repositories share."""

from __future__ import annotations

import os
from typing import Any, NoReturn

from ansible_collections.vigie.msp.plugins.module_utils.backup_restic import Access, ResticError, read_secret

ACCESS: dict[str, Any] = {
    "url": {"type": "str", "required": True},
    "account": {"type": "str", "required": True},
    # Paths of secrets, not secrets.
    "password_file": {"type": "path", "required": True, "no_log": False},
    "server_password_file": {"type": "path", "required": True, "no_log": False},
    "certificate": {"type": "path", "required": True},
    "cache_dir": {"type": "path", "required": True},
    "program": {"type": "path"},
    "deadline": {"type": "int", "default": 900},
}


def access(module: Any) -> Access:
    """How to reach the repository that a module's parameters describe.

    Raises:
        ResticError: There is no restic here, or a secret cannot be read.
    """
    parameters = module.params
    program = parameters["program"]
    if not program or not os.access(program, os.X_OK):
        program = module.get_bin_path("restic")
    if not program:
        raise ResticError("failed", "there is no restic on the controller; vigie provision installs it")
    read_secret(parameters["password_file"])
    return Access(
        url=parameters["url"],
        account=parameters["account"],
        server_password=read_secret(parameters["server_password_file"]),
        password_file=parameters["password_file"],
        certificate=parameters["certificate"],
        cache_dir=parameters["cache_dir"],
        program=program,
    )


def fail(module: Any, error: ResticError) -> NoReturn:
    """End the module with what went wrong."""
    module.fail_json(msg="%s: %s" % (module.params["account"], error), kind=error.kind)
    raise AssertionError("fail_json returned")
