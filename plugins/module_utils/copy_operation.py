# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copying snapshots of a server to another of its repositories, and proving each copy there: one closed record per snapshot.

A copy counts after the destination has listed it with the tree of its original, and after files read back from there are those
of backup time. They are read back in memory: the host that copies must not keep plain data on a disk.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from urllib.parse import unquote_to_bytes

from ansible_collections.sicekat.backup.plugins.module_utils import manifest as manifests
from ansible_collections.sicekat.backup.plugins.module_utils import proof, record
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import ResticError
from ansible_collections.sicekat.backup.plugins.module_utils.storage import identity_problems

# restic has to read a file from its beginning, so larger ones are read back only where there are not enough others.
_LARGE_BYTES = 64 * 1024 * 1024
_CANARY_BYTES = 65536
# How many files are tried for each one that is to be compared: some changed while they were backed up.
_TRIES = 4
# What can be wrong with one snapshot and does not keep the others from being copied.
_OF_ONE_SNAPSHOT = ("repository_damaged", "snapshot_missing", "other")


def copy_snapshots(destination, source, wanted, sample):
    """Copies snapshots between two Repository objects and returns {record_id: closed record}.

    wanted: dicts of record_id, snapshot_id (in the source) and manifest (dict, or None if it is lost). sample: how many files of
    each copy are compared. A snapshot that was copied before is proved again. Never raises for what can go wrong with repositories.
    """
    started = record.utc_now()
    closed = {one["record_id"]: _new_record(destination, one, started) for one in wanted}
    try:
        source.require_identity()
        destination.require_identity()
        asked = {one["snapshot_id"] for one in wanted}
        originals = {one["id"]: one for one in source.restic.snapshots() if one["id"] in asked}
        copies, problems, output = _bring(destination.restic, source.restic, originals)
    except ResticError as error:
        for one in closed.values():
            _fail(one, error.cause, error.message, error.exit_code)
        return {record_id: _finished(one) for record_id, one in closed.items()}
    for one in wanted:
        made = closed[one["record_id"]]
        made["engine"] = {"name": "restic", "version": destination.restic.version_text()}
        if output:
            made.update(exit_code=output.exit_code, log=output.log())
            made["messages"] += [record.message("lock_cleared", holder=holder) for holder in output.cleared_locks]
        _judge(made, one, destination, originals, copies, problems, sample)
        _finished(made)
    return closed


def rehearse(destination, source):
    """Check mode: returns a message for each of the two repositories that cannot be worked with."""
    return identity_problems(source) + identity_problems(destination)


def _new_record(destination, wanted, started):
    return {
        "outcome": "success", "cause": None, "messages": [], "started_at": record.to_text(started),
        "snapshot_id": None, "repository_id": destination.pinned_id, "engine": None, "encrypted": True,
        "exit_code": None, "error_count": 0, "warning_count": 0, "errors": [], "warnings": [], "log": None, "storage_locations": [],
        "copy": {"source_snapshot_id": wanted["snapshot_id"], "verified": {"canary": "none", "compared": 0, "equal": 0}},
        "verification": {"log_check": {"result": "none", "checks": [{"check": name, "result": "failed"} for name in ("listed_in_repository", "read_back")]}},
    }  # fmt: skip


def _fail(closed, cause, message, exit_code=None):
    closed.update(outcome="aborted" if cause == "killed" else "failed", cause=cause)
    closed["messages"].append(message)
    if exit_code is not None:
        closed["exit_code"] = exit_code


def _finished(closed):
    finished = record.utc_now()
    closed["finished_at"] = record.to_text(finished)
    closed["duration_ms"] = int((finished - record.from_text(closed["started_at"])).total_seconds() * 1000)
    closed["error_count"] = len(closed["errors"]) or int(closed["outcome"] != "success")
    closed["verification"]["log_check"]["result"] = "passed" if closed["outcome"] == "success" else "failed"
    return closed


def _bring(destination, source, originals):
    """Copies what the destination lacks; returns ({id: its copy as listed}, {id: ResticError}, Output of the copying or None)."""
    copies = _copies(destination, originals)
    missing = [name for name in originals if name not in copies]
    if not missing:
        return copies, {}, None
    problems, output = {}, None
    try:
        output = destination.copy(missing, source)
    except ResticError as error:
        problems = dict.fromkeys(missing, error)
        if len(missing) > 1 and error.cause in _OF_ONE_SNAPSHOT:
            problems = _one_by_one(destination, source, missing)
    return _copies(destination, originals), problems, output


def _one_by_one(destination, source, missing):
    problems = {}
    for name in missing:
        try:
            destination.copy([name], source)
        except ResticError as error:
            problems[name] = error
    return problems


def _copies(destination, originals):
    """Returns {id of the original: its copy}, as the destination lists them now."""
    listed = destination.snapshots()
    found = {}
    for name, original in originals.items():
        first = original.get("original") or name  # restic hands on the id of the very first one
        same = [one for one in listed if one.get("original") == first and all(one.get(key) == original.get(key) for key in ("tree", "time", "hostname"))]
        if same:
            found[name] = same[-1]
    return found


