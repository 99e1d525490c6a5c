"""Secrets do not survive redaction; ordinary words do."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.vigie.msp.plugins.module_utils.redaction import MASK, MIN_SECRET, Redactor, forms

SECRETS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs"]), min_size=MIN_SECRET
).filter(lambda text: not text.startswith("-----") and set(text) - {"*"})


def redactor(tmp_path, **files):
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    made = Redactor([str(tmp_path)])
    made.refresh()
    return made


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(secret=SECRETS, before=st.text(), after=st.text())
def test_a_secret_never_survives(tmp_path, secret, before, after):
    made = redactor(tmp_path, secret=secret + "\n")

    text = made.text(f"{before}{secret}{after}")
    assert secret not in text.replace(MASK, "\0")
    # ... nor when it went through JSON first
    encoded = made.text(json.dumps({"stderr": f"x{secret}y"}))
    assert secret not in encoded.replace(MASK, "\0")
    assert json.dumps(secret)[1:-1] not in encoded.replace(MASK, "\0")


def test_secrets_are_masked_at_every_depth_and_as_keys(tmp_path):
    made = redactor(tmp_path, secret="canary-value")

    value = made.value({"a": [{"b": "x canary-value"}, 3, None, True], "canary-value": 1})

    assert value == {"a": [{"b": f"x {MASK}"}, 3, None, True], MASK: 1}


def test_secrets_made_during_a_run_are_masked_after_a_refresh(tmp_path):
    made = redactor(tmp_path)
    assert made.text("late-canary") == "late-canary"
    folder = tmp_path / "host"
    folder.mkdir()
    (folder / "append").write_text("")
    made.refresh()
    (folder / "append").write_text("late-canary salt=abcdef")
    made.refresh()

    assert made.text("late-canary") == MASK


def test_the_longer_of_two_secrets_goes_first(tmp_path):
    made = redactor(tmp_path, a="secret-1", b="secret-1-and-more")

    assert made.text("secret-1-and-more") == MASK


def test_ordinary_words_stay(tmp_path):
    made = redactor(tmp_path, short="yes", key="-----BEGIN OPENSSH PRIVATE KEY-----\nAAAAB3Nza\n")

    for text in ("yes, all is well", "-----BEGIN CERTIFICATE-----", "password: forbidden", "tokens are fine"):
        assert made.text(text) == text


def test_credentials_in_messages_are_masked_though_no_file_holds_them():
    made = Redactor()

    assert made.text("https://bob:hunter2@host/x") == f"https://bob:{MASK}@host/x"
    assert made.text("Authorization: Bearer abc.def") == f"Authorization: Bearer {MASK}"
    assert made.text("RESTIC_PASSWORD=hunter2 restic") == f"RESTIC_PASSWORD={MASK} restic"
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----"
    assert made.text(f"read {key}!") == f"read {MASK}!"


@pytest.mark.parametrize(
    ("printed", "kept"),
    [
        ("password: hunter2", f"password: {MASK}"),
        ("-  db_password: correct horse\n+  user: bob", f"-  db_password: {MASK}\n+  user: bob"),
        ("  - token: 'a b'\n", f"  - token: '{MASK}'\n"),
        ('API_KEY: "it\'s"', f'API_KEY: "{MASK}"'),
        ("login failed (password: hunter2, user: bob)", f"login failed (password: {MASK}, user: bob)"),
        ('fatal: [h]: FAILED! => {"db_password": "x\\"y", "rc": 1}', f'"db_password": "{MASK}", "rc": 1}}'),
        ('{"password":"hunter2"}', f'{{"password":"{MASK}"}}'),
        ("{'password': 'hunter2'}", f"{{'password': '{MASK}'}}"),
        ('"msg": "{\\"secret\\": \\"a b\\", \\"n\\": 1}"', f'\\"{MASK}\\", \\"n\\": 1}}"'),
    ],
)
def test_values_printed_after_a_colon_are_masked(printed, kept):
    once = Redactor().text(printed)

    assert once.endswith(kept)
    assert Redactor().text(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "password: forbidden",
        "password: no\nuser: bob",
        '"password": null, "token": 3',
        "password:\n  - next: line",
        "password: |",
        "password: !vault |",
        "password: {{ lookup('file', 'x') }}",
        "tokens: all of them",
        "registry/secret:latest",
        "passwords: two",
        "cannot read the password",
    ],
)
def test_a_colon_alone_makes_no_secret(text):
    assert Redactor().text(text) == text


def test_values_under_names_of_secrets_are_masked_but_settings_are_not():
    made = Redactor()
    value = made.value(
        {
            "db_password": "hunter2",
            "apikey": "k",
            "PasswordAuthentication": "yes",
            "permit_root_password": "prohibit-password",
            "tokens": "3",
            "password": "",
        }
    )

    assert value["db_password"] == value["apikey"] == MASK
    assert value["PasswordAuthentication"] == "yes"
    assert value["permit_root_password"] == "prohibit-password"
    assert (value["tokens"], value["password"]) == ("3", "")


def test_a_password_file_of_ansible_gives_the_password_without_its_salt():
    assert "s3cretpw" in forms("s3cretpw salt=12345678\n")
