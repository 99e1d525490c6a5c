"""The smaller parts: accounts, receipts, packages, placing restored files."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vigie.msp.plugins.module_utils import backup_placing as placing
from ansible_collections.vigie.msp.plugins.module_utils.bcrypt_accounts import libcrypt, plan
from ansible_collections.vigie.msp.plugins.module_utils.debian_archive import PackageError, fetch, member

names = st.text("abcdefghij.-_", min_size=1, max_size=8)
salts = iter(range(10**9))


def hashed(password: str, setting: str) -> str:
    salt = setting.split("$")[3]
    return f"$2b$08${salt}${hashlib.sha256((salt + password).encode()).hexdigest()}"


def setting() -> str:
    return f"$2b$08${next(salts)}"


@given(st.dictionaries(names, st.text("abc", min_size=1)), st.dictionaries(names, st.text("abc", min_size=1)))
def test_accounts_become_exactly_the_declared_ones(before, after):
    old = plan("", before, hashed, setting)
    new = plan(old.text, after, hashed, setting)
    assert set(new.added) == set(after) - set(before)
    assert set(new.removed) == set(before) - set(after)
    assert set(new.changed) == {name for name in set(before) & set(after) if before[name] != after[name]}
    again = plan(new.text, after, hashed, setting)
    assert again == (new.text, (), (), ())


def test_libcrypt_hashes_and_verifies():
    real, new_setting = libcrypt()
    stored = real("secret", new_setting())
    assert stored.startswith("$2b$08$")
    assert len(stored) == 60
    assert real("secret", stored) == stored
    assert real("other", stored) != stored


def package(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo("./" + name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    parts = [(b"debian-binary", b"2.0\n"), (b"control.tar.xz", b"odd"), (b"data.tar.xz", data.getvalue())]
    made = b"!<arch>\n"
    for name, content in parts:
        made += name.ljust(16) + b"0".ljust(12) + b"0".ljust(6) * 2 + b"100644".ljust(8)
        made += str(len(content)).encode().ljust(10) + b"`\n" + content + b"\n" * (len(content) % 2)
    return made


def test_a_file_is_taken_out_of_a_package():
    assert member(package({"usr/bin/restic": b"program"}), "usr/bin/restic") == b"program"


@pytest.mark.parametrize(
    "content", [b"", b"<html>not found</html>", b"!<arch>\n", package({"usr/bin/other": b""})[:-40]]
)
def test_what_is_no_package_is_an_error(content):
    with pytest.raises(PackageError):
        member(content, "usr/bin/restic")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://127.0.0.1:1/x.deb"])
def test_what_cannot_be_fetched_is_an_error(url):
    with pytest.raises(PackageError):
        fetch(url, "0" * 64)


def test_receipts_are_the_servers_own_times(load, tmp_path):
    receipts = load("roles/backup_server/files/receipts.py")
    snapshots = tmp_path / "acme.web" / "snapshots"
    snapshots.mkdir(parents=True)
    (tmp_path / "acme.empty").mkdir()
    name = "ab" * 32
    (snapshots / name).write_text("x")
    (snapshots / "tmp-upload").write_text("x")
    os.utime(snapshots / name, (0, 86400))
    (tmp_path / "acme.web" / "config").write_text("x")
    os.utime(tmp_path / "acme.web" / "config", (0, 3600))
    assert receipts.main(str(tmp_path)) == 0
    written = tmp_path / "acme.web" / "receipts" / "config"
    assert json.loads(written.read_text()) == {
        "version": 1,
        "created": "1970-01-01T01:00:00Z",
        "snapshots": {name: "1970-01-02T00:00:00Z"},
    }
    assert not receipts.one_pass(str(tmp_path))
    (snapshots / ("cd" * 32)).write_text("x")
    os.utime(snapshots)
    assert receipts.one_pass(str(tmp_path))
    assert len(json.loads(written.read_text())["snapshots"]) == 2
    assert not (tmp_path / "acme.empty" / "receipts").exists()


@pytest.fixture
def tree(tmp_path: Path) -> tuple[str, str]:
    scratch, root = tmp_path / "scratch", tmp_path / "root"
    (scratch / "etc" / "app").mkdir(parents=True)
    (scratch / "etc" / "app" / "a.conf").write_text("right")
    (scratch / "etc" / "app" / "link").symlink_to("a.conf")
    (scratch / "etc" / "app" / "a.conf").chmod(0o640)
    root.mkdir()
    return str(scratch), str(root)


def put_back(scratch: str, root: str, saved: str) -> list[str]:
    found = list(placing.differences(scratch, "/etc/app", root))
    for difference in found:
        placing.save(difference, saved)
        placing.place(difference, scratch)
    return [difference.path[len(root) :] for difference in found]


def test_a_lost_tree_comes_back_with_its_rights(tree, tmp_path):
    scratch, root = tree
    paths = put_back(scratch, root, str(tmp_path / "saved"))
    assert paths == ["/etc/app", "/etc/app/a.conf", "/etc/app/link"]
    back = Path(root, "etc/app/a.conf")
    assert back.read_text() == "right"
    assert back.stat().st_mode & 0o777 == 0o640
    assert Path(root, "etc/app/link").readlink() == Path("a.conf")
    assert put_back(scratch, root, str(tmp_path / "saved")) == []
    assert not Path(tmp_path, "saved").exists()


def test_only_what_differs_is_replaced_and_kept(tree, tmp_path):
    scratch, root = tree
    put_back(scratch, root, "/unused")
    changed, own = Path(root, "etc/app/a.conf"), Path(root, "etc/app/own.conf")
    changed.write_text("wrong")
    own.write_text("own")
    assert put_back(scratch, root, str(tmp_path / "saved")) == ["/etc/app/a.conf"]
    assert changed.read_text() == "right"
    assert own.read_text() == "own"
    assert Path(f"{tmp_path}/saved{changed}").read_text() == "wrong"


def test_a_changed_mode_alone_is_a_difference(tree):
    scratch, root = tree
    put_back(scratch, root, "/unused")
    Path(root, "etc/app/a.conf").chmod(0o600)
    (difference,) = placing.differences(scratch, "/etc/app", root)
    assert difference.before != difference.after


def test_a_directory_in_a_files_place_is_refused(tree):
    scratch, root = tree
    Path(root, "etc/app/a.conf").mkdir(parents=True)
    with pytest.raises(placing.PlacingError, match="move it away"):
        put_back(scratch, root, "/unused")


def test_nothing_is_written_through_a_parent_that_became_a_link(tree, tmp_path):
    scratch, root = tree
    put_back(scratch, root, "/unused")
    victim = Path(root, "victim")
    victim.mkdir()
    (victim / "a.conf").write_text("precious")
    Path(root, "etc/app").rename(Path(root, "etc/old"))
    Path(root, "etc/app").symlink_to(victim)
    with pytest.raises(placing.PlacingError, match=r"/etc/app is a directory .* link to .*/victim"):
        list(placing.differences(scratch, "/etc/app/a.conf", root))
    with pytest.raises(placing.PlacingError, match="not on the host"):
        list(placing.differences(scratch, "/etc/app", root))
    assert (victim / "a.conf").read_text() == "precious"


def test_a_grandparent_that_became_a_link_is_refused(tree):
    scratch, root = tree
    Path(root, "elsewhere/app").mkdir(parents=True)
    Path(root, "etc").symlink_to("elsewhere")
    with pytest.raises(placing.PlacingError, match="/etc is a directory in the snapshot"):
        list(placing.differences(scratch, "/etc/app/a.conf", root))
    assert list(Path(root, "elsewhere/app").iterdir()) == []


@pytest.mark.parametrize("inner", [True, False])
def test_a_link_put_in_place_after_the_comparison_is_refused(tree, inner):
    scratch, root = tree
    found = list(placing.differences(scratch, "/etc/app/a.conf", root))
    victim = Path(root, "victim")
    (victim / "app").mkdir(parents=True)
    if inner:
        Path(root, "etc").mkdir()
    Path(root, "etc/app" if inner else "etc").symlink_to(victim)
    with pytest.raises(placing.PlacingError, match="symbolic link"):
        placing.place(found[0], scratch)
    assert [path.name for path in victim.rglob("*")] == ["app"]


def test_a_directory_that_became_a_link_after_the_comparison_is_refused(tree):
    scratch, root = tree
    found = list(placing.differences(scratch, "/etc/app", root))
    victim = Path(root, "victim")
    victim.mkdir(mode=0o711)
    Path(root, "etc").mkdir()
    Path(root, "etc/app").symlink_to(victim)
    with pytest.raises(placing.PlacingError, match="symbolic link"):
        placing.place(found[0], scratch)
    assert victim.stat().st_mode & 0o777 == 0o711


def test_a_file_in_the_place_of_a_parent_is_refused(tree):
    scratch, root = tree
    Path(root, "etc").write_text("a file")
    (found, *_) = placing.differences(scratch, "/etc/app/a.conf", root)
    with pytest.raises(placing.PlacingError, match="move it away first"):
        placing.place(found, scratch)


def test_a_link_as_target_directory_is_the_operators_choice(tree, tmp_path):
    scratch, root = tree
    (tmp_path / "short").symlink_to(root)
    (found,) = placing.differences(scratch, "/etc/app/a.conf", str(tmp_path / "short"))
    placing.place(found, scratch)
    assert Path(root, "etc/app/a.conf").read_text() == "right"
    assert not list(Path(root, "etc/app").glob(".vigie-*"))
