# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bringing data back: as a test into a scratch directory that is proved and removed, or for a person to where he wants them.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import os
import shutil
import threading
import time

from ansible_collections.sicekat.backup.plugins.module_utils import proof as proofs
from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import ResticError
from ansible_collections.sicekat.backup.plugins.module_utils.restore_proof import Refused, prove_data, prove_files, require_manifest
from ansible_collections.sicekat.backup.plugins.module_utils.restore_target import target_for
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import Finding
from ansible_collections.sicekat.backup.plugins.module_utils.swap import put_back
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import os_failure, remove_tree


class Job:
    """One snapshot to bring back.

    dataset: policy data set with its record_id. snapshot_id: explicit id. backed_up_at: RFC 3339 time of that snapshot's
    start. manifest, manifest_sha256: what backup time left. rto_s, rpo_s: seconds or None. size_bytes: what the backup counted.
    whole_bytes: what the newest backup of the data set counted, to which the time is extrapolated. pick: "newest", "random" or "named",
    how the snapshot was chosen; seed: text of a random choice, or None.
    """

    def __init__(self, dataset, snapshot_id, backed_up_at, manifest, manifest_sha256, rto_s, size_bytes, rpo_s=None, whole_bytes=0, pick="newest", seed=None):
        self.dataset = dataset
        self.snapshot_id = snapshot_id
        self.backed_up_at = backed_up_at
        self.manifest = manifest
        self.manifest_sha256 = manifest_sha256
        self.rto_s = rto_s
        self.size_bytes = size_bytes
        self.rpo_s = rpo_s
        self.whole_bytes = whole_bytes
        self.pick = pick
        self.seed = seed

    @property
    def bundle(self):
        """What the manifest says of the bundle, or None where the snapshot holds files as they lay."""
        return (self.manifest or {}).get("bundle")

    def places(self):
        """Returns the paths where the data set lives, which a restore must not touch."""
        return list(self.dataset.get("paths") or [self.dataset[key] for key in ("path",) if self.dataset.get(key)])


def test_restore(job, workspace, repository, report):
    """Restores into a fresh scratch directory, proves the copy, removes it; returns the closed record."""
    messages = []
    try:
        workspace.make()
        messages += _swept(workspace)
        with workspace.scratch() as target:
            return _bring_back(job, workspace, repository, target, report, messages, scratch=True)
    except OSError as error:
        refusal = Refused(*os_failure(error, workspace.root))
        return _bring_back(job, workspace, repository, "", report, messages, scratch=True, refusal=refusal)


def restore_to(job, workspace, repository, asked, report):
    """Restores for a person to what he asked for (restore_target.Target); returns the closed record."""
    target, messages = target_for(asked, job, workspace, [repository.restic.repository]), []
    try:
        workspace.make()
        messages += _swept(workspace) + put_back(workspace)
        problem = target.problem()
        if problem is None:
            with target.opened() as root:
                return _bring_back(job, workspace, repository, root, report, messages, scratch=False, asked=target)
        refusal = Refused("target_unusable", problem)
    except OSError as error:
        refusal = Refused(*os_failure(error, asked["target"]))
    return _bring_back(job, workspace, repository, "", report, messages, scratch=False, refusal=refusal, asked=target)


def _swept(workspace):
    """Removes what crashed runs left; a server whose tests are done elsewhere would keep it for ever. Returns messages."""
    count = workspace.sweep_scratch()
    return [record.message("scratch_removed", count=count)] if count else []


def _bring_back(job, workspace, repository, target, report, messages, scratch, refusal=None, asked=None):
    began = record.utc_now()
    clock = _Phases()
    proof = proofs.Proof()
    closed = {
        "outcome": "success", "cause": None, "messages": messages, "started_at": record.to_text(began),
        "snapshot_id": job.snapshot_id, "repository_id": repository.pinned_id, "errors": [], "warnings": [],
        "error_count": 0, "warning_count": 0, "exit_code": None, "log": None, "engine": None, "encrypted": True,
    }  # fmt: skip
    finding = Finding("none")
    try:
        if refusal:
            raise refusal
        with clock.phase("prepare"):
            repository.require_identity()
            closed["engine"] = {"name": "restic", "version": repository.restic.version_text()}
            if scratch:
                require_manifest(job)
            # A database needs its room twice: as the bundle and as loaded.
            needed = job.size_bytes * (asked.room if asked else 2.5 if job.bundle else 1.1)
            if shutil.disk_usage(target).free < needed:
                raise Refused("no_space", record.message("no_space", place=target))
        with clock.phase("fetch"):
            nodes, output = _fetch(job, repository, target, report)
            closed.update(exit_code=output.exit_code, log=output.log())
            closed["messages"] += [record.message("lock_cleared", holder=holder) for holder in output.cleared_locks]
        with clock.phase("prove"):
            prove_files(job, os.fsencode(target), nodes, proof)
        finding = prove_data(job, workspace, target, clock, proof, scratch)
        if asked:
            finding = asked.take(target, clock) or finding
    except ResticError as error:
        closed.update(outcome="aborted" if error.cause == "killed" else "failed", cause=error.cause, exit_code=error.exit_code)
        closed["messages"].append(error.message)
    except Refused as refused:
        closed.update(outcome="failed", cause=refused.cause)
        closed["messages"].append(refused.message)
        finding = refused.finding or finding
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
    extrapolated_ms = _extrapolated(job, clock.milliseconds)
    age_s = int((began - record.from_text(job.backed_up_at)).total_seconds())
    good = closed["outcome"] == "success"
    closed["restore"] = {
        "snapshot_id": job.snapshot_id, "snapshot_at": job.backed_up_at, "target": record.printable(asked.name if asked else target),
        "pick": job.pick, "seed": job.seed, "age_s": age_s,
        "files": proof.files, "bytes": proof.bytes, "sample": proof.sample, "canary": proof.canary, "metadata": proof.metadata,
        "database": finding.state, "rows": finding.rows, "assertions": finding.assertions,
        "phases_ms": clock.milliseconds, "total_ms": total_ms, "extrapolated_ms": extrapolated_ms,
        # A restore that failed never meets an RTO, and an older snapshot says nothing of the RPO.
        "rto_met": None if job.rto_s is None else good and max(total_ms, extrapolated_ms) <= job.rto_s * 1000,
        "rpo_met": None if job.rpo_s is None or job.pick != "newest" else good and age_s <= job.rpo_s,
    }  # fmt: skip
    if asked:
        closed["restore"]["replaced"] = asked.replaced
    return closed


def _extrapolated(job, phases):
    """Returns the milliseconds that the whole of today's data set would take, from a smaller one that was restored."""
    factor = max(1.0, job.whole_bytes / job.size_bytes) if job.size_bytes else 1.0
    growing = sum(phases[name] for name in ("fetch", "load", "prove"))
    return int(phases["prepare"] + growing * factor + phases["clean"])


class _Phases:
    """Times named phases in milliseconds."""

    def __init__(self):
        self.milliseconds = {"prepare": 0, "fetch": 0, "load": 0, "prove": 0, "clean": 0}

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
