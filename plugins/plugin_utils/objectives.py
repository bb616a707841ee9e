# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""RPO and RTO of each category: can the schedule keep them at all, and were they kept.

Pure functions of policies, records and a moment. What nobody has measured is no data, and never 100 %. Durations are whole seconds, but
for what a restore took, which is milliseconds as in its record.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import schedule

# How far back the RPO is followed, and how far back restores count: a data set may owe a test only once a year.
RPO_DAYS, RTO_DAYS = 30, 365
_RUNS = 30  # the last ones of a data set, from which its usual duration is taken
_HORIZON = datetime.timedelta(days=400)  # a year and more: every length of a month, and both changes of summer time


def feasibility(policy: Mapping, backups: Iterable[Mapping], moment: datetime.datetime) -> list[dict]:
    """Returns for each category with an RPO that a data set has whether the schedule can keep it at all.

    backups: records of backups, oldest first. "needed_s", the smallest RPO that can be kept, is the longest time between two scheduled
    starts and what 95 of 100 of the last runs took, of the slowest data set ("slowest": (server, name), None before the first run).
    """
    gap_s = longest_gap_s(policy, moment)
    taken: dict[tuple[str, str], list[int]] = {}
    for one in backups:
        if one["kind"] == "backup" and one["outcome"] == "success" and one.get("duration_ms") is not None:
            taken.setdefault((one["server"], one["dataset"]), []).append(one["duration_ms"])
    found = []
    for name, category in policy["categories"].items():
        subjects = [(host, dataset["name"]) for host, server in policy["servers"].items() for dataset in server["datasets"] if dataset["category"] == name]
        if category["rpo_s"] is None or not subjects:
            continue
        slow = {subject: -(-p95(taken[subject][-_RUNS:]) // 1000) for subject in subjects if subject in taken}
        slowest = max(slow, key=lambda subject: slow[subject], default=None)
        needed_s = None if gap_s is None else gap_s + slow.get(slowest, 0)
        found.append({
            "category": name, "label": category["label"], "rpo_s": category["rpo_s"], "gap_s": gap_s, "duration_s": slow.get(slowest),
            "slowest": list(slowest) if slowest else None, "needed_s": needed_s, "feasible": needed_s is not None and needed_s <= category["rpo_s"],
        })  # fmt: skip
    return found


def longest_gap_s(policy: Mapping, moment: datetime.datetime) -> int | None:
    """Returns the longest time between two scheduled starts of backups in the year after a moment, or None if there are none."""
    slots = [schedule.slots_between(policy["cycles"], policy["timezone"], cycle, moment, moment + _HORIZON) for cycle in record.BACKUP_TYPES]
    starts = sorted(slot.start for of_cycle in slots for slot in of_cycle)
    gaps = [int((after - before).total_seconds()) for before, after in itertools.pairwise(starts)]
    return max(gaps, default=None)


def p95(numbers: Sequence[int]) -> int:
    """Returns the smallest of some numbers that at least 95 of 100 of them do not exceed."""
    return sorted(numbers)[-(-len(numbers) * 95 // 100) - 1]


def timeline(points: Iterable[tuple[datetime.datetime, datetime.datetime]], since: datetime.datetime, until: datetime.datetime, rpo_s: int | None) -> dict:
    """Returns how old the newest usable backup was, over a period with its open end.

    points: (start of the snapshot, from when it could be used) of each usable backup, also from before the period. The age at a moment is
    the time since the start of the newest snapshot that could be used then: what would be lost. "worst_s" is the greatest age, "worst_at"
    when it was reached; a time without any usable backup counts from the period's beginning. "kept_s": for how much of "period_s" the age
    was within the RPO; never while there was no usable backup; None without an RPO.
    """
    ready = sorted((usable, start) for start, usable in points if usable <= until)
    newest = max((start for usable, start in ready if usable <= since), default=None)
    worst_s, worst_at, kept_s, at = 0, None, 0, since
    for usable, start in [*(one for one in ready if one[0] > since), (until, until)]:
        age_s = int((usable - (newest or since)).total_seconds())
        if age_s > worst_s:
            worst_s, worst_at = age_s, usable
        if newest and rpo_s is not None:
            kept_s += max(0, int((min(usable, newest + datetime.timedelta(seconds=rpo_s)) - at).total_seconds()))
        newest, at = max(start, newest or start), usable
    has_any = bool(ready)
    return {
        "points": len(ready), "worst_s": worst_s if has_any else None, "worst_at": record.to_text(worst_at) if has_any and worst_at else None,
        "period_s": int((until - since).total_seconds()), "kept_s": None if rpo_s is None else kept_s,
    }  # fmt: skip


def attainment(restores: Iterable[Mapping], rto_s: int | None) -> dict:
    """Returns {"met", "of", "worst_ms"}: how many closed restores and restore tests were in time for an RTO; one that failed never is.

    What counts is the time that the whole data set would have taken, where less was restored. "met" is None without an RTO.
    """
    done = [one for one in restores if one["outcome"] not in (None, "exempt")]
    times = [_time_ms(one) for one in done if one["outcome"] == "success"]
    met = None if rto_s is None else sum(time is not None and time <= rto_s * 1000 for time in times)
    return {"met": met, "of": len(done), "worst_ms": max((time for time in times if time is not None), default=None)}


def _time_ms(one: Mapping) -> int | None:
    restore = one.get("restore") or {}
    return max((time for time in (restore.get("total_ms"), restore.get("extrapolated_ms")) if time is not None), default=None)


def figures(policy: Mapping, policies: Sequence[tuple[str, Mapping]], evidence: Mapping, moment: datetime.datetime) -> dict:
    """Returns the part "objectives" of the index: {"rpo_days", "rto_days", "categories", "datasets"}.

    policies: (in force from, policy). evidence: records by (server, data set, kind), oldest first, as far as they prove something of today's
    repositories. A data set is followed since it came into the policy.
    """
    rto_since = record.to_text(moment - datetime.timedelta(days=RTO_DAYS))
    backups = [one for (_server, _dataset, kind), made in evidence.items() if kind == "backup" for one in made]
    feasible = {one["category"]: one for one in feasibility(policy, backups, moment)}
    since = _in_policy_since(policies)
    rows, of_category = [], {}
    for server, settings in sorted(policy["servers"].items()):
        for dataset in settings["datasets"]:
            category, place = dataset["category"], (server, dataset["name"])
            rpo_s = policy["categories"].get(category, {}).get("rpo_s")
            begin = max(moment - datetime.timedelta(days=RPO_DAYS), min(moment, since.get(place, moment)))
            followed = timeline(_points(evidence, *place), begin, moment, rpo_s)
            rows.append({"server": server, "dataset": dataset["name"], "category": category, "rpo_s": rpo_s, **followed})
            restores = [one for kind in ("restore_test", "restore") for one in evidence.get((*place, kind), ()) if one["opened_at"] >= rto_since]
            of_category.setdefault(category, []).append((rows[-1], restores))
    categories = []
    for name, entry in policy["categories"].items():
        own = [row for row, _restores in of_category.get(name, ())]
        if not own:
            continue
        restores = [one for _row, done in of_category[name] for one in done]
        # One that was never usable is the worst of all.
        worst = max(own, key=lambda row: (row["worst_s"] is None, row["worst_s"] or 0))
        categories.append({
            "category": name, "label": entry.get("label") or name, "rpo_s": entry["rpo_s"], "rto_s": entry["rto_s"], "feasibility": feasible.get(name),
            "rpo": {
                "kept": None if entry["rpo_s"] is None else sum(row["kept_s"] == row["period_s"] and row["points"] > 0 for row in own), "of": len(own),
                "kept_s": None if entry["rpo_s"] is None else sum(row["kept_s"] for row in own), "period_s": sum(row["period_s"] for row in own),
                "points": sum(row["points"] for row in own),
                "worst": {key: worst[key] for key in ("server", "dataset", "worst_s", "worst_at")},
            },
            "rto": attainment(restores, entry["rto_s"]),
        })  # fmt: skip
    return {"rpo_days": RPO_DAYS, "rto_days": RTO_DAYS, "categories": categories, "datasets": rows}


def _points(evidence: Mapping, server: str, dataset: str) -> list[tuple[datetime.datetime, datetime.datetime]]:
    """Returns (start, usable from) of each backup that succeeded and that no check and no restore test has found to be bad."""
    newest_test = {one.get("snapshot_id"): one["outcome"] for one in evidence.get((server, dataset, "restore_test"), ())}
    return [
        (record.from_text(one["started_at"]), record.from_text(one["finished_at"]))
        for one in evidence.get((server, dataset, "backup"), ())
        if one["outcome"] == "success"
        and ((one.get("verification") or {}).get("log_check") or {}).get("result") != "failed"
        and newest_test.get(one.get("snapshot_id")) != "failed"
    ]


def _in_policy_since(policies: Sequence[tuple[str, Mapping]]) -> dict[tuple[str, str], datetime.datetime]:
    """Returns since when each data set is in the policy without a break."""
    found: dict[tuple[str, str], datetime.datetime] = {}
    for since, policy in policies:
        names = [(host, dataset["name"]) for host, server in policy["servers"].items() for dataset in server["datasets"]]
        found = {name: found.get(name, record.from_text(since)) for name in names}
    return found
