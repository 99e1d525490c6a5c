"""Measuring and judging the machine Vigie runs on: no inventory, no root, no ledger, no Ansible run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from ansible_collections.vigie.msp.plugins.module_utils import controls as rules
from ansible_collections.vigie.msp.plugins.module_utils import measuring, package_dates
from vigie.errors import VigieError
from vigie.ledger.evaluation import shipped_controls

SYSTEM_PYTHON = "/usr/bin/python3"
SECONDS = 90
# Isolated (-I): neither the virtual environment's packages nor PYTHON* variables reach the system's Python.
# -B: no byte code is written beside the package's files.
LAUNCH = "import sys; sys.path.append(sys.argv[1]); from measuring.__main__ import main; main()"

Result = dict[str, Any]


class MeasuringError(VigieError):
    """This machine could not be measured."""


def audit(
    parameters: Mapping[str, Any], date_updates: bool = True
) -> tuple[list[Result], list[dict[str, Any]]]:
    """Measure this machine and judge it by a tier's thresholds.

    Args:
        parameters: ``compliance_audit_parameters`` of the tier.
        date_updates: Ask the package mirrors since when each pending update has been available.

    Returns:
        The results in the order of the controls, and the measurements they were judged by.

    Raises:
        MeasuringError: The measuring program did not run at all.
    """
    measurements = measure()
    if date_updates:
        package_dates.date_updates(
            measurements, package_dates.Cache(str(user_cache_path("vigie") / "package-dates"))
        )
    by_name = {measurement["name"]: measurement for measurement in measurements}
    return rules.evaluate(shipped_controls(), by_name, parameters, datetime.now(UTC)), measurements


def measure(run: Callable[..., subprocess.CompletedProcess[str]] = subprocess.run) -> list[dict[str, Any]]:
    """This machine's measurements, taken by a Python that knows apt where there is one.

    Raises:
        MeasuringError: It did not answer, or with something that is not measurements.
    """
    folder = str(Path(measuring.__file__).parents[1])
    try:
        done = run(
            [interpreter(), "-I", "-B", "-c", LAUNCH, folder],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
        measurements: list[dict[str, Any]] = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MeasuringError(f"measuring this machine failed: {error}") from error
    except ValueError as error:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise MeasuringError(
            f"measuring this machine ended with status {done.returncode}: {last[0]}"
        ) from error
    return measurements


def interpreter() -> str:
    """The Python to measure with: python3-apt belongs to the system's, not to a virtual environment's."""
    if find_spec("apt_pkg") is not None or not Path(SYSTEM_PYTHON).exists():
        return sys.executable
    return SYSTEM_PYTHON
