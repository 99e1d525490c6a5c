# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The provider's files as plain mappings, checked as far as deriving variables from them needs.

This is what the inventory plugin works on where the ``vigie`` package is absent (AWX, an execution
environment). It refuses unknown keys and malformed values, so that a typing error never weakens a contract
in silence; ``vigie check`` looks closer (fees, contacts, windows) and lists everything at once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.vigie.msp.plugins.module_utils.documents import (
    Document,
    DocumentError,
    Problem,
    read_document,
    suggestion,
)
from ansible_collections.vigie.msp.plugins.module_utils.subscriptions import (
    PROVIDER_SCOPE,
    RETENTION,
    SERVICES,
    SLUG,
    WORDS,
    SubscriptionError,
    duration_seconds,
    effective_services,
)

PROVIDER_KEYS = ("name", "time_zone", "language", "backup")
BACKUP_KEYS = ("server", "address", "port", "maintenance_port")
CATALOGUE_KEYS = ("version", "currency", "tiers")
TIER_KEYS = ("title", "monthly_fee", "support", "client_may_override", "services")
CLIENT_KEYS = (
    "name",
    "tier",
    "start",
    "time_zone",
    "language",
    "contacts",
    "hosts",
    "windows",
    "overrides",
)
CLIENT_REQUIRED = ("name", "tier", "start", "hosts")
OPTIONAL = {
    "monitor": (),
    "patch": ("security_within", "other_within", "reboot_within", "emergency"),
    "backup": (),
    "audit": ("index_age", "support_left", "ssh_password_login", "disk_used_percent"),
    "verify": ("read_data_percent", "full_every"),
    "drill": (),
    "report": ("review_every",),
}
"""Keys of a service that may be absent."""


class ProviderFiles:
    """A provider's directory, read.

    Attributes:
        provider: ``provider.yml`` with ``slug`` added.
        clients: Client files by slug.
        services: Each client's services with its overrides applied, by slug.

    Raises:
        DocumentError: A file is wrong; ``problems`` name file, line and key.
    """

    def __init__(self, slug: str, provider: str, catalogue: str, clients: str) -> None:
        self._provider = read_document(provider)
        self._catalogue = read_document(catalogue)
        self._documents = {name: read_document(path) for name, path in _client_paths(clients).items()}
        self.provider: dict[str, Any] = dict(self._provider.data, slug=slug)
        _check_provider(self._provider)
        _check_catalogue(self._catalogue)
        self.clients: dict[str, dict[str, Any]] = {}
        self.services: dict[str, dict[str, Any]] = {}
        for name, document in self._documents.items():
            self.services[name] = self._subscription(name, document)
            self.clients[name] = document.data
        self._check_backup()

    @property
    def server(self) -> str | None:
        """The backup server's inventory name."""
        return (self.provider.get("backup") or {}).get("server")

    def client_problem(self, slug: str, keys: tuple[Any, ...], message: str) -> Problem:
        """A problem in a client's file."""
        return self._documents[slug].problem(keys, message)

    def provider_problem(self, keys: tuple[Any, ...], message: str) -> Problem:
        """A problem in ``provider.yml``."""
        return self._provider.problem(keys, message)

    def _subscription(self, slug: str, document: Document) -> dict[str, Any]:
        _check_client(document)
        tiers = self._catalogue.data["tiers"]
        name = document.data["tier"]
        if name not in tiers:
            _refuse(document, ("tier",), "the catalogue has no tier '%s'%s" % (name, suggestion(name, tiers)))
        try:
            services = effective_services(tiers[name], document.data.get("overrides") or {}, slug)
        except SubscriptionError as error:
            raise DocumentError([document.problem(error.keys, str(error), of_key=True)]) from error
        if document.data.get("overrides"):
            _check_services(document, ("overrides",), services, inside=False)
        return services

    def _check_backup(self) -> None:
        if not self.server:
            needing = [slug for slug, services in self.services.items() if "backup" in services]
            if needing:
                _refuse(
                    self._provider,
                    ("backup",),
                    "client '%s' has backup: say where with "
                    "'backup: {server: <inventory host>}'" % needing[0],
                )


