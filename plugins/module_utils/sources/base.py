# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all sources share.

Note that this module util is private to the collection.
"""

from __future__ import annotations

from ansible_collections.sicekat.backup.plugins.module_utils import record


class SourceError(Exception):
    """A source that cannot be backed up. Attributes: cause (of record.CAUSES) and message (a record's message)."""

    def __init__(self, cause, code=None, **params):
        super().__init__(cause)
        self.cause = cause
        self.message = record.message(code or cause, **params)


class Source:
    """dataset: dict of the policy. workspace: the server's Workspace."""

    def __init__(self, dataset, workspace):
        self.dataset = dataset
        self.workspace = workspace

    def examine(self):
        """Refuses a source that cannot be backed up by raising SourceError; changes nothing."""

    def prepare(self):
        """Examines the source and makes what is needed to read it consistently; raises SourceError."""
        self.examine()

    def problem(self):
        """Returns the message that keeps the source from being backed up, or None."""
        try:
            self.examine()
        except SourceError as error:
            return error.message
        return None

    def paths(self):
        """Returns the absolute paths that restic takes."""
        return list(self.dataset["paths"])

    def evidence(self):
        """Returns what a restored copy must match beside its files (JSON-able), or None."""
        return None

    def origin_mtime_ns(self):
        """Returns the modification time of the data when the paths are only copies, or None."""
        return None

    def clean(self):
        """Removes what prepare() made."""

    def prove(self, root, paths, evidence):
        """Examines a copy restored below root: paths and evidence are what backup time noted.

        Returns ("sound", "") or ("damaged", reason), or ("none", "") if the files are all there is.
        """
        return "none", ""
