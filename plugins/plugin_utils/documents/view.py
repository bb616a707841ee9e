# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the templates are given: records with every field present, in the order and groups that a page shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.sicekat.backup.plugins.module_utils import record

Row = dict[str, Any]

# A record of which nothing is known. An open record lacks the closed fields; templates must not care.
_EMPTY: Row = {
    **dict.fromkeys((*record.OPENED_FIELDS, *record.CLOSED_FIELDS)),
    "form_number": None,
    "messages": [],
    "errors": [],
    "warnings": [],
    "sources": [],
    "storage_locations": [],
    "files": dict.fromkeys(("total", "new", "changed", "unmodified")),
    "engine": dict.fromkeys(("name", "version")),
    "log": dict.fromkeys(("sha256", "lines", "excerpt")),
    "verification": {
        "log_check": {"result": "none", "checks": []},
        "restore_test": {"result": "none", **dict.fromkeys(("form_number", "tested_at", "snapshot_id"))},
    },
    "manifest": dict.fromkeys(("sha256", "entries")),
    "restore": {
        **dict.fromkeys(("snapshot_id", "snapshot_at", "age_s", "target", "total_ms", "rto_met")),
        "files": dict.fromkeys(("expected", "restored")),
        "bytes": dict.fromkeys(("expected", "restored")),
        "sample": dict.fromkeys(("compared", "equal", "different", "missing", "changed_during_backup")),
        "canary": "none",
        "metadata": dict.fromkeys(("compared", "different")),
        "database": "none",
        "phases_ms": {},
    },
    "integrity": dict.fromkeys(("read_data", "packs_read", "errors")),
}

# The owed states in the order of their weight; the first four are what somebody has to act on.
OWED_PROBLEMS = ("missed", "late", "open", "failed")

_STATE_ORDER = ("red", "unknown", "green")


def row(merged: Mapping[str, Any]) -> Row:
    """Returns a merged record with every field present, and "state": its outcome, or "open" where it has none."""
    filled = _filled(_EMPTY, merged)
    filled["state"] = filled["outcome"] or "open"
    return filled


def uncovered(obligation: Mapping[str, Any]) -> Row:
    """Returns an obligation {"server", "dataset", "kind"} that no record covers, as a row of state "not_covered"."""
    return {**_filled(_EMPTY, obligation), "state": "not_covered"}


def rows(checklist: Mapping[str, Any]) -> dict[str, list[Row]]:
    """Returns a checklist's rows as "main", "integrity", and "detailed": those of both that need more words."""
    every = [row(merged) for merged in checklist["rows"]] + [uncovered(given) for given in checklist["not_covered"]]
    main = [one for one in every if one["kind"] != "integrity_check"]
    integrity = [one for one in every if one["kind"] == "integrity_check"]
    for group in (main, integrity):
        for number, one in enumerate(group, start=1):
            one["number"] = number
    return {"main": main, "integrity": integrity, "detailed": [one for one in main + integrity if _needs_words(one)]}


def overall(checklist: Mapping[str, Any]) -> str:
    """Returns the checklist's overall result, lowered to "incomplete" when its rows do not prove a success."""
    proved = checklist["rows"] and not checklist["not_covered"] and all(merged.get("outcome") == "success" for merged in checklist["rows"])
    return checklist["overall"] if checklist["overall"] != "success" or proved else "incomplete"


def statuses(index: Mapping[str, Any]) -> list[Row]:
    """Returns the index's data sets, those that are not in order first, with their records filled."""
    given = sorted(index["status"], key=lambda one: (_STATE_ORDER.index(one["state"]), one["server"], one["dataset"]))
    records = ("last_success", "last_backup", "integrity", "restore_test")
    return [{**one, **{key: row(one[key]) if one[key] else None for key in records}} for one in given]


def owed(index: Mapping[str, Any]) -> tuple[list[Row], list[Row]]:
    """Returns the obligations that somebody has to act on, the worst first, and all the others."""
    problems = [one for state in OWED_PROBLEMS for one in index["owed"] if one["state"] == state]
    others = [one for one in index["owed"] if one["state"] not in OWED_PROBLEMS]
    return problems, others


def index_state(index: Mapping[str, Any]) -> str:
    """Returns "green" only for an index that has data sets, all of them green, nothing owed and a sound ledger.

    "attention" means that all is well now, but that obligations of the last weeks were not met in time.
    """
    problems, _others = owed(index)
    states = {one["state"] for one in index["status"]}
    if "red" in states or index["ledger"]["problems"]:
        return "red"
    if states != {"green"}:
        return "unknown"
    return "attention" if problems else "green"


def _needs_words(one: Row) -> bool:
    return one["state"] != "success" or any(one[field] for field in ("messages", "errors", "warnings"))


def _filled(empty: Any, given: Any) -> Any:
    """Returns `given` with everything that it lacks, or has as None, taken from `empty`."""
    if not isinstance(empty, dict):
        return empty if given is None else given
    given = given or {}
    return {**given, **{key: _filled(value, given.get(key)) for key, value in empty.items()}}
