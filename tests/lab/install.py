"""Installing the Debian packages the lab needs: those of bindep.txt, as `make demo` does."""

from __future__ import annotations

import subprocess

from tests.lab.errors import LabError
from tests.lab.podman import REPOSITORY_ROOT


def install() -> None:
    """Install what is missing; what is there already is left alone."""
    script = REPOSITORY_ROOT / "tests" / "packages"
    if subprocess.run([str(script), "lab"], check=False).returncode != 0:
        raise LabError("the packages could not be installed; see above")
