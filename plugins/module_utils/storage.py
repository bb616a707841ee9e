# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A repository of a server as records know it.

Note that this module util is private to the collection.
"""

from __future__ import annotations

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import ResticError, redact


class Repository:
    """A repository of a server: its Restic, the identity that was pinned at deployment, and how records name it."""

    def __init__(self, restic, pinned_id, name, location):
        self.restic = restic
        self.pinned_id = pinned_id
        self.name = name
        self.location = location

    def require_identity(self):
        """Refuses to work with a repository that is not the pinned one."""
        if not self.pinned_id:
            raise ResticError("repository_unpinned", record.message("repository_unpinned"))
        self.restic.require_identity(self.pinned_id)

    def storage_location(self, snapshot):
        """Returns the record's entry for a snapshot (dict as the repository lists it) that lies here."""
        return {
            "repository": self.name, "location": self.location, "url": redact(self.restic.repository),
            "snapshot_id": snapshot["id"], "repository_id": self.pinned_id, "listed_at": record.to_text(record.utc_now()),
        }  # fmt: skip


def identity_problems(repository):
    """Returns a message if a Repository cannot be worked with."""
    try:
        repository.require_identity()
    except ResticError as error:
        return [error.message]
    return []
