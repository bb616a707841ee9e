# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backing up the data sets of one server: one call, one closed record per data set.

Few, fat steps: a module task costs about 0.35 s and every restic call about 0.5 s for its key derivation, so identity
and listing are asked once per repository, not once per data set.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil

from ansible_collections.sicekat.backup.plugins.module_utils import hooks, record, taking
from ansible_collections.sicekat.backup.plugins.module_utils import manifest as manifests
from ansible_collections.sicekat.backup.plugins.module_utils.programs import ProgramError
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import EXIT_PARTIAL, ResticError, item_of, stderr_text
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import SourceError, failure_of
from ansible_collections.sicekat.backup.plugins.module_utils.sources.kinds import source_for
from ansible_collections.sicekat.backup.plugins.module_utils.storage import identity_problems
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import Busy, os_failure

_ERRORS_SHOWN = 100


class Task:
    """What is to be backed up and how. datasets: policy data sets, each with its record_id. sample: int or "full".

    logs: {record_id: the whole log as text}, filled while it is done.
    """

    def __init__(self, host, cycle, datasets, force, sample, report):
        self.host = host
        self.cycle = cycle
        self.datasets = datasets
        self.force = force
        self.sample = sample
        self.report = report
        self.logs = {}


def back_up(task, workspace, primary):
    """Backs up and returns ({record_id: closed record}, {record_id: manifest}).

    primary: Repository. Never raises for what can go wrong with data or repositories: that is what records are for.
    """
    closed, made = {}, {}
    started = record.utc_now()
    try:
        workspace.make()
        primary.require_identity()
    except ResticError as error:
        return {one["record_id"]: _refused(primary, started, error.cause, error.message, error.exit_code) for one in task.datasets}, {}
    except OSError as error:
        return {one["record_id"]: _refused(primary, started, *os_failure(error, workspace.root)) for one in task.datasets}, {}
    for dataset in task.datasets:
        closed[dataset["record_id"]], made[dataset["record_id"]] = _back_up_one(task, dataset, workspace, primary)
    taken = {record_id: one for record_id, one in closed.items() if one.get("snapshot_id")}
    if taken:
        _require_listing(primary, taken, made)
    free = _free_bytes(primary.restic.repository)
    for one in closed.values():
        one["free_bytes"] = free
        _finish_log_check(one)
    return closed, {record_id: manifest for record_id, manifest in made.items() if manifest}


def rehearse(task, workspace, repository):
    """Check mode: looks at the repository and the sources; returns a message for each thing that is wrong."""
    problems = identity_problems(repository)
    for dataset in task.datasets:
        problem = source_for(dataset, workspace).problem()
        problems += [problem] if problem else []
    return problems


def _refused(repository, started, cause, message, exit_code=None):
    """Returns the closed record of a data set that was not backed up."""
    finished = record.utc_now()
    return {
        "outcome": "aborted" if cause == "killed" else "failed", "cause": cause, "messages": [message],
        "started_at": record.to_text(started), "finished_at": record.to_text(finished),
        "duration_ms": int((finished - started).total_seconds() * 1000),
        "snapshot_id": None, "repository_id": repository.pinned_id, "exit_code": exit_code,
        "error_count": 1, "warning_count": 0, "errors": [], "warnings": [], "storage_locations": [],
        "verification": {"log_check": {"result": "failed", "checks": []}},
    }  # fmt: skip


def _back_up_one(task, dataset, workspace, repository):
    """Backs up one data set between its hooks; returns (closed record without listing, manifest or None)."""
    started = record.utc_now()
    try:
        with workspace.exclusive(dataset["name"]) as hold:
            done, problem = hooks.run(dataset, "before")
            if problem:
                closed, manifest = _refused(repository, started, "hook", problem), None
            else:
                closed, manifest = _attempt(task, dataset, workspace, repository, hold, started)
            for stage in ("after", "on_failure") if closed["outcome"] != "success" else ("after",):
                more, problem = hooks.run(dataset, stage, closed["outcome"])
                done += more
                if problem:
                    closed["messages"].append(problem)
                    closed["warning_count"] += 1
            if done:
                failed = {one["stage"] for one in done if one["result"] == "failed"}
                result = "failed" if "before" in failed else "warning" if failed else "passed"
                closed["verification"]["log_check"]["checks"].append({"check": "hooks", "result": result})
                closed["hooks"] = done
            return closed, manifest
    except Busy as busy:
        return _refused(repository, started, "busy", record.message("busy", holder=busy.holder)), None
    except OSError as error:
        return _refused(repository, started, *os_failure(error, workspace.root)), None


def _attempt(task, dataset, workspace, repository, hold, started):
    """Backs up one data set that is held; returns (closed record without listing, manifest or None), whatever goes wrong."""
    source = source_for(dataset, workspace)
    warnings = []
    try:
        try:
            if hold.left_behind:
                warnings += [record.message("lock_cleared", holder=holder) for holder in repository.restic.clear_stale_locks()]
            source.prepare()
            return _run_restic(task, dataset, workspace, repository, source, started, warnings)
        finally:
            source.clean()
    except ResticError as error:
        hold.restic_died = error.cause in ("killed", "timeout")
        return _refused(repository, started, error.cause, error.message, error.exit_code), None
    except SourceError as error:
        return _refused(repository, started, error.cause, error.message), None
    except ProgramError as error:
        failure = failure_of(error)
        return _refused(repository, started, failure.cause, failure.message), None
    except OSError as error:
        return _refused(repository, started, *os_failure(error, workspace.root)), None
    except Exception as error:  # a defect of ours in one data set must not lose the records of the others
        return _refused(repository, started, "internal", record.message("internal", detail="%s: %s" % (type(error).__name__, error))), None


