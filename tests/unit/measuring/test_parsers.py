"""What probes make of the text they read."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ansible_collections.vigie.msp.plugins.module_utils.measuring import (
    access,
    apt_state,
    common,
    monitoring,
    packages,
    processes,
    storage,
    support_dates,
    system,
)

SSHD = "permitrootlogin yes\npasswordauthentication {}\nkbdinteractiveauthentication {}\nusepam yes\n{}"


@pytest.mark.parametrize(
    ("password", "interactive", "more", "expected"),
    [
        ("yes", "no", "", True),
        ("no", "no", "", False),
        ("no", "yes", "", True),
        ("yes", "no", "authenticationmethods publickey", False),
        ("yes", "no", "authenticationmethods publickey,password publickey", False),
        ("yes", "no", "authenticationmethods publickey password", True),
        ("yes", "no", "authenticationmethods any", True),
    ],
)
def test_ssh_passwords(password, interactive, more, expected):
    assert access.accepts_passwords(access.ssh_settings(SSHD.format(password, interactive, more))) is expected


def test_empty_sshd_output_is_no_configuration():
    with pytest.raises(common.ProbeError):
        access.ssh_settings("")


def test_listening_sockets_leave_loopback_out():
    text = (
        "  sl  local_address rem_address   st\n"
        "   0: 00000000:0016 00000000:0000 0A 0\n"
        "   1: 0100007F:0CEA 00000000:0000 0A 0\n"
        "   2: 0100007F:0CEA 0200007F:9999 01 0\n"
    )
    assert list(access.parse_sockets(text, "tcp")) == [("tcp", "0.0.0.0", 22)]  # noqa: S104
    six = "   0: 00000000000000000000000001000000:0019 00000000000000000000000000000000:0000 0A 0\n"
    assert list(access.parse_sockets(six, "tcp")) == []
    assert list(access.parse_sockets(six.replace("01000000", "00000000"), "tcp")) == [("tcp", "::", 25)]


def test_one_line_sources():
    text = """\
deb http://a.example/debian bookworm main # comment
# deb http://off.example/ x y
deb-src http://a.example/debian bookworm main
deb [arch=amd64 trusted=yes signed-by=/k.gpg] https://user:secret@b.example/x ./
"""
    first, second = apt_state.one_line_entries(text, "f.list")
    assert (first["uri"], first["suite"], first["trusted"]) == ("http://a.example/debian", "bookworm", False)
    assert (second["uri"], second["trusted"], second["signed_by"]) == ("https://b.example/x", True, "/k.gpg")
    assert "secret" not in str((first, second))


def test_stanza_sources():
    text = """\
Types: deb deb-src
# a comment
URIs: http://a.example/debian
Suites: trixie trixie-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .

Types: deb
URIs: http://b.example
Suites: x
Enabled: no

Types: deb
URIs: http://c.example
Suites: y
Trusted: yes
"""
    entries = apt_state.stanza_entries(text, "f.sources")
    assert [(e["uri"], e["suite"], e["trusted"]) for e in entries] == [
        ("http://a.example/debian", "trixie", False),
        ("http://a.example/debian", "trixie-updates", False),
        ("http://c.example", "y", True),
    ]
    assert entries[0]["signed_by"] == "a key inside the file"


@pytest.mark.parametrize(
    ("uri", "suite", "expected"),
    [
        ("http://deb.debian.org/debian", "bookworm", "deb.debian.org_debian_dists_bookworm"),
        ("http://deb.debian.org/debian/", "a/updates", "deb.debian.org_debian_dists_a_updates"),
        ("https://u:p@r.example:8080/a_b", "x", "r.example:8080_a%5fb_dists_x"),
        ("http://r.example/flat", "./", "r.example_flat_."),
    ],
)
def test_names_of_lists(uri, suite, expected):
    assert apt_state.list_name(uri, suite) == expected


def test_simulated_updates_are_read():
    line = (
        "Inst openssl [3.0.15-1] (3.0.16-1 Debian:12.11/stable, Debian-Security:12/stable-security [amd64])\n"
        "Inst new-package (1.0 Debian:12.11/stable [amd64])\n"
    )
    match = packages.SIMULATED.match(line)
    entry = packages._simulated(match, {("openssl", "3.0.16-1"): "http://m/o.deb"}, {"openssl"})
    assert (entry["name"], entry["from"], entry["to"]) == ("openssl", "3.0.15-1", "3.0.16-1")
    assert (entry["security"], entry["held"], entry["uri"]) == (True, True, "http://m/o.deb")
    assert packages.SIMULATED.match(line.splitlines()[1]) is None


def test_summary_counts_what_has_no_date():
    rows = [("a", True, "2026-01-02T00:00:00Z"), ("b", True, None), ("c", True, "2026-01-01T00:00:00Z")]
    found = packages.summarise([{"name": n, "security": s, "available": a} for n, s, a in rows])
    expected = {"count": 3, "undated": 1, "oldest": "2026-01-01T00:00:00Z", "oldest_name": "c"}
    assert found["security"] == expected
    assert found["other"]["count"] == 0


def test_security_suites():
    assert packages.is_security("oldstable-security")
    assert packages.is_security("jammy-apps-security")
    assert not packages.is_security("bookworm-updates")
    assert packages.same_release("12.5", "12")
    assert not packages.same_release("121", "12")
    assert not packages.same_release("12", "")


def test_replaced_code_is_seen_and_other_deleted_files_are_not():
    maps = """\
