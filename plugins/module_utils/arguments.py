# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that the modules share (documented in the fragment `repository`), and what they stand for.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import contextlib
import json
import os
import time

from ansible_collections.sicekat.backup.plugins.module_utils.restic import Restic
from ansible_collections.sicekat.backup.plugins.module_utils.storage import Repository
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import Workspace, replace_file

REPOSITORY = {
    "repository": {"type": "str", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
    "repository_id": {"type": "str"},
    "repository_name": {"type": "str", "default": "primary"},
    "location": {"type": "str", "default": ""},
    "restic": {"type": "str", "default": "restic"},
    "server_dir": {"type": "path", "default": "/var/lib/si-cekat-server"},
}

PROGRESS = {"progress": {"type": "path"}}


def repository_of(params, cache=True):
    """Returns (Repository, Workspace) from module parameters."""
    workspace = Workspace(params["server_dir"])
    restic = Restic(params["restic"], params["repository"], params["password"], workspace.path("cache") if cache else None)
    return Repository(restic, params["repository_id"], params["repository_name"], params["location"]), workspace


@contextlib.contextmanager
def reporter(path):
    """Gives report(data set, done bytes, total bytes), which leaves the progress in a file at most once a second; removes the file."""
    last = [0.0]

    def report(dataset, done, total):
        now = time.monotonic()
        if path and now - last[0] >= 1:
            last[0] = now
            with contextlib.suppress(OSError):  # showing progress must never end the work
                replace_file(path, json.dumps({"dataset": dataset, "done": done, "total": total}))

    try:
        yield report
    finally:
        if path:
            with contextlib.suppress(OSError):
                os.unlink(path)
