"""Several processes at once, on both databases."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from tests.unit.ledger.writing import Writing, update, updates, whole
from vigie.ledger.api import Ledger, open_ledger

COLLECT = """
import sys
from pathlib import Path
from vigie.ledger.api import open_ledger
target = sys.argv[1] if "://" in sys.argv[1] else Path(sys.argv[1])
sys.stdin.readline()
with open_ledger(target) as ledger:
    print(sum(run.fresh for path in sys.argv[2:] for run in ledger.ingest(Path(path)).runs))
"""


def collect_at_once(target: object, *lists: list[Path]) -> list[int]:
    """One process per list, let go together; how many runs each found to be new."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", COLLECT, str(target), *map(str, files)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for files in lists
    ]
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), answers
    return [int(said) for said, _errors in answers]


def audit(number: int) -> Writing:
    """A run that sees the same updates as every other, in another order."""
    seen = [update(f"package-{n}") for n in range(60)]
    run = (
        Writing().host("a").measured("a", "packages.updates", updates(*(seen if number % 2 else seen[::-1])))
    )
    return run.outcome("a").finish()


def test_the_same_files_by_two_processes_are_taken_once(target, tmp_path):
    files = [audit(number).to(tmp_path / f"{number}.jsonl") for number in range(12)]
    assert sum(collect_at_once(target, files, files[::-1])) == len(files)
    with open_ledger(target) as ledger:
        assert len(ledger.runs()) == len(files)
        assert sum(sum(run.hosts.values()) for run in ledger.runs()) == len(files)


def test_several_processes_make_one_ledger(tmp_path):
    files = [whole().to(tmp_path / f"{number}.jsonl") for number in range(4)]
    target = tmp_path / "state" / "new.sqlite3"
    assert collect_at_once(target, *([path] for path in files)) == [1, 1, 1, 1]


def test_several_processes_migrate_an_empty_database_once(postgresql, tmp_path):
    files = [whole().to(tmp_path / f"{number}.jsonl") for number in range(3)]
    target = postgresql.url(postgresql.database())
    assert collect_at_once(target, *([path] for path in files)) == [1, 1, 1]


def test_threads_have_connections_of_their_own(ledger: Ledger, tmp_path):
    files = [whole().to(tmp_path / f"{number}.jsonl") for number in range(4)]
    failures: list[BaseException] = []

    def work(path: Path) -> None:
        try:
            ledger.ingest(path)
        except BaseException as error:
            failures.append(error)
        finally:
            ledger.close()

    threads = [threading.Thread(target=work, args=(path,)) for path in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert len(ledger.runs()) == 4
