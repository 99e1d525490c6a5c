"""Files that are no results files, or damaged ones: the message names the line, and nothing is taken."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.unit.ledger.writing import Writing, whole
from vigie.errors import BadInputError
from vigie.ledger import lines, reading
from vigie.ledger.api import open_ledger

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/schemas/results-1.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def good() -> list[bytes]:
    """A file of eight lines: start, two hosts, a measurement and an outcome for each, end."""
    return whole(run_id="00000000-0000-4000-8000-000000000001").raw.splitlines(keepends=True)


def changed(number: int, **fields: object) -> bytes:
    """The good file with other values in its line ``number``; None removes the key."""
    raw = good()
    line = {**json.loads(raw[number - 1]), **fields}
    kept = {key: value for key, value in line.items() if value is not ...}
    return b"".join([*raw[: number - 1], json.dumps(kept).encode() + b"\n", *raw[number:]])


def without(number: int) -> bytes:
    raw = good()
    return b"".join(raw[: number - 1] + raw[number:])


def twice(number: int) -> bytes:
    raw = good()
    return b"".join(raw[:number] + raw[number - 1 :])


CORPUS = {
    "empty": (b"", "r.jsonl: holds no run"),
    "blank line": (b"\n", ":1: not a line of a results file: not JSON"),
    "binary": (bytes(range(256)) * 8, ":1: not a line of a results file"),
    "compressed": (b"\x1f\x8b\x08\x00" + b"\xff" * 40, ":1: not a results file"),
    "not JSON": (b"TASK [ping] ****\n", ":1: not a line of a results file: not JSON"),
    "a list": (b"[]\n", ":1: "),
    "a number": (b"3\n", ":1: "),
    "an empty object": (b"{}\n", ":1: "),
    "truncated": (b"".join(good())[:-9], ":8: the last line is truncated"),
    "truncated in the middle of a character": (
        whole().raw[:-1] + '{"é'.encode()[:-1],
        ":8: ",
    ),
    "damaged in the middle": (
        b"".join(good()[:3]) + b'{"schema":1\n' + b"".join(good()[4:]),
        ":4: not a line",
    ),
    "newer version": (changed(1, schema=2), ":1: schema 2 is not one this Vigie reads"),
    "version as text": (changed(3, schema="1"), ":3: schema '1' is not one this Vigie reads"),
    "version as truth": (changed(3, schema=True), ":3: schema"),
    "no version": (changed(1, schema=...), ":1: schema: Field required"),
    "unknown type": (changed(4, type="verdict"), ":4: "),
    "no type": (changed(4, type=...), ":4: "),
    "unknown key": (changed(4, colour="red"), ":4: colour: "),
    "missing key": (changed(5, duration=...), ":5: duration: Field required"),
    "text for a number": (changed(5, ok="3"), ":5: ok: "),
    "fraction for a count": (changed(5, ok=1.5), ":5: ok: "),
    "truth for a count": (changed(5, ok=True), ":5: ok: "),
    "negative count": (changed(5, ok=-1), ":5: ok: "),
    "huge count": (changed(5, ok=2**40), ":5: ok: "),
    "negative duration": (changed(5, duration=-1), ":5: duration: "),
    "endless duration": (
        b"".join(good()).replace(b'"duration":1.5', b'"duration":NaN', 1),
        ":5: duration: ",
    ),
    "value that is no number": (b"".join(good()).replace(b'["root"]', b"[1e999]", 1), ":4: value: "),
    "unknown status": (changed(5, status="fine"), ":5: status: "),
    "time without zone": (changed(2, time="2026-03-01T12:00:00"), ":2: time: "),
    "time that does not exist": (changed(2, time="2026-02-30T12:00:00Z"), ":2: time: "),
    "time as number": (changed(2, time=1772366400), ":2: time: "),
    "run that is no UUID": (changed(1, run="../../etc/passwd"), ":1: run: "),
    "value and error": (changed(4, error="no"), ":4: either value or error"),
    "neither value nor error": (changed(4, value=...), ":4: either value or error"),
    "parameters that are a list": (changed(2, parameters=[]), ":2: parameters: "),
    "host without a name": (changed(2, host=""), ":2: host: "),
    "host with an endless name": (changed(2, host="h" * 300), ":2: host: "),
    "line missing": (without(4), ":4: expected seq 3 of run"),
    "line twice": (twice(4), ":5: expected seq 4 of run"),
    "start missing": (without(1), ":1: run 00000000-0000-4000-8000-000000000001 does not begin"),
    "start twice": (twice(1), ":2: run 00000000-0000-4000-8000-000000000001 starts twice"),
    "goes on after its end": (
        twice(8).replace(b'"seq":7', b'"seq":8').replace(b'"seq":8', b'"seq":7', 1),
        ":9: ",
    ),
    "host not announced": (changed(4, host="c"), ":4: host 'c' was not announced"),
    "two outcomes": (changed(7, host="a"), ":7: host 'a' has two outcomes"),
    "wrong number of hosts": (changed(8, processed=3), ":8: run_finished speaks of 3 hosts, but 2"),
    "another run's line": (changed(4, run="00000000-0000-4000-8000-000000000002"), ":4: run 00000000"),
    "too deep": (b"".join(good()).replace(b'["root"]', b"[" * 5000 + b"]" * 5000, 1), ":4: "),
    "number with too many digits": (b"".join(good()).replace(b'["root"]', b"1" * 9000, 1), ":4: "),
}


@pytest.mark.parametrize("name", CORPUS)
@pytest.mark.parametrize("partial", [False, True])
def test_bad_files_are_refused_with_their_line(tmp_path, name, partial):
    raw, message = CORPUS[name]
    if partial and name.startswith("truncated"):
        pytest.skip("this is what --partial is for")
    path = tmp_path / "r.jsonl"
    path.write_bytes(raw)
    with pytest.raises(BadInputError) as caught:
        reading.read_results(path, allow_partial=partial)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_nothing_is_half_ingested(tmp_path):
    with open_ledger(tmp_path / "ledger.sqlite3") as ledger:
        from vigie.ledger.models import Run  # only once Django is set up

        for name, (raw, _message) in CORPUS.items():
            path = tmp_path / "r.jsonl"
            path.write_bytes(raw)
            with pytest.raises(BadInputError):
                ledger.ingest(path)
            assert not Run.objects.exists(), name


def test_a_line_without_end_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_LINE_BYTES", 2**20)
    path = tmp_path / "r.jsonl"
    path.write_bytes(b'{"schema":1,"x":"' + b"y" * 3 * 2**20 + b'"}\n')
    with pytest.raises(BadInputError, match=r"r\.jsonl:1: longer than 1 MiB"):
        reading.read_results(path)


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda _path: None])
def test_what_is_no_file_is_named(tmp_path, make):
    path = tmp_path / "r.jsonl"
    make(path)
    with pytest.raises(BadInputError, match=r"r\.jsonl: (Is a directory|No such file)"):
        reading.read_results(path)


def test_a_last_line_that_only_lacks_its_end_is_whole(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_bytes(whole().raw.rstrip(b"\n"))
    (run,) = reading.read_results(path)
    assert run.finished


def test_windows_line_ends_are_no_other_content(tmp_path):
    raw = whole().raw
    digests = set()
    for name, content in (("a", raw), ("b", raw.replace(b"\n", b"\r\n"))):
        (tmp_path / name).write_bytes(content)
        digests.add(reading.read_results(tmp_path / name)[0].digest)
    assert len(digests) == 1


# ── the published schema says the same ───────────────────────────────────────────────────────────
LINES = [json.loads(line) for line in good()]
LINES += Writing().host("a").change("a").failure("a").lines[2:]
WORDS = st.sampled_from(["", "x", "ok", "failed", "2026-03-01T12:00:00Z", "2026-03-01", "package", "host"])
JSON = (
    st.none()
    | st.booleans()
    | st.integers(-2, 5)
    | WORDS
    | st.just([])
    | st.just({"vigie": "1", "ansible": "2"})
)


def read(line: dict[str, object]) -> bool:
    try:
        lines.parse(json.dumps(line).encode())
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("line", LINES, ids=lambda line: line["type"])
def test_every_line_a_callback_writes_is_read(line):
    VALIDATOR.validate(line)
    assert read(line)


@given(st.data())
def test_reader_and_schema_agree_on_any_altered_line(data):
    line = dict(data.draw(st.sampled_from(LINES)))
    for key in data.draw(
        st.lists(st.sampled_from([*sorted(line), "error", "colour"]), min_size=1, max_size=2)
    ):
        if data.draw(st.booleans()):
            line[key] = data.draw(JSON)
        else:
            line.pop(key, None)
    assert read(line) == VALIDATOR.is_valid(line), line


# ── times to come ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("number", "field", "said"),
    [
        (1, "time", r":1: time 2\S+Z lies in the future"),
        (8, "time", r":8: time 2\S+Z lies in the future"),
    ],
)
def test_times_to_come_are_refused_and_nothing_is_taken(tmp_path, number, field, said):
    path = tmp_path / "r.jsonl"
    ahead = (datetime.now(UTC) + timedelta(minutes=6)).isoformat()
    path.write_bytes(changed(number, **{field: ahead}))
    with open_ledger(tmp_path / "ledger.sqlite3") as ledger:
        with pytest.raises(BadInputError, match=said) as caught:
            ledger.ingest(path)
        assert ledger.runs() == ()
    assert "clocks" in caught.value.hint


def test_a_clock_that_is_a_little_ahead_is_no_reason_to_refuse(tmp_path):
    path = tmp_path / "r.jsonl"
    now = datetime(2026, 3, 1, 13, tzinfo=UTC)
    path.write_bytes(changed(4, time=(now + reading.CLOCK_TOLERANCE).isoformat()))
    assert reading.read_results(path, now=now)
    with pytest.raises(BadInputError, match="lies in the future"):
        reading.read_results(path, now=now - timedelta(seconds=1))
