# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a provider's catalogue and clients to the variables of each host: the one derivation.

Used by the inventory plugin ``vigie.msp.subscriptions`` (plain Ansible, AWX) and by the ``vigie`` package.
Works on plain mappings, as read from the YAML files; standard library only.

What it returns is described in ``docs/interfaces.md``. Durations in the files are ``15s 10m 6h 30d 2w``.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.vigie.msp.plugins.module_utils.documents import suggestion

PROVIDER_SCOPE = "provider"
"""Stands in a client's place on the provider's own servers; no client may have this slug."""

SLUG = re.compile(r"^[a-z][a-z0-9-]{1,30}\Z")
"""The slug of a client, and the name of a tier."""

HOST = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,200}\Z")
"""A host's inventory name: it becomes a directory of secrets and an account on the backup server, and dynamic
sources take names from places that clients can write to."""

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
DAY = SECONDS["d"]
HOUR = SECONDS["h"]
_DURATION = re.compile(r"^([0-9]{1,9})([smhdw])\Z")
MAX_SECONDS = 36525 * DAY

DEFAULT_PORT = 8000
DEFAULT_MAINTENANCE_PORT = 8001
"""Of the backup server, where provider.yml states none."""

SERVER_TECHNIQUE = frozenset(("backup_server_names", "backup_server_port", "backup_server_maintenance_port"))
"""Variables of the backup server that an operator may override, as where a gateway translates ports."""

SERVICES = {
    "monitor": {"every": "duration", "scrape_interval": "duration", "declared_dead_after": "duration"},
    "patch": {
        "every": "duration",
        "scope": "word",
        "security_within": "duration",
        "other_within": "duration",
        "reboot_within": "duration",
        "emergency": "bool",
    },
    "backup": {"every": "duration", "paths": "paths", "retention": "retention"},
    "audit": {
        "every": "duration",
        "index_age": "duration",
        "support_left": "duration",
        "ssh_password_login": "word",
        "disk_used_percent": "number",
    },
    "verify": {"every": "duration", "read_data_percent": "number", "full_every": "duration"},
    "drill": {"every": "duration"},
    "report": {"every": "duration", "review_every": "duration"},
}
"""Every service, in the order services run for one client, with its keys and their kinds."""

RETENTION = ("daily", "monthly", "yearly")
WORDS = {"scope": ("none", "security", "all"), "ssh_password_login": ("allowed", "forbidden")}

CONTRACT_VARIABLES = frozenset(
    (
        "vigie_provider",
        "vigie_client",
        "vigie_tier",
        "vigie_time_zone",
        "vigie_language",
        "vigie_state_dir",
        "vigie_secrets_dir",
        "config_backup_account",
        "compliance_audit_parameters",
    )
)
"""What was promised, to whom, and where its secrets and evidence are kept. Never overridden per group or
host: the catalogue and the client's file are the only places. All other variables are technique: an operator
may override them where Ansible allows, and the audit still measures against the contract."""


class SubscriptionError(ValueError):
    """The catalogue or a client's file says something impossible.

    Attributes:
        document: ``provider``, ``catalogue`` or a client's slug.
        keys: The path of the wrong key in that document.
    """

    def __init__(self, document: str, keys: tuple[Any, ...], message: str) -> None:
        super().__init__(message)
        self.document = document
        self.keys = keys


def duration_seconds(text: object) -> int:
    """``30d`` as a number of seconds.

    Raises:
        ValueError: Not a whole number followed by one of ``s m h d w``, or more than a century.
    """
    found = _DURATION.match(text) if isinstance(text, str) else None
    if not found:
        raise ValueError("'%s' is not a duration: write a number and s, m, h, d or w, like 30d" % (text,))
    seconds = int(found.group(1)) * SECONDS[found.group(2)]
    if seconds > MAX_SECONDS:
        raise ValueError("'%s' is longer than a century" % text)
    return seconds


