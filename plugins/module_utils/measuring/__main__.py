# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Print this machine's measurements as JSON: ``python3 -m measuring`` with module_utils on the path."""

from __future__ import annotations

import json
import sys

from . import measure


def main():
    """Write one JSON document to standard output."""
    json.dump(measure(), sys.stdout)


if __name__ == "__main__":
    main()
