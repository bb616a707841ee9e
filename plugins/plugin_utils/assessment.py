# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the records say: the checklist of a run, and the status of every data set and obligation.

Pure functions of (runs, records, policies, moment, pins, what repositories listed). Green needs evidence: no record, an open
record, a check or a copy that has not been made, a success in a repository that was replaced, a success whose snapshot is gone
and a run that is overdue are each something other than green, and red stays red until a later run of the same kind proves the
opposite.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import collections
import datetime
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import (
    drill,
    log_checking,
    objectives,
    obligations,
    repository_assessment,
    restore_choice,
    restore_request,
    schedule,
)

FORMS = {"daily": "F-01", "weekly": "F-01", "monthly": "F-01", "restore_test": "F-02", "restore": "F-02", drill.CYCLE: "F-02"}
_BAD = ("failed", "aborted", "unreachable", "missed")
# The kinds that are what their cycle is for; where one of them was missed, so was the whole cycle.
_MAIN = ("backup", "restore_test")
# Longer than the longest time between two slots of a cycle, which is a month.
_PERIOD = datetime.timedelta(days=32)
# By how much a clock may be wrong without a word.
_CLOCK_TOLERANCE = datetime.timedelta(minutes=10)


def checklist(run: Mapping, records: Sequence[Mapping], tests: Iterable[Mapping], policy: Mapping, covered: Iterable[tuple], head: Mapping) -> dict:
    """Returns the checklist document of a run.

    records: the run's merged records. tests: closed restore tests, oldest first. covered: (server, kind, data set, repository)
    of left-out servers that an earlier run of the same period satisfied. head: the ledger's head that the form names.
    """
    newest = {(test["server"], test["dataset"]): test for test in tests}
    rows = [_with_restore_test(row, newest.get((row["server"], row["dataset"]))) for row in records]
    rows = [restore_request.told(row, run.get("restore") or {}) if row["kind"] == "restore" else row for row in rows]
    satisfied = set(covered)
    not_covered = [
        {"server": name, "dataset": dataset, "kind": kind, "repository": repository}
        for name in run["left_out"]
        for kind, dataset, repository in obligations.owed(policy, name, run["cycle"], run["period"])
        if (name, kind, dataset, repository) not in satisfied
    ]
    counts = count(rows, run["expected"], len(not_covered))
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
        **({"drill": drill.results(policy, run, rows)} if run["cycle"] == drill.CYCLE else {}),
        "ledger": {"seq": head["seq"], "hash": head["hash"]},
    }  # fmt: skip


def count(records: Sequence[Mapping], expected: int, not_covered: int) -> dict[str, int]:
    """Returns how many records of a run have each outcome or are still open, and what the run owed and what has no evidence."""
    counts = dict.fromkeys((*record.OUTCOMES, "open"), 0)
    for one in records:
        counts[one.get("outcome") or "open"] += 1
    return {**counts, "expected": max(expected, len(records)), "not_covered": not_covered}