def duration_text(seconds: float) -> str:
    """The shortest exact way to write a duration: 86400 is ``1d``, 90 is ``90s``. Weeks become days."""
    seconds = int(seconds)
    for unit in ("d", "h", "m"):
        if seconds and seconds % SECONDS[unit] == 0:
            return "%d%s" % (seconds // SECONDS[unit], unit)
    return "%ds" % seconds if seconds else "0d"


def in_units(seconds: int, unit: int) -> float:
    """Seconds in a unit: whole when it divides, so that YAML and JSON show ``7`` and not ``7.0``."""
    return seconds // unit if seconds % unit == 0 else round(seconds / unit, 4)


def backup_deadline(every: int) -> int:
    """Age in seconds at which a backup is late: the RPO, plus 1 h up to 12 h, plus 2 h above (BAK-01)."""
    return every + (HOUR if every <= 12 * HOUR else 2 * HOUR)


def run_cadence(service: str, settings: Mapping[str, Any]) -> int:
    """Seconds between two runs of a service's playbook.

    Hosts back themselves up at the RPO; the ``backup`` run only enforces that, once a day at most.
    """
    every = duration_seconds(settings["every"])
    return min(every, DAY) if service == "backup" else every


def allowed_overrides(tier: Mapping[str, Any]) -> tuple[str, ...]:
    """The dotted keys below ``services`` that a client of this tier may override."""
    return tuple(tier.get("client_may_override") or ())


def effective_services(tier: Mapping[str, Any], overrides: Mapping[str, Any], slug: str) -> dict[str, Any]:
    """The tier's services with one client's overrides applied.

    Raises:
        SubscriptionError: The tier does not allow an override, or has no such service.
    """
    services = {name: dict(settings) for name, settings in tier["services"].items()}
    allowed = allowed_overrides(tier)
    for dotted_key, value in (overrides or {}).items():
        where = ("overrides", dotted_key)
        if dotted_key not in allowed:
            raise SubscriptionError(
                slug,
                where,
                "this tier does not let a client override '%s'%s"
                % (dotted_key, suggestion(dotted_key, allowed)),
            )
        service, _dot, rest = dotted_key.partition(".")
        if service not in services:
            raise SubscriptionError(slug, where, "the tier does not offer the service '%s'" % service)
        _put(services[service], rest.split("."), value)
    return services


def _put(settings: dict[str, Any], keys: list[str], value: Any) -> None:
    """Set a nested value without touching the tier's own mappings."""
    for key in keys[:-1]:
        settings[key] = dict(settings.get(key) or {})
        settings = settings[key]
    settings[keys[-1]] = value


def audit_parameters(services: Mapping[str, Any]) -> dict[str, Any]:
    """The flat thresholds an audit judges a host by; a key is absent when nothing is promised."""
    parameters: dict[str, Any] = {}
    _patch_parameters(services.get("patch") or {}, parameters)
    _audit_parameters(services.get("audit") or {}, parameters)
    _backup_parameters(services.get("backup") or {}, parameters)
    _put_days(services.get("verify") or {}, {"every": "verify_days"}, parameters)
    _put_days(services.get("drill") or {}, {"every": "drill_days"}, parameters)
    if "monitor" in services:
        parameters["monitoring"] = True
        parameters["agent_dead_seconds"] = duration_seconds(services["monitor"]["declared_dead_after"])
    return parameters


def _put_days(settings: Mapping[str, Any], names: Mapping[str, str], parameters: dict[str, Any]) -> None:
    for key, name in names.items():
        if settings.get(key) is not None:
            parameters[name] = in_units(duration_seconds(settings[key]), DAY)


def _patch_parameters(patch: Mapping[str, Any], parameters: dict[str, Any]) -> None:
    _put_days(
        patch,
        {
            "security_within": "security_update_days",
            "other_within": "other_update_days",
            "reboot_within": "reboot_days",
        },
        parameters,
    )


def _audit_parameters(audit: Mapping[str, Any], parameters: dict[str, Any]) -> None:
    if not audit:
        return
    _put_days(audit, {"index_age": "index_age_days", "support_left": "support_left_days"}, parameters)
    if audit.get("disk_used_percent") is not None:
        parameters["disk_used_percent"] = audit["disk_used_percent"]
    parameters["ssh_password_login_forbidden"] = audit.get("ssh_password_login") == "forbidden"
    parameters["audit_seconds"] = duration_seconds(audit["every"])


def _backup_parameters(backup: Mapping[str, Any], parameters: dict[str, Any]) -> None:
    if not backup:
        return
    deadline = backup_deadline(duration_seconds(backup["every"]))
    parameters["backup_age_hours"] = in_units(deadline, HOUR)
    parameters["backup_paths"] = list(backup["paths"])
    parameters["backup_retention_days"] = retention_days(backup)["daily"]


def retention_days(backup: Mapping[str, Any]) -> dict[str, int]:
    """How long daily, monthly and yearly snapshots are kept, in whole days rounded up."""
    retention = backup.get("retention") or {}
    return {name: math.ceil(duration_seconds(retention.get(name, "0d")) / DAY) for name in RETENTION}


def role_variables(
    provider: Mapping[str, Any],
    client: Mapping[str, Any],
    services: Mapping[str, Any],
    slug: str,
    host: str,
    state_dir: str,
    server_address: str = "",
) -> dict[str, Any]:
    """Every variable of one host of a client, as ``docs/interfaces.md`` lists them.

    Args:
        provider: ``provider.yml``, with the provider's ``slug`` added.
        client: The client's file.
        services: What ``effective_services`` returned for this client.
        slug: The client's slug.
        host: The host's inventory name.
        state_dir: The provider's state directory on the controller.
        server_address: How hosts reach the backup server; needed when the tier has backup.
    """
    variables: dict[str, Any] = {
        "vigie_provider": provider["slug"],
        "vigie_client": slug,
        "vigie_tier": client["tier"],
        "vigie_time_zone": client.get("time_zone") or provider["time_zone"],
        "vigie_language": client.get("language") or provider["language"],
        "vigie_state_dir": state_dir,
        "vigie_secrets_dir": os.path.join(state_dir, "secrets", slug),
        "patch_baseline_scope": (services.get("patch") or {}).get("scope", "none"),
        "config_backup_enabled": "backup" in services,
        "monitoring_agent_enabled": "monitor" in services,
        "compliance_audit_parameters": audit_parameters(services),
    }
    if "backup" in services:
        variables.update(_backup_variables(provider["backup"], services["backup"], state_dir, server_address))
        variables["config_backup_account"] = account(slug, host)
    return variables


def _backup_variables(
    server: Mapping[str, Any], backup: Mapping[str, Any], state_dir: str, address: str
) -> dict[str, Any]:
    shown = "[%s]" % address if ":" in address else address
    return {
        "config_backup_paths": list(backup["paths"]),
        "config_backup_interval": duration_seconds(backup["every"]),
        "config_backup_retention": retention_days(backup),
        "config_backup_server_url": "https://%s:%d" % (shown, server.get("port", DEFAULT_PORT)),
        "config_backup_maintenance_url": "https://%s:%d"
        % (shown, server.get("maintenance_port", DEFAULT_MAINTENANCE_PORT)),
        "config_backup_server_certificate": os.path.join(state_dir, "public", "%s.crt" % server["server"]),
    }


def account(slug: str, host: str) -> str:
    """The account and repository name of one host on the backup server."""
    return "%s.%s" % (slug, host)


def server_variables(
    provider: Mapping[str, Any],
    accounts: Iterable[tuple[str, str]],
    state_dir: str,
    server_address: str,
) -> dict[str, Any]:
    """The variables of the provider's backup server; ``accounts`` are (client, host) pairs with backup.

    Its ports and names are those that ``role_variables``, given the same address, sends the hosts to.
    """
    server = provider["backup"]
    return {
        "vigie_provider": provider["slug"],
        "vigie_client": PROVIDER_SCOPE,
        "vigie_time_zone": provider["time_zone"],
        "vigie_language": provider["language"],
        "vigie_state_dir": state_dir,
        "vigie_secrets_dir": os.path.join(state_dir, "secrets"),
        "backup_server_accounts": [
            {"client": slug, "host": host, "account": account(slug, host)} for slug, host in sorted(accounts)
        ],
        "backup_server_names": list(dict.fromkeys((server["server"], server_address))),
        "backup_server_port": server.get("port", DEFAULT_PORT),
        "backup_server_maintenance_port": server.get("maintenance_port", DEFAULT_MAINTENANCE_PORT),
    }


def state_directory(slug: str, environ: Mapping[str, str] | None = None) -> str:
    """``$VIGIE_STATE_DIR/<provider>``, by default below the XDG state directory, like ``vigie.state``."""
    environ = os.environ if environ is None else environ
    base = environ.get("VIGIE_STATE_DIR")
    if base:
        return str(Path(base).expanduser().resolve() / slug)
    state = environ.get("XDG_STATE_HOME", "").strip() or os.path.expanduser("~/.local/state")
    return os.path.join(state, "vigie", slug)


def group_name(kind: str, name: str) -> str:
    """``client_boulangerie-sud`` as Ansible wants it: ``client_boulangerie_sud``."""
    return "%s_%s" % (kind, name.replace("-", "_"))


def assign_hosts(
    clients: Mapping[str, Mapping[str, Any]],
    groups: Mapping[str, Iterable[str]],
    server: str | None,
    report: Callable[[str, tuple[Any, ...], str], None],
) -> dict[str, tuple[str, ...]]:
    """The hosts of each client, from the inventory groups its file names.

    Args:
        clients: Client files by slug.
        groups: The inventory's groups; each with all its hosts, those of child groups included.
        server: The backup server's inventory name, which may belong to no client.
        report: Called with (slug, keys, message) for every impossible assignment.
    """
    fleets: dict[str, tuple[str, ...]] = {}
    owners: dict[str, tuple[str, str]] = {}
    for slug in sorted(clients):
        hosts: dict[str, None] = {}
        wanted = clients[slug]["hosts"]
        for index, group in enumerate(wanted):
            if group not in groups:
                report(
                    slug,
                    ("hosts", index),
                    "the inventory has no group '%s'%s" % (group, suggestion(group, groups)),
                )
                continue
            for host in groups[group]:
                refusal = _claim(host, slug, group, owners, server)
                if refusal:
                    report(slug, ("hosts", index), refusal)
                hosts[host] = None
        if not hosts and all(group in groups for group in wanted):
            report(slug, ("hosts",), "the client has no hosts: nothing in %s" % ", ".join(wanted))
        fleets[slug] = tuple(hosts)
    return fleets


def _claim(
    host: str, slug: str, group: str, owners: dict[str, tuple[str, str]], server: str | None
) -> str | None:
    """Give ``host`` to a client; or say why it cannot be."""
    if not HOST.match(host):
        return (
            "group '%s' has a host named %r: it names files and accounts, so use letters, digits, '.', "
            "'_' and '-'" % (group, host)
        )
    if host == server:
        return "group '%s' holds the backup server '%s', which can belong to no client" % (group, host)
    owner, through = owners.setdefault(host, (slug, group))
    if owner != slug:
        return "host '%s' of group '%s' already belongs to client '%s' through group '%s'" % (
            host,
            group,
            owner,
            through,
        )
    return None
