"""Read and validate a provider's directory: every problem of every file is found before any is raised."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.vigie.msp.plugins.module_utils import subscriptions as derivation
from ansible_collections.vigie.msp.plugins.module_utils.documents import Document, Problem, suggestion
from vigie.errors import UsageError
from vigie.subscriptions.models import (
    WINDOWED,
    Catalogue,
    Client,
    Provider,
    ProviderFile,
    Services,
    Tier,
)
from vigie.subscriptions.problems import ConfigurationError, read, shown, validated, violations

CATALOGUE = "catalogue.yml"
PROVIDER = "provider.yml"
CLIENTS = "clients"


def load_provider(directory: Path) -> Provider:
    """The provider of an inventory directory, validated.

    Raises:
        UsageError: The directory is not a provider's.
        ConfigurationError: Its files have problems; all of them are listed.
    """
    provider, problems = examine(directory)
    if provider is None or problems:
        raise ConfigurationError(problems)
    return provider


def default_catalogue() -> Catalogue:
    """The catalogue Vigie ships: what applies where no provider's directory is at hand."""
    return _checked_catalogue(Path(__file__).with_name(CATALOGUE))


def load_catalogue(directory: Path) -> Catalogue:
    """The catalogue of a provider's directory alone.

    Raises:
        UsageError: The directory is not a provider's.
        ConfigurationError: The catalogue has problems; all of them are listed.
    """
    return _checked_catalogue(_provider_directory(directory) / CATALOGUE)


def _checked_catalogue(path: Path) -> Catalogue:
    problems: list[Problem] = []
    catalogue = _catalogue(path, problems)
    if catalogue is None or problems:
        raise ConfigurationError(problems)
    return catalogue


def examine(directory: Path) -> tuple[Provider | None, list[Problem]]:
    """The provider as far as its files can be understood, and everything that is wrong with them.

    Clients with problems are left out of the provider; it is None when the catalogue or the provider's own
    file cannot be used.
    """
    directory = _provider_directory(directory)
    problems: list[Problem] = []
    catalogue = _catalogue(directory / CATALOGUE, problems)
    about = _about(directory / PROVIDER, problems)
    if about and catalogue:
        _check_backup_server(about, catalogue, directory, problems)
    clients = dict(_clients(directory, catalogue, about, problems))
    if not (about and catalogue):
        return None, problems
    provider = Provider(
        slug=directory.name,
        directory=directory,
        name=about.name,
        time_zone=about.time_zone,
        language=about.language,
        backup=about.backup,
        catalogue=catalogue,
        clients=clients,
        revision=git_revision(directory),
    )
    return provider, problems


def _provider_directory(directory: Path) -> Path:
    given, directory = directory, directory.resolve()
    hint = "pass --inventory DIR or set VIGIE_INVENTORY; inventories/example is a directory to copy"
    if not directory.is_dir():
        raise UsageError(f"there is no directory {given}", hint)
    if not (directory / CATALOGUE).exists():
        raise UsageError(f"{directory} holds no {CATALOGUE}, so it is not a provider's directory", hint)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", directory.name):
        raise UsageError(
            f"the directory's name '{directory.name}' cannot be the provider's short name",
            "rename it: letters, digits, '.', '_' and '-'",
        )
    return directory


def _about(path: Path, problems: list[Problem]) -> ProviderFile | None:
    document = read(path, problems)
    return validated(ProviderFile, document, problems) if document else None


def _catalogue(path: Path, problems: list[Problem]) -> Catalogue | None:
    document = read(path, problems)
    catalogue = validated(Catalogue, document, problems) if document else None
    if document is None or catalogue is None:
        return None
    for name, tier in catalogue.tiers.items():
        tier.named(name)
        known = override_keys(tier)
        for index, key in enumerate(tier.client_may_override):
            if key not in known:
                problems.append(
                    document.problem(
                        ("tiers", name, "client_may_override", index),
                        f"'{key}' is no key of this tier's services{suggestion(key, known)}",
                    )
                )
    return catalogue


def override_keys(tier: Tier) -> tuple[str, ...]:
    """Every dotted key of a tier's services that a client could be allowed to override."""
    keys: list[str] = []
    for service in tier.services.offered:
        for key, kind in derivation.SERVICES[service].items():
            keys.append(f"{service}.{key}")
            if kind == "retention":
                keys += [f"{service}.{key}.{name}" for name in derivation.RETENTION]
    return tuple(keys)


def _check_backup_server(
    about: ProviderFile, catalogue: Catalogue, directory: Path, problems: list[Problem]
) -> None:
    offering = [name for name, tier in catalogue.tiers.items() if tier.services.backup]
    if offering and about.backup is None:
        message = f"tier '{offering[0]}' has backup: say where with 'backup: {{server: <inventory host>}}'"
        problems.append(Problem(shown(directory / PROVIDER), message, 1, 1, "backup"))


