# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Inventory plugin: subscriptions laid over whatever inventory was read before."""

from __future__ import annotations

DOCUMENTATION = r"""
name: subscriptions
short_description: Lay clients and their tiers over any inventory
version_added: 0.1.0
author:
  - Vigie maintainers (@vigie-msp)
description:
  - Reads a provider's catalogue of tiers and its clients, and gives each host the variables that the roles of
    this collection need to deliver, and to measure, what its client's tier promises.
  - Adds the groups C(client_<slug>) and C(tier_<tier>), with dashes as underscores.
  - It adds no host. Hosts come from the other sources of the directory, which must sort before this file
    (C(hosts.yml) before C(subscriptions.yml)). A client names the groups that are its fleet.
  - A host of two clients, a group that does not exist, a client without hosts, an unknown tier or key and an
    override that the tier does not allow are errors that name file, line and key. Nothing is skipped.
notes:
  - 'Variables of the contract (C(vigie_provider), C(vigie_client), C(vigie_tier), C(vigie_time_zone),
    C(vigie_language), C(vigie_state_dir), C(vigie_secrets_dir), C(config_backup_account) and
    C(compliance_audit_parameters)) are set per host and may not be set anywhere else in the inventory:
    that is an error, since a host must not be measured by less than its client pays for. Service levels
    change in the catalogue, or in C(overrides) of the client where the tier allows it.'
  - 'All other variables (C(patch_baseline_*), C(config_backup_*), C(monitoring_agent_*)) are set on the
    group C(client_<slug>), with the lowest group priority: whatever is written in C(group_vars),
    C(host_vars) or the inventory source itself wins, C(group_vars/all) included. The audit still measures
    against the contract, so that a weakened host turns red.'
  - Add C(inventory_ignore_patterns) to C(ansible.cfg) so that Ansible does not take the provider's other
    files for inventory sources; see the example.
  - Secrets and results are kept below C($VIGIE_STATE_DIR), by default C(~/.local/state/vigie).
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [vigie.msp.subscriptions, subscriptions]
  catalogue:
    description: The catalogue of tiers; relative to this file.
    type: str
    default: catalogue.yml
  provider:
    description: Who provides the services; relative to this file.
    type: str
    default: provider.yml
  clients:
    description: The directory with one C(<slug>.yml) per client; relative to this file.
    type: str
    default: clients
"""

EXAMPLES = r"""
# inventories/example/subscriptions.yml
plugin: vigie.msp.subscriptions

# ansible.cfg beside it, for plain ansible-playbook:
#   [defaults]
#   inventory_ignore_patterns = ^catalogue\.yml$, ^provider\.yml$, ^clients$, ^known_hosts$, ^known_hosts\.d$
#
# ansible-inventory -i inventories/example --graph
# ansible-playbook -i inventories/example vigie.msp.audit --limit client_acme
# ansible-playbook -i inventories/example vigie.msp.patch --limit tier_gold
"""

import os

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.module_utils.common.text.converters import to_native
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.template import trust_as_template
from ansible.vars.plugins import get_vars_from_inventory_sources

from ansible_collections.vigie.msp.plugins.module_utils.documents import (
    DocumentError,
    Problem,
    suggestion,
)
from ansible_collections.vigie.msp.plugins.module_utils.subscription_files import ProviderFiles
from ansible_collections.vigie.msp.plugins.module_utils.subscriptions import (
    CONTRACT_VARIABLES,
    SERVER_TECHNIQUE,
    assign_hosts,
    group_name,
    role_variables,
    server_variables,
    state_directory,
)


