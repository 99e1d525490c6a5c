"""The provider's files: a sound directory, and every way one can be wrong, with file, line and key."""
# ruff: noqa: E501, ISC004 - a message expected word for word stays on its line

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from vigie.errors import ExitCode, UsageError
from vigie.subscriptions import ConfigurationError, load_provider

Edit = Callable[[str, str, str], None]


def problems(directory: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_provider(directory)
    assert caught.value.exit_code is ExitCode.BAD_INPUT
    return [str(problem) for problem in caught.value.problems]


def test_a_sound_directory(directory: Path) -> None:
    provider = load_provider(directory)
    assert (provider.slug, provider.directory, provider.time_zone) == ("msp", directory, "Europe/Paris")
    assert list(provider.clients) == ["acme", "smith"]
    assert list(provider.catalogue.tiers) == ["unmanaged", "bronze", "silver", "gold"]
    acme, smith = provider.clients["acme"], provider.clients["smith"]
    assert (acme.slug, acme.start, acme.time_zone, acme.language) == (
        "acme",
        date(2026, 1, 15),
        "Europe/Paris",
        "en",
    )
    assert smith.time_zone == "Europe/London"
    gold = provider.catalogue.tiers["gold"]
    assert gold.name == "gold"
    assert gold.cadence("audit") == timedelta(hours=6)
    assert gold.cadence("backup") == timedelta(hours=4)
    assert provider.catalogue.tiers["bronze"].cadence("backup") == timedelta(days=1)
    assert provider.catalogue.tiers["unmanaged"].cadence("patch") is None
    assert gold.monthly_fee.base == Decimal(249)
    assert provider.backup
    assert (provider.backup.port, provider.backup.maintenance_port) == (8000, 8001)


def test_the_backup_run_is_daily_at_most(directory: Path, edit: Edit) -> None:
    edit("catalogue.yml", "every: 24h", "every: 48h")
    assert load_provider(directory).catalogue.tiers["bronze"].cadence("backup") == timedelta(days=1)


CASES = {
    "unknown tier": (
        ("clients/acme.yml", "tier: gold", "tier: goald"),
        "clients/acme.yml:3:7: tier: the catalogue has no tier 'goald'; did you mean 'gold'?",
    ),
    "unknown key": (
        ("clients/acme.yml", "windows:", "widnows:"),
        "clients/acme.yml:8:1: widnows: unknown key 'widnows'; did you mean 'windows'?",
    ),
    "missing key": (
        ("clients/acme.yml", "start: 2026-01-15\n", ""),
        "clients/acme.yml:2:1: start: this key is missing",
    ),
    "invalid time zone": (
        ("clients/smith.yml", "Europe/London", "Europe/Londn"),
        "clients/smith.yml:5:12: time_zone: unknown time zone 'Europe/Londn'; did you mean 'Europe/London'?",
    ),
    "invalid date": (
        ("clients/acme.yml", "2026-01-15", "2026-02-30"),
        "clients/acme.yml:4:8: start: '2026-02-30' is not a date: day is out of range for month",
    ),
    "date in another order": (
        ("clients/acme.yml", "2026-01-15", "15/01/2026"),
        "clients/acme.yml:4:8: start: '15/01/2026' is not a date: write it like 2026-01-15",
    ),
    "window on an unknown day": (
        ("clients/acme.yml", "[tue, thu]", "[tuesday, thu]"),
        "clients/acme.yml:10:12: windows[0].days: unknown day 'tuesday'; did you mean 'tue'?",
    ),
    "window at an unknown time": (
        ("clients/acme.yml", '"22:00"', '"25:00"'),
        "clients/acme.yml:10:31: windows[0].start: '25:00' is not a time of day: write it like \"22:00\"",
    ),
    "window of no length": (
        ("clients/acme.yml", "duration: 4h", "duration: 0h"),
        "clients/acme.yml:10:50: windows[0].duration: must be longer than nothing",
    ),
    "window without start": (
        ("clients/acme.yml", ' start: "22:00",', ""),
        "clients/acme.yml:10:5: windows[0].start: this key is missing",
    ),
    "forbidden override": (
        ("clients/acme.yml", "backup.paths", "patch.scope"),
        "clients/acme.yml:14:3: overrides.patch.scope: this tier does not let a client override 'patch.scope'; "
        "known: audit.every, backup.paths",
    ),
    "misspelt override": (
        ("clients/acme.yml", "backup.paths", "backup.path"),
        "clients/acme.yml:14:3: overrides.backup.path: this tier does not let a client override 'backup.path'; "
        "did you mean 'backup.paths'?",
    ),
    "override with a wrong value": (
        ("clients/acme.yml", "[/etc, /srv, /var/www]", "[etc]"),
        "clients/acme.yml:14:17: overrides.backup.paths: 'etc' must be an absolute path without '..'",
    ),
    "patch tier without window": (
        ("clients/smith.yml", 'windows:\n  - {days: [sun], start: "02:00", duration: 3h}\n', ""),
        "clients/smith.yml:2:1: windows: tier 'bronze' has patch, which runs in windows only: add at least one, "
        'like {days: [sat], start: "22:00", duration: 4h}',
    ),
    "no groups": (
        ("clients/acme.yml", "hosts: [acme]", "hosts: []"),
        "clients/acme.yml:7:8: hosts: must have at least 1 item",
    ),
    "list instead of mapping": (
        ("clients/acme.yml", "  backup.paths: [/etc", "  - [/etc"),
        "clients/acme.yml:14:3: overrides: must be a mapping of keys to values, not a list of 1",
    ),
    "bad e-mail": (
        ("clients/acme.yml", "jane@acme.example", "jane"),
        "clients/acme.yml:6:29: contacts[0].email: 'jane' is not an e-mail address",
    ),
    "unknown language": (
        ("clients/smith.yml", "language: en", "language: de"),
        "clients/smith.yml:6:11: language: 'de' is not known here; known: en, fr",
    ),
    "number as text": (
        ("clients/acme.yml", "ACME Ltd", "42"),
        "clients/acme.yml:2:7: name: must be text, not '42'",
    ),
    "duration without unit": (
        ("catalogue.yml", "security_within: 30d", "security_within: 30"),
        "catalogue.yml:30:26: tiers.bronze.services.patch.security_within: '30' is not a duration: write a number "
        "and s, m, h, d or w, like 30d",
    ),
    "unknown service": (
        ("catalogue.yml", "      drill: {every: 365d}", "      dril: {every: 365d}"),
        "catalogue.yml:44:7: tiers.bronze.services.dril: unknown key 'dril'; did you mean 'drill'?",
    ),
    "unknown setting": (
        ("catalogue.yml", "index_age: 3d", "index_aeg: 3d"),
        "catalogue.yml:40:9: tiers.bronze.services.audit.index_aeg: unknown key 'index_aeg'; did you mean 'index_age'?",
    ),
    "unknown scope": (
        ("catalogue.yml", "scope: security", "scope: securty"),
        "catalogue.yml:29:16: tiers.bronze.services.patch.scope: 'securty' is not known here; did you mean 'security'?",
    ),
    "yes is a word": (
        ("catalogue.yml", "emergency: true", "emergency: yes"),
        "catalogue.yml:87:20: tiers.gold.services.patch.emergency: input should be a valid boolean, not 'yes'",
    ),
    "unknown overridable key": (
        ("catalogue.yml", "client_may_override: [backup.paths]", "client_may_override: [backup.pahts]"),
        "catalogue.yml:24:27: tiers.bronze.client_may_override[0]: 'backup.pahts' is no key of this tier's services; "
        "did you mean 'backup.paths'?",
    ),
    "dead before the next scrape": (
        ("catalogue.yml", "declared_dead_after: 10m", "declared_dead_after: 60s"),
        "catalogue.yml:26:16: tiers.bronze.services.monitor: declared_dead_after must be longer than scrape_interval",
    ),
    "another version": (
        ("catalogue.yml", "version: 1", "version: 2"),
        "catalogue.yml:7:10: version: '2' is not known here; known: 1",
    ),
    "negative fee": (
        ("catalogue.yml", "{base: 49,", "{base: -1,"),
        "catalogue.yml:22:25: tiers.bronze.monthly_fee.base: input should be greater than or equal to 0, not '-1'",
    ),
    "no backup server": (
        ("provider.yml", "backup:\n  server: backup1", "#\n#"),
        "provider.yml:1:1: backup: tier 'bronze' has backup: say where with 'backup: {server: <inventory host>}'",
    ),
    "one port for both doors": (
        ("provider.yml", "  server: backup1", "  port: 8001\n  server: backup1"),
        "provider.yml:6:3: backup: port and maintenance_port must differ",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_mistake_is_named_with_its_place(directory: Path, edit: Edit, name: str) -> None:
    change, expected = CASES[name]
    edit(*change)
    found = problems(directory)
    assert len(found) == 1, found
    assert found[0].startswith(expected)


def test_all_problems_of_all_files_are_told_together(directory: Path, edit: Edit) -> None:
    edit("provider.yml", "Europe/Paris", "Paris")
    edit("catalogue.yml", "currency: EUR", "currency: euro")
    edit("clients/acme.yml", "start: 2026-01-15", "start: soon")
    edit("clients/smith.yml", "hosts:", "host:")
    files = [problem.split(":")[0] for problem in problems(directory)]
    assert files == [
        "catalogue.yml",
        "clients/acme.yml",
        "clients/smith.yml",
        "clients/smith.yml",
        "provider.yml",
    ]


def test_an_unknown_tier_is_told_beside_other_mistakes(directory: Path, edit: Edit) -> None:
    edit("clients/acme.yml", "tier: gold", "tier: goald")
    edit("clients/acme.yml", "start: 2026-01-15", "start: soon")
    assert [problem.split(": ")[1] for problem in problems(directory)] == ["tier", "start"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("provider", "the name 'provider' is reserved"),
        ("Acme", "'Acme' cannot name a client"),
        ("a", "'a' cannot name a client"),
        ("a_b", "'a_b' cannot name a client"),
    ],
)
def test_slugs(directory: Path, name: str, expected: str) -> None:
    (directory / "clients/acme.yml").rename(directory / f"clients/{name}.yml")
    (found,) = problems(directory)
    assert found.startswith(f"clients/{name}.yml: {expected}")


def test_a_client_file_with_another_extension_is_not_ignored(directory: Path) -> None:
    (directory / "clients/acme.yml").rename(directory / "clients/acme.yaml")
    assert problems(directory) == ["clients/acme.yaml: would be ignored: rename it to acme.yml"]


def test_no_clients(directory: Path) -> None:
    for file in (directory / "clients").iterdir():
        file.unlink()
    assert problems(directory) == ["clients: holds no client: add <slug>.yml, one file per client"]
    (directory / "clients").rmdir()
    assert problems(directory) == ["clients: no such directory: it holds one <slug>.yml per client"]


def test_a_malformed_file_does_not_hide_the_others(directory: Path, edit: Edit) -> None:
    (directory / "clients/acme.yml").write_bytes(b"name: {\n")
    edit("clients/smith.yml", "tier: bronze", "tier: bronce")
    found = problems(directory)
    assert found[0].startswith("clients/acme.yml:2:1: not valid YAML")
    assert found[1].startswith("clients/smith.yml:3:7: tier:")


@pytest.mark.parametrize("name", ["catalogue.yml", "provider.yml", "clients/acme.yml"])
@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"- 1\n", b"a: [", b"a:\n\tb: 1", b"a: 1\na: 2\n", b"null"]
)
def test_malformed_corpus(directory: Path, name: str, content: bytes) -> None:
    (directory / name).write_bytes(content)
    assert any(problem.startswith(name) for problem in problems(directory))


def test_not_a_providers_directory(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(UsageError) as caught:
            load_provider(path)
        assert "--inventory" in caught.value.hint
        assert "VIGIE_INVENTORY" in caught.value.hint


def test_a_directory_whose_name_cannot_be_a_slug(directory: Path) -> None:
    renamed = directory.rename(directory.parent / "my company")
    with pytest.raises(UsageError, match="'my company' cannot be the provider's short name"):
        load_provider(renamed)


def test_the_revision_is_the_commit_and_says_when_it_is_not(directory: Path, edit: Edit) -> None:
    assert load_provider(directory).revision is None
    git = ["git", "-C", str(directory), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *command], check=True, timeout=30)
    commit = subprocess.run(
        [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert load_provider(directory).revision == commit
    edit("clients/acme.yml", "ACME Ltd", "ACME plc")
    assert load_provider(directory).revision == f"{commit}-dirty"