def overall(counts: Mapping) -> str:
    """Returns success, partial, failed or incomplete. Nothing expected is incomplete, never a success."""
    if any(counts[name] for name in _BAD):
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
    policy: Mapping,
    policies: Sequence[tuple[str, Mapping]],
    records: Sequence[Mapping],
    moment: datetime.datetime,
    pins: Mapping,
    problems: Sequence,
    listings: Sequence[Mapping],
    measurements: Sequence[Mapping],
) -> dict:
    """Returns the parts "status", "owed", "repositories", "objectives", "findings" and "storage" of the index document.

    policies: (in force from, policy), in the ledger's order. records: all merged records, oldest first. pins: (server,
    repository) -> the id of the repository that belongs to it today. problems: what is wrong with the ledger. listings:
    the newest ledger note `repository_listed` of each repository. measurements: the newest `storage_measured` of each
    repository server.
    """
    owed = owed_list(policies, records, moment)
    gone = repository_assessment.vanished(listings)
    evidence = _by_subject(one for one in records if _is_evidence(one, pins, gone))
    missed = collections.defaultdict(list)
    for one in owed:
        # One that a record calls missed is judged as that record.
        if one["state"] == "missed" and one["record_id"] is None:
            missed[one["server"], one["dataset"]].append(one)
    everywhere = [{"code": "status_ledger", "params": {}}] if problems else []
    if max([*(since for since, _policy in policies), *(one["opened_at"] for one in records)], default="") > record.to_text(moment + _CLOCK_TOLERANCE):
        everywhere.append({"code": "status_clock", "params": {}})
    status = []
    for server in sorted(policy["servers"]):
        red = [*everywhere, *repository_assessment.reasons(listings, server)]
        unknown = repository_assessment.unseen(policy, listings, server)
        for dataset in policy["servers"][server]["datasets"]:
            status.append(_status(policy, server, dataset, evidence, missed[server, dataset["name"]] + missed[server, ""], red, unknown))
    return {
        "status": status, "owed": owed, "repositories": repository_assessment.overview(policy, evidence, listings),
        "objectives": objectives.figures(policy, policies, evidence, moment),
        "findings": repository_assessment.findings(listings, records), "storage": repository_assessment.storage(policy, measurements),
    }  # fmt: skip


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
    in_use = {
        (name, dataset["name"], repository)
        for name, server in servers.items()
        for dataset in (*server["datasets"], {"name": ""})
        for repository in server["repositories"]
    }
    slots: dict[tuple, tuple[str, str]] = {}
    due = set()
    for slot, policy in _newest_slots(policies, edge, moment):
        for name in policy["servers"]:
            for kind, dataset, repository in obligations.owed(policy, name, slot.cycle, slot.period):
                is_newest = (slot.cycle, name, dataset, kind, repository) not in due and (name, dataset, repository) in in_use
                if slot.start >= edge or is_newest:
                    slots.setdefault((slot.cycle, slot.period, name, dataset, kind, repository), (record.to_text(slot.start), record.to_text(slot.due)))
                if slot.due < moment:
                    due.add((slot.cycle, name, dataset, kind, repository))
    for one in records:
        if one["cycle"] in record.CYCLES and record.from_text(one["opened_at"]) >= edge:
            key = tuple(one[name] for name in ("cycle", "period", "server", "dataset", "kind", "repository"))
            slots.setdefault(key, (one["scheduled_start"], one["due_at"]))
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
            # A data set may owe a restore test only once in so many months.
            months = obligations.longest_test_months(policy) if cycle == "restore_test" else 1
            first = max(since, min(until, edge) - months * _PERIOD)
            for slot in reversed(schedule.slots_between(policy["cycles"], policy["timezone"], cycle, first, until)):
                yield slot, policy
        until = since


def _is_evidence(one: Mapping, pins: Mapping, gone: Container[str]) -> bool:
    """Returns False for a success in another repository than the one that belongs to the server today, or whose snapshot is gone."""
    pinned = pins.get((one["server"], one["repository"]))
    return one["outcome"] != "success" or (pinned is not None and one.get("repository_id") == pinned and one["record_id"] not in gone)


def _by_subject(records: Iterable[Mapping]) -> dict[tuple, list[Mapping]]:
    """Returns the records by (server, data set, kind), oldest first."""
    found = collections.defaultdict(list)
    for one in records:
        found[one["server"], one["dataset"], one["kind"]].append(one)
    return found


def _obligation(key: tuple, start: str, due: str, same: Sequence[Mapping], moment: datetime.datetime) -> dict:
    """Returns the state of one obligation; same: the records of its server, data set and kind."""
    cycle, period, server, dataset, kind, repository = key
    own = [one for one in same if (one["cycle"], one["period"], one["repository"]) == (cycle, period, repository)]
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
            state = {None: "open", "missed": "missed"}.get(best["outcome"], "failed")
    return {
        "cycle": cycle, "period": period, "server": server, "dataset": dataset, "kind": kind, "repository": repository,
        "state": state, "due_at": due,
        "record_id": best["record_id"] if best else None, "form_number": best["form_number"] if best else None, "outcome": best["outcome"] if best else None,
    }  # fmt: skip


