# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""pg_dump and pg_dumpall at work: what they say when they fail, and what passes by of what they print.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import re

from ansible_collections.sicekat.backup.plugins.module_utils.postgresql_access import ENGINE
from ansible_collections.sicekat.backup.plugins.module_utils.postgresql_client import Archive
from ansible_collections.sicekat.backup.plugins.module_utils.programs import Program, ProgramError
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import SourceError

_UNREADABLE = re.compile(r"invalid page in block|could not read block|missing chunk number|invalid memory alloc|could not open file")


def unreadable(database, detail):
    """Returns the SourceError of data that the server itself cannot read, by what it says, or None."""
    if _UNREADABLE.search(detail):
        return SourceError("source_unreadable", "database_unreadable", engine=ENGINE, database=database, detail=detail)
    return None


class Dump(Program):
    """pg_dump or pg_dumpall, whose best known failures get a message of their own."""

    def __init__(self, program, database, lock_timeout_s):
        super().__init__(program.argv, program.user, program.environment)
        self._database = database
        self._lock_timeout_s = lock_timeout_s

    def stream(self, sink, limit_s):
        try:
            return super().stream(sink, limit_s)
        except ProgramError as error:
            if self._lock_timeout_s and "LOCK TABLE" in error.detail:
                limit = self._lock_timeout_s
                raise SourceError("timeout", "database_locked", engine=ENGINE, database=self._database, seconds=limit, detail=error.detail) from None
            raise unreadable(self._database, error.detail) or error from None


class Head:
    """The first bytes of a stream."""

    def __init__(self):
        self.data = b""

    def take(self, piece):
        self.data += piece[: Archive.HEAD_BYTES - len(self.data)]


class End:
    """The last bytes of a stream."""

    def __init__(self):
        self.data = b""

    def take(self, piece):
        self.data = (self.data + piece)[-500:]
