# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of the modules that restore (documented in the fragment `repository.restore`), and the job they stand for.

Note that this module util is private to the collection.
"""

from __future__ import annotations

from ansible_collections.sicekat.backup.plugins.module_utils.manifest import unpack_or_none
from ansible_collections.sicekat.backup.plugins.module_utils.restore_operation import Job

RESTORE = {
    "dataset": {"type": "dict", "required": True},
    "snapshot": {"type": "str", "required": True},
    "backed_up_at": {"type": "str", "required": True},
    "manifest": {"type": "str", "no_log": True},
    "manifest_sha256": {"type": "str"},
    "size_bytes": {"type": "int", "default": 0},
    "rto_s": {"type": "int"},
    "rpo_s": {"type": "int"},
    "whole_bytes": {"type": "int", "default": 0},
    "pick": {"type": "str", "choices": ["newest", "random", "named"], "default": "newest"},
    "seed": {"type": "str"},
}


def job_of(params):
    """Returns the Job of a restore from module parameters."""
    return Job(
        params["dataset"], params["snapshot"], params["backed_up_at"], unpack_or_none(params["manifest"]), params["manifest_sha256"],
        params["rto_s"], params["size_bytes"], params["rpo_s"], params["whole_bytes"], params["pick"], params["seed"],
    )  # fmt: skip
