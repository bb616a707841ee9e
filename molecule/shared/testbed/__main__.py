# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The test bed from a shell; scripts/testbed.sh calls it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from testbed.bed import Bed
from testbed.roots import KINDS
from testbed.system import BedError, require

_IMPOSSIBLE = 77  # exit code of a check that this machine does not pass


def main() -> int:
    parser = argparse.ArgumentParser(prog="testbed.sh", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="say whether this machine can boot hosts")
    for name, text in (("create", "boot hosts and print their inventory"), ("add", "boot more hosts")):
        command = _command(commands, name, text)
        command.add_argument("host", nargs="+", type=_kind, metavar="NAME=KIND", help=f"KIND: {', '.join(KINDS)}")
    commands.add_parser("destroy", help="remove beds with all that they made").add_argument("beds", nargs="+", type=Path, metavar="BED")
    _command(commands, "list", "names, addresses and whether they run")
    command = _host_command(commands, "run", "run a shell command on a host as root, past its network")
    command.add_argument("shell", metavar="COMMAND")
    command = _host_command(commands, "ssh", "log in by ssh as the user that Ansible is")
    command.add_argument("shell", nargs=argparse.REMAINDER, metavar="COMMAND")
    command = _host_command(commands, "cut", "cut a host's line, or its line to OTHER only")
    command.add_argument("other", nargs="?")
    _command(commands, "heal", "end all cuts")
    _host_command(commands, "power-off", "take a host's power away")
    _host_command(commands, "power-on", "boot it again, its disk kept")
    _host_command(commands, "reinstall", "boot it again with a new disk and a new host key")
    command = _host_command(commands, "slow", "limit a host's line")
    command.add_argument("kbit", type=int, help="kilobits in a second; 0: no limit")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return _do(arguments)
    except BedError as error:
        print(f"testbed.sh: {error}", file=sys.stderr)
        return _IMPOSSIBLE if arguments.command == "check" else 1


def _command(commands: argparse._SubParsersAction, name: str, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text)
    command.add_argument("bed", type=Path, metavar="BED", help="its directory")
    return command


def _host_command(commands: argparse._SubParsersAction, name: str, text: str) -> argparse.ArgumentParser:
    command = _command(commands, name, text)
    command.add_argument("host")
    return command


def _kind(text: str) -> tuple[str, str]:
    name, _, kind = text.partition("=")
    return name, kind


def _do(arguments: argparse.Namespace) -> int:
    if arguments.command == "check":
        require()
        return 0
    if arguments.command == "create":
        print(Bed.create(arguments.bed, dict(arguments.host)).inventory)
        return 0
    if arguments.command == "destroy":
        for path in arguments.beds:
            Bed.destroy(path)
        return 0
    bed = Bed.open(arguments.bed)
    match arguments.command:
        case "add":
            bed.add(dict(arguments.host))
        case "list":
            for name in bed.names:
                print(name, bed.address(name), "running" if bed.running(name) else "without power")
        case "run":
            done = bed.run(arguments.host, arguments.shell, check=False, timeout=3600)
            sys.stdout.write(done.stdout)
            sys.stderr.write(done.stderr)
            return done.returncode
        case "ssh":
            os.execvp("ssh", bed.ssh_command(arguments.host) + arguments.shell)
        case "cut":
            bed.cut(arguments.host, arguments.other)
        case "heal":
            bed.heal()
        case "power-off":
            bed.power_off(arguments.host)
        case "power-on":
            bed.power_on(arguments.host)
        case "reinstall":
            bed.reinstall(arguments.host)
        case "slow":
            bed.slow(arguments.host, arguments.kbit)
    return 0


if __name__ == "__main__":
    sys.exit(main())
