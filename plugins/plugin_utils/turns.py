# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a server's turn comes: a stable spread over the window, a start-by deadline, and a number of places per repository server.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import hashlib
import time
import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_POLL_S = 1


def offset(server: str, spread_s: int | None) -> datetime.timedelta:
    """Returns how long after the window's start a server begins: random among servers, the same each time for one."""
    if not spread_s:
        return datetime.timedelta()
    share = int.from_bytes(hashlib.sha256(server.encode()).digest()[:8], "big") / 2**64
    return datetime.timedelta(seconds=int(share * spread_s))


def in_order(servers: Sequence[str], spread_s: int | None) -> list[str]:
    """Returns servers in the order of their turns."""
    return sorted(servers, key=lambda server: offset(server, spread_s)) if spread_s else list(servers)


def start_by(policy: Mapping, cycle: str, window_start: datetime.datetime) -> datetime.datetime | None:
    """Returns the moment after which a run of a cycle must not begin any more, or None where the policy sets none."""
    text = ((policy["cycles"].get(cycle) or {}).get("start_by")) if cycle in policy["cycles"] else None
    if text is None:
        return None
    zone = zoneinfo.ZoneInfo(policy["timezone"])
    local = window_start.astimezone(zone)
    deadline = datetime.datetime.combine(local.date(), datetime.time.fromisoformat(text), tzinfo=zone)
    if deadline < local:
        deadline += datetime.timedelta(days=1)
    return deadline.astimezone(datetime.UTC)


def wait_until(moment: datetime.datetime) -> None:
    """Sleeps until a moment; returns at once if it has passed."""
    while (left := (moment - datetime.datetime.now(datetime.UTC)).total_seconds()) > 0:
        time.sleep(min(left, 30))


@contextlib.contextmanager
def place(state_dir: str, keeper: str | None, places: int, until: datetime.datetime | None) -> Iterator[bool]:
    """Holds one of the places that a repository server has for servers that back up at once; gives False if none became free in time.

    A place is a lock of the operating system, so a playbook that is killed gives it back. Needs as many forks as places.
    """
    if keeper is None:
        yield until is None or datetime.datetime.now(datetime.UTC) <= until
        return
    directory = Path(state_dir, "places")
    directory.mkdir(mode=0o700, exist_ok=True)
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(open(directory / f"{keeper}.{number}", "a", encoding="ascii")) for number in range(places)]
        while True:
            if until is not None and datetime.datetime.now(datetime.UTC) > until:
                yield False
                return
            if any(_taken(file) for file in files):
                yield True
                return
            time.sleep(_POLL_S)


def _taken(file) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
