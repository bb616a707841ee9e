# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""LDIF, the text form of a directory: counting entries as they pass, and reading and writing single ones.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import re

_MARK = re.compile(rb"\n(?:dn:|modifyTimestamp: ([0-9]{14}))")
_LONGEST_MARK = 33  # bytes, with the newline


class Watch:
    """Counts the entries of LDIF that comes in pieces, however they are cut. Attribute: entries (int)."""

    def __init__(self):
        self.entries = 0
        self._newest = b""
        self._tail = b"\n"

    def take(self, piece):
        """Looks at the next piece (bytes)."""
        text = self._tail + piece
        for mark in _MARK.finditer(text):
            if mark.group(1):
                self._newest = max(self._newest, mark.group(1))
            elif mark.end() > len(self._tail):  # or it was counted with the piece before
                self.entries += 1
        self._tail = text[-_LONGEST_MARK:]

    def is_ended(self):
        """Tells whether the text stops where an entry does: with an empty line."""
        return self.entries > 0 and self._tail.endswith(b"\n\n")

    def newest_ns(self):
        """Returns when the newest entry was changed in nanoseconds since 1970, or None where no entry says it."""
        try:
            moment = datetime.datetime.strptime(self._newest.decode("ascii") + "+0000", "%Y%m%d%H%M%S%z")
        except ValueError:
            return None
        return int(moment.timestamp()) * 10**9


def entries(pieces):
    """Yields each entry of LDIF (iterable of bytes) as a list of (attribute's name, value), both text. Raises ValueError."""
    entry = []
    for line in _logical_lines(pieces):
        if line:
            entry.append(_attribute(line))
        elif entry:
            yield entry
            entry = []
    if entry:
        yield entry


def _logical_lines(pieces):
    """Yields the lines without comments; a line that begins with a space goes on with the one before."""
    pending, rest = None, b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b" ") and pending is not None:
                pending += line[1:]
                continue
            if pending is not None and not pending.startswith(b"#"):
                yield pending
            pending = line
    for line in (pending, rest):
        if line:
            yield line


def _attribute(line):
    name, colon, value = line.partition(b":")
    if not colon:
        raise ValueError("not an attribute: %r" % line[:80])
    if value.startswith(b":"):
        try:
            value = base64.b64decode(value[1:].strip(), validate=True)
        except binascii.Error:
            raise ValueError("not base64: %r" % line[:80]) from None
    else:
        value = value.lstrip(b" ")
    return name.decode("ascii", "replace"), value.decode("utf-8", "surrogateescape")


def text_of(entry):
    """Returns an entry, as `entries` gives it, as LDIF (bytes); every value is written in base64, which needs no exceptions."""
    lines = [b"%s:: %s\n" % (name.encode("ascii", "replace"), base64.b64encode(value.encode("utf-8", "surrogateescape"))) for name, value in entry]
    return b"".join(lines) + b"\n"
