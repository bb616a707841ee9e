# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the templates are given: records with every field present, in the order and groups that a page shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    "hooks": [],
    "files": dict.fromkeys(("total", "new", "changed", "unmodified")),
    "engine": dict.fromkeys(("name", "version")),
    "log": dict.fromkeys(("sha256", "lines", "excerpt")),
    "verification": {
        "log_check": {"ruleset": None, "result": "none", "checks": []},
        "restore_test": {"result": "none", **dict.fromkeys(("form_number", "tested_at", "snapshot_id"))},
    },
    "manifest": dict.fromkeys(("sha256", "entries")),
    "restore": {
        **dict.fromkeys(
            ("pick", "seed", "candidates", "snapshot_id", "snapshot_at", "age_s", "target", "total_ms", "rto_met", "requester", "approver", "reason")
        ),
        "replaced": [],
        "files": dict.fromkeys(("expected", "restored")),
        "bytes": dict.fromkeys(("expected", "restored")),
        "sample": dict.fromkeys(("compared", "equal", "different", "missing", "changed_during_backup")),
        "canary": "none",
        "metadata": dict.fromkeys(("compared", "different")),
        "database": "none",
        "phases_ms": {},
    },
    "integrity": dict.fromkeys(("read_data", "packs_read", "errors")),
    "copy": {"source_snapshot_id": None, "verified": {"canary": "none", **dict.fromkeys(("compared", "equal"))}},
    "retention": {**dict.fromkeys(("listed", "kept")), "removed": [], "unconfirmed": [], "refusals": [], "groups": []},
}

# What is done to a repository and not on its server, in the order of the steps.
_MAINTENANCE = ("copy", "integrity_check", "retention")

_FINDINGS_SHOWN = 50

# The owed states in the order of their weight; the first four are what somebody has to act on.
OWED_PROBLEMS = ("missed", "late", "open", "failed")

_STATE_ORDER = ("red", "unknown", "attention", "green")


def row(merged: Mapping[str, Any]) -> Row:
    """Returns a merged record with every field present, and "state": its outcome, or "open" where it has none."""
    filled = _filled(_EMPTY, merged)
    filled.update(state=filled["outcome"] or "open", is_maintenance=filled["kind"] in _MAINTENANCE)
    return filled


def uncovered(obligation: Mapping[str, Any]) -> Row:
    """Returns an obligation {"server", "dataset", "kind", "repository"} that no record covers, as a row of state "not_covered"."""
    return {**row(obligation), "state": "not_covered"}


def rows(checklist: Mapping[str, Any]) -> dict[str, list[Row]]:
    """Returns a checklist's rows as "main", each with its "places", "maintenance", and "detailed": those of both that need more words."""
    every = [row(merged) for merged in checklist["rows"]] + [uncovered(given) for given in checklist["not_covered"]]
    main = [one for one in every if not one["is_maintenance"]]
    maintenance = sorted((one for one in every if one["is_maintenance"]), key=lambda one: (one["server"], _MAINTENANCE.index(one["kind"])))
    for group in (main, maintenance):
        for number, one in enumerate(group, start=1):
            one["number"] = number
    copies = [one for one in maintenance if one["kind"] == "copy"]
    for one in main:
        one["places"] = [place for source in (one, *_copies_of(one, copies)) for place in _places(source)]
    return {"main": main, "maintenance": maintenance, "detailed": [one for one in main + maintenance if _needs_words(one)]}


def _copies_of(backup: Row, copies: Iterable[Row]) -> list[Row]:
    return [one for one in copies if (one["server"], one["dataset"]) == (backup["server"], backup["dataset"])]


def _places(one: Row) -> list[Row]:
    """Returns where a record's snapshot lies, each place with its state; a success that names no place is without evidence."""
    found = [{**{key: place[key] for key in ("repository", "location", "snapshot_id")}, "state": one["state"]} for place in one["storage_locations"]]
    nowhere = "not_covered" if one["state"] == "success" else one["state"]
    return found or [{"repository": one["repository"], "location": None, "snapshot_id": None, "state": nowhere}]


