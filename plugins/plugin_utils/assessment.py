# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the records say: the checklist of a run, and the status of every data set and obligation.

Pure functions of (runs, records, policies, moment, pins). Green needs evidence: no record, an open record, a check that has
not been made, a success in a repository that was replaced and a run that is overdue are each something other than green, and
red stays red until a later run of the same kind proves the opposite.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import collections
import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import obligations, schedule

FORMS = {"daily": "F-01", "weekly": "F-01", "monthly": "F-01", "restore_test": "F-02", "restore": "F-02"}
_BAD = ("failed", "aborted", "unreachable", "missed")
# Longer than the longest time between two slots of a cycle, which is a month.
_PERIOD = datetime.timedelta(days=32)
# By how much a clock may be wrong without a word.
_CLOCK_TOLERANCE = datetime.timedelta(minutes=10)


def checklist(run: Mapping, records: Sequence[Mapping], tests: Iterable[Mapping], policy: Mapping, covered: Iterable[tuple], head: Mapping) -> dict:
    """Returns the checklist document of a run.

    records: the run's merged records. tests: closed restore tests, oldest first. covered: (server, kind, data set) of
    left-out servers that an earlier run of the same period satisfied. head: the ledger's head that the form names.
    """
    newest = {(test["server"], test["dataset"]): test for test in tests}
    rows = [_with_restore_test(row, newest.get((row["server"], row["dataset"]))) for row in records]
    satisfied = set(covered)
    not_covered = [
        {"server": name, "dataset": dataset, "kind": kind}
        for name in run["left_out"]
        for kind, dataset, _repository in obligations.owed(policy["servers"][name], run["cycle"])
        if (name, kind, dataset) not in satisfied
    ]
    counts = dict.fromkeys(("success", "partial", "failed", "aborted", "unreachable", "open"), 0)
    for row in rows:
        counts[row.get("outcome") or "open"] += 1
    counts.update(expected=max(run["expected"], len(rows)), not_covered=len(not_covered))
    return {
        "schema": "sicekat.checklist/1",
        "form": {"code": FORMS[run["cycle"]], "number": run["form_number"], "version": "1"},
        "language": policy["language"], "timezone": policy["timezone"], "agency": policy["agency"], "team": policy["team"],
        "categories": policy["categories"],
        **{key: run[key] for key in ("cycle", "period", "scheduled_start", "window_start", "window_end", "due_at")},
        "run": {
            **{key: run.get(key) for key in ("run_id", "opened_at", "actor", "control_node", "collection_version", "ansible_version", "selection")},
            "closed_at": (run.get("closed") or {}).get("closed_at"),
        },
        "overall": overall(counts), "counts": counts, "rows": rows, "not_covered": not_covered,
        "ledger": {"seq": head["seq"], "hash": head["hash"]},
    }  # fmt: skip


def overall(counts: Mapping) -> str:
    """Returns success, partial, failed or incomplete. Nothing expected is incomplete, never a success."""
    if any(counts[name] for name in ("failed", "aborted", "unreachable")):
        return "failed"
    recorded = sum(counts[name] for name in ("success", "partial"))
    if counts["open"] or counts["not_covered"] or not counts["expected"] or recorded < counts["expected"]:
        return "incomplete"
    return "partial" if counts["partial"] else "success"


def _with_restore_test(row: Mapping, test: Mapping | None) -> dict:
    """Adds the second verification stage to a backup's record: the newest restore test of its data set."""
    if row["kind"] != "backup" or row.get("outcome") is None:
        return dict(row)
    stage = {"result": "none", "form_number": None, "tested_at": None, "snapshot_id": None}
    if test is not None:
        result = "passed" if test["outcome"] == "success" else "failed"
        stage = {"result": result, "form_number": test["form_number"], "tested_at": test.get("finished_at"), "snapshot_id": test.get("snapshot_id")}
    return {**row, "verification": {**row["verification"], "restore_test": stage}}


def index(
    policy: Mapping, policies: Sequence[tuple[str, Mapping]], records: Sequence[Mapping], moment: datetime.datetime, pins: Mapping, problems: Sequence
) -> dict:
    """Returns the parts "status" and "owed" of the index document.

    policies: (in force from, policy), in the ledger's order. records: all merged records, oldest first. pins: (server,
    repository) -> the id of the repository that belongs to it today. problems: what is wrong with the ledger.
    """
    owed = owed_list(policies, records, moment)
    evidence = _by_subject(one for one in records if _is_evidence(one, pins))
    missed = collections.defaultdict(list)
    for one in owed:
        if one["state"] == "missed":
            missed[one["server"], one["dataset"]].append(one)
    everywhere = [{"code": "status_ledger", "params": {}}] if problems else []
    if max([*(since for since, _policy in policies), *(one["opened_at"] for one in records)], default="") > record.to_text(moment + _CLOCK_TOLERANCE):
        everywhere.append({"code": "status_clock", "params": {}})
    status = [
        _status(policy, server, dataset, evidence, missed[server, dataset["name"]] + missed[server, ""], everywhere)
        for server in sorted(policy["servers"])
        for dataset in policy["servers"][server]["datasets"]
    ]
    return {"status": status, "owed": owed}


