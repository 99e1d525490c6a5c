"""Dating updates: from real HTTP answers, cached, bounded, and never from where a host should not send us."""

from __future__ import annotations

import contextlib
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ansible_collections.vigie.msp.plugins.module_utils import package_dates as dates

BUILT = 1760000000
MEMBER = b"debian-binary   " + str(BUILT).encode().ljust(12) + b"0     0     100644  4         `\n"
DEB = (b"!<arch>\n" + MEMBER).ljust(200, b"x")


class Mirror(BaseHTTPRequestHandler):
    """Serves one package, and several ways of not doing so."""

    def do_GET(self):
        self.server.asked.append((self.path, self.headers["Range"]))
        if self.path.startswith("/slow"):
            time.sleep(5)
        if self.path.startswith("/away"):
            self.send_response(302)
            self.send_header("Location", self.server.elsewhere)
            self.end_headers()
            return
        found = not self.path.startswith("/gone")
        body = b"<html>" * 50 if self.path.startswith("/html") else DEB
        self.send_response(206 if found else 404)
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(body if found else b"")

    def log_message(self, *args):
        """Silent."""


@pytest.fixture
def mirror():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.daemon_threads = True
    server.asked, server.elsewhere = [], "http://169.254.169.254/latest/x.deb"
    server.root = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


ask = partial(dates.fetch_build_time, private=True)


def updates(*uris):
    packages = [{"name": f"p{n}", "security": True, "uri": uri} for n, uri in enumerate(uris)]
    group = {"count": len(packages), "undated": len(packages), "oldest": None, "oldest_name": None}
    value = {"security": group, "other": {**group, "count": 0, "undated": 0}, "packages": packages}
    return [{"name": "packages.updates", "value": value}]


def dated(tmp_path, *uris, fetch=ask, seconds=5.0):
    found = updates(*uris)
    dates.date_updates(found, dates.Cache(str(tmp_path)), fetch=fetch, seconds=seconds)
    return found[0]["value"]


def test_the_header_of_a_package_is_read_with_a_range(mirror, tmp_path):
    value = dated(tmp_path, mirror.root + "/a.deb")
    assert value["packages"][0]["available"] == "2025-10-09T08:53:20Z"
    assert value["packages"][0]["basis"] == "package_build"
    assert value["security"] == {
        "count": 1,
        "undated": 0,
        "oldest": "2025-10-09T08:53:20Z",
        "oldest_name": "p0",
    }
    assert mirror.asked == [("/a.deb", "bytes=0-131")]


def test_answers_are_kept(mirror, tmp_path):
    for _time in range(3):
        dated(tmp_path, mirror.root + "/a.deb")
    assert len(mirror.asked) == 1


def test_one_package_gone_or_odd_leaves_the_others(mirror, tmp_path):
    value = dated(tmp_path, *(mirror.root + path for path in ("/gone.deb", "/html.deb", "/a.deb")))
    assert [package["basis"] for package in value["packages"]] == ["unknown", "unknown", "package_build"]
    assert value["security"]["undated"] == 2


def test_an_unwritable_or_missing_cache_is_no_failure(mirror):
    for directory in ("/proc/nowhere", None, ""):
        found = updates(mirror.root + "/a.deb")
        dates.date_updates(found, dates.Cache(directory), fetch=ask)
        assert found[0]["value"]["security"]["undated"] == 0


def test_a_damaged_cache_entry_is_asked_again(mirror, tmp_path):
    dated(tmp_path, mirror.root + "/a.deb")
    next((tmp_path / "built").iterdir()).write_text("99999999999999")
    assert dated(tmp_path, mirror.root + "/a.deb")["security"]["undated"] == 0
    assert len(mirror.asked) == 2


def test_slow_mirrors_are_given_up_and_left_alone(mirror, tmp_path):
    uris = [f"{mirror.root}/slow{n}.deb" for n in range(60)]
    begun = time.monotonic()
    assert dated(tmp_path, *uris, seconds=3)["security"]["undated"] == 60
    assert time.monotonic() - begun < 4
    begun = time.monotonic()
    dated(tmp_path, *uris)
    assert time.monotonic() - begun < 0.5


def test_a_refused_connection_is_quick(tmp_path):
    begun = time.monotonic()
    assert dated(tmp_path, *(f"http://127.0.0.1:1/{n}.deb" for n in range(50)))["security"]["undated"] == 50
    assert time.monotonic() - begun < 2


def test_concurrent_audits_share_the_cache(mirror, tmp_path):
    uris = [f"{mirror.root}/{n}.deb" for n in range(20)]
    threads = [threading.Thread(target=dated, args=(tmp_path, *uris)) for _n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    before = len(mirror.asked)
    assert dated(tmp_path, *uris)["security"]["undated"] == 0
    assert len(mirror.asked) == before
    assert len(list((tmp_path / "built").iterdir())) == 20


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd.deb",
        "ftp://mirror.example/a.deb",
        "http://127.0.0.1/a.deb",
        "http://[::1]/a.deb",
        "http://[::ffff:127.0.0.1]/a.deb",
        "http://169.254.169.254/latest/a.deb",
        "http://192.0.2.1/latest/meta-data",
        "http://192.0.2.1/a.deb?token=1",
        "http://user@192.0.2.1/a.deb",
        "http:///a.deb",
        "a.deb",
    ],
)
def test_addresses_a_hostile_host_may_send_are_refused(uri):
    with pytest.raises(dates.RefusedError):
        dates.check_address(uri)


def test_a_redirect_to_a_local_address_is_refused(mirror, monkeypatch):
    allowed = dates.check_address
    monkeypatch.setattr(
        dates, "check_address", lambda uri, _private=False: allowed(uri, private="127.0.0.1" in uri)
    )
    with pytest.raises(dates.RefusedError):
        dates.fetch_build_time(mirror.root + "/away.deb")
    assert len(mirror.asked) == 1


@pytest.mark.parametrize(
    "header",
    [b"", b"!<arch>\n", DEB[:30], DEB.replace(str(BUILT).encode(), b"0         "),
     DEB.replace(str(BUILT).encode(), b"9999999999"), DEB.replace(str(BUILT).encode(), b"-760000000"),
     DEB.replace(b"debian-binary", b"other-thing__")],
)  # fmt: skip
def test_only_plausible_times_are_taken(header):
    assert dates.build_time(header) is None


@pytest.mark.parametrize(
    "value",
    [None, [], {"packages": 3}, {"packages": [3]}, {"packages": [{"name": "a", "security": 1, "uri": None}]},
     {"packages": [{"name": "a", "security": True, "uri": 7}]}],
)  # fmt: skip
def test_odd_measurements_are_left_alone(value, tmp_path):
    measurement = {"name": "packages.updates", "value": value}
    dates.date_updates([measurement, {"name": "packages.updates", "error": "x"}], dates.Cache(str(tmp_path)))
    assert measurement["value"] == value


def test_a_list_cut_short_keeps_its_counts(mirror, tmp_path):
    found = updates(mirror.root + "/a.deb")
    found[0]["value"]["security"]["count"] = 5000
    dates.date_updates(found, dates.Cache(str(tmp_path)), fetch=ask)
    assert found[0]["value"]["security"] == {"count": 5000, "undated": 1, "oldest": None, "oldest_name": None}