def _status(
    policy: Mapping, server: str, dataset: Mapping, evidence: Mapping, missed: Sequence[Mapping], red: Sequence[Mapping], unknown: Sequence[Mapping]
) -> dict:
    """Returns the status of one data set.

    evidence: records by subject. missed: the missed obligations of it and of its server's repositories. red, unknown:
    reasons that hold for every data set of its server.
    """
    name = dataset["name"]
    repositories = policy["servers"][server]["repositories"]
    backups = evidence.get((server, name, "backup"), [])
    tests = evidence.get((server, name, "restore_test"), [])
    checks = evidence.get((server, "", "integrity_check"), [])
    copies = {place: _of(evidence.get((server, name, "copy"), ()), place) for place in repositories if place != "primary"}
    retentions = [_of(evidence.get((server, "", "retention"), ()), place) for place in repositories]
    to_check = sorted({"primary", *repository_assessment.wanted(policy, server, "integrity_check")})
    checked = {one["repository"] for one in checks if one["outcome"] == "success"}
    red = [*red, *(_reason("status_backup", one, "cycle") for one in _unproved_backups(backups))]
    red += [_reason("status_copy", one, "repository") for made in copies.values() for one in _unproved(made)]
    red += [_reason("status_integrity", one, "repository") for one in _unproved_checks(checks)]
    red += [_reason("status_retention", one, "repository") for made in retentions for one in _unproved(made)]
    red += [_reason("status_restore_test", one) for one in [restore_choice.open_failure(tests)] if one is not None]
    red += _missed_reasons([one for one in missed if one["repository"] in repositories and not _made_up_for(one, evidence)])
    unknown = [*unknown]
    unknown += [{"code": code, "params": {}} for code, found in (("status_no_backup", backups), ("status_no_restore_test", tests)) if not found]
    unknown += [{"code": "status_no_copy", "params": {"repository": place}} for place, made in copies.items() if not made]
    unknown += [{"code": "status_no_integrity_check", "params": {"repository": one}} for one in to_check if one not in checked]
    category = policy["categories"].get(dataset["category"], {})
    successes = [one for one in backups if one["outcome"] == "success"]
    doubted = [{"code": "status_log_check", "params": {}} for one in backups[-1:] if log_checking.doubts(one)]
    return {
        "server": server, "dataset": name, "category": dataset["category"], "rto_s": category.get("rto_s"), "rpo_s": category.get("rpo_s"),
        "state": "red" if red else "unknown" if unknown else "attention" if doubted else "green", "reasons": red + unknown + doubted,
        "last_success": successes[-1] if successes else None, "last_backup": backups[-1] if backups else None,
        "copies": [{"repository": place, "record": made[-1] if made else None} for place, made in copies.items()],
        "integrity": checks[-1] if checks else None, "restore_test": tests[-1] if tests else None,
    }  # fmt: skip


def _of(records: Iterable[Mapping], repository: str) -> list[Mapping]:
    return [one for one in records if one["repository"] == repository]


def _unproved(records: Sequence[Mapping]) -> list[Mapping]:
    """Returns the newest record if it is no success."""
    return [one for one in records[-1:] if one["outcome"] != "success"]


def _missed_reasons(missed: Sequence[Mapping]) -> list[dict]:
    """Returns a reason for each cycle and period that was missed as a whole, and for each kind that was missed beside work that was done."""
    whole = {(one["cycle"], one["period"]): None for one in missed if one["kind"] in _MAIN}
    reasons = [{"code": "status_missed", "params": {"cycle": cycle, "period": period}} for cycle, period in whole]
    return reasons + [
        {"code": "status_missed_kind", "params": {key: one[key] for key in ("kind", "repository", "cycle", "period")}}
        for one in missed
        if (one["cycle"], one["period"]) not in whole
    ]


def _reason(code: str, one: Mapping, *keys: str) -> dict:
    return {"code": code, "params": {**{key: one[key] for key in keys}, "outcome": one["outcome"] or "open"}}


def _unproved_checks(checks: Sequence[Mapping]) -> list[Mapping]:
    """Returns for each repository the newest check that is no success and that no later success clears by reading the same data or all."""
    open_to_doubt: dict[tuple, Mapping] = {}
    for one in checks:
        repository, part = one["repository"], _part_read(one)
        if one["outcome"] == "success":
            # A part that has no pack any more holds nothing to doubt.
            seen = (None, part, *((one.get("integrity") or {}).get("empty") or ()))
            cleared = [place for place in open_to_doubt if place[0] == repository and (part == "full" or place[1] in seen)]
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
    same = _of(evidence.get((missed["server"], missed["dataset"], missed["kind"]), ()), missed["repository"])
    return any(one["cycle"] == missed["cycle"] and one["outcome"] == "success" and one["opened_at"] > missed["due_at"] for one in same)
