# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading a repository back: the integrity check of one repository, as one closed record.

Note that this module util is private to the collection.
"""

from __future__ import annotations

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import ResticError, classify

# Lines of `restic check` that tell of progress, not of damage.
_CALM = (
    "using temporary cache",
    "create exclusive lock",
    "load indexes",
    "check all packs",
    "check snapshots",
    "read all data",
    "read group",
    "no errors were found",
    "[",
)
_SHOWN = 100


def check_integrity(repository, read_data):
    """Checks a Repository; read_data is "full" or "n/t". Returns the closed record.

    A check that read no pack is not a success (restic ends with 0 for an empty group). Where a group of a small repository
    has no pack, the next one that has some is read instead, and the record names both.
    """
    started = record.utc_now()
    closed = {
        "outcome": "success",
        "cause": None,
        "messages": [],
        "errors": [],
        "warnings": [],
        "warning_count": 0,
        "error_count": 0,
        "exit_code": None,
        "log": None,
    }
    integrity = {"read_data": read_data, "packs_read": None, "errors": 0, "empty": []}
    try:
        repository.require_identity()
        closed["engine"] = {"name": "restic", "version": repository.restic.version_text()}
        read_data, integrity["empty"] = _with_packs(repository.restic, read_data)
        output, packs, sound = repository.restic.check(read_data)
        lines = [line for line in output.stdout + output.stderr if line.strip() and not line.strip().startswith(_CALM)]
        integrity.update(read_data=read_data, packs_read=packs, errors=0 if sound else max(1, len(lines)))
        closed.update(exit_code=output.exit_code, log=output.log())
        closed["messages"] += [record.message("lock_cleared", holder=holder) for holder in output.cleared_locks]
        if output.exit_code != 0:
            found = classify(output.exit_code, output.stderr, repository.restic.shown_repository)
            cause = "repository_damaged" if found.cause in ("other", "snapshot_missing") else found.cause
            closed.update(outcome="failed", cause=cause, errors=[record.printable(line)[:500] for line in lines][:_SHOWN])
            damaged = record.message("integrity_failed", count=integrity["errors"])
            closed["messages"].append(damaged if cause == "repository_damaged" else found.message)
        elif not sound:
            closed.update(outcome="failed", cause="no_evidence")
            closed["messages"].append(record.message("no_evidence_check", read_data=read_data))
    except ResticError as error:
        closed.update(outcome="aborted" if error.cause == "killed" else "failed", cause=error.cause, exit_code=error.exit_code)
        closed["messages"].append(error.message)
    finished = record.utc_now()
    closed["error_count"] = integrity["errors"] or int(closed["outcome"] != "success")
    closed.update(
        started_at=record.to_text(started), finished_at=record.to_text(finished), duration_ms=int((finished - started).total_seconds() * 1000),
        repository_id=repository.pinned_id, integrity=integrity,
    )  # fmt: skip
    return closed


def _with_packs(restic, read_data):
    """Returns (the group to read, the groups that have no pack): "n/t", or the next one that has some; "full" stays."""
    if read_data == "full":
        return read_data, []
    first, groups = (int(text) for text in read_data.split("/"))
    filled = restic.groups_with_packs(groups)
    order = [(first - 1 + step) % groups + 1 for step in range(groups)]
    empty = ["%d/%d" % (group, groups) for group in range(1, groups + 1) if group not in filled]
    return "%d/%d" % (next((group for group in order if group in filled), first), groups), empty
