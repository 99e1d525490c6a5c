"""A sound provider's directory to break: a copy of inventories/example, made the current directory."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[3] / "inventories" / "example"


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "msp"
    shutil.copytree(EXAMPLE, copy)
    monkeypatch.chdir(copy)
    monkeypatch.delenv("VIGIE_INVENTORY", raising=False)
    monkeypatch.setenv("VIGIE_STATE_DIR", str(tmp_path / "state"))
    return copy


@pytest.fixture
def edit(directory: Path) -> Callable[[str, str, str], None]:
    """Replace text in a file of the directory; the text must be there."""

    def change(name: str, old: str, new: str) -> None:
        file = directory / name
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{name} no longer holds {old!r}"
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    return change
