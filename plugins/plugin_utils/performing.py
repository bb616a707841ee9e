# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How each kind of record is brought about: the module that does the work and its arguments, per server.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import datetime
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.sicekat.backup.plugins.module_utils import manifest as manifests
from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import redact
from ansible_collections.sicekat.backup.plugins.plugin_utils import answers, obligations, restore_choice, restore_evidence, retention, runs, schedule
from ansible_collections.sicekat.backup.plugins.plugin_utils.access import Access
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger

# The step of a run that brings about each kind of record has the kind's name; these steps have no records of their own.
SUPPORTING = ("collect", "measure", "confirm")


@dataclass(frozen=True)
class Subject:
    """What a step works with: the host that it is taken on, the policy, how repositories are reached, and what a restore asks for."""

    host: str
    policy: Mapping
    access: Access
    restore: Mapping

    def server(self, opened: Mapping) -> Mapping:
        """Returns the policy's entry of the server that a record is about."""
        return self.policy["servers"][opened["server"]]

    def arguments(self, opened: Mapping, as_server: bool = False) -> dict:
        """Returns the module arguments for the repository of a record; as_server: reached as its server reaches it."""
        return self.access.module_arguments(opened["server"], opened["repository"], self.host, as_server)


@dataclass(frozen=True)
class Call:
    """One module call; `opened` are the records that its result closes, `note` what the ledger is told before: (kind, data)."""

    module: str
    arguments: dict
    opened: list[Mapping]
    note: tuple[str, dict] | None = None


def calls(kind: str, subject: Subject, opened: Sequence[Mapping], ledger: Ledger | None) -> Iterator[Call | dict]:
    """Yields the module calls of a step, or a closed record where there is nothing to call a module with."""
    if kind == "backup":
        yield _backup(subject, opened)
    elif kind == "copy":
        for _place, same in itertools.groupby(opened, key=lambda one: (one["server"], one["repository"])):
            yield from _copy(subject, list(same), ledger)
    for one in opened:
        if kind == "integrity_check":
            read_data = "full" if ledger is None else retention.next_part(subject.server(one)["integrity_read"], _checks(ledger, one))
            yield Call("integrity_check", {**subject.arguments(one), "read_data": read_data}, [one])
        elif kind == "retention":
            yield Call("retention", {**subject.arguments(one), **retention.arguments(subject.policy, one, ledger)}, [one])
        elif kind in ("restore_test", "restore"):
            yield _restore(kind, subject, one, ledger)


def _backup(subject: Subject, opened: Sequence[Mapping]) -> Call:
    cycle, server = opened[0]["cycle"], subject.server(opened[0])
    datasets = [{**obligations.dataset_of(server, one["dataset"]), "record_id": one["record_id"]} for one in opened]
    arguments = {
        **subject.arguments(opened[0]), "host": opened[0]["server"], "cycle": cycle, "datasets": datasets,
        # P2.2: a weekly backup is full, every byte of the source is read again.
        "full": cycle == "weekly", "sample": str(server["sample"]),
    }  # fmt: skip
    return Call("backup", arguments, list(opened))


def _checks(ledger: Ledger, opened: Mapping) -> list[dict]:
    """Returns the earlier integrity checks of the repository that a record is about, oldest first."""
    pinned = ledger.pinned_repository(opened["server"], opened["repository"]) or {}
    made = [one for one in ledger.records(server=opened["server"], kind="integrity_check") if one["repository"] == opened["repository"] and one["outcome"]]
    return [one for one in made if one.get("repository_id") == pinned.get("repository_id")]


def _copy(subject: Subject, opened: list[Mapping], ledger: Ledger | None) -> Iterator[Call | dict]:
    """Yields one call for all data sets of a server: the newest proved backup of each goes to one repository."""
    snapshots, taken = [], []
    for one in opened:
        backup = newest_backup(ledger, one["server"], one["dataset"]) if ledger else None
        if backup is None:
            yield runs.abandoned(one["record_id"], "failed", "snapshot_missing", code="no_snapshot")
            continue
        taken.append(one)
        manifest = _manifest(subject, backup)
        if manifest and manifests.digest(manifests.unpack(manifest)) != backup["manifest"]["sha256"]:
            manifest = None  # it was altered: the module finds that the evidence is missing
        snapshots.append({"record_id": one["record_id"], "snapshot_id": backup["snapshot_id"], "dataset": one["dataset"], "manifest": manifest})
    if snapshots:
        source = subject.access.endpoint(opened[0]["server"], "primary", subject.host)
        yield Call("snapshot_copy", {**subject.arguments(opened[0]), "source": source, "snapshots": snapshots}, taken)


