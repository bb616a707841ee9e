# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What mariadb-dump and mysqldump print: counting its rows and objects as it passes, and loading it under another name.

Both escape line feeds inside strings, so that a line feed in an INSERT statement is never data (measured with mariadb-dump of MariaDB
10.11 and 11.8; mysqldump writes the rows of a statement on one line).

Note that this module util is private to the collection.
"""

from __future__ import annotations

import re

OBJECTS = ("tables", "views", "sequences", "routines", "events", "triggers")

_INSERT = re.compile(rb"INSERT (?:IGNORE )?INTO (`(?:[^`]|``)+`)(?: \((?:`(?:[^`]|``)*`|[^`()\n])*\))? VALUES(?=[ \n])")
_COMMENT = re.compile(rb"-- (Table structure for table|Dumping data for table|Sequence structure for|Final view structure for view) `(.*)`")
_BODIES = ((b"/*!50003 CREATE*/", "triggers"), (b"/*!50106 CREATE*/", "events"), (b"CREATE ", "routines"))
_ENABLED = re.compile(rb"(?m)^(/\*!50106 CREATE\*/ [^\n]*? ON COMPLETION (?:NOT )?PRESERVE) ENABLE(?= )")


class DumpReader:
    """Counts what is in a dump that passes in pieces, cut anywhere.

    Attributes: tables {name: rows}, objects {kind of OBJECTS: count}, filled {name of each table whose rows were dumped, none or more}.
    """

    def __init__(self):
        self.tables = {}
        self.filled = set()
        self.objects = dict.fromkeys(OBJECTS, 0)
        self.unread = 0  # INSERT statements of another form than ours
        self._rest = b""
        self._table = None  # of the INSERT statement that we are in
        self._on_lines = False  # one row on each line
        self._in_string = False
        self._in_body = False  # of a trigger, routine or event
        self._body_known = False
        self._last = b""
        self._again = False  # there is more to read in what is here

    def feed(self, piece):
        """Takes the next bytes."""
        data = self._rest + piece
        position = self._lines(data, 0) if self._table is None else self._values(data, 0)
        while self._again:
            position = self._lines(data, position) if self._table is None else self._values(data, position)
        self._rest = data[position:]

    def is_complete(self):
        """Returns True if the dump ended with the line that ends every dump."""
        return (self._rest or self._last).startswith(b"-- Dump completed")

    def _lines(self, data, position):
        """Reads whole lines up to the rows of an INSERT statement; returns how far it came."""
        while True:
            if not self._in_body and data.startswith(b"INSERT ", position):
                header = _INSERT.match(data, position)
                if header and _name(header.group(1)[1:-1]) in self.tables:
                    self._table = _name(header.group(1)[1:-1])
                    self._on_lines = data[header.end()] == 10
                    self._in_string = False
                    self._again = True
                    return header.end()
            end = data.find(b"\n", position)
            if end < 0:
                self._again = False
                return position
            self._line(data[position:end])
            position = end + 1

    def _line(self, line):
        if self._in_body:
            self._body_line(line)
            return
        if line == b"DELIMITER ;;":
            self._in_body, self._body_known = True, False
        elif line.startswith(b"-- "):
            comment = _COMMENT.fullmatch(line)
            if comment:
                self._begin(comment.group(1), _name(comment.group(2)))
        elif line.startswith(b"INSERT "):
            self.unread += 1
        self._last = line or self._last

    def _begin(self, what, name):
        if what == b"Table structure for table":
            self.tables[name] = 0
            self.objects["tables"] += 1
        elif what == b"Dumping data for table":
            self.filled.add(name)
        else:
            self.objects["sequences" if what == b"Sequence structure for" else "views"] += 1

    def _body_line(self, line):
        if line == b"DELIMITER ;":
            self._in_body = False
        elif not self._body_known:
            for start, kind in _BODIES:
                if line.startswith(start):
                    self.objects[kind] += 1
                    self._body_known = True

    def _values(self, data, position):
        """Counts rows up to the end of the statement or of the data; returns how far it came."""
        end = data.find(b";\n", position)
        self._again = end >= 0
        if self._on_lines:
            # The last byte is seen again with the next piece, because it may begin a row or the end.
            stop = end if end >= 0 else len(data)
            self.tables[self._table] += data.count(b"\n(", position, stop)
            stop = stop if end >= 0 else max(position, len(data) - 1)
        else:
            stop = end if end >= 0 else _before_escape(data, position)
            self._count_inline(data[position:stop])
        if end < 0:
            return stop
        self._table = None
        return end + 2

    def _count_inline(self, text):
        """Counts rows outside of strings; `text` does not end within an escape."""
        parts = text.replace(b"\\\\", b"").replace(b"\\'", b"").split(b"'")
        self.tables[self._table] += b"".join(parts[1::2] if self._in_string else parts[::2]).count(b"(")
        self._in_string ^= len(parts) % 2 == 0


def _before_escape(data, position):
    """Returns where the data can be cut so that neither an escape nor the end of a statement is torn apart."""
    stop = max(position, len(data) - 1)
    while stop > position and data[stop - 1] == 0x5C:
        stop -= 1
    return stop


def _name(quoted):
    return quoted.replace(b"``", b"`").decode("utf-8", "surrogateescape")


def renamed(pieces, old, new):
    """Yields a dump for a database of another name: its events disabled, its sequences those of the new database.

    A dump names its own database only where a column takes its default from a sequence. Changes no rows: those never begin a line so.
    """
    quoted_old, quoted_new = (b"`" + name.replace("`", "``").encode("utf-8") + b"`." for name in (old, new))
    column = re.compile(rb"(?m)^(  `[^\n]*?\b(?:nextval|lastval)\()" + re.escape(quoted_old))
    for block in _whole_lines(pieces):
        if b"/*!50106 CREATE*/" in block:
            block = _ENABLED.sub(rb"\1 DISABLE", block)
        if b"val(" + quoted_old in block:
            block = column.sub(lambda match: match.group(1) + quoted_new, block)
        yield block


def _whole_lines(pieces):
    """Yields the same bytes in blocks that end with a line."""
    held = []
    for piece in pieces:
        end = piece.rfind(b"\n") + 1
        if end:
            yield b"".join([*held, piece[:end]])
            held = []
        held.append(piece[end:])
    yield b"".join(held)
