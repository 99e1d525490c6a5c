"""YAML with places: what is refused, where it is said to be, and what plain words mean."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vigie.msp.plugins.module_utils.documents import (
    DocumentError,
    dotted,
    read_document,
    suggestion,
)

MALFORMED = {
    "truncated flow": (b"a: {b: 1", "1:9: not valid YAML: while parsing a flow mapping"),
    "truncated string": (b'a: "b', "1:6: not valid YAML: while scanning a quoted scalar"),
    "tab": (b"a:\n\tb: 1\n", "2:1: not valid YAML: a tab indents this line; YAML wants spaces"),
    "binary": (b"\x00\x01\x02\xff\xfe", "1:1: is not UTF-8 text"),
    "latin 1 on line 2": (b"a: 1\nname: caf\xe9\n", "2:1: is not UTF-8 text"),
    "control character": (b"a: \x07\n", "not valid YAML: unacceptable character"),
    "empty": (b"", "is empty"),
    "only comments": (b"# nothing\n---\n", "must be a mapping of keys to values, not a single value"),
    "list": (b"- a\n- b\n", "1:1: must be a mapping of keys to values, not a list"),
    "word": (b"hello\n", "1:1: must be a mapping of keys to values, not a single value"),
    "duplicate key": (b"a: 1\nb: 2\na: 3\n", "3:1: a: 'a' is written twice in this mapping; first on line 1"),
    "nested duplicate": (b"a:\n  b: 1\n  b: 1\n", "3:3: a.b: 'b' is written twice in this mapping"),
    "two documents": (b"a: 1\n---\nb: 1\n", "2:1: not valid YAML: expected a single document"),
    "unknown anchor": (b"a: *b\n", "1:4: not valid YAML: found undefined alias 'b'"),
    "alias of itself": (b"a: &x [*x]\n", "an alias that contains itself"),
    "vaulted value": (b"a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n", "!vault"),
    "vaulted file": (b"$ANSIBLE_VAULT;1.1;AES256\n6162\n", "is encrypted with ansible-vault"),
    "python object": (b"a: !!python/object:os.system {}\n", "has no meaning here"),
    "key that is a list": (b"[a, b]: 1\n", "a key must be a word"),
    "deep": (b"a: " + b"[" * 5000, "nested too deeply"),
    "large": (b"a: " + b"x" * (1024 * 1024), "is larger than 1048576 bytes"),
}


def write(tmp_path: Path, content: bytes) -> str:
    file = tmp_path / "file.yml"
    file.write_bytes(content)
    return str(file)


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_files_are_refused_with_their_place(tmp_path: Path, name: str) -> None:
    content, expected = MALFORMED[name]
    with pytest.raises(DocumentError) as caught:
        read_document(write(tmp_path, content))
    assert expected in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "file.yml"))


def test_aliases_that_multiply_are_stopped(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(DocumentError, match="expands to more than"):
        read_document(write(tmp_path, "\n".join(lines).encode()))


def test_missing_file_and_directory(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="there is no such file"):
        read_document(str(tmp_path / "none.yml"))
    with pytest.raises(DocumentError, match="is a directory"):
        read_document(str(tmp_path))


def test_words_stay_words(tmp_path: Path) -> None:
    """YAML 1.1 would make False, 1320, a date and 8 of these."""
    text = b"a: no\nb: 22:00\nc: 2026-01-15\nd: 010\ne: true\nf: 1.5\ng:\nh: 7\n"
    document = read_document(write(tmp_path, text))
    expected = {
        "a": "no", "b": "22:00", "c": "2026-01-15", "d": "010", "e": True, "f": 1.5, "g": None, "h": 7,
    }  # fmt: skip
    assert document.data == expected


def test_anchors_and_merge_keys_work(tmp_path: Path) -> None:
    text = b"base: &base {x: 1, y: 2}\none: {<<: *base, y: 3}\ntwo: *base\n"
    assert read_document(write(tmp_path, text)).data == {
        "base": {"x": 1, "y": 2},
        "one": {"x": 1, "y": 3},
        "two": {"x": 1, "y": 2},
    }


def test_the_place_of_a_missing_key_is_its_parent(tmp_path: Path) -> None:
    document = read_document(write(tmp_path, b"a:\n  b: 1\n"))
    assert document.place(("a", "b")) == (2, 6)
    assert document.place(("a", "b"), of_key=True) == (2, 3)
    assert document.place(("a", "c")) == (2, 3)
    assert document.place(("z",)) == (1, 1)


def test_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    assert read_document(write(tmp_path, b"\xef\xbb\xbfa: 1\n")).data == {"a": 1}


# PyYAML dumps Unicode's own line breaks (U+0085, U+2028, U+2029) in a way that it reads back as spaces.
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x85\u2028\u2029"), max_size=20)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), TEXT)
TREES = st.recursive(
    SCALARS,
    lambda children: st.one_of(
        st.lists(children, max_size=4),
        st.dictionaries(st.text("abc", min_size=1, max_size=3), children, max_size=4),
    ),
    max_leaves=12,
)


@given(tree=st.dictionaries(st.text("abcdef", min_size=1, max_size=4), TREES, min_size=1, max_size=4))
def test_what_was_dumped_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, object]
) -> None:
    file = tmp_path_factory.mktemp("yaml") / "file.yml"
    file.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
    assert read_document(str(file)).data == tree


@given(content=st.binary(max_size=200))
def test_any_bytes_give_a_document_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.mktemp("yaml") / "file.yml"
    file.write_bytes(content)
    with contextlib.suppress(DocumentError):  # and no other exception
        assert isinstance(read_document(str(file)).data, dict)


def test_suggestions() -> None:
    assert suggestion("silvr", ["bronze", "silver"]) == "; did you mean 'silver'?"
    assert suggestion("x", ["bronze", "silver"]) == "; known: bronze, silver"
    assert suggestion("x", []) == "; there is none"
    assert dotted(("a", 0, "b")) == "a[0].b"
