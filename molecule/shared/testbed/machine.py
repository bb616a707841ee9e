# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One host: a systemd-nspawn machine on an overlay, whose disk outlives the loss of its power."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from testbed.network import remove_link
from testbed.roots import ADMIN
from testbed.system import BedError, remove_tree, run, wait

_CGROUPS = Path("/sys/fs/cgroup")
_UNIFIED = (_CGROUPS / "cgroup.controllers").exists()
# systemd-nspawn reads its own place from the unified hierarchy, also where that one only stands beside the older ones.
_HIERARCHIES = [_CGROUPS] if _UNIFIED else [path for path in (_CGROUPS / "systemd", _CGROUPS / "unified") if path.is_dir()]
# Debian 13's systemd wants the unified hierarchy, unless it is told twice.
_LEGACY = [] if _UNIFIED else ["systemd.unified_cgroup_hierarchy=0", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"]
_ENVIRONMENT = ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"]
_BOOT_S = 90


@dataclass(frozen=True)
class Machine:
    """`ident` names it on this machine (at most 12 characters), `directory` keeps its disk, `layers` lie below, the uppermost first."""

    name: str
    ident: str
    address: str
    gateway: str
    bridge: str
    directory: Path
    layers: tuple[Path, ...]

    @property
    def line(self) -> str:
        """The network interface of this machine that leads to the host."""
        return f"vb-{self.ident}"

    @property
    def root(self) -> Path:
        return self.directory / "root"

    @property
    def _groups(self) -> list[Path]:
        return [path / self.ident for path in _HIERARCHIES]

    def make_disk(self, public_key: str, host_key: Path) -> None:
        """Makes the disk of a newly installed host. It knows no names of others, as the servers of an agency without a name server."""
        self._mount()
        etc = self.root / "etc"
        resolver = Path("/run/systemd/resolve/resolv.conf")
        shutil.copy(resolver if resolver.exists() else "/etc/resolv.conf", self._new(etc / "resolv.conf"))
        self._new(etc / "hostname").write_text(f"{self.name}\n")
        self._new(etc / "machine-id").write_text(f"{uuid.uuid4().hex}\n")
        self._new(etc / "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n")
        shutil.copy(host_key, etc / "ssh/ssh_host_ed25519_key")
        (etc / "ssh/ssh_host_ed25519_key").chmod(0o600)
        shutil.copy(host_key.with_suffix(".pub"), etc / "ssh/ssh_host_ed25519_key.pub")
        (etc / "systemd/network/10-bed.network").write_text(
            f"[Match]\nName=host0\n\n[Network]\nAddress={self.address}/24\nGateway={self.gateway}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
        )
        home = self.root / "home" / ADMIN
        (home / ".ssh").mkdir(mode=0o700)
        (home / ".ssh/authorized_keys").write_text(public_key)
        for path in (home / ".ssh", home / ".ssh/authorized_keys"):
            os.chown(path, home.stat().st_uid, home.stat().st_gid)

    def start(self) -> None:
        """Gives it power, without waiting."""
        if self._processes():
            raise BedError(f"{self.name} is running")
        self._mount()
        for group in self._groups:
            group.mkdir(exist_ok=True)
        console = (self.directory / "console.log").open("ab")
        command = [
            "setsid", "--fork", "systemd-nspawn", "--quiet", f"--directory={self.root}", f"--machine={self.ident}", f"--hostname={self.name}",
            "--boot", "--register=no", "--keep-unit", "--link-journal=no", "--settings=no", "--resolv-conf=off", "--timezone=off",
            f"--network-bridge={self.bridge}", *([] if _UNIFIED else ["--setenv=SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"]), *_LEGACY,
        ]  # fmt: skip
        with console:
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, check=True, cwd="/", preexec_fn=self._join)

    def wait(self) -> None:
        """Waits until sshd answers and systemd has started everything; raises BedError with the failed units, if there are any."""
        try:
            wait(f"sshd of {self.name}", _BOOT_S, self._answers)
            wait(f"systemd of {self.name}", _BOOT_S, lambda: self._state() not in ("initializing", "starting", ""))
        except BedError as error:
            console = (self.directory / "console.log").read_text(errors="replace")
            raise BedError(f"{error}; the end of its console: {console[-1500:]}") from None
        if self._state() != "running":
            units = self.run("systemctl", "list-units", "--failed", "--plain", "--no-legend").stdout
            raise BedError(f"{self.name} is {self._state()}: {units}")

    def kill(self) -> None:
        """Takes its power away: every process ends at once, and nothing is said to anyone."""
        leader = self._leader()
        if leader:
            with contextlib.suppress(ProcessLookupError):
                os.kill(leader, signal.SIGKILL)
            # systemd-nspawn sees its machine dead and clears away what it has made
            with contextlib.suppress(BedError):
                wait("", 10, lambda: not self._processes())
        for process in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        wait(f"end of all processes of {self.name}", 30, lambda: not self._processes())
        remove_link(self.line)

    def remove(self) -> None:
        """Removes it and its disk; whatever of it there is."""
        self.kill()
        for group in self._groups:
            for path in sorted(group.rglob("*"), reverse=True):
                if path.is_dir():
                    path.rmdir()
            if group.is_dir():
                group.rmdir()
        remove_tree(Path("/run/systemd/nspawn/propagate", self.ident))
        if self.root.is_mount():
            info = self.root.stat()
            Path(f"/run/systemd/nspawn/locks/inode-{info.st_dev}:{info.st_ino}").unlink(missing_ok=True)
        remove_tree(self.directory)

    def run(self, *command: str, check: bool = True, timeout: float = 60, data: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command in it as root, past its network. Errors as in `system.run`."""
        return run("nsenter", f"--target={self._require_leader()}", "--all", "--", *_ENVIRONMENT, *command, check=check, timeout=timeout, data=data)

    def run_in_its_network(self, *command: str, check: bool = True) -> None:
        """Runs a command of this machine, not of the host, in the host's network."""
        run("nsenter", f"--target={self._require_leader()}", "--net", "--", *command, check=check)

    def running(self) -> bool:
        return self._leader() is not None

    def _new(self, path: Path) -> Path:
        """Returns `path`, where nothing is any more: the root's own may be a link to somewhere on this machine."""
        path.unlink(missing_ok=True)
        return path

    def _mount(self) -> None:
        if self.root.is_mount():
            return
        upper, work = self.directory / "disk", self.directory / "work"
        for path in (self.root, upper, work):
            path.mkdir(parents=True, exist_ok=True)
        lower = ":".join(str(layer) for layer in self.layers)
        run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", self.root)

    def _join(self) -> None:
        for group in self._groups:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    def _processes(self) -> set[int]:
        found: set[int] = set()
        for group in self._groups:
            for path in [group / "cgroup.procs", *group.rglob("cgroup.procs")]:
                with contextlib.suppress(FileNotFoundError, OSError):
                    found.update(int(line) for line in path.read_text().split())
        return found

    def _leader(self) -> int | None:
        """The host's first process: number 1 in its own namespace."""
        for process in self._processes():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                names = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
                if names["NSpid"].split()[1:] == ["1"]:
                    return process
        return None

    def _require_leader(self) -> int:
        leader = self._leader()
        if leader is None:
            raise BedError(f"{self.name} is not running")
        return leader

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self.address, 22), 1) as connection:
            connection.settimeout(1)
            return connection.recv(4) == b"SSH-"
        return False

    def _state(self) -> str:
        return self.run("systemctl", "is-system-running", check=False).stdout.strip() if self.running() else ""