class InventoryModule(BaseInventoryPlugin):
    """Entry point for Ansible."""

    NAME = "vigie.msp.subscriptions"

    def verify_file(self, path):
        """Any YAML file; that it is meant for this plugin is said by its ``plugin`` key."""
        return super().verify_file(path) and path.endswith((".yml", ".yaml"))

    def parse(self, inventory, loader, path, cache=True):
        """Read the provider's files and set groups and variables."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        directory = os.path.realpath(os.path.dirname(path))
        names = (self.get_option(name) for name in ("provider", "catalogue", "clients"))
        try:
            self._lay(
                ProviderFiles(os.path.basename(directory), *(os.path.join(directory, name) for name in names))
            )
        except DocumentError as error:
            raise AnsibleParserError(to_native(error)) from error

    def _lay(self, files):
        state = state_directory(files.provider["slug"])
        fleets = self._fleets(files)
        address = self._server_address(files)
        for slug, hosts in fleets.items():
            client = files.clients[slug]
            self._groups(slug, client, hosts)
            for host in hosts:
                self._refuse_overridden_contract(host)
                variables = role_variables(
                    files.provider, client, files.services[slug], slug, host, state, address
                )
                self._set(slug, host, variables)
        if files.server:
            accounts = [
                (slug, host)
                for slug, hosts in fleets.items()
                for host in hosts
                if "backup" in files.services[slug]
            ]
            self._set_server(files.server, server_variables(files.provider, accounts, state, address))

    def _fleets(self, files):
        """The hosts of each client; all impossible assignments are reported together."""
        problems = []

        def report(slug, keys, message):
            problems.append(files.client_problem(slug, keys, message))

        server = files.server
        if server and server not in self.inventory.hosts:
            problems.append(
                files.provider_problem(
                    ("backup", "server"),
                    "the inventory has no host '%s'%s" % (server, suggestion(server, self.inventory.hosts)),
                )
            )
        groups = {
            name: [host.name for host in group.get_hosts()] for name, group in self.inventory.groups.items()
        }
        fleets = assign_hosts(files.clients, groups, server, report)
        problems += [
            Problem("host '%s'" % host, "a group has the same name: rename one of them")
            for hosts in fleets.values()
            for host in hosts
            if host in groups
        ]
        if problems:
            raise DocumentError(problems)
        return fleets

    def _groups(self, slug, client, hosts):
        """Nest the client's own groups, so that their variables stay stronger than the derived ones."""
        for name in (group_name("client", slug), group_name("tier", client["tier"])):
            self.inventory.add_group(name)
            self.inventory.set_variable(name, "ansible_group_priority", 0)
            nestable = [group for group in client["hosts"] if group not in ("all", "ungrouped", name)]
            whole = len(nestable) == len(client["hosts"])
            for child in nestable if whole else hosts:
                self.inventory.add_child(name, child)

    def _set(self, slug, host, variables):
        for name, value in variables.items():
            target = host if name in CONTRACT_VARIABLES else group_name("client", slug)
            self.inventory.set_variable(target, name, _trusted(value))

    def _set_server(self, server, variables):
        """The server is one host without a group of its own: what an operator wrote for it is left alone."""
        kept = SERVER_TECHNIQUE.intersection(self._written_variables(server))
        for name, value in variables.items():
            if name not in kept:
                self.inventory.set_variable(server, name, _trusted(value))

    def _refuse_overridden_contract(self, host):
        """The contract's variables come from the catalogue and the client's file alone."""
        written = self._written_variables(host)
        found = sorted(CONTRACT_VARIABLES.intersection(written))
        if found:
            raise AnsibleParserError(
                "host '%s': the inventory sets '%s', which belongs to the contract: remove it; service "
                "levels are changed in the catalogue or in the client's overrides" % (host, found[0])
            )

    def _written_variables(self, name):
        """The variables of a host as written so far: in the sources before this one and in host_vars."""
        host = self.inventory.get_host(name)
        variables = dict(host.get_vars())
        for group in host.get_groups():
            variables.update(group.get_vars())
        try:
            variables.update(
                get_vars_from_inventory_sources(
                    self.loader, self.inventory.processed_sources, [*host.get_groups(), host], "all"
                )
            )
        except AnsibleError as error:
            # Vaulted files without their password, as in `ansible-inventory --graph`: a play, which needs
            # the password anyway, will look into them.
            self.display.vvv("vigie.msp.subscriptions: %s: %s" % (name, to_native(error)))
        return variables

    def _server_address(self, files):
        """How hosts reach the backup server."""
        if not files.server:
            return ""
        stated = files.provider["backup"].get("address")
        address = stated or self._written_variables(files.server).get("ansible_host") or files.server
        if "{{" in str(address):
            raise DocumentError(
                [
                    files.provider_problem(
                        ("backup",),
                        "the ansible_host of '%s' is a template; write the address hosts use as "
                        "backup.address" % files.server,
                    )
                ]
            )
        return str(address)


def _trusted(value):
    """The value with its strings trusted, as those of the provider's hosts.yml are.

    Without it ansible-inventory marks every string as unsafe. The class attribute ``trusted_by_default`` is
    not enough: ansible-core 2.19 keeps the first source's answer for all sources of a directory.
    """
    if isinstance(value, str):
        return trust_as_template(value)
    if isinstance(value, dict):
        return {key: _trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_trusted(item) for item in value]
    return value
