"""The command line of the lab."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.lab import images
from tests.lab.errors import LabError
from tests.lab.install import install
from tests.lab.lab import HostSpec, Lab, lab_names, lab_root, leftovers_of_pytest, molecule_labs
from tests.lab.podman import Podman, require
from tests.lab.progress import Progress

EXIT_ERROR = 1
EXIT_USAGE = 64


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, do it, return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.act(options, Progress(quiet=options.quiet)) or 0)
    except LabError as error:
        sys.stderr.write(f"lab: {error}\n")
        return EXIT_ERROR
    except KeyboardInterrupt:
        sys.stderr.write(
            f"lab: interrupted; `python -m tests.lab --lab {options.lab} down` removes what was made\n"
        )
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--lab", default="lab", help="name of the lab (default: lab)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress lines")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, act: Callable[..., int | None], summary: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=summary, description=summary)
        sub.set_defaults(act=act)
        return sub

    up = command("up", _up, "create or start hosts; hosts that run already are left alone")
    up.add_argument("hosts", nargs="*", metavar="HOST=SUITE")
    up.add_argument(
        "--from-inventory", type=Path, metavar="FILE", help="hosts with `lab_suite` in a YAML inventory"
    )
    up.add_argument("--known-hosts", type=Path, metavar="PATH", help="also write the host keys there")
    up.add_argument(
        "--connection", type=Path, metavar="PATH", help="write an inventory of connection variables"
    )
    down = command("down", _down, "remove the lab's hosts, network and files")
    down.add_argument(
        "--all-tests", action="store_true", help="instead: labs of Molecule, and of dead pytests"
    )
    command("list", _list, "show the lab's hosts")
    command("labs", _labs, "show the labs on this machine")
    command("inventory", _inventory, "print an Ansible inventory of the lab")
    build = command("images", _images, "build the host images that are missing")
    build.add_argument("suites", nargs="*", metavar="SUITE")
    build.add_argument("--prune", action="store_true", help="also remove images of older recipes")
    command("install", _install, "install the Debian packages the lab needs")
    for name, act, summary in (
        ("stop", _stop, "switch hosts off, keeping their disks"),
        ("start", _start, "switch hosts on again"),
    ):
        command(name, act, summary).add_argument("host", nargs="+")
    for name, reach, summary in (
        ("ssh", _ssh, "log in to a host, or run a command there, over SSH"),
        ("exec", _exec, "run a command on a host through Podman"),
    ):
        sub = command(name, reach, summary)
        sub.add_argument("host")
        sub.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    return parser


def _up(options: argparse.Namespace, progress: Progress) -> None:
    from tests.lab import inventory

    wanted = {name: HostSpec(suite) for name, suite in map(_pair, options.hosts)}
    if options.from_inventory:
        found = inventory.read_hosts(options.from_inventory)
        wanted |= {name: HostSpec(suite, address) for name, (suite, address) in found.items()}
    if not wanted:
        raise LabError("no host named: give HOST=SUITE or --from-inventory FILE")
    lab = Lab(options.lab, progress)
    lab.up(wanted)
    if options.known_hosts:
        options.known_hosts.write_text(lab.known_hosts.read_text())
    if options.connection:
        known_hosts = options.known_hosts or lab.known_hosts
        options.connection.write_text(inventory.render_connection(lab.key, known_hosts.resolve()))
    progress.say(f"lab {lab.name}: {len(wanted)} hosts up")
    _list(options, progress)


def _pair(text: str) -> tuple[str, str]:
    name, equals, suite = text.partition("=")
    if not equals:
        raise LabError(f"{text!r}: write HOST=SUITE, for example {text}=bookworm")
    return name, suite


def _down(options: argparse.Namespace, progress: Progress) -> None:
    names = [options.lab]
    if options.all_tests:
        podman = Podman(lab_root())
        names = [*leftovers_of_pytest(podman), *molecule_labs(podman)]
    for name in names:
        removed = Lab(name).down()
        progress.say(f"lab {name}: removed {', '.join(removed) or 'nothing'}")


def _list(options: argparse.Namespace, progress: Progress) -> None:
    rows = [
        {
            "host": h.name,
            "suite": h.suite,
            "address": h.address,
            "running": h.is_running(),
            "container": h.container,
        }
        for h in Lab(options.lab).hosts().values()
    ]
    if options.json:
        _print(json.dumps(rows, indent=2))
    for row in () if options.json else rows:
        state = "running" if row["running"] else "off"
        _print(f"{row['host']:<24} {row['suite']:<10} {row['address']:<16} {state}")


def _labs(options: argparse.Namespace, progress: Progress) -> None:
    names = lab_names(Podman(lab_root()))
    _print(json.dumps(names) if options.json else "\n".join(names))


def _inventory(options: argparse.Namespace, progress: Progress) -> None:
    sys.stdout.write(Lab(options.lab).inventory())


def _images(options: argparse.Namespace, progress: Progress) -> None:
    podman = Podman(lab_root())
    tags = images.ensure(podman, options.suites or images.SUITES, progress)
    for image in images.prune(podman) if options.prune else ():
        progress.say(f"removed {image}")
    _print(json.dumps(tags) if options.json else "\n".join(tags.values()))


def _install(options: argparse.Namespace, progress: Progress) -> None:
    install()
    require()


def _stop(options: argparse.Namespace, progress: Progress) -> None:
    for name in options.host:
        Lab(options.lab).stop(name)
        progress.say(f"{name}: off")


def _start(options: argparse.Namespace, progress: Progress) -> None:
    for name in options.host:
        Lab(options.lab).start(name)
        progress.say(f"{name}: ready")


def _ssh(options: argparse.Namespace, progress: Progress) -> None:
    command = Lab(options.lab).ssh_command(options.host, *options.words)
    os.execvp(command[0], command)  # noqa: S606 - a list, and the user's own terminal


def _exec(options: argparse.Namespace, progress: Progress) -> int:
    lab = Lab(options.lab)
    terminal = ["--interactive", "--tty"] if sys.stdin.isatty() else ["--interactive"]
    command = ["podman", "exec", *terminal, lab.host(options.host).container, *(options.words or ["bash"])]
    return subprocess.run(command, env=lab.podman.env, check=False).returncode


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
