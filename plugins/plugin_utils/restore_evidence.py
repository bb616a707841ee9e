# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether what a host tells of a restore is what it was to prove: held against the policy and the ledger, for a host may be in foreign hands.

Pure. Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.sicekat.backup.plugins.module_utils import assertions, record
from ansible_collections.sicekat.backup.plugins.plugin_utils import restore_choice

_AS_THEY_LIE = "files"  # the kind whose data are not opened
_ROUNDED_MS = 5


def held(opened: Mapping, closed: Mapping, backup: Mapping, dataset: Mapping, moment: datetime.datetime) -> dict:
    """Returns the closed record of a restore or a restore test; a success that does not show what it had to is none.

    backup: the record of what was to be restored. dataset: the policy's entry. moment: when the answer came. When the snapshot was made,
    when the restore was known to be done ("told_at", unless it was collected later), and which objectives were met, is the control node's word.
    """
    restore = closed.get("restore")
    if not restore:
        return dict(closed)
    result = dict(closed)
    lacks = list(_lacks(restore, opened["kind"] == "restore_test", backup, dataset)) if closed["outcome"] == "success" else []
    if lacks:
        message = record.message("restore_unproved", detail="; ".join(lacks))
        result.update(outcome="failed", cause="no_evidence", messages=[*closed["messages"], message], error_count=max(1, closed["error_count"]))
    told = {} if "collected_at" in closed else {"told_at": record.to_text(moment)}
    return {**result, "restore": {**restore, "snapshot_at": backup["started_at"], **told, **_objectives(opened, result, restore, backup)}}


def _objectives(opened: Mapping, closed: Mapping, restore: Mapping, backup: Mapping) -> dict:
    good = closed["outcome"] == "success"
    age_s = int((record.from_text(closed["started_at"]) - record.from_text(backup["started_at"])).total_seconds())
    took_ms = max(restore.get("total_ms") or 0, restore.get("extrapolated_ms") or 0)
    is_newest = restore.get("pick") == restore_choice.NEWEST
    return {
        "age_s": age_s,
        "rto_met": None if opened["rto_s"] is None else good and took_ms <= opened["rto_s"] * 1000,
        "rpo_met": None if opened["rpo_s"] is None or not is_newest else good and age_s <= opened["rpo_s"],
    }


def _lacks(restore: Mapping, is_test: bool, backup: Mapping, dataset: Mapping) -> Iterator[str]:
    """Yields what a success does not show, in the terms of its own fields."""
    if restore.get("snapshot_id") != backup["snapshot_id"]:
        yield f"snapshot {restore.get('snapshot_id')}, {backup['snapshot_id']}"
    if restore.get("canary") != "found":
        yield f"canary {restore.get('canary')}"
    for name in ("files", "bytes"):
        counts = restore.get(name) or {}
        if counts.get("expected") is None or counts["expected"] != counts.get("restored"):
            yield f"{name} {counts.get('restored')}/{counts.get('expected')}"
    for name in ("sample", "metadata"):
        counts = restore.get(name) or {}
        if not {"compared", "different"} <= counts.keys() or counts["different"] or counts.get("missing"):
            yield f"{name} {counts.get('different')}"
    phases = [one for one in (restore.get("phases_ms") or {}).values() if one is not None]
    total_ms = restore.get("total_ms")
    if not phases or min(phases) < 0 or total_ms is None or total_ms < sum(phases) or restore.get("extrapolated_ms", total_ms) < total_ms - _ROUNDED_MS:
        yield f"total_ms {total_ms}"
    if is_test and dataset["kind"] != _AS_THEY_LIE:
        yield from _of_database(restore, backup, dataset.get("assertions") or ())


def _of_database(restore: Mapping, backup: Mapping, asked: Sequence[Mapping]) -> Iterator[str]:
    if restore.get("database") != "sound":
        yield f"database {restore.get('database')}"
    noted = backup.get("database") or {}
    if not noted.get("tables", True):
        yield "tables 0"
    wanted = noted.get("rows")
    if wanted is not None and restore.get("rows") != wanted:
        yield f"rows {restore.get('rows')}, {wanted}"
    answered = restore.get("assertions") or []
    if len(answered) != len(asked):
        yield f"assertions {len(answered)}/{len(asked)}"
    yield from (f"assertion {question['name']}" for question, answer in zip(asked, answered, strict=False) if not _is_passed(question, answer))


def _is_passed(question: Mapping, answer: Mapping) -> bool:
    """Returns True if an answer is to this very question, and what it found holds."""
    wanted = question.get("equals")
    # A wanted text comes back as records have it: printable, and cut where it is long.
    again = assertions.judge(question, wanted if isinstance(wanted, str) else str(answer.get("found")))
    return again["result"] == "passed" and dict(answer) == again
