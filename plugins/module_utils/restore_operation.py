# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bringing data back: as a test into a scratch directory that is proved and removed, or for a person into a directory.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import os
import shutil
import threading
import time

from ansible_collections.sicekat.backup.plugins.module_utils import manifest as manifests
from ansible_collections.sicekat.backup.plugins.module_utils import proof as proofs
from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import ResticError
from ansible_collections.sicekat.backup.plugins.module_utils.sources import source_for
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import os_failure, remove_tree


class Refused(Exception):
    """A restore that cannot be done or does not count. Attributes: cause and message, as in a record."""

    def __init__(self, cause, message):
        super().__init__(cause)
        self.cause = cause
        self.message = message


class Job:
    """One snapshot to bring back.

    dataset: policy data set with its record_id. snapshot_id: explicit id. backed_up_at: RFC 3339 time of that snapshot's
    start. manifest, manifest_sha256: what backup time left. rto_s: seconds or None.
    size_bytes: what the backup counted, for progress.
    """

    def __init__(self, dataset, snapshot_id, backed_up_at, manifest, manifest_sha256, rto_s, size_bytes):
        self.dataset = dataset
        self.snapshot_id = snapshot_id
        self.backed_up_at = backed_up_at
        self.manifest = manifest
        self.manifest_sha256 = manifest_sha256
        self.rto_s = rto_s
        self.size_bytes = size_bytes

    def places(self):
        """Returns the paths where the data set lives, which a restore must not touch."""
        return list(self.dataset.get("paths") or [self.dataset["path"]])


def test_restore(job, workspace, repository, report):
    """Restores into a fresh scratch directory, proves the copy, removes it; returns the closed record."""
    messages = []
    try:
        workspace.make()
        swept = workspace.sweep_scratch()
        if swept:
            messages.append(record.message("scratch_removed", count=swept))
        with workspace.scratch() as target:
            return _bring_back(job, workspace, repository, target, report, messages, scratch=True)
    except OSError as error:
        refusal = Refused(*os_failure(error, workspace.root))
        return _bring_back(job, workspace, repository, "", report, messages, scratch=True, refusal=refusal)


def restore_to(job, workspace, repository, target, report):
    """Restores into a directory of the user's choice, which must be empty or new; returns the closed record."""
    message = refuse_target(target, [workspace.root, repository.restic.repository, *job.places()])
    refusal = Refused("target_unusable", message) if message else None
    try:
        workspace.make()
        if refusal is None:
            os.makedirs(target, mode=0o700, exist_ok=True)
    except OSError as error:
        refusal = Refused(*os_failure(error, target))
    return _bring_back(job, workspace, repository, target, report, [], scratch=False, refusal=refusal)


def refuse_target(target, places):
    """Returns the message why a target directory cannot be used, or None; places are paths that a restore must not touch."""
    if not os.path.isabs(target) or os.path.normpath(target) != target.rstrip("/"):
        return record.message("target_not_absolute", path=target)
    real = os.path.realpath(target)
    for place in places:
        if os.path.isabs(place) and _within(real, os.path.realpath(place)):
            return record.message("target_inside", path=target, place=place)
    if os.path.lexists(target):
        if not os.path.isdir(target) or os.path.islink(target):
            return record.message("target_not_directory", path=target)
        if os.listdir(target):
            return record.message("target_not_empty", path=target)
    return None


def _within(path, place):
    return path == place or path.startswith(place.rstrip("/") + "/")


