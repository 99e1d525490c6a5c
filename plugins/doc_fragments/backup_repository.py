# -*- coding: utf-8 -*-
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the parameters in ``module_utils/backup_arguments.py``."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of all modules about backup repositories."""

    DOCUMENTATION = r"""
options:
  url:
    description: Base URL of the rest-server's listener, C(https://address:port).
    type: str
    required: true
  account:
    description: Account on the rest-server, which is also the repository's name.
    type: str
    required: true
  password_file:
    description: File with the repository's password.
    type: path
    required: true
  server_password_file:
    description: File with the account's password on this listener.
    type: path
    required: true
  certificate:
    description: File with the certificate (PEM) that signed the server's.
    type: path
    required: true
  cache_dir:
    description: Directory for restic's cache; made when missing.
    type: path
    required: true
  program:
    description: The restic program; C(restic) on the search path when this one is not there.
    type: path
  deadline:
    description: Seconds after which a call of restic is stopped.
    type: int
    default: 900
requirements:
  - restic 0.18 or later
"""