def _client_paths(folder: str) -> dict[str, str]:
    if not os.path.isdir(folder):
        raise DocumentError([Problem(folder, "no such directory: it holds one <slug>.yml per client")])
    found = {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        slug, extension = os.path.splitext(name)
        if name.startswith(".") or extension not in (".yml", ".yaml", ".json"):
            continue
        if extension != ".yml":
            raise DocumentError([Problem(path, "would be ignored: rename it to %s.yml" % slug)])
        if slug == PROVIDER_SCOPE or not SLUG.match(slug):
            raise DocumentError(
                [
                    Problem(
                        path,
                        "'%s' cannot name a client: use 2 to 31 of a-z, 0-9 and -, "
                        "starting with a letter, and not 'provider'" % slug,
                    )
                ]
            )
        found[slug] = path
    if not found:
        raise DocumentError([Problem(folder, "holds no client: add <slug>.yml, one file per client")])
    return found


def _refuse(document: Document, keys: tuple[Any, ...], message: str, of_key: bool = False) -> None:
    raise DocumentError([document.problem(keys, message, of_key)])


def _keys(
    document: Document, where: tuple[Any, ...], data: Any, known: tuple[str, ...], required: tuple[str, ...]
) -> None:
    """``data`` is a mapping of known keys, with all that are required."""
    if not isinstance(data, dict):
        _refuse(document, where, "must be a mapping of keys to values")
    for key in data:
        if key not in known:
            message = "unknown key '%s'%s" % (key, suggestion(key, known))
            _refuse(document, (*where, key), message, of_key=True)
    for key in required:
        if data.get(key) is None:
            _refuse(document, (*where, key), "this key is missing")


def _words(
    document: Document, data: Mapping[str, Any], names: tuple[str, ...], where: tuple[Any, ...]
) -> None:
    for name in names:
        if name in data and not (isinstance(data[name], str) and data[name]):
            _refuse(document, (*where, name), "must be text")


def _check_provider(document: Document) -> None:
    _keys(document, (), document.data, PROVIDER_KEYS, ("name", "time_zone", "language"))
    _words(document, document.data, ("name", "time_zone", "language"), ())
    backup = document.data.get("backup")
    if backup is None:
        return
    _keys(document, ("backup",), backup, BACKUP_KEYS, ("server",))
    _words(document, backup, ("server", "address"), ("backup",))
    for name in ("port", "maintenance_port"):
        port = backup.get(name, 1)
        if not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= 65535:
            _refuse(document, ("backup", name), "must be a port, 1 to 65535")


def _check_catalogue(document: Document) -> None:
    _keys(document, (), document.data, CATALOGUE_KEYS, ("version", "tiers"))
    if document.data["version"] != 1:
        _refuse(document, ("version",), "this Vigie reads catalogues of version 1")
    tiers = document.data["tiers"]
    _keys(document, ("tiers",), tiers, tuple(tiers) if isinstance(tiers, dict) else (), ())
    for name, tier in tiers.items():
        where = ("tiers", name)
        if not SLUG.match(name):
            _refuse(document, where, "'%s' cannot name a tier" % name, of_key=True)
        _keys(document, where, tier, TIER_KEYS, ("services",))
        _strings(document, (*where, "client_may_override"), tier.get("client_may_override", []))
        _keys(document, (*where, "services"), tier["services"], tuple(SERVICES), ())
        _check_services(document, (*where, "services"), tier["services"])


def _check_services(
    document: Document, where: tuple[Any, ...], services: Mapping[str, Any], inside: bool = True
) -> None:
    """Every setting is of its kind. With ``inside`` false, problems are placed at ``where`` itself."""
    for name, settings in services.items():
        at = (*where, name) if inside else where
        required = tuple(key for key in SERVICES[name] if key not in OPTIONAL[name])
        _keys(document, at, settings, tuple(SERVICES[name]), required)
        for key, value in settings.items():
            wrong = None if value is None else _wrong_value(key, SERVICES[name][key], value)
            if wrong:
                place = (*at, key) if inside else _override_place(document, name, key)
                _refuse(document, place, wrong)


def _override_place(document: Document, service: str, key: str) -> tuple[Any, ...]:
    """Where a client overrides a setting: ``backup.retention.daily`` is a key of ``overrides``."""
    start = "%s.%s" % (service, key)
    for written in document.data["overrides"]:
        if written == start or written.startswith(start + "."):
            return ("overrides", written)
    return ("overrides",)


def _wrong_value(key: str, kind: str, value: Any) -> str | None:
    """What is wrong with a setting of that kind; None when nothing is."""
    if kind == "duration":
        return _wrong_duration(value)
    if kind == "retention":
        return _wrong_retention(value)
    if kind == "word" and value not in WORDS[key]:
        return "'%s' is not known here%s" % (value, suggestion(value, WORDS[key]))
    if kind == "bool" and not isinstance(value, bool):
        return "must be true or false"
    if kind == "number" and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100):
        return "must be a whole number from 0 to 100"
    if kind == "paths" and not _are_paths(value):
        return "must be a list of absolute paths, like [/etc, /srv]"
    return None


def _are_paths(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(path, str) and path.startswith("/") for path in value)
    )


def _wrong_duration(value: Any) -> str | None:
    try:
        duration_seconds(value)
    except ValueError as error:
        return str(error)
    return None


def _wrong_retention(value: Any) -> str | None:
    if not isinstance(value, dict) or "daily" not in value:
        return "must be a mapping like {daily: 30d, monthly: 180d, yearly: 0d}"
    for name, kept in value.items():
        if name not in RETENTION:
            return "unknown key '%s'%s" % (name, suggestion(name, RETENTION))
        wrong = _wrong_duration(kept)
        if wrong:
            return wrong
    return None


def _strings(document: Document, where: tuple[Any, ...], value: Any) -> None:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        _refuse(document, where, "must be a list of words")


def _check_client(document: Document) -> None:
    data = document.data
    _keys(document, (), data, CLIENT_KEYS, CLIENT_REQUIRED)
    _words(document, data, ("name", "tier", "time_zone", "language"), ())
    _strings(document, ("hosts",), data["hosts"])
    if not data["hosts"]:
        _refuse(document, ("hosts",), "name at least one inventory group")
    overrides = data.get("overrides") or {}
    _keys(document, ("overrides",), overrides, tuple(overrides) if isinstance(overrides, dict) else (), ())
