"""Which updates a scope asks for; what apt makes of them is tested on real hosts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.vigie.msp.plugins.module_utils.apt_plan import Update, choose, is_security_file


def version(text: str) -> Any:
    return SimpleNamespace(ver_str=text)


def update(
    name: str = "openssl",
    candidate: str | None = "1.2",
    security: str | None = "1.1",
    pinned: bool = False,
    held: bool = False,
) -> Update:
    package = SimpleNamespace(get_fullname=lambda pretty: name if pretty else f"{name}:amd64")
    return Update(
        package, name, "1.0", candidate and version(candidate), security and version(security), pinned, held
    )


def chosen(
    found: list[Update], scope: str, exclude: tuple[str, ...] = ()
) -> tuple[list[str], dict[str, str]]:
    targets, withheld = choose(found, scope, exclude)
    return [target.argument for target in targets], withheld


def test_security_takes_the_security_version() -> None:
    assert chosen([update()], "security") == (["openssl:amd64=1.1"], {})


def test_all_takes_the_version_apt_prefers() -> None:
    assert chosen([update()], "all") == (["openssl:amd64=1.2"], {})


def test_security_leaves_other_updates_alone_and_says_nothing_of_them() -> None:
    assert chosen([update(security=None), update("held", security=None, held=True)], "security") == ([], {})


@pytest.mark.parametrize("scope", ["security", "all"])
def test_a_held_package_is_withheld(scope: str) -> None:
    assert chosen([update(held=True)], scope) == ([], {"openssl": "held (apt-mark hold)"})


def test_an_excluded_package_is_withheld() -> None:
    arguments, withheld = chosen([update(), update("curl")], "all", ("open*",))
    assert arguments == ["curl:amd64=1.2"]
    assert withheld == {"openssl": "excluded by patch_baseline_exclude"}


@pytest.mark.parametrize("scope", ["security", "all"])
def test_a_security_update_that_pins_forbid_is_reported(scope: str) -> None:
    pinned = update(candidate=None, pinned=True)
    assert chosen([pinned], scope) == ([], {"openssl": "pinned by apt preferences"})


@pytest.mark.parametrize(
    ("archive", "codename", "security"),
    [
        ("oldstable-security", "bookworm-security", True),
        ("noble-security", "noble", True),
        ("mirror", "bookworm-security", True),
        ("stable", "trixie", False),
        ("security-tools", None, False),
        ("", None, False),
    ],
)
def test_archives_are_known_by_their_name(archive: str, codename: str | None, security: bool) -> None:
    entry = SimpleNamespace(archive=archive, codename=codename)
    assert is_security_file(entry, ("*-security",)) is security
