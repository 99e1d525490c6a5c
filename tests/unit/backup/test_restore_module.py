"""The module backup_restore: what it answers when a restore stops half way."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.vigie.msp.plugins.modules import backup_restore


class EndedError(Exception):
    """The module answered."""

    def __init__(self, failed: bool, answer: dict[str, object]) -> None:
        super().__init__(answer.get("msg"))
        self.failed, self.answer = failed, answer


@pytest.fixture
def restore(tmp_path, monkeypatch):
    """Run the module against a snapshot with /etc/app/{a,b,c}; the host has its own version of each."""
    root = tmp_path / "root"

    def extract(_module, _where, scratch: str) -> dict[str, str]:
        for name in "abc":
            path = Path(scratch, "etc/app", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("right")
        return {"id": "1" * 64, "time": "2026-11-23T12:00:00Z"}

    def run(check_mode: bool = False) -> EndedError:
        def answer(failed: bool):
            def end(**what: object) -> None:
                raise EndedError(failed, what)

            return end

        (root / "etc/app").mkdir(parents=True, exist_ok=True)
        for name in "abc":
            (root / "etc/app" / name).write_text("wrong")
        (root / "etc/app").chmod(0o755)
        module = SimpleNamespace(
            params={"path": "/etc/app", "target": str(root), "snapshot": "latest", "deadline": 9},
            check_mode=check_mode,
            fail_json=answer(True),
            exit_json=answer(False),
        )
        settings = {"state_dir": str(tmp_path / "state")}
        monkeypatch.setattr(backup_restore, "AnsibleModule", lambda **_options: module)
        monkeypatch.setattr(
            backup_restore, "access", lambda _module: (settings, SimpleNamespace(url="https://x"))
        )
        monkeypatch.setattr(backup_restore.restic, "probe", lambda _url: None)
        monkeypatch.setattr(backup_restore, "extract", extract)
        with pytest.raises(EndedError) as caught:
            backup_restore.main()
        assert list((tmp_path / "state").glob("restore-*")) == []
        return caught.value

    run.app = root / "etc/app"
    return run


def test_a_whole_restore_is_recorded(restore):
    ended = restore()
    assert not ended.failed
    assert {str(restore.app / name) for name in "abc"} <= set(ended.answer["restored"])
    assert [change["name"] for change in ended.answer["vigie_changes"]] == ended.answer["restored"]
    assert Path(ended.answer["saved"] + str(restore.app / "a")).read_text() == "wrong"


def test_what_was_replaced_before_a_failure_is_recorded(restore, monkeypatch):
    place = backup_restore.placing.place

    def full(difference, scratch):
        if difference.path.endswith("/b"):
            raise OSError(28, "No space left on device")
        place(difference, scratch)

    monkeypatch.setattr(backup_restore.placing, "place", full)
    ended = restore()
    assert ended.failed
    assert "No space left on device" in ended.answer["msg"]
    assert ended.answer["saved"] in ended.answer["msg"]
    assert ended.answer["changed"]
    assert str(restore.app / "a") in ended.answer["restored"]
    assert not {str(restore.app / name) for name in "bc"} & set(ended.answer["restored"])
    assert [change["name"] for change in ended.answer["vigie_changes"]] == ended.answer["restored"]
    assert (restore.app / "a").read_text() == "right"
    assert Path(ended.answer["saved"] + str(restore.app / "a")).read_text() == "wrong"


def test_a_failure_before_anything_was_replaced_says_so(restore, monkeypatch):
    def refuse(_difference, _directory):
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(backup_restore.placing, "save", refuse)
    ended = restore()
    assert ended.failed
    assert "nothing was replaced" in ended.answer["msg"]
    assert ended.answer["changed"] is False
    assert ended.answer["restored"] == ended.answer["vigie_changes"] == []
    assert (restore.app / "a").read_text() == "wrong"


def test_check_mode_says_what_would_be_and_replaces_nothing(restore):
    ended = restore(check_mode=True)
    assert not ended.failed
    assert {str(restore.app / name) for name in "abc"} <= set(ended.answer["restored"])
    assert ended.answer["saved"] == ""
    assert (restore.app / "a").read_text() == "wrong"
