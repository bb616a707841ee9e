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

from ansible_collections.sicekat.backup.plugins.module_utils.backup_operation import Repository
from ansible_collections.sicekat.backup.plugins.module_utils.manifest import unpack
from ansible_collections.sicekat.backup.plugins.module_utils.restic import Restic
from ansible_collections.sicekat.backup.plugins.module_utils.restore_operation import Job
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

RESTORE = {
    "dataset": {"type": "dict", "required": True},
    "snapshot": {"type": "str", "required": True},
    "backed_up_at": {"type": "str", "required": True},
    "manifest": {"type": "str", "no_log": True},
    "manifest_sha256": {"type": "str"},
    "size_bytes": {"type": "int", "default": 0},
    "rto_s": {"type": "int"},
}


def repository_of(params, cache=True):
    """Returns (Repository, Workspace) from module parameters."""
    workspace = Workspace(params["server_dir"])
    restic = Restic(params["restic"], params["repository"], params["password"], workspace.path("cache") if cache else None)
    return Repository(restic, params["repository_id"], params["repository_name"], params["location"]), workspace


def job_of(params):
    """Returns the Job of a restore from module parameters."""
    try:
        manifest = unpack(params["manifest"]) if params["manifest"] else None
    except ValueError:
        manifest = None  # the operation finds that the evidence is missing
    return Job(
        params["dataset"], params["snapshot"], params["backed_up_at"], manifest, params["manifest_sha256"],
        params["rto_s"], params["size_bytes"],
    )  # fmt: skip


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
