"""A restic that answers what a test tells it to, and the programs that roles put on hosts."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from ansible_collections.vigie.msp.plugins.module_utils import backup_restic

ROOT = Path(__file__).resolve().parents[3]

FAKE = """#!{python}
import json, os, sys, time
said = json.load(open({answers!r}))
with open({calls!r}, "a") as handle:
    handle.write(json.dumps({{"argv": sys.argv[1:], "env": dict(os.environ)}}) + "\\n")
answer = said.get(sys.argv[1], {{}})
sys.stdout.write(answer.get("stdout", ""))
sys.stderr.write(answer.get("stderr", ""))
sys.stdout.flush()
time.sleep(answer.get("sleep", 0))
sys.exit(answer.get("code", 0))
"""


class FakeRestic:
    """A program in restic's place."""

    def __init__(self, directory: Path) -> None:
        self.program = directory / "restic"
        self._answers = directory / "answers.json"
        self._calls = directory / "calls"
        self._answers.write_text("{}")
        self.program.write_text(
            FAKE.format(python=sys.executable, answers=str(self._answers), calls=str(self._calls))
        )
        self.program.chmod(0o755)

    def answer(self, command: str, **what: object) -> None:
        """What one command prints (`stdout`, `stderr`), its exit `code`, how long it `sleep`s."""
        answers = json.loads(self._answers.read_text())
        self._answers.write_text(json.dumps({**answers, command: what}))

    def calls(self) -> list[dict[str, object]]:
        """`argv` and `env` of each call so far."""
        return (
            [json.loads(line) for line in self._calls.read_text().splitlines()]
            if self._calls.exists()
            else []
        )

    def commands(self) -> list[str]:
        """The first argument of each call so far."""
        return [call["argv"][0] for call in self.calls()]


@pytest.fixture
def fake(tmp_path: Path) -> FakeRestic:
    return FakeRestic(tmp_path)


@pytest.fixture
def access(fake: FakeRestic, tmp_path: Path) -> backup_restic.Access:
    secret = tmp_path / "repository"
    secret.write_text("repository-canary\n")
    return backup_restic.Access(
        url="https://backup.test:8001",
        account="acme.web",
        server_password="server-canary",
        password_file=str(secret),
        certificate=str(tmp_path / "server.crt"),
        cache_dir=str(tmp_path / "cache"),
        program=str(fake.program),
    )


@pytest.fixture
def load() -> Callable[[str], ModuleType]:
    """Import a file that a role ships, as the host would."""

    def load_file(path: str) -> ModuleType:
        sys.modules.setdefault("backup_restic", backup_restic)
        spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load_file
