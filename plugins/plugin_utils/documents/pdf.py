# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTML to PDF with WeasyPrint, which never fetches anything while it does so."""

from __future__ import annotations

import contextlib
import ctypes.util
from collections.abc import Iterator


def render(html: str) -> bytes:
    """Returns a self-contained HTML page as PDF; the same page gives the same bytes.

    Raises OSError when the Pango libraries are not installed.
    """
    # Imported here, for it takes half a second that nobody without a PDF should pay.
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
