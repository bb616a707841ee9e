# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How each kind of record is brought about: the module that does the work and its arguments, per server.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.manifest import pack
from ansible_collections.sicekat.backup.plugins.plugin_utils import obligations, runs, schedule
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger


@dataclass(frozen=True)
class Subject:
    """What a step works on: server is its policy entry, repository(name) the module arguments of one of its repositories."""

    host: str
    state_dir: str
    server: Mapping
    repository: Callable[[str], dict]
    restore: Mapping


@dataclass(frozen=True)
class Call:
    """One module call; `opened` are the records that its result closes."""

    module: str
    arguments: dict
    opened: list[Mapping]


def calls(kind: str, subject: Subject, opened: Sequence[Mapping], ledger: Ledger | None) -> Iterator[Call | dict]:
    """Yields the module calls of a step, or a closed record where there is nothing to call a module with."""
    if kind == "backup":
        yield _backup(subject, opened)
    for one in opened:
        if kind == "integrity_check":
            arguments = {**subject.repository(one["repository"]), "read_data": _group(subject.server["integrity_read"], one)}
            yield Call("integrity_check", arguments, [one])
        elif kind in ("restore_test", "restore"):
            yield _restore(kind, subject, one, ledger)


def _backup(subject: Subject, opened: Sequence[Mapping]) -> Call:
    cycle = opened[0]["cycle"]
    datasets = [{**obligations.dataset_of(subject.server, one["dataset"]), "record_id": one["record_id"]} for one in opened]
    arguments = {
        **subject.repository("primary"), "host": subject.host, "cycle": cycle, "datasets": datasets,
        # P2.2: a weekly backup is full, every byte of the source is read again.
        "full": cycle == "weekly", "sample": str(subject.server["sample"]),
    }  # fmt: skip
    if cycle == "monthly" and "archive" in subject.server["repositories"]:
        archive = subject.repository("archive")
        arguments["archive"] = {key: archive[key] for key in ("repository", "password", "repository_id", "repository_name", "location")}
    return Call("backup", arguments, list(opened))


def _group(integrity_read: str, opened: Mapping) -> str:
    """Returns which part of a repository a check reads: "n/t" moves on by one group each period, so t periods read everything."""
    if integrity_read == "full" or opened["record_id"] == "check":
        return integrity_read
    first, groups = (int(part) for part in integrity_read.split("/"))
    start = record.from_text(opened["scheduled_start"])
    periods = start.year * 12 + start.month if opened["cycle"] == "monthly" else start.toordinal() // 7
    return f"{(first - 1 + periods) % groups + 1}/{groups}"


def _restore(kind: str, subject: Subject, opened: Mapping, ledger: Ledger | None) -> Call | dict:
    backup = newest_backup(ledger, subject.host, opened["dataset"], subject.restore.get("snapshot", "")) if ledger else None
    if backup is None:
        asked = subject.restore.get("snapshot", "")
        code = "snapshot_missing" if asked else "no_snapshot"
        return runs.abandoned(opened["record_id"], "failed", "snapshot_missing", code=code, snapshot=asked)
    dataset = dict(obligations.dataset_of(subject.server, opened["dataset"]))
    if dataset["kind"] != backup["dataset_kind"]:
        changed = {"dataset": dataset["name"], "found": dataset["kind"], "expected": backup["dataset_kind"]}
        return runs.abandoned(opened["record_id"], "failed", "no_evidence", code="kind_changed", **changed)
    path = runs.manifest_path(subject.state_dir, backup["record_id"])
    try:
        manifest = pack(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        manifest = None  # the module finds that the evidence is missing
    arguments = {
        **subject.repository("primary"), "dataset": dataset,
        "snapshot": backup["snapshot_id"], "backed_up_at": backup["started_at"], "manifest": manifest,
        "manifest_sha256": backup["manifest"]["sha256"], "size_bytes": backup["data_size_bytes"], "rto_s": opened["rto_s"],
    }  # fmt: skip
    if kind == "restore":
        arguments["target"] = subject.restore["target"]
    return Call(kind, arguments, [opened])


def newest_backup(ledger: Ledger, server: str, dataset: str, snapshot: str) -> dict | None:
    """Returns the newest proved backup of a data set, or the one whose snapshot id begins as given.

    A partial backup is used only when a person names its snapshot.
    """
    found = None
    for one in ledger.records(server=server, kind="backup"):
        if one["dataset"] != dataset or not one.get("snapshot_id"):
            continue
        if (snapshot not in ("", "newest") and one["snapshot_id"].startswith(snapshot) and one["storage_locations"]) or (
            snapshot in ("", "newest") and one["outcome"] == "success"
        ):
            found = one
    return found


def close(opened: Mapping, closed: Mapping) -> dict:
    """Returns a closed record with what only the control node knows: whether the work lay inside its window."""
    result = {**closed, "record_id": opened["record_id"]}
    if opened["cycle"] == "restore" or not closed.get("started_at"):
        return result
    times = {name: record.from_text(opened[key]) for name, key in (("start", "window_start"), ("end", "window_end"), ("due", "due_at"))}
    slot = schedule.Slot(cycle=opened["cycle"], period=opened["period"], **times)
    is_inside, outside_s = schedule.inside(slot, record.from_text(closed["started_at"]), record.from_text(closed["finished_at"]))
    result.update(inside_window=is_inside, outside_window_s=outside_s)
    return result
