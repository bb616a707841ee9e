# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTML to PDF with WeasyPrint, which never fetches anything while it does so.

Loading WeasyPrint takes half a second. `warm_up` starts a process that does it while backups run; that process is this
file as a program, and ends when the one that started it and all its forks have ended.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import contextlib
import ctypes.util
import select
import subprocess
import sys
from collections.abc import Iterator
from typing import BinaryIO

_PATIENCE_S = 60

_helper: subprocess.Popen | None = None


def warm_up() -> None:
    """Starts the process that later calls of `render`, in this process or in forks of it, hand their pages to."""
    global _helper
    # -P: the other files beside this one must not stand in for modules of the standard library.
    with contextlib.suppress(OSError):
        _helper = subprocess.Popen([sys.executable, "-P", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def render(html: str) -> bytes:
    """Returns a self-contained HTML page as PDF; the same page gives the same bytes.

    Raises ImportError without WeasyPrint, and OSError without the Pango libraries.
    """
    if _helper is not None:
        with contextlib.suppress(OSError, ValueError):
            _write(_helper.stdin, html.encode())
            if select.select([_helper.stdout], [], [], _PATIENCE_S)[0]:
                document = _read(_helper.stdout)
                if document:
                    return document
    return _render(html)


def _render(html: str) -> bytes:
    with _no_library_search():
        import weasyprint

    nothing = weasyprint.urls.URLFetcher(allowed_protocols=())
    return weasyprint.HTML(string=html, url_fetcher=nothing).write_pdf()


@contextlib.contextmanager
def _no_library_search() -> Iterator[None]:
    """Keeps cffi from searching for libraries by name, one `ldconfig` and one compiler at a time (0.4 s in all).

    WeasyPrint also tries each library's exact file name, which the dynamic loader finds by itself.
    """
    search = ctypes.util.find_library
    ctypes.util.find_library = lambda name: None
    try:
        yield
    finally:
        ctypes.util.find_library = search


def _write(pipe: BinaryIO, content: bytes) -> None:
    pipe.write(len(content).to_bytes(8, "big") + content)
    pipe.flush()


def _read(pipe: BinaryIO) -> bytes:
    """Returns what `_write` wrote at the other end, or nothing at the end of the pipe."""
    return pipe.read(int.from_bytes(pipe.read(8), "big"))


def _serve() -> None:
    """Loads WeasyPrint, then turns pages into documents until nobody is left who could send one."""
    with _no_library_search():
        import weasyprint  # noqa: F401
    while page := _read(sys.stdin.buffer):
        _write(sys.stdout.buffer, _render(page.decode()))


if __name__ == "__main__":
    _serve()
