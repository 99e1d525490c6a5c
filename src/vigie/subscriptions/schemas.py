"""JSON Schemas of the provider's files, for editors: completion and errors while typing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from vigie.subscriptions.models import Catalogue, Client, ProviderFile

MODELS: dict[str, type[BaseModel]] = {"catalogue": Catalogue, "client": Client, "provider": ProviderFile}
"""The schemas Vigie writes, by name."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SUFFIX = ".schema.json"
PUBLISHED = Path(__file__).resolve().parents[3] / "docs" / "schemas"
"""Schemas of other formats, such as ``results-1``, in a source tree."""


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema of that name."""
    document = MODELS[name].model_json_schema()
    return {"$schema": DIALECT, **_without_empty_defaults(document)}


def names() -> list[str]:
    """The schemas that can be printed: those of the provider's files, and published ones."""
    published = {path.name.removesuffix(SUFFIX) for path in PUBLISHED.glob(f"*{SUFFIX}")}
    return sorted(published | set(MODELS))


def text(name: str) -> str:
    """The JSON Schema of that name as it is written to a file."""
    if name not in MODELS:
        return (PUBLISHED / f"{name}{SUFFIX}").read_text(encoding="utf-8")
    return json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"


def write(directory: Path) -> list[Path]:
    """Write the schemas of the provider's files into ``directory``; return the files."""
    directory.mkdir(parents=True, exist_ok=True)
    files = [directory / f"{name}{SUFFIX}" for name in MODELS]
    for name, file in zip(MODELS, files, strict=True):
        file.write_text(text(name), encoding="utf-8")
    return files


def _without_empty_defaults(value: Any) -> Any:
    """Defaults that mean "from the provider's file" say nothing to an editor."""
    if isinstance(value, dict):
        return {
            key: _without_empty_defaults(item)
            for key, item in value.items()
            if not (key == "default" and item in ("", None))
        }
    return [_without_empty_defaults(item) for item in value] if isinstance(value, list) else value