def _manifest(subject: Subject, backup: Mapping) -> str | None:
    """Returns the packed manifest of a backup, or None where it is gone: the module finds that the evidence is missing."""
    path = runs.manifest_path(subject.policy["state_dir"], backup["record_id"])
    try:
        return manifests.pack(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _restore(kind: str, subject: Subject, opened: Mapping, ledger: Ledger | None) -> Call | dict:
    asked = subject.restore.get("snapshot", "")
    dataset = dict(obligations.dataset_of(subject.server(opened), opened["dataset"]))
    choice = _choice(kind, subject, opened, dataset, asked, ledger) if ledger else None
    if choice is None:
        code = "snapshot_missing" if asked else "no_snapshot"
        return runs.abandoned(opened["record_id"], "failed", "snapshot_missing", code=code, snapshot=asked)
    backup = choice.backup
    if dataset["kind"] != backup["dataset_kind"]:
        changed = {"dataset": dataset["name"], "found": dataset["kind"], "expected": backup["dataset_kind"]}
        return runs.abandoned(opened["record_id"], "failed", "no_evidence", code="kind_changed", **changed)
    arguments = {
        **subject.arguments(opened, as_server=True), "dataset": dataset,
        "snapshot": backup["snapshot_id"], "backed_up_at": backup["started_at"], "manifest": _manifest(subject, backup),
        "manifest_sha256": backup["manifest"]["sha256"], "size_bytes": backup["data_size_bytes"], "rto_s": opened["rto_s"], "rpo_s": opened["rpo_s"],
        # How long all of it would take today is reckoned from the newest backup.
        "pick": choice.pick, "seed": choice.seed,
        "whole_bytes": (newest_backup(ledger, opened["server"], opened["dataset"]) or backup)["data_size_bytes"],
    }  # fmt: skip
    if kind == "restore":
        asked_for = {key: subject.restore[key] for key in ("target", "overwrite", "to_type", "stamp")}
        return Call(kind, {**arguments, **asked_for}, [opened])
    return Call(kind, arguments, [opened], (restore_choice.NOTE, restore_choice.note(opened, choice)))


def _choice(kind: str, subject: Subject, opened: Mapping, dataset: Mapping, asked: str, ledger: Ledger) -> restore_choice.Choice | None:
    """Returns the backup that is brought back: what a person asks for, else for a test what its turn is, else the newest."""
    if kind == "restore_test":
        how = subject.server(opened).get("restore_test_pick") or restore_choice.NEWEST  # not in a policy of an earlier version
        return restore_choice.choose(ledger, opened, dataset["kind"], how, asked)
    # The very one that was shown to the person, whatever was confirmed since.
    backup = ledger.record(subject.restore["backup"])
    return backup and restore_choice.Choice(backup, restore_choice.NEWEST if asked in ("", "newest") else restore_choice.NAMED, "", 0)


def newest_backup(ledger: Ledger, server: str, dataset: str) -> dict | None:
    """Returns the newest proved backup of a data set."""
    found = None
    for one in ledger.records(server=server, kind="backup"):
        if one["dataset"] == dataset and one.get("snapshot_id") and one["outcome"] == "success":
            found = one
    return found


def as_chosen(ledger: Ledger, policy: Mapping, opened: Mapping, closed: dict, moment: datetime.datetime) -> dict:
    """Returns the closed record of a restore or restore test, held against what was chosen for it and what it had to show; every other as it is.

    moment: when the host's answer came.
    """
    backup = None
    if opened["kind"] == "restore_test":
        chosen = next((one for one in ledger.notes(restore_choice.NOTE, run_id=opened["run_id"]) if one["record_id"] == opened["record_id"]), None)
        closed = restore_choice.as_chosen(closed, chosen)
        made = (one for one in ledger.records(server=opened["server"], kind="backup") if chosen and one["dataset"] == opened["dataset"])
        backup = next((one for one in made if one.get("snapshot_id") == chosen["snapshot_id"]), None)
    elif opened["kind"] == "restore":
        backup = ledger.record(ledger.run(opened["run_id"])["restore"]["backup"])
    if backup is None:
        return closed
    dataset = obligations.dataset_of(policy["servers"][opened["server"]], opened["dataset"])
    return restore_evidence.held(opened, closed, backup, dataset, moment)


def close(opened: Mapping, given: object, moment: datetime.datetime, hidden: Sequence[str]) -> dict:
    """Returns the closed record that a host's answer comes to; one that is not of our form is a failure of the host.

    given: what the host says of this record. moment: when its answer came. Only the control node knows whether the work lay
    inside its window.
    """
    try:
        closed = answers.checked(given, opened, moment)
    except ValueError as error:
        return runs.abandoned(opened["record_id"], "failed", "no_evidence", code="answer_unusable", detail=redact(str(error), hidden))
    result = {**closed, "record_id": opened["record_id"]}
    if opened["cycle"] not in record.CYCLES:
        return result
    times = {name: record.from_text(opened[key]) for name, key in (("start", "window_start"), ("end", "window_end"), ("due", "due_at"))}
    slot = schedule.Slot(cycle=opened["cycle"], period=opened["period"], **times)
    is_inside, outside_s = schedule.inside(slot, record.from_text(closed["started_at"]), record.from_text(closed["finished_at"]))
    result.update(inside_window=is_inside, outside_window_s=outside_s)
    return result
