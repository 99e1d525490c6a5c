# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The provider's side of one host's repository: make it, measure it, apply the retention.

Everything goes through the maintenance listener; a host's own credential can do none of this.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from datetime import datetime, timedelta
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

from ansible_collections.vigie.msp.plugins.module_utils import backup_identity as identity
from ansible_collections.vigie.msp.plugins.module_utils import backup_restic as restic
from ansible_collections.vigie.msp.plugins.module_utils.backup_server_api import ServerApi, iso, parse_time

CLOCK_TOLERANCE = timedelta(hours=1)
"""A snapshot later than the server's clock by more than this is dated in the future."""

BACKDATE_TOLERANCE = timedelta(days=2)
"""A snapshot is received when its backup ends. Later than this after its own time, the time was invented."""

LOCK_PATIENCE = "2m"


class Snapshot(NamedTuple):
    """One snapshot, as restic lists it."""

    id: str
    time: datetime
    paths: tuple[str, ...]
    rewritten: bool
    """Whether it is a changed copy of another one (``restic rewrite``, ``tag``), which Vigie never makes."""

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Snapshot":
        """From one entry of ``restic snapshots --json``."""
        return cls(
            entry["id"], parse_time(entry["time"]), tuple(entry.get("paths") or ()), "original" in entry
        )


class Forgetting(NamedTuple):
    """What the retention keeps and removes."""

    keep: tuple[Snapshot, ...]
    remove: tuple[Snapshot, ...]


