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
import re
import secrets
import zoneinfo
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import obligations, processes, schedule
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger, LedgerError

# Form numbers: CB checklist of a backup cycle (F-01), UP restore test or restore, SP recovery drill (F-02).
FORM_PREFIX = {"daily": "CB", "weekly": "CB", "monthly": "CB", "restore_test": "UP", "restore": "UP", "drill": "SP"}

# After this a run of another control node, which may be gone (a container, a renamed machine), is taken for dead.
LONGEST_RUN = datetime.timedelta(hours=20)
# How long the result of a job is waited for whose server cannot be reached.
PATIENCE = datetime.timedelta(days=7)


def ledger_path(state_dir: str) -> Path:
    """Returns where the ledger of a state directory lies."""
    return Path(state_dir) / "ledger.sqlite3"


def manifest_path(state_dir: str, record_id: str) -> Path:
    """Returns where the manifest of a backup record is kept on the control node; raises ValueError for what is no record id of ours."""
    if not re.fullmatch(r"[0-9A-Za-z-]+:[0-9]+", record_id):
        raise ValueError(record_id)
    return Path(state_dir) / "manifests" / (record_id.replace(":", "-") + ".json")


def log_path(state_dir: str, record_id: str) -> Path:
    """Returns where the log of a backup record is kept on the control node; raises ValueError as `manifest_path` does."""
    return Path(state_dir) / "logs" / f"{manifest_path(state_dir, record_id).stem}.log"


def slot_for(policy: Mapping, cycle: str, moment: datetime.datetime) -> schedule.Slot:
    """Returns the slot that a run at a moment belongs to; what has no schedule (a restore, a drill) belongs to its own day."""
    if cycle not in record.CYCLES:
        day = moment.astimezone(zoneinfo.ZoneInfo(policy["timezone"])).date().isoformat()
        return schedule.Slot(cycle=cycle, period=day, start=moment, end=moment, due=moment)
    return schedule.slot_at(policy["cycles"], policy["timezone"], cycle, moment)


def subject(opened: Mapping) -> str:
    """Returns what a record is about, in a word: its data set, its repository, or for a copy both."""
    return f"{opened['dataset']} > {opened['repository']}" if opened["kind"] == "copy" else opened["dataset"] or opened["repository"]


def local_text(policy: Mapping, moment: datetime.datetime) -> str:
    """Returns a moment in the agency's zone, for people."""
    return f"{moment.astimezone(zoneinfo.ZoneInfo(policy['timezone'])):%Y-%m-%d %H:%M %Z}"


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


def dropped(ledger: Ledger, policy: Mapping) -> list[str]:
    """Returns the servers of earlier policies that are in this one no more, and that nobody has offboarded."""
    before = {name for entry in ledger.policies() for name in entry.data["policy"]["servers"]}
    return sorted(before - set(policy["servers"]) - {note["server"] for note in ledger.notes("server_offboarded")})


def is_over(run: Mapping, moment: datetime.datetime) -> bool:
    """Returns True if nobody works on a run any more. Of another control node we only see that its run is older than any run lasts."""
    foreign = run["process"]["node"] != platform.node() and record.from_text(run["opened_at"]) < moment - LONGEST_RUN
    return foreign or processes.is_dead(run["process"])


def sweep(ledger: Ledger, moment: datetime.datetime) -> int:
    """Closes what runs left open whose process is dead; returns how many records.

    A record whose work may still be done, or was done, on a server that could not be reached since, stays open for a week:
    the server keeps the result, and the next run that reaches it collects it.
    """
    runs = {run["run_id"]: run for run in ledger.runs()}
    closed = 0
    dead = [one for one in ledger.open_records() if is_over(runs[one["run_id"]], moment)]
    waiting = awaited(ledger, dead)
    for opened in dead:
        reason = waiting.get(opened["record_id"])
        if reason is None:
            closed += unless_written(ledger.close_record, abandoned(opened["record_id"], "aborted", "interrupted"))
        elif record.from_text(opened["opened_at"]) < moment - PATIENCE:
            outcome = ("unreachable", "unreachable", "never_collected") if reason == "job" else ("failed", "no_evidence", "never_confirmed")
            closed += unless_written(ledger.close_record, abandoned(opened["record_id"], *outcome))
    for run in runs.values():
        if run["closed"] is None and is_over(run, moment):
            outcomes = collections.Counter(one["outcome"] or "open" for one in ledger.records(run_id=run["run_id"]))
            counts = {name: outcomes[name] for name in ("success", "partial", "failed", "aborted", "unreachable", "missed", "open")}
            counts.update(expected=run["expected"], not_covered=len(run["left_out"]))
            closing = {"closed_at": record.to_text(record.utc_now()), "ledger": ledger.head(), "overall": "failed", "counts": counts, "swept": True}
            unless_written(ledger.close_run, run["run_id"], closing)
    return closed


def awaited(ledger: Ledger, opened: Sequence[Mapping]) -> dict[str, str]:
    """Returns record id -> "claim" or "job" for the open records that wait for a repository server or for a job on a server."""
    waiting = dict.fromkeys(ledger.claims(opened), "claim")
    for run_id in {one["run_id"] for one in opened}:
        for job in ledger.jobs(run_id):
            waiting.update({record_id: waiting.get(record_id, "job") for record_id in job["record_ids"]})
    names = {one["record_id"] for one in opened}
    return {record_id: reason for record_id, reason in waiting.items() if record_id in names}


def outstanding(ledger: Ledger, hosts: Collection[str], moment: datetime.datetime) -> list[dict]:
    """Returns the jobs of dead or closed runs, on some hosts, that have a record which is still open and has no claim."""
    runs = {run["run_id"]: run for run in ledger.runs()}
    left = [one for one in ledger.open_records() if runs[one["run_id"]]["closed"] or is_over(runs[one["run_id"]], moment)]
    waiting = {record_id for record_id, reason in awaited(ledger, left).items() if reason == "job"}
    jobs = [job for run_id in sorted({one["run_id"] for one in left}) for job in ledger.jobs(run_id)]
    return [job for job in jobs if job["host"] in hosts and waiting.intersection(job["record_ids"])]


def unless_written(write: Callable[..., object], *arguments: object) -> int:
    """Writes a claim or a closing entry and returns 1, or 0 if another playbook, which did the same at the same time, was quicker."""
    try:
        write(*arguments)
    except LedgerError as error:
        if error.message["code"] not in ("ledger_record_claimed_twice", "ledger_record_closed_twice", "ledger_run_closed_twice"):
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
