# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the host's own backup program says of its last attempt.

Whether a snapshot is complete is known to the host alone: restic finds out after it has made the snapshot,
which in the repository looks like any other. The program of the role ``config_backup`` writes it into its
metrics.
"""

from __future__ import annotations

import re

from .common import ProbeError, iso, read_text
from .monitoring import TEXTFILES

METRICS = TEXTFILES + "/vigie_backup.prom"
LATEST = 253402300799
"""The last second of the year 9999; later ones are no times."""


def last_attempt():
    """{exit_code, attempted, succeeded}: all null before the first attempt, the last before a success.

    Exit codes: 0 complete, 1 failed, 3 incomplete (a declared path or some files are missing).
    """
    try:
        text = read_text(METRICS)
    except FileNotFoundError:
        return {"exit_code": None, "attempted": None, "succeeded": None}
    except OSError as error:
        raise ProbeError("%s cannot be read: %s" % (METRICS, error.strerror)) from error
    return attempt_in(text)


def attempt_in(text):
    """The same, from the text of the metrics; ProbeError when it is not what the program writes."""
    return {
        "exit_code": _number(text, "last_exit_code"),
        "attempted": iso(_number(text, "last_attempt_timestamp_seconds")),
        "succeeded": iso(_number(text, "last_success_timestamp_seconds", optional=True)),
    }


def _number(text, name, optional=False):
    found = re.findall(r"^vigie_backup_%s +(.*)$" % name, text, re.MULTILINE)
    if optional and not found:
        return None
    if len(found) != 1 or not re.match(r"[0-9]{1,12}$", found[0]) or int(found[0]) > LATEST:
        raise ProbeError(
            "%s does not hold one whole number vigie_backup_%s: run the backup again" % (METRICS, name)
        )
    return int(found[0])
