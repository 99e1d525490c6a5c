"""A named lab: its hosts, its network, its key, its files."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab import images, inventory, keys, machine, network
from tests.lab.errors import LabError
from tests.lab.host import Host
from tests.lab.podman import REPOSITORY_ROOT, Podman
from tests.lab.progress import Progress

NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,40}$")
LABEL = "vigie.lab"
PYTEST_LAB = re.compile(r"^pytest-(\d+)(-.*)?$")  # the process that made it
MOLECULE_PREFIX = "mol-"
# systemd needs it to make a unit's sandbox (ProtectSystem=, PrivateTmp=, DynamicUser=). Without it those
# settings are silently not applied, so a unit that breaks on a real host would pass here; and where cgroups
# are version 1 the user manager's stop hangs for 90 s, and with it the next login. AppArmor's profile for
# containers, where there is one, forbids the same mounts. SYS_PTRACE lets root read /proc/<pid>/maps of
# services that run as other users, as it can on a real host; the audit's PAT-08 needs it.
PRIVILEGES = ("--cap-add", "SYS_ADMIN,SYS_PTRACE", "--security-opt", "apparmor=unconfined")
FIRST_HOST = 10  # addresses are given from the tenth of the network on


@dataclass(frozen=True)
class HostSpec:
    """A host that is wanted: its Debian suite, and its address when that must be a certain one."""

    suite: str
    address: str | None = None


def lab_root() -> Path:
    """Where labs keep their keys and inventories: $VIGIE_LAB_DIR, else `.lab` in the repository."""
    return Path(os.environ.get("VIGIE_LAB_DIR") or REPOSITORY_ROOT / ".lab").resolve()


def leftovers_of_pytest(podman: Podman) -> list[str]:
    """Labs of this pytest process, and of pytest processes that are gone."""
    matches = [match for match in map(PYTEST_LAB.match, lab_names(podman)) if match]
    return [m.group() for m in matches if int(m[1]) == os.getpid() or not Path(f"/proc/{m[1]}").exists()]


def molecule_labs(podman: Podman) -> list[str]:
    """Labs of Molecule scenarios, whether they run or were left behind."""
    return [name for name in lab_names(podman) if name.startswith(MOLECULE_PREFIX)]


def lab_names(podman: Podman) -> list[str]:
    """Names of the labs that have hosts, or a network left over, on this machine."""
    hosts = podman.json("ps", "--all", "--filter", f"label={LABEL}", "--format", "json") or []
    return sorted({row["Labels"][LABEL] for row in hosts} | set(network.labs(podman)))


class Lab:
    """A lab on this machine. Labs share no hosts, keys or files; `down` removes exactly its own."""

    def __init__(self, name: str, progress: Progress | None = None) -> None:
        _check_name("lab", name)
        self.name = name
        self.root = lab_root()
        self.directory = self.root / name
        self.podman = Podman(self.root)
        self.progress = progress or Progress(quiet=True)

    @property
    def key(self) -> Path:
        """The private key that every host of the lab admits as root."""
        return self.directory / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The hosts' SSH keys, by name and address."""
        return self.directory / "known_hosts"

    @property
    def ssh_config(self) -> Path:
        """An ssh_config with the lab's hosts, for `ssh -F`."""
        return self.directory / "ssh_config"

    def up(self, wanted: Mapping[str, str | HostSpec]) -> dict[str, Host]:
        """Make the wanted hosts exist and run, side by side; hosts that run already are left alone.

        Args:
            wanted: host name → suite, or HostSpec to ask for an address.

        Returns:
            The wanted hosts by name, booted and answering.
        """
        specs = {name: _spec(name, spec) for name, spec in wanted.items()}
        with self._lock():
            known = self.hosts()
            _check_suites(known, specs)
            new = {name: spec for name, spec in specs.items() if name not in known}
            tags = images.ensure(self.podman, (spec.suite for spec in new.values()), self.progress)
            public_key = keys.ensure_key(self.directory).with_suffix(".pub").read_text()
            machine.make_room(_running(self.podman) + len(specs), self.progress)
            net = network.ensure(self.podman, self.name, [s.address for s in specs.values() if s.address])
            addresses = _allocate(net, {host.address for host in known.values()}, new)
            with ThreadPoolExecutor(max_workers=4) as pool:
                jobs = [
                    pool.submit(self._bring_up, name, spec, known.get(name), tags, addresses, public_key)
                    for name, spec in specs.items()
                ]
            host_keys = {host.name: lines for host, lines in (job.result() for job in jobs)}
            self._write_files(host_keys)
        return {name: self.host(name) for name in specs}

    def down(self) -> list[str]:
        """Remove the lab's hosts, network and files; return the removed hosts' names. Safe to repeat."""
        with self._lock():
            hosts = self.hosts()
            self._close_connections()
            if hosts:
                containers = [host.container for host in hosts.values()]
                self.podman.call("rm", "--force", "--time", "0", "--volumes", *containers)
            network.remove(self.podman, self.name)
        shutil.rmtree(self.directory, ignore_errors=True)
        return sorted(hosts)

    def hosts(self) -> dict[str, Host]:
        """All hosts of the lab, running or not."""
        rows = (
            self.podman.json("ps", "--all", "--filter", f"label={LABEL}={self.name}", "--format", "json")
            or []
        )
        found = [self._from_labels(row) for row in rows]
        return {host.name: host for host in sorted(found, key=lambda host: host.name)}

    def host(self, name: str) -> Host:
        """One host of the lab."""
        hosts = self.hosts()
        if name not in hosts:
            raise LabError(f"lab {self.name!r} has no host {name!r}; it has: {', '.join(hosts) or 'none'}")
        return hosts[name]

    def stop(self, name: str) -> None:
        """Switch a host off, keeping its disk."""
        self._close_connections()
        self.host(name).stop()

    def start(self, name: str) -> None:
        """Switch a host on again and wait until it answers."""
        self.host(name).start()

    def inventory(self, groups: Mapping[str, Sequence[str]] | None = None) -> str:
        """An Ansible inventory of the lab in YAML, with the hosts in the groups named."""
        return inventory.render(self.hosts(), self.key, self.known_hosts, groups or {})

    def ssh_command(self, name: str, *command: str) -> list[str]:
        """The ssh command line that reaches a host, its key checked."""
        options = keys.ssh_options(self.key, self.known_hosts)
        return ["ssh", "-F", "/dev/null", *options, f"root@{self.host(name).address}", *command]

    def ssh(self, name: str, command: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command over SSH, as a user of the host would."""
        return subprocess.run(
            self.ssh_command(name, command), capture_output=True, text=True, timeout=timeout, check=False
        )

    def _bring_up(
        self,
        name: str,
        spec: HostSpec,
        known: Host | None,
        tags: Mapping[str, str],
        addresses: Mapping[str, str],
        public_key: str,
    ) -> tuple[Host, list[str]]:
        """Create or start one host, wait for it, and return it with its known_hosts lines."""
        host = known or self._create(name, spec.suite, tags[spec.suite], addresses[name])
        if known is None or not known.is_running():
            with self.progress.step(f"{name}: starting {spec.suite}", f"{name}: ready at {host.address}"):
                if known:
                    host.start()
                else:
                    host.wait()
        return host, keys.known_hosts_lines(name, host.address, host.admit(public_key))

    def _create(self, name: str, suite: str, image: str, address: str) -> Host:
        container = f"vigie-{self.name}-{name}"
        labels = {LABEL: self.name, "vigie.host": name, "vigie.suite": suite, "vigie.address": address}
        arguments = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
        self.podman.call(
            "run",
            "--detach",
            "--systemd=always",
            *PRIVILEGES,
            "--name",
            container,
            "--hostname",
            name,
            "--pull",
            "never",
            "--network",
            network.name(self.name),
            "--ip",
            address,
            *arguments,
            image,
        )
        return Host(self.podman, container, name, suite, address)

    def _from_labels(self, row: Mapping[str, object]) -> Host:
        labels = row["Labels"]
        if not isinstance(labels, dict):
            raise LabError(f"podman ps shows a container of lab {self.name!r} without labels")
        container = f"vigie-{self.name}-{labels['vigie.host']}"
        return Host(
            self.podman, container, labels["vigie.host"], labels["vigie.suite"], labels["vigie.address"]
        )

    def _write_files(self, host_keys: Mapping[str, list[str]]) -> None:
        """Write known_hosts, ssh_config and inventory; lines of hosts not started now are kept."""
        hosts = self.hosts()
        old = self.known_hosts.read_text().splitlines() if self.known_hosts.exists() else []
        kept = [line for line in old if line.split(",")[0] in hosts and line.split(",")[0] not in host_keys]
        lines = sorted([*kept, *(line for lines in host_keys.values() for line in lines)])
        self.known_hosts.write_text("".join(f"{line}\n" for line in lines))
        addresses = {host.name: host.address for host in hosts.values()}
        sockets = self._sockets()
        sockets.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.ssh_config.write_text(keys.ssh_config(addresses, self.key, self.known_hosts, sockets))
        (self.directory / "inventory.yml").write_text(self.inventory())

    def _sockets(self) -> Path:
        """Where ssh keeps shared connections: a short path, since a socket's path has at most 108 bytes."""
        return Path("/run/vigie-lab") / self.name

    def _close_connections(self) -> None:
        """End shared SSH connections, which would hang once their host is gone."""
        for socket in self._sockets().glob("*"):
            command = ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "lab"]
            subprocess.run(command, capture_output=True, timeout=10, check=False)
        shutil.rmtree(self._sockets(), ignore_errors=True)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One `up` or `down` per lab at a time."""
        with Path(f"/run/lock/vigie-lab-{self.name}").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def _running(podman: Podman) -> int:
    """How many containers run on this machine, of whichever lab."""
    return len(podman.call("ps", "--quiet").stdout.split())


def _check_name(what: str, name: str) -> None:
    if not NAME.match(name):
        raise LabError(f"{what} name {name!r}: use lower-case letters, digits and dashes, at most 41 of them")


def _spec(name: str, spec: str | HostSpec) -> HostSpec:
    _check_name("host", name)
    result = HostSpec(spec) if isinstance(spec, str) else spec
    images.tag(result.suite)  # an unknown suite is an error before anything starts
    return result


def _check_suites(known: Mapping[str, Host], specs: Mapping[str, HostSpec]) -> None:
    """A host that exists as something else than is wanted is an error, not a surprise."""
    for name, spec in specs.items():
        host = known.get(name)
        if host and (host.suite != spec.suite or spec.address not in (None, host.address)):
            raise LabError(
                f"{name} exists as {host.suite} at {host.address}, but {spec.suite} at "
                f"{spec.address or 'any address'} is wanted; remove the lab with `down` first"
            )


def _allocate(net: ipaddress.IPv4Network, taken: set[str], new: Mapping[str, HostSpec]) -> dict[str, str]:
    """An address in the lab's network for each new host; those asked for are given as asked."""
    result = {name: spec.address for name, spec in new.items() if spec.address}
    used = taken | set(result.values())
    free = (
        str(net[number])
        for number in range(FIRST_HOST, net.num_addresses - 1)
        if str(net[number]) not in used
    )
    for name, spec in new.items():
        if not spec.address:
            address = next(free, None)
            if address is None:
                raise LabError(f"no free address left in {net} for {name}")
            result[name] = address
    return result
