"""What the commands that read the ledger share: opening it, and showing what hosts said without harm."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vigie.cli.context import err
from vigie.errors import UsageError
from vigie.running.recording import open_recorded
from vigie.running.recovery import sweep_lost
from vigie.state import StateDirectory

if TYPE_CHECKING:
    from vigie.ledger.api import Ledger

_HARMFUL = frozenset({"Cc", "Cf", "Co", "Cs"})
"""Control characters and such: they move cursors, colour terminals, or turn the reading direction."""


def state_of(inventory: Path) -> StateDirectory:
    """The state of the provider whose directory this is; its files need not be in order for that."""
    directory = inventory.expanduser().resolve()
    if not (directory / "provider.yml").is_file():
        raise UsageError(
            f"{directory} is no provider's directory: it has no provider.yml",
            "name it with --inventory DIR or VIGIE_INVENTORY",
        )
    return StateDirectory.of_provider(directory.name)


@contextmanager
def open_swept(state: StateDirectory) -> Iterator[Ledger]:
    """The provider's ledger, after runs that died with their process were closed, and told of."""
    with open_recorded(state) as recorded:
        for lost in sweep_lost(state, recorded):
            err.print(str(lost), style="yellow", markup=False, highlight=False, soft_wrap=True)
        yield recorded.database


def harmless(text: str) -> str:
    """``text`` without what a terminal would act on; line ends stay."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(letter) in _HARMFUL and letter != "\n" else letter
        for letter in text.replace("\t", "    ").replace("\r\n", "\n")
    )


def plain_data(value: Any) -> Any:
    """Records as JSON's own types; times in UTC with ``Z``."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain_data(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): plain_data(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_data(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def utc(time: datetime | None) -> str:
    """A time as tables show it, in UTC; a dash for none."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if time else "-"