def look_back(policies: Iterable[tuple[str, Mapping]]) -> datetime.timedelta:
    """Returns how far back the index needs all records and lists all obligations: two periods, a window and the longest grace."""
    graces = [settings["grace_s"] for _since, policy in policies for settings in policy["cycles"].values() if settings]
    return datetime.timedelta(days=75, seconds=max(graces, default=0))


def owed_list(policies: Sequence[tuple[str, Mapping]], records: Sequence[Mapping], moment: datetime.datetime) -> list[dict]:
    """Returns the obligations of the last months with their state, by the policy in force at their scheduled start.

    The newest due one of each cycle and of what the newest policy holds is among them whatever its age, so that a missed one
    stays in sight until a later one is due. An obligation that a run took up counts even where no policy was recorded yet at
    its scheduled start.
    """
    edge = moment - look_back(policies)
    servers = policies[-1][1]["servers"] if policies else {}
    in_use = {(name, dataset["name"]) for name, server in servers.items() for dataset in (*server["datasets"], {"name": ""})}
    slots: dict[tuple, tuple[str, str]] = {}
    due = set()
    for slot, policy in _newest_slots(policies, edge, moment):
        for name, server in policy["servers"].items():
            for kind, dataset, _repository in obligations.owed(server, slot.cycle):
                is_newest = (slot.cycle, name, dataset, kind) not in due and (name, dataset) in in_use
                if slot.start >= edge or is_newest:
                    slots.setdefault((slot.cycle, slot.period, name, dataset, kind), (record.to_text(slot.start), record.to_text(slot.due)))
                if slot.due < moment:
                    due.add((slot.cycle, name, dataset, kind))
    for one in records:
        if one["cycle"] != "restore" and record.from_text(one["opened_at"]) >= edge:
            slots.setdefault((one["cycle"], one["period"], one["server"], one["dataset"], one["kind"]), (one["scheduled_start"], one["due_at"]))
    by_subject = _by_subject(records)
    found = [_obligation(key, start, due_at, by_subject.get((key[2], key[3], key[4]), ()), moment) for key, (start, due_at) in slots.items()]
    return sorted(found, key=lambda one: (one["due_at"], one["server"], one["dataset"], one["cycle"]), reverse=True)


def _newest_slots(policies: Sequence[tuple[str, Mapping]], edge: datetime.datetime, moment: datetime.datetime) -> Iterator[tuple[schedule.Slot, Mapping]]:
    """Yields (slot, policy in force at its start), newest first in each cycle: all since the edge, and of each older policy its last ones."""
    until = moment
    for since_text, policy in reversed(policies):
        since = record.from_text(since_text)
        if since >= until:
            continue  # its entry was dated by a clock that was ahead
        for cycle in policy["cycles"]:
            first = max(since, min(until, edge) - _PERIOD)
            for slot in reversed(schedule.slots_between(policy["cycles"], policy["timezone"], cycle, first, until)):
                yield slot, policy
        until = since


def _is_evidence(one: Mapping, pins: Mapping) -> bool:
    """Returns False for a success in another repository than the one that belongs to the server today."""
    pinned = pins.get((one["server"], one["repository"]))
    return one["outcome"] != "success" or (pinned is not None and one.get("repository_id") == pinned)


def _by_subject(records: Iterable[Mapping]) -> dict[tuple, list[Mapping]]:
    """Returns the records by (server, data set, kind), oldest first."""
    found = collections.defaultdict(list)
    for one in records:
        found[one["server"], one["dataset"], one["kind"]].append(one)
    return found


def _obligation(key: tuple, start: str, due: str, same: Sequence[Mapping], moment: datetime.datetime) -> dict:
    """Returns the state of one obligation; same: the records of its server, data set and kind."""
    cycle, period, server, dataset, kind = key
    own = [one for one in same if (one["cycle"], one["period"]) == (cycle, period)]
    # A full or archive run that begins in a day's own time also satisfies that day's incremental one.
    able = own + [one for one in same if cycle == "daily" and one["cycle"] in ("weekly", "monthly") and start <= (one.get("started_at") or "") <= due]
    done = [one for one in able if one["outcome"] == "success"]
    if done:
        best = min(done, key=lambda one: one["finished_at"])
        state = "satisfied" if best["finished_at"] <= due else "late"
    else:
        best = own[-1] if own else None
        state = "not_due" if record.to_text(moment) <= due else "missed"
        if best is not None:
            state = "failed" if best["outcome"] else "open"
    return {
        "cycle": cycle, "period": period, "server": server, "dataset": dataset, "kind": kind, "state": state, "due_at": due,
        "record_id": best["record_id"] if best else None, "form_number": best["form_number"] if best else None, "outcome": best["outcome"] if best else None,
    }  # fmt: skip


