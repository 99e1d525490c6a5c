"""One call of restic: what it gets to know, how long it may take, what its end means."""

from __future__ import annotations

import json
import time

import pytest

from ansible_collections.vigie.msp.plugins.module_utils import backup_restic as restic


def test_secrets_are_in_the_environment_and_never_in_arguments(access, fake, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-caller's")
    restic.call(access, ["snapshots"], 10)
    (call,) = fake.calls()
    assert "canary" not in json.dumps(call["argv"])
    assert call["env"]["RESTIC_REST_PASSWORD"] == "server-canary"
    assert call["env"]["RESTIC_REPOSITORY"] == "rest:https://backup.test:8001/acme.web/"
    assert call["env"]["RESTIC_CACHE_DIR"] == access.cache_dir
    assert "AWS_SECRET_ACCESS_KEY" not in call["env"]


@pytest.mark.parametrize(
    ("code", "stderr", "kind"),
    [
        (3, "", "incomplete"),
        (10, "Fatal: repository does not exist", "no_repository"),
        (11, "", "locked"),
        (12, "", "wrong_password"),
        (130, "", "cancelled"),
        (1, "server response unexpected: 401 Unauthorized (401)", "unauthorized"),
        (1, "tls: x509: certificate signed by unknown authority", "certificate"),
        (1, "write /x: no space left on device", "disk_full"),
        (1, "Fatal: something new", "failed"),
        (77, "", "failed"),
    ],
)
def test_every_bad_end_has_a_name(access, fake, code, stderr, kind):
    fake.answer("backup", code=code, stderr=stderr)
    with pytest.raises(restic.ResticError) as caught:
        restic.call(access, ["backup"], 10)
    assert caught.value.kind == kind
    assert stderr in str(caught.value)
    assert str(code) in str(caught.value)


def test_the_message_is_found_inside_json(access, fake):
    fake.answer("backup", code=1, stderr='{"message_type":"exit_error","message":"Fatal: no"}\n')
    with pytest.raises(restic.ResticError, match="Fatal: no"):
        restic.call(access, ["backup"], 10)


def test_a_call_that_does_not_end_is_stopped(access, fake):
    fake.answer("prune", sleep=60)
    started = time.monotonic()
    with pytest.raises(restic.ResticError) as caught:
        restic.call(access, ["prune"], 0.5)
    assert caught.value.kind == "deadline"
    assert time.monotonic() - started < 10


def test_lines_that_are_not_json_are_skipped():
    result = restic.Result(0, 'warning: x\n{"message_type": "summary"}\n[1]\n', "")
    assert result.messages() == [{"message_type": "summary"}]


def test_a_missing_program_is_an_error_and_no_traceback(access):
    with pytest.raises(restic.ResticError, match="cannot start"):
        restic.call(access._replace(program="/nowhere/restic"), ["version"], 5)


@pytest.mark.parametrize("content", ["", "  \n"])
def test_an_empty_secret_is_refused(tmp_path, content):
    path = tmp_path / "secret"
    path.write_text(content)
    with pytest.raises(restic.ResticError, match="is empty"):
        restic.read_secret(str(path))


def test_probe_says_that_nobody_answers():
    with pytest.raises(restic.ResticError) as caught:
        restic.probe("https://127.0.0.1:1", 1)
    assert caught.value.kind == "unreachable"
