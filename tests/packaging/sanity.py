"""Run ``ansible-test sanity`` on the built and installed collection, as a consumer would get it.

ansible-test refuses the source tree's folder of symlinks, and wants to download a pip bootstrap script
that is not reachable from closed networks. The cache it looks into first is given an equivalent: pip from
``ensurepip``, then the pip version it asked for from the configured package index.

The work is done outside the repository: below it, git ignores the folder, ansible-test asks git for the
files, finds none, says "All targets skipped" and exits 0.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

BOOTSTRAP = '''\
"""Stands in for get-pip.py: same arguments, same result, no download of the script itself."""
import subprocess
import sys

subprocess.check_call([sys.executable, "-m", "ensurepip", "--upgrade"], stdout=subprocess.DEVNULL)
wanted = [a for a in sys.argv[1:] if a not in ("--no-setuptools", "--no-wheel")]
subprocess.check_call([sys.executable, "-m", "pip", "install", "--quiet", *wanted])
'''


def run(*command: str) -> None:
    """Run ``command`` in the repository, failing loudly."""
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def pip_version() -> str:
    """The pip version this ansible-test bootstraps, read from its own source."""
    from ansible_test._internal import python_requirements

    text = Path(python_requirements.__file__).read_text(encoding="utf-8")
    found = re.search(r"pip='([\d.]+)'", text)
    if found is None:
        raise SystemExit(
            "error: ansible-test names its pip version in another way now; adapt tests/packaging/sanity.py"
        )
    return found.group(1)


def bootstrap_cache(home: Path) -> None:
    """Place the bootstrap script where ansible-test looks before it downloads."""
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / f"get_pip_{pip_version().replace('.', '_')}.py").write_text(BOOTSTRAP, encoding="utf-8")


def build_and_install(work: Path) -> Path:
    """Build the collection and install it below ``work``; return its folder."""
    run("ansible-galaxy", "collection", "build", "--output-path", str(work))
    (archive,) = work.glob("vigie-msp-*.tar.gz")
    run("ansible-galaxy", "collection", "install", "--force", "-p", str(work), str(archive))
    return work / "ansible_collections" / "vigie" / "msp"


def main() -> int:
    """Build, install, test; the exit status is ansible-test's, or 1 when it had nothing to test."""
    with tempfile.TemporaryDirectory(prefix="vigie-sanity-") as folder:
        work = Path(folder)
        bootstrap_cache(work / "home")
        collection = build_and_install(work)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        command = ["ansible-test", "sanity", "--venv", "--python", version, *sys.argv[1:]]
        environment = {**os.environ, "HOME": str(work / "home"), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            command,
            cwd=collection,
            env=environment,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    sys.stdout.write(done.stdout)
    if "All targets skipped" in done.stdout:
        sys.stdout.write("error: ansible-test found nothing to test\n")
        return 1
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
