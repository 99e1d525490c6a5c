# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Until when each release gets security updates. Shipped with us: a host's own copy goes stale with the host.

Taken from debian.csv (columns eol and eol-lts) and ubuntu.csv (eol, eol-server) of Debian's package
distro-info-data; ELTS and ESM are paid subscriptions this file cannot know of, so they do not count.
tests/unit/measuring compares the dates with the package when it is installed.
"""

from __future__ import annotations

DATA = "distro-info-data 0.58+deb12u7"

RELEASES = {
    # (id, version): (codename, end of standard support, end of long-term support)
    ("debian", "9"): ("stretch", "2020-07-18", "2022-06-30"),
    ("debian", "10"): ("buster", "2022-09-10", "2024-06-30"),
    ("debian", "11"): ("bullseye", "2024-08-14", "2026-08-31"),
    ("debian", "12"): ("bookworm", "2026-07-11", "2028-06-30"),
    ("debian", "13"): ("trixie", "2028-08-09", "2030-06-30"),
    ("ubuntu", "18.04"): ("bionic", "2023-05-31", None),
    ("ubuntu", "18.10"): ("cosmic", "2019-07-18", None),
    ("ubuntu", "19.04"): ("disco", "2020-01-23", None),
    ("ubuntu", "19.10"): ("eoan", "2020-07-17", None),
    ("ubuntu", "20.04"): ("focal", "2025-05-29", None),
    ("ubuntu", "20.10"): ("groovy", "2021-07-22", None),
    ("ubuntu", "21.04"): ("hirsute", "2022-01-20", None),
    ("ubuntu", "21.10"): ("impish", "2022-07-14", None),
    ("ubuntu", "22.04"): ("jammy", "2027-06-01", None),
    ("ubuntu", "22.10"): ("kinetic", "2023-07-20", None),
    ("ubuntu", "23.04"): ("lunar", "2024-01-25", None),
    ("ubuntu", "23.10"): ("mantic", "2024-07-11", None),
    ("ubuntu", "24.04"): ("noble", "2029-05-31", None),
    ("ubuntu", "24.10"): ("oracular", "2025-07-10", None),
    ("ubuntu", "25.04"): ("plucky", "2026-01-15", None),
    ("ubuntu", "25.10"): ("questing", "2026-07-09", None),
    ("ubuntu", "26.04"): ("resolute", "2031-05-29", None),
    ("ubuntu", "26.10"): ("stonking", "2027-07-15", None),
}


def support_of(system, version):
    """``(codename, supported until, kind)`` of a release; kind is "standard" or "lts". None when unknown."""
    if (system, version) not in RELEASES:
        return None
    codename, standard, longterm = RELEASES[system, version]
    return (codename, longterm, "lts") if longterm else (codename, standard, "standard")
