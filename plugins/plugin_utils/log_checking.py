# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The control node's own log check of every backup: what a host says of its log counts only where it is worse.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.sicekat.backup.plugins.module_utils import log_check, record
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import replace_file
from ansible_collections.sicekat.backup.plugins.plugin_utils import answers, runs
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger

# Logs kept beside the manifests; older ones make room.
_LOGS_KEPT = 10_000
# Thirty runs of each type lie within this, so that the cost does not grow with the age of the ledger.
_LOOK_BACK = {"incremental": datetime.timedelta(days=60), "full": datetime.timedelta(days=240), "archive": datetime.timedelta(days=1000)}


class Checker:
    """Judges what one host answered, with the ledger read once for all its records.

    packed: the packed logs of the answer by record id, of any shape.
    """

    def __init__(self, ledger: Ledger, state_dir: str, packed: Any) -> None:
        self._ledger = ledger
        self._state_dir = state_dir
        self._packed = packed
        self._backups: dict[str, list[Mapping]] = {}

    def checked(self, opened: Mapping, closed: Mapping, wants_newest: bool) -> dict:
        """Returns the closed record of a backup with the verdict of the control node, and keeps its log.

        opened: the merged record. closed: what its host's answer came to. wants_newest: its data set has a query for its newest row.
        """
        if closed["outcome"] not in ("success", "partial") and not closed.get("log"):
            return _unproved(closed)  # restic was not run, or left nothing: its own cause tells why
        log = _log(self._packed, closed)
        if log is not None:
            _keep(self._state_dir, opened["record_id"], log)
        run = self._ledger.run(opened["run_id"])
        accepted_by = run["actor"] if f"{opened['server']}/{opened['dataset']}" in run.get("accept_change", ()) else None
        return _settled(closed, log_check.judge({**opened, **closed}, log, self._history(opened), wants_newest, accepted_by))

    def _history(self, opened: Mapping) -> list[dict]:
        server = opened["server"]
        if server not in self._backups:
            since = record.to_text(record.from_text(opened["opened_at"]) - _LOOK_BACK[opened["backup_type"]])
            self._backups[server] = list(self._ledger.records(server=server, kind="backup", since=since))
        return history(self._backups[server], opened)


def history(backups: Iterable[Mapping], opened: Mapping) -> list[dict]:
    """Returns the good backups of a data set that were opened before a record, oldest first, as the log check wants them.

    backups: merged records of its server in order of opening. What a person accepted begins a new history, and so does another kind of data.
    """
    found: list[dict] = []
    for one in backups:
        if one["record_id"] == opened["record_id"]:
            break
        if one["dataset"] != opened["dataset"] or one["outcome"] != "success":
            continue
        checks = ((one.get("verification") or {}).get("log_check") or {}).get("checks") or ()
        if one["dataset_kind"] != opened["dataset_kind"]:
            found = []
            continue
        if any("accepted_by" in check for check in checks):
            found = []
        found.append(
            {
                "backup_type": one["backup_type"], "files": (one.get("files") or {}).get("total"), "bytes": one.get("data_size_bytes"),
                "rows": (one.get("database") or {}).get("rows"), "duration_ms": one.get("duration_ms"), "newest_data_at": one.get("newest_data_at"),
            }
        )  # fmt: skip
    return found


def doubts(row: Mapping) -> list[dict]:
    """Returns {"check", "found", "expected"} of each check for which a person has to look at a backup that succeeded."""
    if row["kind"] != "backup" or row.get("outcome") != "success":
        return []
    checks = ((row.get("verification") or {}).get("log_check") or {}).get("checks") or ()
    return [{key: "-" if one.get(key) is None else one[key] for key in ("check", "found", "expected")} for one in checks if one["result"] == "warning"]


def accepted_changes(given: object, owing: Sequence[tuple[str, str, str, str]]) -> tuple[list[str], list[str], list[str]]:
    """Returns (names, those of them that this run does not back up, what it backs up) of the variable backup_accept_change.

    given: a list, or text with names between commas or blanks. owing: (server, kind, data set or "", repository).
    """
    names = given.replace(",", " ").split() if isinstance(given, str) else [str(one) for one in given] if isinstance(given, (list, tuple)) else [str(given)]
    known = [f"{server}/{dataset}" for server, kind, dataset, _repository in owing if kind == "backup"]
    return sorted(set(names)), sorted(set(names) - set(known)), known


def _log(packed: Any, closed: Mapping) -> str | None:
    """Returns the log that a record names by its digest, or None where it is missing, cut or altered."""
    try:
        return answers.log(packed[closed["record_id"]], closed)
    except (ValueError, TypeError, KeyError):
        return None


def _keep(state_dir: str, record_id: str, log: str) -> None:
    """Keeps a log for those who want to read it; names begin with the time of their run."""
    path = runs.log_path(state_dir, record_id)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    replace_file(str(path), log)
    for name in sorted(name for name in os.listdir(path.parent) if name.endswith(".log"))[:-_LOGS_KEPT]:
        with contextlib.suppress(FileNotFoundError):  # another host's result makes room at the same time
            Path(path.parent, name).unlink()


def _unproved(closed: Mapping) -> dict:
    given = (closed.get("verification") or {}).get("log_check") or {"result": "none", "checks": []}
    result = "none" if given["result"] == "none" else "failed"
    return {**closed, "verification": {"log_check": {"ruleset": log_check.RULESET, "result": result, "checks": given["checks"]}}}


def _settled(closed: Mapping, verdict: log_check.Verdict) -> dict:
    """Returns a closed record with a verdict. Checks that only the host can make stay; what it says failed stays failed."""
    told = (closed.get("verification") or {}).get("log_check") or {"result": "none", "checks": []}
    own = {"log", "confirmed_by_repository_server", *(name for name, _rule, _is_change in log_check.RULES)}
    checks = [*verdict.log_check["checks"], *(one for one in told["checks"] if one["check"] not in own)]
    results = {told["result"] if told["result"] == "failed" else verdict.log_check["result"], *(one["result"] for one in checks)}
    result = next((one for one in ("failed", "warning") if one in results), "passed")
    # The log has what restic said; what the programs of a source said stands in the host's answer alone.
    warnings = list(dict.fromkeys([*verdict.warnings, *(closed.get("warnings") or ())]))
    merged = {
        **closed, "messages": [*closed["messages"], *verdict.messages], "warnings": warnings,
        "warning_count": max(closed["warning_count"], verdict.warning_count),
        "verification": {"log_check": {**verdict.log_check, "result": result, "checks": checks}},
    }  # fmt: skip
    outcome, cause = verdict.outcome, verdict.cause
    if result == "failed" and closed["outcome"] == "success" and outcome is None:
        # The host claims a success in spite of its own check.
        outcome, cause = "failed", "no_evidence"
        merged["messages"].append(record.message("log_contradicts", check="outcome", found="failed", expected="success"))
    if outcome:
        merged.update(outcome=outcome, cause=cause, error_count=max(1, closed["error_count"]))
    return merged