def _bring_back(job, workspace, repository, target, report, messages, scratch, refusal=None):
    began = record.utc_now()
    clock = _Phases()
    proof = proofs.Proof()
    closed = {
        "outcome": "success", "cause": None, "messages": messages, "started_at": record.to_text(began),
        "snapshot_id": job.snapshot_id, "repository_id": repository.pinned_id, "errors": [], "warnings": [],
        "error_count": 0, "warning_count": 0, "exit_code": None, "log": None, "engine": None, "encrypted": True,
    }  # fmt: skip
    database = "none"
    try:
        if refusal:
            raise refusal
        with clock.phase("prepare"):
            repository.require_identity()
            closed["engine"] = {"name": "restic", "version": repository.restic.version_text()}
            if scratch:
                _require_manifest(job)
            if shutil.disk_usage(target).free < job.size_bytes * 1.1:
                raise Refused("no_space", record.message("no_space", place=target))
        with clock.phase("fetch"):
            nodes, output = _fetch(job, repository, target, report)
            closed.update(exit_code=output.exit_code, log=output.log())
            closed["messages"] += [record.message("lock_cleared", holder=holder) for holder in output.cleared_locks]
        with clock.phase("prove"):
            database = _prove(job, workspace, os.fsencode(target), nodes, proof)
    except ResticError as error:
        closed.update(outcome="aborted" if error.cause == "killed" else "failed", cause=error.cause, exit_code=error.exit_code)
        closed["messages"].append(error.message)
    except Refused as refused:
        closed.update(outcome="failed", cause=refused.cause)
        closed["messages"].append(refused.message)
    except OSError as error:
        cause, message = os_failure(error, target)
        closed.update(outcome="failed", cause=cause)
        closed["messages"].append(message)
    if scratch and target:
        with clock.phase("clean"):
            if not remove_tree(target):
                closed["messages"].append(record.message("scratch_left", path=target))
                closed["warning_count"] += 1
    finished = record.utc_now()
    total_ms = sum(clock.milliseconds.values())
    closed["errors"] = proof.differences
    closed["error_count"] = proof.different or int(closed["outcome"] != "success")
    closed.update(finished_at=record.to_text(finished), duration_ms=total_ms)
    closed["restore"] = {
        "snapshot_id": job.snapshot_id, "snapshot_at": job.backed_up_at, "target": record.printable(target),
        "age_s": int((began - record.from_text(job.backed_up_at)).total_seconds()),
        "files": proof.files, "bytes": proof.bytes, "sample": proof.sample, "canary": proof.canary, "metadata": proof.metadata,
        "database": database, "phases_ms": clock.milliseconds, "total_ms": total_ms,
        # A restore that failed never meets an RTO.
        "rto_met": None if job.rto_s is None else closed["outcome"] == "success" and total_ms <= job.rto_s * 1000,
    }  # fmt: skip
    return closed


def _require_manifest(job):
    if job.manifest is None or manifests.digest(job.manifest) != job.manifest_sha256:
        raise Refused("no_evidence", record.message("no_evidence_manifest"))


class _Phases:
    """Times named phases in milliseconds."""

    def __init__(self):
        self.milliseconds = {"prepare": 0, "fetch": 0, "prove": 0, "clean": 0}

    def phase(self, name):
        return _Phase(self.milliseconds, name)


class _Phase:
    def __init__(self, milliseconds, name):
        self.milliseconds, self.name = milliseconds, name

    def __enter__(self):
        self.began = time.monotonic()

    def __exit__(self, *_exception):
        self.milliseconds[self.name] += int((time.monotonic() - self.began) * 1000)


def _fetch(job, repository, target, report):
    """Restores the snapshot and lists it side by side; returns (nodes, Output)."""
    # Listing runs beside restoring: it is evidence of its own and costs a key derivation that need not be waited for.
    listing = _Listing(repository.restic, job.snapshot_id)
    listing.start()
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(target, job, report, done), daemon=True)
    watcher.start()
    try:
        output = repository.restic.restore(job.snapshot_id, target)
    finally:
        done.set()
        watcher.join(5)
        listing.join()
    if listing.error:
        raise listing.error
    return listing.nodes, output


class _Listing(threading.Thread):
    def __init__(self, restic, snapshot_id):
        super().__init__(daemon=True)
        self.restic, self.snapshot_id = restic, snapshot_id
        self.nodes, self.error = [], None

    def run(self):
        try:
            self.nodes = self.restic.nodes(self.snapshot_id)[1]
        except ResticError as error:
            self.error = error


def _watch(target, job, report, done):
    """Reports how much lies in the target: restic 0.14 shows no progress of a restore."""
    free_before = shutil.disk_usage(os.path.dirname(target)).free
    while not done.wait(1):
        report(job.dataset["name"], max(0, free_before - shutil.disk_usage(os.path.dirname(target)).free), job.size_bytes)


def _prove(job, workspace, root, nodes, proof):
    """Runs every assertion; returns the state of the database. Raises Refused for the first that does not hold."""
    proofs.compare_tree(proof, root, nodes)
    if not proof.files["restored"]:
        raise Refused("nothing_restored", record.message("nothing_restored"))
    # In an emergency the data come first: a restore for a person is refused for a lost manifest only after it is done.
    _require_manifest(job)
    proofs.find_canary(proof, root, job.manifest["canary"], job.manifest["nonce"])
    proofs.compare_sample(proof, root, nodes, job.manifest)
    state, reason = source_for(job.dataset, workspace).prove(os.fsdecode(root), job.manifest["paths"], job.manifest["evidence"])
    if proof.different:
        raise Refused("restored_differs", record.message("restored_differs", count=proof.different))
    if state == "damaged":
        proof.different += 1
        raise Refused("restored_differs", record.message("proof_failed", detail=reason))
    if proof.canary != "found":
        raise Refused("no_evidence", record.message("no_evidence_canary"))
    if not proof.sample["compared"] and proof.files["restored"] > 1:  # one is the canary
        raise Refused("no_evidence", record.message("no_evidence_sample"))
    return state
