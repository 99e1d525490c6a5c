"""The environment of a run is listed, not inherited."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from vigie.running.environment import ALLOWED, forks, run_environment, ssh_agent_of, vault_variables

SCRATCH = Path("/tmp/vigie-x")


def environment(caller, vigie=()):
    return run_environment(caller, SCRATCH, Path("/c"), 3, "-F x", dict(vigie))


@given(caller=st.dictionaries(st.text(min_size=1), st.text()))
def test_nothing_of_the_caller_comes_through_but_what_is_listed(caller):
    made = environment(caller)

    plain = environment({})
    assert all(name in plain or name in ALLOWED or name.startswith("LC_") for name in made)


def test_secrets_of_the_operators_shell_stay_there():
    shell = {
        "VIGIE_DATABASE_URL": "postgresql://u:pw@h/db",
        "AWS_SECRET_ACCESS_KEY": "x",
        "SSH_AUTH_SOCK": "/tmp/agent",
        "ANSIBLE_CONFIG": "/home/me/ansible.cfg",
        "ANSIBLE_VERBOSITY": "4",
        "PYTHONPATH": "/evil",
        "LC_TIME": "fr_FR.UTF-8",
        "SSL_CERT_FILE": "/etc/ca.pem",
    }
    made = environment(shell)

    assert "pw" not in str(made)
    assert not {"AWS_SECRET_ACCESS_KEY", "SSH_AUTH_SOCK", "ANSIBLE_VERBOSITY", "PYTHONPATH"} & set(made)
    assert made["ANSIBLE_CONFIG"] == str(SCRATCH / "ansible.cfg")
    assert (made["LC_TIME"], made["SSL_CERT_FILE"]) == ("fr_FR.UTF-8", "/etc/ca.pem")


def test_homes_and_control_sockets_are_the_runs_own():
    made = environment({"HOME": "/root"}, {"VIGIE_RUN_ID": "id"})

    assert made["HOME"] == str(SCRATCH / "home")
    assert made["ANSIBLE_HOME"].startswith(str(SCRATCH))
    assert made["ANSIBLE_SSH_CONTROL_PATH_DIR"].startswith(str(SCRATCH))
    assert made["VIGIE_RUN_ID"] == "id"


def test_the_operators_agent_is_used_only_when_asked_for():
    assert ssh_agent_of({"SSH_AUTH_SOCK": "/a"}) is None
    assert ssh_agent_of({"SSH_AUTH_SOCK": "/a", "VIGIE_SSH_AGENT": "1"}) == "/a"
    assert environment({"SSH_AUTH_SOCK": "/a", "VIGIE_SSH_AGENT": "1"})["SSH_AUTH_SOCK"] == "/a"


def test_forks_follow_the_fleet():
    assert [forks(number) for number in (0, 1, 7, 5000)] == [1, 1, 7, 50]


def test_a_vault_password_file_is_found_from_anywhere():
    assert vault_variables({}, Path("/p")) == {}
    made = vault_variables({"ANSIBLE_VAULT_PASSWORD_FILE": "vault/pw"}, Path("/p"))
    assert made == {"ANSIBLE_VAULT_PASSWORD_FILE": "/p/vault/pw"}
