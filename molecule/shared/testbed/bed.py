# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bed: its hosts, its network, the key to them and the inventory that leads Ansible there."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import json
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from testbed import roots
from testbed.machine import Machine
from testbed.network import RUN, Network
from testbed.system import BedError, remove_tree, require, run

_FIRST = 11  # the last number of the first host's address
_STATE = "bed.json"


class Bed:
    """The bed in the directory `path`, made by `Bed.create` or found by `Bed.open`. All errors are BedError."""

    def __init__(self, path: Path, state: Mapping) -> None:
        self.path = path
        self.subnet = ipaddress.IPv4Network(state["subnet"])
        self.gateway = str(self.subnet[1])  # this machine, the control node
        self._state = state
        self._network = Network(_ident(path))

    @classmethod
    def create(cls, path: Path, kinds: Mapping[str, str]) -> Bed:
        """Boots hosts, name -> kind as in `roots.layers`, and writes hosts.yml, the inventory. The directory must not be a bed yet."""
        require()
        path = path.resolve()
        if (path / _STATE).exists():
            raise BedError(f"{path} is a bed; destroy it first")
        layers = roots.layers(list(kinds.values()))
        path.mkdir(parents=True, exist_ok=True)
        found = {}

        def save(subnet: ipaddress.IPv4Network) -> None:
            # the network comes after it, so that a run that is killed in between leaves nothing unknown
            found.update(subnet=str(subnet), hosts={})
            (path / _STATE).write_text(json.dumps(found))

        try:
            Network(_ident(path)).make(save)
            bed = cls(path, found)
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test bed", "-f", path / "key")
            bed._add(kinds, layers)
        except BaseException:
            cls.destroy(path)
            raise
        return bed

    @classmethod
    def open(cls, path: Path) -> Bed:
        """Returns a bed that was created before, by this or by another process."""
        path = path.resolve()
        if not (path / _STATE).is_file():
            raise BedError(f"{path} is no bed")
        return cls(path, json.loads((path / _STATE).read_text()))

    @staticmethod
    def destroy(path: Path) -> None:
        """Removes the bed in `path` with all that it made, after a run that was killed at any point too. Without one, does nothing."""
        path = path.resolve()
        if not (path / _STATE).is_file():
            return
        bed = Bed.open(path)
        for name in bed.names:
            bed._machine(name).remove()
        bed._network.remove()
        remove_tree(bed._sockets)
        remove_tree(path)

    @property
    def names(self) -> list[str]:
        return list(self._state["hosts"])

    @property
    def inventory(self) -> Path:
        """The hosts with their addresses; their policy is in inventories of the scenario."""
        return self.path / "hosts.yml"

    def address(self, host: str) -> str:
        return self._machine(host).address

    def running(self, host: str) -> bool:
        return self._machine(host).running()

    def ssh_command(self, host: str) -> list[str]:
        """Returns the command that logs in to a host as Ansible does."""
        return ["ssh", "-i", str(self.path / "key"), *shlex.split(self._ssh_options), f"{roots.ADMIN}@{self.address(host)}"]

    def add(self, kinds: Mapping[str, str]) -> None:
        """Boots more hosts."""
        self._add(kinds, roots.layers(list(kinds.values())))

    def remove(self, host: str) -> None:
        """Takes one host away with its disk."""
        self._machine(host).remove()
        del self._state["hosts"][host]
        self._save()
        self._write_inventory()

    def run(self, host: str, command: str, check: bool = True, timeout: float = 60, data: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a shell command on a host as root, past its network, and returns its exit code and texts."""
        return self._machine(host).run("sh", "-c", command, check=check, timeout=timeout, data=data)

    # Faults

    def cut(self, host: str, other: str | None = None) -> None:
        """Cuts a host's line, or only what it and `other` say to each other: a host, or "control". Packets vanish: both sides wait."""
        if other:
            self._network.cut_between(self.address(host), self.gateway if other == "control" else self.address(other))
        else:
            self._network.cut(self._machine(host).line)

    def heal(self) -> None:
        """Ends all cuts."""
        self._network.heal()

    def power_off(self, host: str) -> None:
        """Takes a host's power away. What it has written stays on its disk, what it had in /run and in a small disk does not."""
        self._machine(host).kill()

    def power_on(self, host: str) -> None:
        """Boots a host again and waits until it is up. Its line is as fast as before the first `slow`."""
        machine = self._machine(host)
        machine.start()
        machine.wait()

    def reinstall(self, host: str) -> None:
        """Gives a host a new disk, a new machine id and a new host key, which the control node is told."""
        machine = self._machine(host)
        machine.remove()
        self._install([host])

    def slow(self, host: str, kbit: int) -> None:
        """Lets a host send and receive no more than `kbit` kilobits in a second; 0 ends that."""
        machine = self._machine(host)
        limit = ["tbf", "rate", f"{kbit}kbit", "burst", "16kb", "latency", "400ms"]
        for device, call in ((machine.line, run), ("host0", machine.run_in_its_network)):
            call("tc", "qdisc", "delete", "dev", device, "root", check=False)
            if kbit:
                call("tc", "qdisc", "add", "dev", device, "root", *limit)

    @contextlib.contextmanager
    def small_disk(self, host: str, path: str, mebibytes: int) -> Iterator[None]:
        """Puts `path` of a host on a file system of its own of that size, with what is there now; at the end takes it back with all changes."""
        place, copy = shlex.quote(path), "/var/tmp/small-disk"
        back = f"cp -a {copy}/. {place}/; rm -r {copy}"
        self.run(host, f"set -e; cp -a {place} {copy}; mount -t tmpfs -o size={mebibytes}m small {place}; {back}")
        try:
            yield
        finally:
            self.run(host, f"set -e; cp -a {place} {copy}; umount --lazy {place}; find {place} -mindepth 1 -delete; {back}")

    def resize(self, host: str, path: str, mebibytes: int) -> None:
        """Gives a small disk another size."""
        self.run(host, f"mount -o remount,size={mebibytes}m {shlex.quote(path)}")

    # Inner works

    @property
    def _sockets(self) -> Path:
        """Where ssh keeps its shared connections: a path in the bed could be too long for a socket's name."""
        return RUN / _ident(self.path)

    @property
    def _ssh_options(self) -> str:
        return f"-o StrictHostKeyChecking=yes -o UserKnownHostsFile={shlex.quote(str(self.path / 'known_hosts'))} -o IdentitiesOnly=yes"

    def _machine(self, host: str) -> Machine:
        if host not in self._state["hosts"]:
            raise BedError(f"no host '{host}' in {self.path}; there are: {', '.join(self.names)}")
        entry = self._state["hosts"][host]
        return Machine(
            name=host, ident=f"{_ident(self.path)}-{entry['number']}", address=str(self.subnet[_FIRST + entry["number"]]), gateway=self.gateway,
            bridge=self._network.name, directory=self.path / "hosts" / host, layers=tuple(Path(layer) for layer in entry["layers"]),
        )  # fmt: skip

    def _add(self, kinds: Mapping[str, str], layers: Mapping[str, list[Path]]) -> None:
        first = 1 + max((entry["number"] for entry in self._state["hosts"].values()), default=-1)
        for number, (name, kind) in enumerate(kinds.items(), start=first):
            self._state["hosts"][name] = {"number": number, "layers": [str(layer) for layer in layers[kind]]}
        self._save()
        self._install(list(kinds))

    def _save(self) -> None:
        (self.path / _STATE).write_text(json.dumps(self._state))

    def _install(self, names: list[str]) -> None:
        machines = [self._machine(name) for name in names]
        for machine in machines:
            machine.directory.mkdir(parents=True)
            host_key = machine.directory / "host_key"
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", machine.name, "-f", host_key)
            machine.make_disk((self.path / "key.pub").read_text(), host_key)
            machine.start()
        self._write_inventory()
        for machine in machines:
            machine.wait()

    def _write_inventory(self) -> None:
        self._sockets.mkdir(mode=0o700, exist_ok=True)
        keys = {name: (self.path / "hosts" / name / "host_key.pub").read_text().split() for name in self.names}
        (self.path / "known_hosts").write_text("".join(f"{self.address(name)},{name} {kind} {key}\n" for name, (kind, key, _) in keys.items()))
        variables = {
            "ansible_user": roots.ADMIN,
            "ansible_ssh_private_key_file": str(self.path / "key"),
            "ansible_ssh_common_args": self._ssh_options,
            "ansible_control_path_dir": str(self._sockets),
            "ansible_python_interpreter": "/usr/bin/python3",
            "bed": str(self.path),
            "bed_subnet": str(self.subnet),
            "bed_hosts": {name: {"address": self.address(name), "host_key": " ".join(key[:2])} for name, key in keys.items()},
        }
        # JSON is YAML
        hosts = {name: {"ansible_host": self.address(name), **variables} for name in self.names}
        self.inventory.write_text(json.dumps({"all": {"hosts": hosts}}, indent=2) + "\n")


def _ident(path: Path) -> str:
    """The name of all that a bed makes outside its directory: short enough for a network interface of each host."""
    return "sk" + hashlib.sha256(str(path).encode()).hexdigest()[:6]
