# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kind "files": directories and files as they lie.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import os

from ansible_collections.sicekat.backup.plugins.module_utils import file_system_snapshot
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import Source, SourceError


class FilesSource(Source):
    """Data set keys: paths, exclude, one_file_system, sentinel, allow_empty, snapshot."""

    _snapshot = None

    def examine(self):
        self._look()
        if self.dataset.get("snapshot"):
            self._new_snapshot().volume()

    def prepare(self):
        self.examine()
        if self.dataset.get("snapshot"):
            self._snapshot = self._new_snapshot()
            self._snapshot.take()
            self._look()  # now at what will be backed up

    def clean(self):
        if self._snapshot:
            self._snapshot.remove()
            self._snapshot = None

    def _new_snapshot(self):
        return file_system_snapshot.Snapshot(self.dataset, self.workspace.path("spool", self.dataset["name"] + ".snapshot"))

    def _look(self):
        """restic 0.14 to 0.18 end with 0 when one of several sources is missing (measured), so each is looked at first."""
        sentinel = self.dataset.get("sentinel")
        if sentinel and not os.path.exists(sentinel):
            raise SourceError("sentinel_missing", path=sentinel)
        for path in self.dataset["paths"]:
            if not os.path.lexists(path):
                raise SourceError("source_missing", path=path)
            if os.path.islink(path):
                raise SourceError("source_invalid", "source_symlink", path=path)
            if not self.dataset.get("allow_empty") and not _holds_a_file(path):
                raise SourceError("source_empty", path=path)


def _holds_a_file(path):
    """Returns True at the first entry below path that is not a directory; raises SourceError if it cannot be looked into."""
    if not os.path.isdir(path):
        return True
    refused = []
    if any(names for _directory, _directories, names in os.walk(path, onerror=refused.append)):
        return True
    if refused:
        raise SourceError("permission", detail="%s: %s" % (refused[0].filename, refused[0].strerror))
    return False
