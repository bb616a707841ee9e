# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Progress of a module that is still working: one line that is rewritten on a terminal, a plain line now and then elsewhere.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

from ansible.utils.display import Display

_POLL_S = 2
_PLAIN_EVERY_S = 60


class Watch:
    """Shows the progress file of a module while the with-block runs; never disturbs the work.

    path: the file on this machine, or None for nothing to show.
    """

    def __init__(self, host: str, path: str | None) -> None:
        self._host, self._path = host, path
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)
        self._terminal = _parent_has_terminal()
        self._shown = False

    def __enter__(self) -> Watch:
        if self._path:
            self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join(_POLL_S + 1)

    def _show(self) -> None:
        display, began, plain_at = Display(), time.monotonic(), time.monotonic()
        while not self._done.wait(_POLL_S):
            try:
                progress = json.loads(Path(self._path).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            now = time.monotonic()
            if self._terminal:
                display.display("\r\x1b[K" + self._line(progress, now - began), newline=False, screen_only=True)
                self._shown = True
            elif now - plain_at >= _PLAIN_EVERY_S:
                plain_at = now
                display.display(self._line(progress, now - began))
        if self._shown:
            display.display("\r\x1b[K", newline=False, screen_only=True)

    def _line(self, progress: dict, seconds: float) -> str:
        return f"{self._host}: {line(progress, seconds)}"


def line(progress: dict, seconds: float) -> str:
    """Returns one line: data set, bytes done of total, per cent, time left ("ETA" in minutes and seconds)."""
    done, total = progress["done"], progress["total"]
    text = f"{progress['dataset']} {_size(done)}"
    if total:
        left = seconds * (total - done) / done if done else 0
        text += f" / {_size(total)} ({100 * min(done, total) // total} %)"
        text += f", ETA {int(left) // 60}:{int(left) % 60:02}" if done and done < total else ""
    return text


def _size(count: int) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return ""


def _parent_has_terminal() -> bool:
    """Returns True if the ansible-playbook process, our parent, writes to a terminal; a worker's own output is detached."""
    try:
        return os.readlink(f"/proc/{os.getppid()}/fd/1").startswith(("/dev/pts/", "/dev/tty"))
    except OSError:
        return False