def _status(policy: Mapping, server: str, dataset: Mapping, evidence: Mapping, missed: Sequence[Mapping], everywhere: Sequence[Mapping]) -> dict:
    """Returns the status of one data set.

    evidence: records by subject. missed: the missed obligations of it and of its server's repositories. everywhere: reasons
    that make every data set red.
    """
    name = dataset["name"]
    backups = evidence.get((server, name, "backup"), [])
    tests = evidence.get((server, name, "restore_test"), [])
    checks = evidence.get((server, "", "integrity_check"), [])
    checked = {one["repository"] for one in checks if one["outcome"] == "success"}
    red = [*everywhere, *(_reason("status_backup", one, "cycle") for one in _unproved_backups(backups))]
    red += [_reason("status_integrity", one, "repository") for one in _unproved_checks(checks)]
    red += [_reason("status_restore_test", one) for one in tests[-1:] if one["outcome"] != "success"]
    red += [{"code": "status_missed", "params": {key: one[key] for key in ("cycle", "period")}} for one in missed if not _made_up_for(one, evidence)]
    unknown = [{"code": code, "params": {}} for code, found in (("status_no_backup", backups), ("status_no_restore_test", tests)) if not found]
    unknown += [{"code": "status_no_integrity_check", "params": {"repository": one}} for one in _to_check(policy, server) if one not in checked]
    category = policy["categories"].get(dataset["category"], {})
    successes = [one for one in backups if one["outcome"] == "success"]
    return {
        "server": server, "dataset": name, "category": dataset["category"], "rto_s": category.get("rto_s"), "rpo_s": category.get("rpo_s"),
        "state": "red" if red else "unknown" if unknown else "green", "reasons": red + unknown,
        "last_success": successes[-1] if successes else None, "last_backup": backups[-1] if backups else None,
        "integrity": checks[-1] if checks else None, "restore_test": tests[-1] if tests else None,
    }  # fmt: skip


def _reason(code: str, one: Mapping, *keys: str) -> dict:
    return {"code": code, "params": {**{key: one[key] for key in keys}, "outcome": one["outcome"] or "open"}}


def _to_check(policy: Mapping, server: str) -> list[str]:
    """Returns the repositories of a server that need a successful integrity check: the primary one and all that a cycle owes one for."""
    cycles = [cycle for cycle, settings in policy["cycles"].items() if settings]
    owed = [one for cycle in cycles for one in obligations.owed(policy["servers"][server], cycle)]
    return sorted({"primary"} | {repository for kind, _dataset, repository in owed if kind == "integrity_check"})


def _unproved_checks(checks: Sequence[Mapping]) -> list[Mapping]:
    """Returns for each repository the newest check that is no success and that no later success clears by reading the same data or all."""
    open_to_doubt: dict[tuple, Mapping] = {}
    for one in checks:
        repository, part = one["repository"], _part_read(one)
        if one["outcome"] == "success":
            cleared = [place for place in open_to_doubt if place[0] == repository and (part == "full" or place[1] in (None, part))]
            open_to_doubt = {place: bad for place, bad in open_to_doubt.items() if place not in cleared}
        else:
            open_to_doubt[repository, part] = one
    return list({one["repository"]: one for one in open_to_doubt.values()}.values())


def _part_read(check: Mapping) -> str | None:
    """Returns which part of its repository a check read: "full", "n/t", or None if it never came to read."""
    part = (check.get("integrity") or {}).get("read_data")
    return part or ("full" if check["outcome"] == "failed" else None)


def _unproved_backups(backups: Sequence[Mapping]) -> list[Mapping]:
    """Returns for each cycle the backup that is no success and that no later success of at least its extent (in order of opening) clears."""
    extent = {"daily": 0, "weekly": 1, "monthly": 1}
    open_to_doubt: dict[str, Mapping] = {}
    for one in backups:
        if one["outcome"] == "success":
            open_to_doubt = {cycle: bad for cycle, bad in open_to_doubt.items() if extent[cycle] > extent[one["cycle"]]}
        else:
            open_to_doubt[one["cycle"]] = one
    return list(open_to_doubt.values())


def _made_up_for(missed: Mapping, evidence: Mapping) -> bool:
    """Returns True if a later run of the same kind and cycle succeeded; the missed one stays in the list of what was owed.

    What is later is judged by the control node's clock alone, since the clock of a server that is ahead would clear what is to come.
    """
    same = evidence.get((missed["server"], missed["dataset"], missed["kind"]), ())
    return any(one["cycle"] == missed["cycle"] and one["outcome"] == "success" and one["opened_at"] > missed["due_at"] for one in same)
