# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the ansible-playbook process that opened a run still lives.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path


def identify(pid: int) -> dict:
    """Returns what tells a process of this machine from any other, also after a reboot: node, boot, pid, start."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return {"node": platform.node(), "boot": boot, "pid": pid, "start": _start(pid)}


def is_dead(process: Mapping) -> bool:
    """Returns True if the process ran on this machine and runs no more.

    A process of another control node is never called dead here: only that node can know.
    """
    if process["node"] != platform.node():
        return False
    return identify(process["pid"]) != dict(process) or process["start"] is None


def _start(pid: int) -> int | None:
    """Returns the start time of a process in kernel ticks since boot, or None if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return None if fields[0] == "Z" else int(fields[19])
