"""Real systemd hosts on one machine, under Podman: for tests, Molecule and the demo. See README.md."""

from tests.lab.errors import LabError, LabUnavailableError
from tests.lab.host import Host
from tests.lab.lab import HostSpec, Lab
from tests.lab.podman import unavailable_reason

__all__ = ["Host", "HostSpec", "Lab", "LabError", "LabUnavailableError", "unavailable_reason"]