@contextlib.contextmanager
def alone(access: restic.Access) -> Iterator[None]:
    """Let one process of this controller work on a repository at a time.

    Two concurrent ``restic init`` can leave an unusable repository although one of them reports success.
    """
    os.makedirs(access.cache_dir, mode=0o700, exist_ok=True)
    with open(os.path.join(access.cache_dir, access.account + ".lock"), "w", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


class Made(NamedTuple):
    """What became of the repository."""

    made: bool
    """Whether it was missing and had to be made."""
    given_up: str | None = None
    """Id of the one that the host had before, when its loss was accepted now."""


def initialise(
    access: restic.Access, api: ServerApi, deadline: float, dry_run: bool, accept_lost: bool = False
) -> Made:
    """Make the repository when the server says that there is none, and remember which one the host has.

    Any other answer (unreachable, refused, wrong certificate, a damaged repository) is an error and makes
    nothing.

    Raises:
        ResticError: ``lost_repository``: the host had another one, and ``accept_lost`` was not given.
    """
    known = identity.read(access)
    made = not api.exists()
    if made and known and not accept_lost:
        raise identity.lost(access, known)
    if made and dry_run:
        return Made(True, known.id if known else None)
    if made:
        restic.call(access, ["init", "--json"], deadline)
    found = identity.present(access, api, known, deadline)
    replaced = known.id if known and known.id != found.id else None
    if known and replaced and not accept_lost:
        raise identity.other(access, known, found)
    if found != known and not dry_run:
        identity.write(access, found)
    return Made(made, replaced)


def snapshots(access: restic.Access, api: ServerApi, deadline: float) -> tuple[Snapshot, ...]:
    """The repository's snapshots.

    Raises:
        ResticError: restic cannot read all that the server has (``damaged``), or fails.
    """
    with all_readable(api) as found:
        result = restic.call(access, ["snapshots", "--json", "--no-lock"], deadline)
        found += [Snapshot.of(entry) for entry in _array(result, "snapshots")]
    return tuple(found)


@contextlib.contextmanager
def all_readable(api: ServerApi) -> Iterator[list[Snapshot]]:
    """Hold the list that restic gives against the server's files.

    restic leaves a corrupt snapshot file out and ends with 0. Files are counted before and after, so that a
    backup that ends meanwhile is not taken for damage.
    """
    before = set(api.names("snapshots"))
    found: list[Snapshot] = []
    yield found
    lost = sorted((before & set(api.names("snapshots"))) - {snapshot.id for snapshot in found})
    if lost:
        raise restic.ResticError(
            "damaged",
            "restic cannot read %d of the server's snapshot files (first: %s): the "
            "repository is damaged; run restic check" % (len(lost), lost[0][:8]),
        )


def _array(result: restic.Result, command: str) -> list[Any]:
    """The JSON array that restic printed."""
    for line in result.stdout.splitlines():
        with contextlib.suppress(ValueError):
            parsed = json.loads(line)
            if isinstance(parsed, list):
                return parsed
    raise restic.ResticError("failed", "restic %s ended with 0 but printed no list" % command)


def measure(access: restic.Access, deadline: float) -> dict[str, Any]:
    """The value of the measurement ``backup.repository`` (docs/interfaces.md).

    Raises:
        ResticError: The repository is not there, is not the one the host had, or cannot be read: there is no
            value then.
    """
    restic.probe(access.url)
    with ServerApi(access) as api:
        if not api.exists():
            known = identity.read(access)
            if known:
                raise identity.lost(access, known)
            raise restic.ResticError(
                "no_repository", "account %s has no repository on %s" % (access.account, access.url)
            )
        identity.require_same(access, api, deadline)
        found = snapshots(access, api, deadline)
        received = api.received(snapshot.id for snapshot in found) if found else {}
        created = api.created()
    shown = iso(created) if created else None
    if not found:
        return {"snapshots": 0, "latest": None, "oldest_received": None, "created": shown}
    latest = max(found, key=lambda snapshot: received[snapshot.id])
    return {
        "snapshots": len(found),
        "latest": {
            "id": latest.id,
            "time": iso(latest.time),
            "received": iso(received[latest.id]),
            "paths": list(latest.paths),
        },
        "oldest_received": iso(min(received.values())),
        "created": shown,
    }


def retention_arguments(retention: Mapping[str, int]) -> list[str]:
    """``restic forget`` arguments of a retention in days.

    Only rules within a duration: a compromised host can add snapshots with any date but remove none, and
    rules that count snapshots (``--keep-daily 7``) would then drop the genuine ones. For the same reason
    nothing at all is dropped within the ``daily`` days, rather than all but one of each day.
    """
    arguments = []
    for key, flag in (
        ("daily", "--keep-within"),
        ("monthly", "--keep-within-monthly"),
        ("yearly", "--keep-within-yearly"),
    ):
        if retention.get(key):
            arguments += [flag, "%dd" % retention[key]]
    return arguments


def plan_forgetting(
    access: restic.Access, api: ServerApi, retention: Mapping[str, int], deadline: float
) -> Forgetting:
    """Ask restic what the retention would remove."""
    keep: list[Snapshot] = []
    remove: list[Snapshot] = []
    with all_readable(api) as found:
        # One group: by default a changed list of paths starts a new group, and the last snapshots of the old
        # one would stay for ever.
        result = restic.call(
            access,
            ["forget", "--json", "--no-lock", "--dry-run", "--group-by", "", *retention_arguments(retention)],
            deadline,
        )
        for group in _array(result, "forget"):
            keep += [Snapshot.of(entry) for entry in group.get("keep") or ()]
            remove += [Snapshot.of(entry) for entry in group.get("remove") or ()]
        found += [*keep, *remove]
    return Forgetting(tuple(keep), tuple(remove))


def anomalies(found: Sequence[Snapshot], received: Mapping[str, datetime], now: datetime) -> list[str]:
    """Signs that someone plays with the snapshots' times, under which nothing may be forgotten."""
    signs = []
    for snapshot in found:
        name = snapshot.id[:8]
        if snapshot.time > now + CLOCK_TOLERANCE:
            signs.append("%s is dated in the future (%s)" % (name, iso(snapshot.time)))
        elif received[snapshot.id] - snapshot.time > BACKDATE_TOLERANCE:
            signs.append(
                "%s is dated %s but arrived %s" % (name, iso(snapshot.time), iso(received[snapshot.id]))
            )
        if snapshot.rewritten:
            signs.append("%s is an altered copy of another snapshot" % name)
    return signs


def apply_retention(
    access: restic.Access, api: ServerApi, retention: Mapping[str, int], deadline: float, dry_run: bool
) -> Forgetting:
    """Forget what the retention no longer keeps, and free its space.

    Raises:
        ResticError: ``anomaly``: the snapshots look tampered with; ``locked``: a backup is running, try again
            later.
    """
    plan = plan_forgetting(access, api, retention, deadline)
    if not plan.remove:
        return plan
    everything = (*plan.keep, *plan.remove)
    signs = anomalies(everything, api.received(entry.id for entry in everything), api.now())
    if signs:
        raise restic.ResticError(
            "anomaly",
            "nothing was forgotten, because %s; look at the host first, then remove "
            "the false snapshots by hand with the maintenance account" % "; ".join(signs[:5]),
        )
    if not dry_run:
        restic.call(
            access,
            [
                "forget",
                "--retry-lock",
                LOCK_PATIENCE,
                "--prune",
                "--quiet",
                *(entry.id for entry in plan.remove),
            ],
            deadline,
        )
        # A server that refuses deletion lets restic 0.18 end with 0 all the same.
        left = set(api.names("snapshots")) & {entry.id for entry in plan.remove}
        if left:
            raise restic.ResticError(
                "forbidden", "the server still has %d snapshots that were to be forgotten" % len(left)
            )
    return plan
