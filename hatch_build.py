"""Hatch build hook: put the Ansible collection into the wheel.

A static ``force-include`` would also apply to editable installs and leave a stale copy there, and
packaging the folder of symlinks loses roles and plugins on the way sdist -> wheel. So the content
folders are included only when a real wheel is built.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COLLECTION = "ansible_collections/vigie/msp"
CONTENT = ("galaxy.yml", "README.md", "LICENSE", "meta", "playbooks", "plugins", "roles")
UNWANTED = {"__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache"}


class CollectionHook(BuildHookInterface):
    """Adds the collection's content folders to the wheel, below site-packages/ansible_collections."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fill ``force_include``; an editable install finds the same files through src/ instead."""
        if version == "editable":
            return
        root = Path(self.root)
        for name in CONTENT:
            for path in _files(root / name):
                relative = path.relative_to(root)
                build_data["force_include"][str(path)] = f"{COLLECTION}/{relative}"


def _files(path: Path) -> list[Path]:
    """Every file below ``path`` (or itself), without caches: force_include ignores .gitignore."""
    if path.is_file():
        return [path]
    return [f for f in sorted(path.rglob("*")) if f.is_file() and not UNWANTED.intersection(f.parts)]