7f00-7f01 r-xp 00000000 00:1b 123   /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)
7f01-7f02 r--p 00000000 00:1b 123   /usr/lib/x86_64-linux-gnu/libdata.so.3 (deleted)
7f02-7f03 r-xp 00000000 00:1b 123   /tmp/jit (deleted)
7f03-7f04 r-xp 00000000 00:1b 123   /usr/lib/x86_64-linux-gnu/libc.so.6
"""
    assert processes.CODE.findall(maps) == ["/usr/lib/x86_64-linux-gnu/libssl.so.3"]


def test_metrics_of_something_else_are_no_agent():
    assert monitoring.metrics_summary("go_threads 7\n")["answers"] is False
    page = "# HELP node_load1 x\nnode_load1 0.1\nnode_textfile_scrape_error 1\n"
    assert monitoring.metrics_summary(page) == {
        "answers": True,
        "reason": None,
        "node_metrics": 2,
        "textfile_errors": 1,
    }


def test_mount_points_with_spaces():
    line = "/dev/sda1 /srv/a\\040b ext4 rw,relatime 0 0\n"
    assert list(storage.mounts(line)) == [("/srv/a b", "ext4", ["rw", "relatime"])]


def test_the_newest_kernel_by_debian_version(monkeypatch):
    newer = {("6.1.10-1", "6.1.9-1"), ("6.1.10-1", "6.1.8-1"), ("6.1.9-1", "6.1.8-1")}
    monkeypatch.setattr(system, "_is_newer", lambda one, other: (one[1], other[1]) in newer)
    installed = [("a", "6.1.9-1"), ("b", "6.1.10-1"), ("c", "6.1.8-1")]
    assert system._newest(installed) == ("b", "6.1.10-1")


@pytest.fixture
def machine(monkeypatch):
    """A machine with a Debian kernel of its own."""
    monkeypatch.setattr(system, "in_container", lambda: None)
    monkeypatch.setattr(system, "_running_kernel", lambda: ("6.1.9-1", True))
    return monkeypatch


def test_an_outdated_kernel_is_a_group_of_one(machine):
    machine.setattr(system, "_installed_kernels", lambda: [("linux-image-x", "6.1.10-1")])
    found = system.kernel()
    assert (found["count"], found["current"], found["undated"]) == (1, False, 1)
    machine.setattr(system, "_installed_kernels", lambda: [("linux-image-x", "6.1.9-1")])
    assert (system.kernel()["count"], system.kernel()["current"]) == (0, True)


def test_a_removed_kernel_package_is_not_called_fine(machine):
    machine.setattr(system, "_installed_kernels", list)
    with pytest.raises(common.ProbeError):
        system.kernel()


def test_a_kernel_no_package_provides_does_not_apply(machine):
    machine.setattr(system, "_running_kernel", lambda: ("6.18-fc", False))
    machine.setattr(system, "_installed_kernels", lambda: [("linux-image-x", "6.1.9-1")])
    assert "absent" in system.kernel()


def test_a_required_restart_has_a_date(tmp_path, monkeypatch):
    monkeypatch.setattr(system, "RESTART_FLAG", str(tmp_path / "reboot-required"))
    assert system.restart()["count"] == 0
    (tmp_path / "reboot-required").touch()
    (tmp_path / "reboot-required.pkgs").write_text("libc6\nlibc6\n")
    found = system.restart()
    assert (found["count"], found["undated"], found["reasons"]) == (1, 0, ["libc6"])
    assert found["oldest"].endswith("Z")


def test_support_dates_are_those_of_debian():
    assert support_dates.support_of("debian", "11") == ("bullseye", "2026-08-31", "lts")
    assert support_dates.support_of("debian", "13") == ("trixie", "2030-06-30", "lts")
    assert support_dates.support_of("debian", "") is None
    path = Path("/usr/share/distro-info/debian.csv")
    if not path.exists():
        pytest.skip("distro-info-data is not installed")
    with path.open() as stream:
        published = {row["version"]: row for row in csv.DictReader(stream)}
    for (system_id, version), (codename, _standard, longterm) in support_dates.RELEASES.items():
        if system_id == "debian":
            assert published[version]["series"] == codename
            assert published[version]["eol-lts"] == longterm


def test_a_missing_program_a_bad_status_and_a_hang_are_probe_errors():
    for argv, words in (
        (["/nonexistent/x"], "not installed"),
        (["false"], "status 1"),
        (["sleep", "5"], "did not end"),
    ):
        with pytest.raises(common.ProbeError, match=words):
            common.run(argv, seconds=0.2)
