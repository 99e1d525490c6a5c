"""Where Vigie keeps what it learns and generates: one directory per provider, never in the inventory.

Layout below ``$VIGIE_STATE_DIR/<provider>/`` (default ``~/.local/state/vigie/<provider>/``)::

    ledger.sqlite3                  the ledger, unless VIGIE_DATABASE_URL names another
    locks/<client>.lock             held while a run works on that client
    runs/<client>/<run id>/         artifacts of a run; results.jsonl among them
    secrets/<client>/<host>/...     generated passwords, 0600, one file each
    secrets/provider/...            what only the provider's own runs may read
    public/...                      what is not secret: certificates of the provider's servers
    cache/<client>/                 may be deleted at any time
    bin/                            pinned programs the controller needs (restic)
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_state_path

PROVIDER_SCOPE = "provider"
"""Stands in a client's place for runs on the provider's own servers. Not a valid client slug."""


@dataclass(frozen=True)
class StateDirectory:
    """The paths of one provider's state. Nothing is created until asked for."""

    root: Path

    @classmethod
    def of_provider(cls, slug: str) -> StateDirectory:
        """The state directory of the provider whose inventory directory is named ``slug``."""
        base = os.environ.get("VIGIE_STATE_DIR")
        return cls((Path(base).expanduser().resolve() if base else user_state_path("vigie")) / slug)

    @property
    def ledger(self) -> Path:
        """The SQLite ledger."""
        return self.root / "ledger.sqlite3"

    @property
    def public(self) -> Path:
        """Certificates and other things hosts may see."""
        return self.root / "public"

    @property
    def bin(self) -> Path:
        """Programs installed for the controller's own use."""
        return self.root / "bin"

    def lock(self, client: str) -> Path:
        """The lock file of one client."""
        return self.root / "locks" / f"{client}.lock"

    def runs(self, client: str) -> Path:
        """The folder of one client's run artifacts."""
        return self.root / "runs" / client

    def run(self, client: str, run_id: str) -> Path:
        """The folder of one run's artifacts."""
        return self.runs(client) / run_id

    def secrets(self, client: str) -> Path:
        """The folder of one client's generated secrets."""
        return self.root / "secrets" / client

    def cache(self, client: str) -> Path:
        """The folder of one client's caches."""
        return self.root / "cache" / client


def private_directory(path: Path) -> Path:
    """Create ``path`` readable by its owner alone and return it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
