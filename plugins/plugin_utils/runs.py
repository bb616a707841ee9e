# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs: opening one with a record for each obligation before any work, and sweeping up what died.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import collections
import datetime
import getpass
import platform
import secrets
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import obligations, processes, schedule
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger, LedgerError

# Form numbers: CB checklist of a backup cycle (F-01), UP restore test or restore (F-02).
FORM_PREFIX = {"daily": "CB", "weekly": "CB", "monthly": "CB", "restore_test": "UP", "restore": "UP"}


def ledger_path(state_dir: str) -> Path:
    """Returns where the ledger of a state directory lies."""
    return Path(state_dir) / "ledger.sqlite3"


def manifest_path(state_dir: str, record_id: str) -> Path:
    """Returns where the manifest of a backup record is kept on the control node."""
    return Path(state_dir) / "manifests" / (record_id.replace(":", "-") + ".json")


def slot_for(policy: Mapping, cycle: str, moment: datetime.datetime) -> schedule.Slot:
    """Returns the slot that a run at a moment belongs to; a restore is nobody's duty and belongs to its own day."""
    if cycle == "restore":
        day = moment.astimezone(zoneinfo.ZoneInfo(policy["timezone"])).date().isoformat()
        return schedule.Slot(cycle=cycle, period=day, start=moment, end=moment, due=moment)
    return schedule.slot_at(policy["cycles"], policy["timezone"], cycle, moment)


def plan(policy: Mapping, cycle: str, moment: datetime.datetime, servers: Sequence[str], pid: int, extra: Mapping) -> dict:
    """Returns the run document (without form number) for the servers that this run is for."""
    slot = slot_for(policy, cycle, moment)
    return {
        "run_id": f"{moment.astimezone(datetime.UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}",
        "cycle": cycle, "period": slot.period, "opened_at": record.to_text(moment),
        "scheduled_start": record.to_text(slot.start), "window_start": record.to_text(slot.start),
        "window_end": record.to_text(slot.end), "due_at": record.to_text(slot.due),
        "local_month": f"{moment.astimezone(zoneinfo.ZoneInfo(policy['timezone'])):%Y-%m}",
        "actor": getpass.getuser(), "control_node": platform.node(), "process": processes.identify(pid),
        "servers": list(servers), "left_out": sorted(set(policy["servers"]) - set(servers)), **extra,
    }  # fmt: skip


def open_run(ledger: Ledger, policy: Mapping, run: Mapping, owing: Sequence[tuple[str, str, str, str]]) -> dict:
    """Writes the policy, the run and an OPEN record for every obligation; returns the run as stored."""
    digest = ledger.save_policy(policy)
    stored = ledger.open_run({**run, "policy_digest": digest, "expected": len(owing)}, FORM_PREFIX[run["cycle"]])
    slot = slot_for(policy, run["cycle"], record.from_text(run["opened_at"]))
    for opened in obligations.open_records(policy, run["run_id"], run["cycle"], slot, owing):
        ledger.open_record(opened)
    return stored


def sweep(ledger: Ledger) -> int:
    """Closes as aborted what runs left open whose process is dead; returns how many records."""
    runs = {run["run_id"]: run for run in ledger.runs()}
    closed = 0
    for opened in ledger.open_records():
        if processes.is_dead(runs[opened["run_id"]]["process"]):
            closed += _unless_closed(ledger.close_record, abandoned(opened["record_id"], "aborted", "interrupted"))
    for run in runs.values():
        if run["closed"] is None and processes.is_dead(run["process"]):
            outcomes = collections.Counter(one["outcome"] for one in ledger.records(run_id=run["run_id"]))
            counts = {name: outcomes[name] for name in ("success", "partial", "failed", "aborted", "unreachable")}
            counts.update(expected=run["expected"], open=0, not_covered=len(run["left_out"]))
            closing = {"closed_at": record.to_text(record.utc_now()), "ledger": ledger.head(), "overall": "failed", "counts": counts, "swept": True}
            _unless_closed(ledger.close_run, run["run_id"], closing)
    return closed


def _unless_closed(write: Callable[..., object], *arguments: object) -> int:
    """Writes a closing entry and returns 1, or 0 if another playbook that sweeps at the same time was quicker."""
    try:
        write(*arguments)
    except LedgerError as error:
        if error.message["code"] not in ("ledger_record_closed_twice", "ledger_run_closed_twice"):
            raise
        return 0
    return 1


def abandoned(record_id: str, outcome: str, cause: str, code: str | None = None, **params: object) -> dict:
    """Returns the closed record of work that left no result of its own."""
    return {
        "record_id": record_id, "outcome": outcome, "cause": cause, "messages": [record.message(code or cause, **params)],
        "finished_at": record.to_text(record.utc_now()), "error_count": 1, "warning_count": 0, "errors": [], "warnings": [],
        "verification": {"log_check": {"result": "none", "checks": []}},
    }  # fmt: skip