def _run_restic(task, dataset, workspace, repository, source, started, warnings):
    nonce = secrets.token_hex(16)
    canary = {"nonce": nonce, "record_id": dataset["record_id"], "dataset": dataset["name"]}
    taken = taking.take(task, dataset, workspace, repository.restic, source, canary)
    summary, output, manifest = taken.summary, taken.output, taken.manifest
    finished = record.utc_now()
    warnings += [record.message("lock_cleared", holder=holder) for holder in output.cleared_locks]
    said = source.warnings + [record.printable(line)[:500] for line in output.stderr if line.strip() and not line.startswith("{")]
    closed = {
        "outcome": "success", "cause": None, "messages": list(warnings),
        "started_at": record.to_text(started), "finished_at": record.to_text(finished),
        "duration_ms": int((finished - started).total_seconds() * 1000),
        "files": taken.files,
        "directories": {"total": sum(summary.get(key, 0) for key in ("dirs_new", "dirs_changed", "dirs_unmodified"))},
        "data_size_bytes": summary.get("total_bytes_processed", 0) - taken.own_bytes, "data_added_bytes": summary.get("data_added", 0),
        "newest_data_at": record.to_text(record.from_nanoseconds(taken.newest_ns)) if taken.newest_ns else None,
        "snapshot_id": summary.get("snapshot_id"), "parent_snapshot_id": None, "repository_id": repository.pinned_id,
        "engine": {"name": "restic", "version": repository.restic.version_text()}, "encrypted": True,
        "exit_code": output.exit_code, "error_count": output.item_errors, "warning_count": len(warnings),
        "errors": [record.printable(stderr_text(line))[:500] for line in output.stderr if item_of(line)][:_ERRORS_SHOWN],
        "warnings": said[:_ERRORS_SHOWN],
        "log": output.log(), "storage_locations": [],
        "manifest": {"sha256": manifests.digest(manifest), "entries": len(manifest["files"]) + len((manifest.get("bundle") or {}).get("members", ()))},
        "canary_sha256": hashlib.sha256(nonce.encode()).hexdigest(), "database": source.evidence(),
    }  # fmt: skip
    workspace.keep_log(dataset["record_id"], output.log_text())
    task.logs[dataset["record_id"]] = output.log_text()
    _judge_run(closed, dataset, taken, source.warnings)
    return closed, manifest


def _judge_run(closed, dataset, taken, said):
    """The first look at the run: what exit code, both streams and counts say; the control node's log check goes further."""
    output = taken.output
    is_bundle = bool(taken.manifest.get("bundle"))
    checks = [
        {"check": "exit_code", "result": "passed" if output.exit_code == 0 else "failed"},
        {"check": "summary", "result": "passed" if closed["snapshot_id"] else "failed"},
        {"check": "source_errors", "result": "passed" if not output.item_errors else "failed"},
        {"check": "not_empty", "result": "passed" if closed["files"]["total"] > 0 or dataset.get("allow_empty") else "failed"},
        {"check": "stream_whole" if is_bundle else "canary", "result": "passed" if taken.has_canary else "failed"},
        {"check": "source_warnings", "result": "warning" if said else "passed"},
    ]
    closed["verification"] = {"log_check": {"result": "none", "checks": checks}}
    if not closed["snapshot_id"]:
        _fail(closed, "failed", "no_evidence", record.message("no_evidence_snapshot"))
    elif checks[3]["result"] == "failed":
        _fail(closed, "failed", "source_empty", record.message("source_empty", path=", ".join(dataset.get("paths", ()))))
    elif not taken.has_canary:
        _fail(closed, "failed", "no_evidence", record.message("stream_cut" if is_bundle else "canary_excluded"))
    elif output.exit_code == EXIT_PARTIAL or output.item_errors:
        _fail(closed, "partial", "source_unreadable", record.message("source_unreadable", count=output.item_errors))


def _fail(closed, outcome, cause, message):
    closed.update(outcome=outcome, cause=cause)
    closed["messages"].append(message)


def _require_listing(repository, taken, made):
    """Nobody reports on himself: a snapshot counts only after the repository has listed it, with every path that it was to hold.

    A path that vanishes between our look and restic's is only skipped by restic (exit code 0, measured).
    """
    try:
        listed = repository.restic.snapshots([one["snapshot_id"] for one in taken.values()])
        problem = None
    except ResticError as error:
        listed, problem = [], error
    for record_id, one in taken.items():
        found = [snapshot for snapshot in listed if snapshot["id"].startswith(one["snapshot_id"]) and "record=" + record_id in snapshot.get("tags", ())]
        one["verification"]["log_check"]["checks"].append({"check": "listed_in_repository", "result": "passed" if found else "failed"})
        if found:
            one.update(snapshot_id=found[0]["id"], parent_snapshot_id=found[0].get("parent"))
            one["storage_locations"].append(repository.storage_location(found[0]))
            held = set(found[0]["paths"])
            for path in made[record_id]["paths"]:
                if manifests.engine_text(manifests.as_bytes(path)) not in held:
                    _fail(one, "failed", "source_missing", record.message("source_missing", path=path))
        elif problem:
            _fail(one, "failed", problem.cause, problem.message)
        else:
            _fail(one, "failed", "snapshot_not_listed", record.message("snapshot_not_listed", snapshot=one["snapshot_id"]))


def _finish_log_check(one):
    check = one["verification"]["log_check"]
    results = {item["result"] for item in check["checks"]}
    failed = one["outcome"] != "success" or not results <= {"passed", "warning"} or not results
    check["result"] = "failed" if failed else "warning" if one["warning_count"] or one["warnings"] or "warning" in results else "passed"


def _free_bytes(repository):
    """Returns the free space of a local repository in bytes, or None for a remote one."""
    return shutil.disk_usage(repository).free if os.path.isdir(repository) else None
