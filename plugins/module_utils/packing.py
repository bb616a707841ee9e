# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Long content as one short text: Ansible looks at every value of a structure, which takes seconds for thousands of entries.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import base64
import zlib

# Bytes of a log that is handed over; one that is longer is not read, so it proves nothing.
LOG_MOST = 4 * 2**20


def pack(content):
    """Returns bytes as one line of ASCII text."""
    return base64.b64encode(zlib.compress(content, 1)).decode("ascii")


def unpack(text, most):
    """Returns the bytes of a text that `pack` made; raises ValueError for any other text, and for one that grows beyond `most` bytes."""
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(base64.b64decode(text), most)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not inflater.eof:
        raise ValueError("not whole, or longer than %d bytes" % most)
    return content


def pack_text(text):
    """Returns a text (of restic's log, any length) as `pack` does."""
    return pack(text.encode("utf-8", "surrogateescape"))


def unpack_text(text, most=LOG_MOST):
    """Returns the text that `pack_text` packed; raises ValueError as `unpack` does."""
    return unpack(text, most).decode("utf-8", "surrogateescape")
