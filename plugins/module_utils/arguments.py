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

from ansible_collections.sicekat.backup.plugins.module_utils.restic import WORK_LIMIT_S, Restic
from ansible_collections.sicekat.backup.plugins.module_utils.storage import Repository
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import Workspace, replace_file

ACCESS = {
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "access_key": {"type": "str", "no_log": True},
    "secret_key": {"type": "str", "no_log": True},
    "ca_certificate": {"type": "str"},
    "identity_file": {"type": "path"},
    "host_key": {"type": "str", "no_log": False},
    "known_hosts": {"type": "path"},
}

# One repository among several, as suboptions.
ENDPOINT = {
    "repository": {"type": "str", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
    "repository_id": {"type": "str"},
    "key_hint": {"type": "str", "no_log": False},
    "repository_name": {"type": "str", "default": "primary"},
    "location": {"type": "str", "default": ""},
    "access": {"type": "dict", "default": {}, "options": ACCESS},
    "run_as": {"type": "str"},
}

# How restic works on a host, whatever the repository.
ENGINE = {
    "restic": {"type": "str", "default": "restic"},
    "server_dir": {"type": "path", "default": "/var/lib/si-cekat-server"},
    "upload_limit": {"type": "int"},
    "max_runtime": {"type": "int", "default": WORK_LIMIT_S},
}

# One repository that is only looked at, and one that is worked with.
LOOK = dict(ENDPOINT, **ENGINE)
REPOSITORY = dict(LOOK, job={"type": "str"})

# Each takes a processor for its key derivation, and half a second.
SEVERAL_AT_ONCE = 2

PROGRESS = {"progress": {"type": "path"}}


def repositories(**more):
    """Returns the option `repositories`: those of several servers, with these suboptions more."""
    return {"type": "list", "elements": "dict", "default": [], "options": dict(ENDPOINT, server={"type": "str", "required": True}, **more)}


def repository_of(params, cache=True):
    """Returns (Repository, Workspace) from module parameters."""
    workspace = Workspace(params["server_dir"])
    return endpoint_of(params, params, cache), workspace


def endpoint_of(endpoint, params, cache=False):
    """Returns the Repository of one ENDPOINT dict; how restic works (ENGINE) comes from the module parameters."""
    restic = Restic(
        params["restic"],
        endpoint["repository"],
        endpoint["password"],
        Workspace(params["server_dir"]).path("cache") if cache else None,
        access=endpoint["access"],
        run_as=endpoint["run_as"],
        upload_limit=params["upload_limit"],
        max_runtime=params["max_runtime"],
        key_hint=endpoint["key_hint"],
    )
    return Repository(restic, endpoint["repository_id"], endpoint["repository_name"], endpoint["location"])


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
