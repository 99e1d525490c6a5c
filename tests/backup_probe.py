"""Speaks to a backup server as a host or as the provider would, for the tests of the backup roles."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOSTS_PORT = 8000
MAINTENANCE_PORT = 8001


@dataclass(frozen=True)
class Door:
    """One account at one listener of a backup server."""

    address: str
    port: int
    account: str
    password: str
    certificate: Path

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body of one request, over verified TLS."""
        context = ssl.create_default_context(cafile=self.certificate)
        connection = http.client.HTTPSConnection(self.address, self.port, context=context, timeout=20)
        secret = base64.b64encode(f"{self.account}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {secret}", "Accept": "application/vnd.x.restic.rest.v2"}
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def restic(self, scratch: Path, password: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run restic on this account's own repository."""
        program = shutil.which("restic", path=f"{state() / 'bin'}:{os.environ['PATH']}")
        assert program, "the scenario installs restic"
        secret = scratch / "password"
        secret.write_text(password)
        return subprocess.run(
            [program, *arguments],
            env={
                "PATH": os.environ["PATH"],
                "RESTIC_REPOSITORY": f"rest:https://{self.address}:{self.port}/{self.account}/",
                "RESTIC_PASSWORD_FILE": str(secret),
                "RESTIC_REST_USERNAME": self.account,
                "RESTIC_REST_PASSWORD": self.password,
                "RESTIC_CACERT": str(self.certificate),
                "RESTIC_CACHE_DIR": str(scratch / "cache"),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def snapshots(self, scratch: Path, password: str) -> list[dict[str, Any]]:
        """The repository's snapshots."""
        done = self.restic(scratch, password, "snapshots", "--json", "--no-lock")
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))


def state() -> Path:
    """The scenario's state directory on the controller."""
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "state"
