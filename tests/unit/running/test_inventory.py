"""The inventory of a run holds one client's hosts and nothing of anybody else."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from vigie.running import inventory
from vigie.running.inventory import build, host_variables

DIRECTORY = Path("/srv/provider")
ARGUMENTS = "-F /run/x/ssh_config"
NAMES = st.sampled_from(["web", "db", "cache", "mail", "other"])


def test_groups_keep_only_hosts_of_the_run():
    document = build(
        {"web": {}}, {"all": ["web", "db"], "debian": ["web", "db"], "client_b": ["db"]}, DIRECTORY, ""
    )

    assert document["all"]["children"] == {"debian": {"hosts": {"web": {}}}}
    assert set(document["all"]["hosts"]) == {"web"}


@given(hosts=st.sets(NAMES), groups=st.dictionaries(st.text(min_size=1), st.lists(NAMES)))
def test_no_other_host_is_ever_in_it(hosts, groups):
    document = build({host: {} for host in hosts}, groups, DIRECTORY, "")

    named = set(document["all"]["hosts"])
    for group in document["all"]["children"].values():
        named |= set(group["hosts"])
    assert named == hosts


def test_the_runs_ssh_arguments_come_before_the_inventorys():
    variables = host_variables({"ansible_ssh_args": "-o StrictHostKeyChecking=no"}, DIRECTORY, ARGUMENTS)

    assert variables["ansible_ssh_args"] == f"{ARGUMENTS} -o StrictHostKeyChecking=no"


def test_checking_host_keys_cannot_be_switched_off():
    variables = host_variables(
        {"ansible_host_key_checking": False, "ansible_ssh_host_key_checking": False}, DIRECTORY, ARGUMENTS
    )

    assert variables["ansible_host_key_checking"] is True
    assert "ansible_ssh_host_key_checking" not in variables


def test_hosts_that_are_not_reached_by_ssh_are_left_alone():
    given = {"ansible_connection": "local", "x": 1}

    assert host_variables(given, DIRECTORY, ARGUMENTS) == given


def test_paths_mean_what_they_meant_in_the_providers_directory():
    variables = host_variables(
        {"ansible_private_key_file": "keys/id", "cert": ["{{ inventory_dir }}/x.crt"]}, DIRECTORY, ARGUMENTS
    )

    assert variables["ansible_ssh_private_key_file"] == "/srv/provider/keys/id"
    assert variables["cert"] == ["/srv/provider/x.crt"]
    home = host_variables({"ansible_ssh_private_key_file": "~/.ssh/k"}, DIRECTORY, ARGUMENTS)
    assert home["ansible_ssh_private_key_file"] == str(Path.home() / ".ssh/k")


def test_key_file_beside_the_inventory_is_found_by_its_real_path() -> None:
    values = {"ansible_ssh_private_key_file": "{{ inventory_dir }}/../../.lab/demo/id_ed25519"}
    key = inventory.private_key(values, Path("/srv/inventories/demo"))
    assert key == Path("/srv/.lab/demo/id_ed25519")
    variables = inventory.host_variables(values, Path("/srv/inventories/demo"), "")
    assert variables["ansible_ssh_private_key_file"] == str(key)