def renewed_at(checklist: Mapping[str, Any]) -> str | None:
    """Returns when the last result was recorded that came after the run had ended, or None."""
    ended = checklist["run"]["closed_at"]
    late = [merged["recorded_at"] for merged in checklist["rows"] if ended and (merged.get("recorded_at") or "") > ended]
    return max(late, default=None)


def overall(checklist: Mapping[str, Any]) -> str:
    """Returns the checklist's overall result, lowered to "incomplete" when its rows do not prove a success."""
    proved = checklist["rows"] and not checklist["not_covered"] and all(merged.get("outcome") == "success" for merged in checklist["rows"])
    return checklist["overall"] if checklist["overall"] != "success" or proved else "incomplete"


def statuses(index: Mapping[str, Any]) -> list[Row]:
    """Returns the index's data sets, those that are not in order first, with their records filled."""
    given = sorted(index["status"], key=lambda one: (_STATE_ORDER.index(one["state"]), one["server"], one["dataset"]))
    records = ("last_success", "last_backup", "integrity", "restore_test")
    return [{**one, **_with_rows(one, records), "copies": [{**made, **_with_rows(made, ("record",))} for made in one["copies"]]} for one in given]


def repositories(index: Mapping[str, Any]) -> list[Row]:
    """Returns the index's repositories with their records filled."""
    return [{**one, **_with_rows(one, ("integrity", "retention"))} for one in index["repositories"]]


def findings(index: Mapping[str, Any]) -> list[Row]:
    """Returns for each repository with findings {"server", "repository", "shown", "hidden"}: the first of them, and how many more there are."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for one in index["findings"]:
        groups.setdefault((one["server"], one["repository"]), []).append(one)
    return [
        {"server": server, "repository": repository, "shown": found[:_FINDINGS_SHOWN], "hidden": len(found[_FINDINGS_SHOWN:])}
        for (server, repository), found in groups.items()
    ]


def _with_rows(one: Mapping[str, Any], keys: Iterable[str]) -> Row:
    return {key: row(one[key]) if one[key] else None for key in keys}


def owed(index: Mapping[str, Any]) -> tuple[list[Row], list[Row]]:
    """Returns the obligations that somebody has to act on, the worst first, and all the others."""
    problems = [one for state in OWED_PROBLEMS for one in index["owed"] if one["state"] == state]
    others = [one for one in index["owed"] if one["state"] not in OWED_PROBLEMS]
    return problems, others


def index_state(index: Mapping[str, Any]) -> str:
    """Returns "green" only for an index that has data sets, all of them green, nothing owed and found, and a sound ledger.

    "attention" means that the data are safe now, but that obligations of the last weeks were not met in time, that a log check
    gave a warning, or that a repository server has too little room, a wrong clock, or was never measured.
    """
    problems, _others = owed(index)
    states = {one["state"] for one in index["status"]}
    if "red" in states or index["ledger"]["problems"] or index["findings"]:
        return "red"
    if not states or states - {"green", "attention"}:
        return "unknown"
    return "attention" if problems or "attention" in states or any(one["state"] != "green" for one in index["storage"]) else "green"


def _needs_words(one: Row) -> bool:
    is_doubted = one["kind"] == "backup" and one["verification"]["log_check"]["result"] == "warning"
    return is_doubted or one["state"] != "success" or any(one[field] for field in ("messages", "errors", "warnings", "collected_at"))


def _filled(empty: Any, given: Any) -> Any:
    """Returns `given` with everything that it lacks, or has as None, taken from `empty`."""
    if not isinstance(empty, dict):
        return empty if given is None else given
    given = given or {}
    return {**given, **{key: _filled(value, given.get(key)) for key, value in empty.items()}}
