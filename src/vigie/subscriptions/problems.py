"""Problems in the provider's files: collected, placed at file:line:column, and raised together."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ansible_collections.vigie.msp.plugins.module_utils.documents import (
    Document,
    DocumentError,
    Problem,
    read_document,
    suggestion,
)
from vigie.errors import BadInputError

M = TypeVar("M", bound=BaseModel)


class ConfigurationError(BadInputError):
    """The provider's directory has problems.

    Attributes:
        problems: All of them, by file and line.
    """

    def __init__(self, problems: Iterable[Problem], hint: str = "") -> None:
        self.problems: tuple[Problem, ...] = tuple(
            sorted(problems, key=lambda problem: (problem.file, problem.line, problem.column))
        )
        super().__init__(_listed(self.problems), hint)


def _listed(problems: tuple[Problem, ...]) -> str:
    if len(problems) == 1:
        return str(problems[0])
    return f"{len(problems)} problems\n" + "\n".join(f"  {problem}" for problem in problems)


def shown(path: Path) -> str:
    """A path as the operator would type it: relative when it is below the current directory."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def read(path: Path, problems: list[Problem]) -> Document | None:
    """Read a YAML document; what is wrong with it goes to ``problems``."""
    try:
        return read_document(shown(path))
    except DocumentError as error:
        problems.extend(error.problems)
        return None


def validated(model: type[M], document: Document, problems: list[Problem]) -> M | None:
    """The document as ``model``; every violation goes to ``problems`` with its place."""
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        problems += [_placed(model, document, detail) for detail in error.errors(include_url=False)]
        return None


def violations(model: type[M], data: dict[str, Any]) -> list[tuple[tuple[Any, ...], str]]:
    """What is wrong with ``data``, as (keys, message): for data that is not one document's own."""
    try:
        model.model_validate(data)
    except ValidationError as error:
        return [(_keys(data, detail["loc"]), _message(model, detail)) for detail in error.errors()]
    return []


def _placed(model: type[BaseModel], document: Document, detail: ErrorDetails) -> Problem:
    keys = _keys(document.data, detail["loc"])
    return document.problem(keys, _message(model, detail), of_key=detail["type"] == "extra_forbidden")


def _keys(data: Any, location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The error's location as keys of the document: pydantic adds markers such as ``[key]``."""
    keys: list[int | str] = []
    for key in location:
        inside = isinstance(data, dict | list)
        if key == "[key]" or not inside:
            break
        keys.append(key)
        data = data.get(key) if isinstance(data, dict) else _item(data, key)
    return tuple(keys)


def _item(data: list[Any], index: int | str) -> Any:
    return data[index] if isinstance(index, int) and index < len(data) else None


def _message(model: type[BaseModel], detail: ErrorDetails) -> str:
    """Pydantic's message in the operator's words, with the nearest valid word."""
    kind, given = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        *parents, key = detail["loc"]
        return f"unknown key '{key}'{suggestion(key, _known_keys(model, parents))}"
    if kind == "missing":
        return "this key is missing"
    if kind == "literal_error":
        words = re.findall(r"'([^']*)'", detail["ctx"]["expected"]) or [detail["ctx"]["expected"]]
        return f"'{given}' is not known here{suggestion(given, words)}"
    if kind in ("model_type", "dict_type"):
        return f"must be a mapping of keys to values, not {_described(given)}"
    if kind == "list_type":
        return f"must be a list, not {_described(given)}"
    if kind == "string_type":
        return f"must be text, not {_described(given)}; quote it if it is meant as text"
    if kind == "too_short":
        least = detail["ctx"]["min_length"]
        return f"must have at least {least} item{'s' if least > 1 else ''}"
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    return f"{detail['msg'][0].lower()}{detail['msg'][1:]}, not {_described(given)}"


def _described(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return f"'{value}'"


def _known_keys(model: Any, location: Iterable[int | str]) -> tuple[str, ...]:
    """The keys that may stand at a location below ``model``."""
    for key in location:
        model = _below(_model_in(model), key)
    found = _model_in(model)
    return tuple(found.model_fields) if isinstance(found, type) and issubclass(found, BaseModel) else ()


def _below(model: Any, key: int | str) -> Any:
    if isinstance(model, type) and issubclass(model, BaseModel):
        known = model.model_fields.get(str(key))
        return known.annotation if known else None
    arguments = get_args(model)
    return arguments[-1] if arguments else None


def _model_in(annotation: Any) -> Any:
    """``Tier`` in ``Tier | None`` and in ``Annotated[Tier, ...]``."""
    if hasattr(annotation, "__metadata__"):
        return _model_in(annotation.__origin__)
    if get_origin(annotation) in (Union, types.UnionType):
        return _model_in(next(a for a in get_args(annotation) if a is not type(None)))
    return annotation