def _judge(closed, wanted, destination, originals, copies, problems, sample):
    """Proves one copy and writes into its record what was found."""
    name = wanted["snapshot_id"]
    if name not in originals:
        _fail(closed, "snapshot_missing", record.message("copy_source_missing", snapshot=name[:16]))
        return
    if name not in copies:
        problem = problems.get(name)
        if problem:
            _fail(closed, problem.cause, problem.message, problem.exit_code)
        else:
            _fail(closed, "snapshot_not_listed", record.message("copy_not_listed", snapshot=name[:16]))
        return
    checks = closed["verification"]["log_check"]["checks"]
    checks[0]["result"] = "passed"
    closed["snapshot_id"] = copies[name]["id"]
    closed["storage_locations"] = [destination.storage_location(copies[name])]
    if not wanted["manifest"]:
        _fail(closed, "no_evidence", record.message("no_evidence_manifest"))
        return
    try:
        _read_back(closed, destination.restic, wanted["manifest"], sample)
    except ResticError as error:
        _fail(closed, error.cause, error.message, error.exit_code)
        return
    if closed["outcome"] == "success":
        checks[1]["result"] = "passed"


def _read_back(closed, restic, manifest, sample):
    """Compares the canary and a sample of a copy with its manifest; a bundle is compared as a whole, and its canary lies in it."""
    verified = closed["copy"]["verified"]
    if manifest.get("bundle"):
        entry = {"ranges": None, "size": manifest["bundle"]["bytes"], "sha256": manifest["bundle"]["sha256"]}
        same = _is_same(restic, closed["snapshot_id"], os.fsencode(manifest["paths"][0]), entry)
        verified.update(canary="found" if same else "missing", compared=1, equal=int(same))
        if not same:
            closed["errors"].append("%s: content" % record.printable(manifest["paths"][0]))
            _fail(closed, "restored_differs", record.message("copy_differs", count=1))
        return
    verified["canary"] = "found" if _nonce(restic, closed["snapshot_id"], manifest["canary"]) == manifest["nonce"] else "missing"
    if verified["canary"] == "missing":
        _fail(closed, "no_evidence", record.message("no_evidence_canary"))
        return
    entries = list(manifest["files"])
    random.Random(closed["snapshot_id"] + closed["started_at"]).shuffle(entries)
    entries.sort(key=lambda entry: entry["size"] > _LARGE_BYTES)
    nodes = _Nodes(restic, closed["snapshot_id"])
    for entry in entries[: sample * _TRIES]:
        if verified["compared"] == sample:
            break
        path = unquote_to_bytes(entry["path"])
        same = _is_same(restic, closed["snapshot_id"], path, entry)
        if not same and not nodes.holds(path, entry):
            continue  # it changed between snapshot and manifest, so it proves nothing
        verified["compared"] += 1
        verified["equal"] += same
        if not same:
            closed["errors"].append("%s: content" % record.printable(path))
    if closed["errors"]:
        _fail(closed, "restored_differs", record.message("copy_differs", count=len(closed["errors"])))
    elif not verified["compared"] and nodes.files() > 1:  # one is the canary
        _fail(closed, "no_evidence", record.message("no_evidence_sample"))


def _nonce(restic, snapshot_id, path):
    held = bytearray()

    def keep(piece):
        if len(held) < _CANARY_BYTES:
            held.extend(piece[:_CANARY_BYTES])

    try:
        return json.loads(held.decode("utf-8")).get("nonce") if _dump(restic, snapshot_id, path, keep) else None
    except (ValueError, AttributeError):
        return None


def _is_same(restic, snapshot_id, path, entry):
    digest = _Digest(entry["ranges"])
    there = _dump(restic, snapshot_id, os.fsdecode(path), digest.take)
    return there and digest.size == entry["size"] and digest.hexdigest() == entry["sha256"]


def _dump(restic, snapshot_id, path, sink):
    """Returns False if the snapshot has no such file; raises ResticError for everything else."""
    try:
        restic.dump(snapshot_id, path, sink)
    except ResticError as error:
        if "not found in snapshot" in str(error.message["params"].get("detail")):
            return False
        raise
    return True


class _Digest:
    """The SHA-256 of a stream as `manifest.digest_of` takes it of a file: of all of it, or of its ranges one after the other."""

    def __init__(self, ranges):
        self.size = 0
        self._whole = hashlib.sha256()
        self._ranges = None if ranges is None else [(offset, length, bytearray()) for offset, length in ranges]

    def take(self, piece):
        """Adds the next bytes of the stream."""
        if self._ranges is None:
            self._whole.update(piece)
        for offset, length, held in self._ranges or ():
            held += piece[max(0, offset - self.size) : max(0, offset + length - self.size)]
        self.size += len(piece)

    def hexdigest(self):
        """Returns the digest of what was taken."""
        for _offset, _length, held in self._ranges or ():
            self._whole.update(held)
        return self._whole.hexdigest()


class _Nodes:
    """The list of a snapshot's entries, which is long and seldom needed."""

    def __init__(self, restic, snapshot_id):
        self._restic, self._snapshot_id = restic, snapshot_id
        self._listed = None

    def _all(self):
        if self._listed is None:
            self._listed = self._restic.nodes(self._snapshot_id)[1]
        return self._listed

    def files(self):
        """Returns the number of regular files."""
        return sum(node["type"] == "file" for node in self._all())

    def holds(self, path, entry):
        """Returns True if the snapshot has the very file of a manifest's entry, by its size and time."""
        shown = manifests.engine_text(path)
        return any(
            node["path"] == shown and node["type"] == "file" and node.get("size", 0) == entry["size"] and proof.nanoseconds(node["mtime"]) == entry["mtime_ns"]
            for node in self._all()
        )
