"""Images of lab hosts: one per Debian suite, built once from the mirror and kept in Podman's storage."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.lab.errors import LabError
from tests.lab.podman import Podman
from tests.lab.progress import Progress

SUITES = ("bookworm", "bullseye", "trixie")
REPOSITORY = "localhost/vigie-lab"
MIRROR = os.environ.get("VIGIE_LAB_MIRROR", "http://deb.debian.org/debian")
SECURITY_MIRROR = os.environ.get("VIGIE_LAB_SECURITY_MIRROR", "http://deb.debian.org/debian-security")
CUSTOMIZE = Path(__file__).parent / "image" / "customize.sh"
BUILD_TIMEOUT = 900  # seconds; 20 s to 65 s were measured

# What every installed Debian server has and a minimal tree lacks. Nothing that a role should install itself.
PACKAGES = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "libpam-systemd",
    "netbase",
    "openssh-server",
    "procps",
    "python3",
    "python3-apt",
    "systemd",
    "systemd-sysv",
    "tzdata",
)
START = ('CMD ["/sbin/init"]', "STOPSIGNAL SIGRTMIN+3")


def tag(suite: str) -> str:
    """Image name of a suite; its hash changes with the recipe, so that a changed recipe builds anew."""
    if suite not in SUITES:
        raise LabError(f"{suite!r} is not a suite of the lab; use one of: {', '.join(SUITES)}")
    recipe = "\0".join([suite, MIRROR, SECURITY_MIRROR, *PACKAGES, *START, CUSTOMIZE.read_text()])
    return f"{REPOSITORY}:{suite}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def ensure(podman: Podman, suites: Iterable[str], progress: Progress) -> dict[str, str]:
    """Build the images that are missing, two at a time; return the image name of each suite."""
    wanted = {suite: tag(suite) for suite in sorted(set(suites))}
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(lambda suite: _ensure_one(podman, suite, wanted[suite], progress), wanted))
    return wanted


def prune(podman: Podman) -> list[str]:
    """Remove images of recipes that are not this one, unless a host uses them; return their names.

    Podman lists an image under all its names, so names that are not the lab's are left out here.
    """
    listing = podman.call("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
    return [image for image in outdated(listing) if podman.call("rmi", image, check=False).returncode == 0]


def outdated(names: Iterable[str]) -> list[str]:
    """Those of the image names that are the lab's own, but of another recipe."""
    current = {tag(suite) for suite in SUITES}
    return [name for name in names if name.startswith(f"{REPOSITORY}:") and name not in current]


def exists(podman: Podman, image: str) -> bool:
    """Whether the image is in Podman's storage."""
    return podman.call("image", "exists", image, check=False).returncode == 0


def _ensure_one(podman: Podman, suite: str, image: str, progress: Progress) -> None:
    if exists(podman, image):
        return
    with _lock(suite):  # two labs started at once build an image once
        if exists(podman, image):
            return
        with progress.step(f"image {suite}: building from {MIRROR}", f"image {suite}: built"):
            _build(podman, suite, image)


@contextmanager
def _lock(suite: str) -> Iterator[None]:
    with Path(f"/run/lock/vigie-lab-image-{suite}").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _command(suite: str) -> list[str]:
    """The mmdebstrap call; the tree goes to standard output as a tar archive."""
    return [
        "mmdebstrap",
        "--quiet",
        "--mode=root",
        "--variant=minbase",
        "--format=tar",
        "--skip=cleanup/apt/lists",
        '--aptopt=Acquire::Check-Valid-Until "false"',
        '--aptopt=Acquire::Languages "none"',
        f"--include={','.join(PACKAGES)}",
        f"--customize-hook={CUSTOMIZE}",
        suite,
        "-",
        f"deb {MIRROR} {suite} main",
    ]


def _build(podman: Podman, suite: str, image: str) -> None:
    """Pipe mmdebstrap into `podman import`; the image is named only when both succeeded."""
    env = {
        **podman.env,
        "VIGIE_LAB_SUITE": suite,
        "VIGIE_LAB_MIRROR": MIRROR,
        "VIGIE_LAB_SECURITY_MIRROR": SECURITY_MIRROR,
    }
    with tempfile.TemporaryDirectory(prefix="vigie-lab-") as scratch:
        archive = Path(scratch) / "root.tar"
        with archive.open("wb") as output:
            _run(_command(suite), env, output.fileno(), suite)
        changes = [word for change in START for word in ("--change", change)]
        podman.call("import", "--quiet", *changes, str(archive), image, timeout=BUILD_TIMEOUT)


def _run(command: list[str], env: dict[str, str], output: int, suite: str) -> None:
    try:
        done = subprocess.run(
            command,
            env=env,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=BUILD_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"image {suite}: not built within {BUILD_TIMEOUT} s; is {MIRROR} slow?") from error
    if done.returncode != 0:
        tail = "\n".join(done.stderr.strip().splitlines()[-15:])
        raise LabError(
            f"image {suite}: mmdebstrap failed (exit {done.returncode}); is {MIRROR} reachable? "
            f"VIGIE_LAB_MIRROR names another.\n{tail}"
        )