def _clients(
    directory: Path, catalogue: Catalogue | None, about: ProviderFile | None, problems: list[Problem]
) -> Iterator[tuple[str, Client]]:
    for path in _client_files(directory, problems):
        slug = path.stem
        refusal = _slug_refusal(slug)
        if refusal:
            problems.append(Problem(shown(path), refusal))
        document = read(path, problems)
        if document is None:
            continue
        before = len(problems)
        client = validated(Client, document, problems)
        if catalogue:
            _check_tier(document, catalogue, problems)
        if client is None or refusal:
            continue
        if catalogue and client.tier in catalogue.tiers:
            _check_subscription(slug, client, document, catalogue.tiers[client.tier], problems)
        if len(problems) == before and about:
            yield slug, client.completed(slug, about.time_zone, about.language)


def _client_files(directory: Path, problems: list[Problem]) -> list[Path]:
    folder = directory / CLIENTS
    if not folder.is_dir():
        problems.append(Problem(shown(folder), "no such directory: it holds one <slug>.yml per client"))
        return []
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    problems += [
        Problem(shown(path), f"would be ignored: rename it to {path.stem}.yml")
        for path in files
        if path.suffix in (".yaml", ".json")
    ]
    found = [path for path in files if path.suffix == ".yml"]
    if not found:
        problems.append(Problem(shown(folder), "holds no client: add <slug>.yml, one file per client"))
    return found


def _slug_refusal(slug: str) -> str:
    if slug == derivation.PROVIDER_SCOPE:
        return f"the name '{slug}' is reserved for the provider's own servers: rename the file"
    if not derivation.SLUG.match(slug):
        return f"'{slug}' cannot name a client: use 2 to 31 of a-z, 0-9 and -, starting with a letter"
    return ""


def _check_tier(document: Document, catalogue: Catalogue, problems: list[Problem]) -> None:
    """The tier exists; looked for even in a file that is wrong elsewhere, so that all is told at once."""
    name = document.data.get("tier")
    if isinstance(name, str) and name not in catalogue.tiers:
        message = f"the catalogue has no tier '{name}'{suggestion(name, catalogue.tiers)}"
        problems.append(document.problem(("tier",), message))


def _check_subscription(
    slug: str, client: Client, document: Document, tier: Tier, problems: list[Problem]
) -> None:
    """Every override is allowed and valid, and there is a window when one is needed."""
    problems += _override_problems(slug, client, tier, document)
    needing = sorted(WINDOWED.intersection(tier.services.offered))
    if needing and not client.windows:
        message = (
            f"tier '{tier.name}' has {needing[0]}, which runs in windows only: add at least one, like "
            '{days: [sat], start: "22:00", duration: 4h}'
        )
        problems.append(document.problem(("windows",), message))


def _override_problems(slug: str, client: Client, tier: Tier, document: Document) -> list[Problem]:
    plain = {"services": tier.plain_services, "client_may_override": tier.client_may_override}
    found: list[Problem] = []
    allowed = {}
    for key, value in client.overrides.items():
        try:
            services = derivation.effective_services(plain, {key: value}, slug)
        except derivation.SubscriptionError as error:
            found.append(document.problem(error.keys, str(error), of_key=True))
            continue
        wrong = violations(Services, services)
        found += [document.problem(("overrides", key), message) for _keys, message in wrong]
        allowed[key] = value
    if not found:  # values that are good alone may contradict each other
        wrong = violations(Services, derivation.effective_services(plain, allowed, slug))
        found += [document.problem(("overrides",), message) for _keys, message in wrong]
    return found


def effective_tier(tier: Tier, client: Client) -> Tier:
    """The tier as this client bought it: its overrides applied."""
    plain = {"services": tier.plain_services, "client_may_override": tier.client_may_override}
    services = derivation.effective_services(plain, client.overrides, client.slug)
    return tier.model_copy(update={"services": Services.model_validate(services)}).named(tier.name)


def git_revision(directory: Path) -> str | None:
    """The commit ``directory`` is at, with ``-dirty`` when its files differ from it; None outside Git."""
    commit = _git(directory, "rev-parse", "--verify", "HEAD")
    if not commit:
        return None
    changed = _git(directory, "status", "--porcelain", "--", ".")
    return commit if changed == "" else f"{commit}-dirty"


def _git(directory: Path, *arguments: str) -> str | None:
    # --no-optional-locks: reading must never take the lock of somebody's commit
    command = ["git", "--no-optional-locks", "-C", str(directory), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=20, check=False, env=environment
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
