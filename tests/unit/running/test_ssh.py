"""A run trusts the host keys it was given, and no others."""

import subprocess

import pytest

from vigie.errors import BadInputError
from vigie.running import ssh


def test_the_clients_own_keys_are_added_to_the_fleets(tmp_path):
    (tmp_path / "known_hosts").write_text("all ssh-ed25519 AAAA\n")
    (tmp_path / "known_hosts.d").mkdir()
    (tmp_path / "known_hosts.d" / "cabinet").write_text("own ssh-ed25519 BBBB")
    (tmp_path / "known_hosts.d" / "usine").write_text("foreign ssh-ed25519 CCCC")

    keys = ssh.known_hosts(tmp_path, "cabinet")

    assert keys == "all ssh-ed25519 AAAA\n\nown ssh-ed25519 BBBB\n"


@pytest.mark.parametrize("content", [None, "", "# none yet\n\n"])
def test_without_host_keys_the_way_out_is_said(tmp_path, content):
    if content is not None:
        (tmp_path / "known_hosts").write_text(content)

    with pytest.raises(BadInputError) as caught:
        ssh.known_hosts(tmp_path, "cabinet")
    assert str(tmp_path / "known_hosts") in str(caught.value)
    assert "ssh-keyscan" in caught.value.hint


def test_ssh_itself_understands_the_configuration(tmp_path):
    config = tmp_path / "config"
    config.write_text(ssh.client_configuration(tmp_path / "known", [tmp_path / "id"]))

    command = ["ssh", "-G", *ssh.arguments(config, tmp_path / "known").split(), "host"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    effective = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)

    assert effective["stricthostkeychecking"] in ("true", "yes")
    assert effective["userknownhostsfile"] == str(tmp_path / "known")
    assert effective["kexalgorithms"].startswith("curve25519-sha256")
    assert effective["forwardagent"] == "no"
    assert str(tmp_path / "id") in done.stdout


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"ansible_ssh_common_args": "-J bastion"}, True),
        ({"ansible_ssh_common_args": "-o ProxyJump=bastion"}, True),
        ({"ansible_ssh_extra_args": "-o ProxyCommand='ssh -W %h:%p b'"}, True),
        ({"ansible_ssh_args": "-C -o User=Jim"}, False),
    ],
)
def test_jump_hosts_are_noticed(variables, expected):
    assert ssh.uses_jump_host(variables) is expected
