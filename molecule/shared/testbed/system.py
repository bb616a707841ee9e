# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands of this machine, with their errors and limits."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

# Tool -> Debian package.
TOOLS = {
    "systemd-nspawn": "systemd-container", "mmdebstrap": "mmdebstrap", "nft": "nftables", "ip": "iproute2", "tc": "iproute2",
    "ssh": "openssh-client", "ssh-keygen": "openssh-client", "nsenter": "util-linux", "apt-get": "apt",
}  # fmt: skip


class BedError(Exception):
    """What stands in the way, in one line."""


def require() -> None:
    """Raises BedError if this machine cannot boot hosts."""
    if os.geteuid() != 0:
        raise BedError("hosts cannot be booted: this needs root")
    missing = sorted({package for tool, package in TOOLS.items() if not shutil.which(tool)})
    if missing:
        raise BedError(f"hosts cannot be booted: Debian packages are missing: {' '.join(missing)}")


def run(*command: str | Path, check: bool = True, timeout: float = 60, data: str | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a command without a shell and returns its exit code and texts; raises BedError if it fails or takes over `timeout` seconds."""
    words = [str(word) for word in command]
    source = {"stdin": subprocess.DEVNULL} if data is None else {"input": data}
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=timeout, check=False, **source)
    except subprocess.TimeoutExpired:
        raise BedError(f"over its limit of {timeout:.0f} s: {' '.join(words)}") from None
    if check and done.returncode:
        raise BedError(f"exit code {done.returncode}: {' '.join(words)}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done


def wait(what: str, limit_s: float, ready: Callable[[], object]) -> None:
    """Waits until `ready` returns something true; raises BedError after `limit_s` seconds."""
    end = time.monotonic() + limit_s
    while not ready():
        if time.monotonic() > end:
            raise BedError(f"not within {limit_s:.0f} s: {what}")
        time.sleep(0.1)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock file `path`; the kernel gives it back however the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def mounts_below(path: Path) -> list[Path]:
    """Returns the mount points at and below `path`, the deepest first."""
    points = [Path(line.split()[4].encode().decode("unicode_escape")) for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return sorted((point for point in points if point.is_relative_to(path)), key=lambda point: len(point.parts), reverse=True)


def remove_tree(path: Path) -> None:
    """Removes a directory, after taking off what is mounted in it."""
    for point in mounts_below(path.resolve()):
        run("umount", point)
    if path.exists():
        shutil.rmtree(path)
