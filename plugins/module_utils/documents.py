# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""YAML documents that remember where every key and value was written.

Standard library and PyYAML only: the inventory plugin and the ``vigie`` package both read the provider's
files through this module, so that both say ``file:line:column: key: what is wrong``.

The YAML read is the 1.2 core schema rather than PyYAML's 1.1: ``no`` and ``on`` are words, ``22:00`` is a
word and not 1320, dates stay text. Duplicate keys, unknown tags and self-referring aliases are errors.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any, NoReturn

try:
    import yaml

    HAS_YAML = True
except ImportError:
    HAS_YAML = False

MAX_BYTES = 1024 * 1024
MAX_NODES = 100000

_SCALARS = (
    ("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$")),
    ("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")),
    ("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$")),
    ("tag:yaml.org,2002:float", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?$")),
)


class Problem:
    """One thing that is wrong in the provider's files.

    Attributes:
        file: Path of the file, or the name of an inventory source.
        line: Line in the file from 1, or 0 when the problem has no place of its own.
        column: Column from 1, or 0.
        key: Dotted key, for example ``tiers.silver.services.audit.every``, or empty.
        message: What is wrong and, where it can be known, the way out.
    """

    FIELDS = ("file", "line", "column", "key", "message")

    def __init__(self, file: str, message: str, line: int = 0, column: int = 0, key: str = "") -> None:
        self.file = file
        self.line = line
        self.column = column
        self.key = key
        self.message = message

    def __str__(self) -> str:
        place = "%s:%d:%d" % (self.file, self.line, self.column) if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.message) if part)

    def __repr__(self) -> str:
        return "Problem(%r)" % str(self)

    def as_dict(self) -> dict[str, object]:
        """The same, for JSON."""
        return {name: getattr(self, name) for name in self.FIELDS}


