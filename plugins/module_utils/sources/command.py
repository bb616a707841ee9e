# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kind "command": what a program prints, for data that no other kind knows.

A program says by its exit code that it was well; how much has to come, and how it ends, say whether it was all.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import os
import pwd
import shutil
import zipfile

from ansible_collections.sicekat.backup.plugins.module_utils.messages import english
from ansible_collections.sicekat.backup.plugins.module_utils.programs import PATH, Program
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import Finding, Part, Source, SourceError

_TAIL = 64 * 1024


class CommandSource(Source):
    """Data set keys: command (list), file_name, user, end_marker, minimum_bytes, timeout_s."""

    is_stream = True
    _bytes = None

    def examine(self):
        program, user = self.dataset["command"][0], self.dataset.get("user")
        if not shutil.which(program, path=PATH):
            raise SourceError("source_invalid", "program_missing", program=os.path.basename(program), detail=program)
        try:
            if user:
                pwd.getpwnam(user)
        except KeyError:
            raise SourceError("source_invalid", "program_user", program=os.path.basename(program), detail=user) from None

    def parts(self):
        end = _End()

        def finish(count, _stderr):
            self._require_whole(count, end)
            self._bytes = count

        program = Program(self.dataset["command"], user=self.dataset.get("user"))
        yield Part(self.dataset["file_name"], program, end.take, finish, self.dataset["timeout_s"])

    def evidence(self):
        return {"engine": "command", "bytes": self._bytes}

    def prove(self, copy):
        end, count = _End(), 0
        try:
            for piece in copy.bundle.read(*copy.bundle.names()):
                end.take(piece)
                count += len(piece)
            self._require_whole(count, end)
        except SourceError as error:
            return Finding("damaged", english(error.message))
        except (OSError, zipfile.BadZipFile) as error:
            return Finding("damaged", str(error))
        wanted = (copy.evidence or {}).get("bytes")
        if count != wanted:
            return Finding("damaged", "%d bytes, and %s at backup time" % (count, wanted))
        return Finding("sound")

    def _require_whole(self, count, end):
        program, least, marker = os.path.basename(self.dataset["command"][0]), self.dataset["minimum_bytes"], self.dataset.get("end_marker")
        if count < least:
            raise SourceError("source_empty", "command_short", program=program, found=count, least=least)
        if marker and marker not in end.last_line():
            raise SourceError("source_invalid", "command_cut", program=program, marker=marker)


class _End:
    """Keeps the end of what passes."""

    def __init__(self):
        self._tail = b""

    def take(self, piece):
        self._tail = (self._tail + piece)[-_TAIL:]

    def last_line(self):
        lines = self._tail.decode("utf-8", "replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "")