class DocumentError(Exception):
    """A document cannot be used; ``problems`` says where and why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class Document:
    """A YAML document as plain data, with the place of each key.

    Attributes:
        path: The file's path as it was given.
        data: The content: a mapping.
    """

    def __init__(self, path: str, data: dict[str, Any], places: dict[Any, Any]) -> None:
        self.path = path
        self.data = data
        self._places = places

    def place(self, keys: tuple[Any, ...], of_key: bool = False) -> tuple[int, int]:
        """Line and column of the value at ``keys`` (or of its key); of the nearest parent when absent."""
        keys = tuple(keys)
        while keys and keys not in self._places:
            keys, of_key = keys[:-1], False
        return self._places.get(keys, ((1, 1), (1, 1)))[0 if of_key else 1]

    def problem(self, keys: tuple[Any, ...], message: str, of_key: bool = False) -> Problem:
        """A problem at ``keys``."""
        line, column = self.place(keys, of_key)
        return Problem(self.path, message, line, column, dotted(keys))


def dotted(keys: tuple[Any, ...]) -> str:
    """``('a', 0, 'b')`` as ``a[0].b``."""
    text = ""
    for key in keys:
        text += "[%d]" % key if isinstance(key, int) else ("." if text else "") + str(key)
    return text


def suggestion(word: object, known: Iterable[str]) -> str:
    """``; did you mean 'silver'?`` when a known word is near, else the list of what is known."""
    known = sorted(str(name) for name in known)
    near = difflib.get_close_matches(str(word), known, n=1, cutoff=0.6)
    if near:
        return "; did you mean '%s'?" % near[0]
    if not known:
        return "; there is none"
    shown = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
    return "; known: %s" % shown


def read_document(path: str) -> Document:
    """Read one YAML file whose content is a mapping.

    Raises:
        DocumentError: The file is absent, not text, not YAML, or not a mapping.
    """
    path = str(path)
    if not HAS_YAML:
        raise DocumentError([Problem(path, "PyYAML is not installed for this Python: pip install pyyaml")])
    return _Reader(path).read()


class _Reader:
    """Turns one file into a Document; used once."""

    def __init__(self, path):
        self.path = path
        self.places = {}
        self.count = 0
        self.open = []

    def fail(self, message, mark=None, keys=()) -> NoReturn:
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
        raise DocumentError([Problem(self.path, message, line, column, dotted(keys))])

    def read(self):
        text = self._text()
        try:
            node = yaml.compose(text, Loader=_loader())
        except yaml.MarkedYAMLError as error:
            # PyYAML: "found character '\t' that cannot start any token"
            said = ": ".join(part for part in (error.context, error.problem) if part)
            if "'\\t'" in said:
                said = "a tab indents this line; YAML wants spaces"
            self.fail("not valid YAML: %s" % said, error.problem_mark or error.context_mark)
        except yaml.YAMLError as error:
            self.fail("not valid YAML: %s" % " ".join(str(error).split()))
        except RecursionError:
            self.fail("nested too deeply")
        if node is None:
            self.fail("is empty; see inventories/example for what belongs here")
        if not isinstance(node, yaml.MappingNode):
            self.fail("must be a mapping of keys to values, not a %s" % _kind(node), node.start_mark)
        try:
            return Document(self.path, self._value(node, ()), self.places)
        except RecursionError:
            self.fail("nested too deeply")

    def _text(self):
        try:
            with open(self.path, "rb") as file:
                raw = file.read(MAX_BYTES + 1)
        except IsADirectoryError:
            self.fail("is a directory, not a file")
        except FileNotFoundError:
            self.fail("there is no such file")
        except OSError as error:
            self.fail("cannot be read: %s" % (error.strerror or error))
        if len(raw) > MAX_BYTES:
            self.fail("is larger than %d bytes: not a file of Vigie's" % MAX_BYTES)
        if raw.startswith(b"$ANSIBLE_VAULT"):
            self.fail("is encrypted with ansible-vault; Vigie's own files hold no secrets: decrypt it")
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            raise DocumentError([Problem(self.path, "is not UTF-8 text", line, 1)]) from error

    def _value(self, node, keys):
        self.count += 1
        if self.count > MAX_NODES:
            self.fail("expands to more than %d values" % MAX_NODES, node.start_mark, keys)
        if any(node is parent for parent in self.open):
            self.fail("an alias that contains itself", node.start_mark, keys)
        place = (node.start_mark.line + 1, node.start_mark.column + 1)
        self.places.setdefault(keys, (place, place))
        self.open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                self._known_tag(node, "map", keys)
                return self._mapping(node, keys)
            if isinstance(node, yaml.SequenceNode):
                self._known_tag(node, "seq", keys)
                return [self._value(item, (*keys, index)) for index, item in enumerate(node.value)]
            return self._scalar(node, keys)
        finally:
            self.open.pop()

    def _known_tag(self, node, kind, keys):
        if node.tag != "tag:yaml.org,2002:" + kind:
            self.fail("the tag %s has no meaning here" % node.tag, node.start_mark, keys)

    def _mapping(self, node, keys):
        merged = {}
        own = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.fail("a key must be a word", key_node.start_mark, keys)
            key = key_node.value
            if key == "<<" and key_node.style is None:
                merged.update(self._merged(value_node, keys))
                continue
            here = (*keys, key)
            if key in own:
                self.fail(
                    "'%s' is written twice in this mapping; first on line %d" % (key, own[key][0] + 1),
                    key_node.start_mark,
                    here,
                )
            key_place = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            value_place = (value_node.start_mark.line + 1, value_node.start_mark.column + 1)
            self.places[here] = (key_place, value_place)
            own[key] = (key_node.start_mark.line, self._value(value_node, here))
        merged.update((key, value) for key, (dummy, value) in own.items())
        return merged

    def _merged(self, node, keys):
        """The content of a ``<<`` merge key; the earlier of several mappings wins, as in YAML 1.1."""
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        content = {}
        for one in reversed(nodes):
            if not isinstance(one, yaml.MappingNode):
                self.fail("'<<' merges mappings only", one.start_mark, keys)
            content.update(self._value(one, keys))
        return content

    def _scalar(self, node, keys):
        tag = node.tag.rsplit(":", 1)[-1] if node.tag.startswith("tag:yaml.org,2002:") else node.tag
        if tag == "str":
            return node.value
        if tag == "null":
            return None
        convert = {"bool": _boolean, "int": int, "float": float}.get(tag)
        try:
            return convert(node.value)
        except (KeyError, TypeError, ValueError):
            self.fail("%s '%s' has no meaning here" % (tag, node.value), node.start_mark, keys)


def _boolean(text):
    return {"true": True, "false": False}[text.lower()]


def _kind(node):
    return "list" if isinstance(node, yaml.SequenceNode) else "single value"


def _loader():
    """A PyYAML loader that resolves the scalars of the YAML 1.2 core schema alone."""

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own way to say "none of yours"

    for tag, pattern in _SCALARS:
        Loader.add_implicit_resolver(tag, pattern, None)
    return Loader
