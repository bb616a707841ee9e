# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Removing old snapshots of a server from one repository: the only place that ever removes a backup.

A compromised server can add snapshots with any time, so rules by date alone would let it push the good ones out. Therefore
everything in the repository must be accounted for before anything goes, restic's own choice is only a proposal, and what
goes are explicit ids. A refusal removes nothing and says why.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import datetime
import statistics

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import ResticError

_CLOCK_S = 300
# How far the time of a snapshot may lie outside of its record: servers' clocks are not exact.
SLACK = datetime.timedelta(seconds=600)
_USUAL_OF = 5
# Up to this many at once are removed without further question.
_MANY = 10
_SHOWN = 10


class Plan:
    """What is to be removed.

    removals: dicts of snapshot_id, dataset, time. refusals: messages. groups: dicts of dataset, listed, kept, removed, refused.
    """

    def __init__(self, removals, refusals, groups):
        self.removals = removals
        self.refusals = refusals
        self.groups = groups


def plan(groups, snapshots, host, now, clock, propose, allowed=None):
    """Returns the Plan for the snapshots that a repository lists. Pure, but for what propose does.

    groups: dicts of dataset, keep (last, daily, weekly, monthly, yearly to int; none positive keeps all), least (int) and known
    (dicts of snapshot_id or None, record_id, outcome, not_before, not_after, files, bytes), and originals (dicts of snapshot_id,
    record_id, not_before, not_after) where they are copies. now, clock: what the control node's and this host's clock said at the
    same moment. propose(group): ids that restic would remove. allowed: ids outside of which nothing goes, None for no limit.
    """
    own = [one for one in snapshots if one["hostname"] == host]
    everywhere = _repository_refusals(groups, own, now, clock)
    refusals, removals, rows = list(everywhere), [], []
    for group in groups:
        listed = [one for one in own if _dataset(one) == group["dataset"]]
        refused, going = [], []
        if not everywhere and listed and any((group["keep"] or {}).values()):
            refused = _group_refusals(group, listed)
            if not refused:
                going = _going(group, listed, set(propose(group)))
                refused = _too_many(group, listed, going)
                going = [one for one in going if allowed is None or one["id"] in allowed]
        if refused:
            going = []
        refusals += refused
        removals += [{"snapshot_id": one["id"], "dataset": group["dataset"], "time": record.to_text(_time(one))} for one in going]
        rows.append(
            {
                "dataset": group["dataset"], "listed": len(listed), "kept": len(listed) - len(going), "removed": len(going),
                "refused": bool(everywhere or refused),
            }
        )  # fmt: skip
    return Plan(removals, refusals, rows)


def thin_out(repository, groups, host, now, allowed):
    """Removes from a Repository what its plan allows; now: the control node's clock, RFC 3339. Returns the closed record.

    allowed: as in `plan`.
    """
    clock = record.utc_now()
    closed = {
        "outcome": "success", "cause": None, "messages": [], "started_at": record.to_text(clock), "repository_id": repository.pinned_id,
        "errors": [], "warnings": [], "warning_count": 0, "exit_code": None, "log": None, "engine": None,
    }  # fmt: skip
    done = {"listed": 0, "kept": 0, "removed": [], "unconfirmed": [], "refusals": [], "groups": []}
    try:
        repository.require_identity()
        closed["engine"] = {"name": "restic", "version": repository.restic.version_text()}
        before = repository.restic.snapshots()
        planned = plan(groups, before, host, record.from_text(now), clock, _proposer(repository.restic, host), allowed)
        listed = sum(one["hostname"] == host for one in before)
        done.update(listed=listed, kept=listed, refusals=planned.refusals, groups=planned.groups)
        if planned.refusals:
            closed.update(outcome="failed", cause="retention_refused")
            closed["messages"] += planned.refusals
        if planned.removals:
            _remove(repository.restic, planned, before, closed, done)
    except ResticError as error:
        _fail(closed, error)
    finished = record.utc_now()
    closed["error_count"] = max(len(done["refusals"]), int(closed["outcome"] != "success"))
    closed.update(finished_at=record.to_text(finished), duration_ms=int((finished - clock).total_seconds() * 1000), retention=done)
    return closed


def rehearse(repository, groups, host, now, allowed):
    """Check mode: returns (messages of what would keep snapshots from being removed, what would be removed)."""
    clock = record.utc_now()
    try:
        repository.require_identity()
        planned = plan(groups, repository.restic.snapshots(), host, record.from_text(now), clock, _proposer(repository.restic, host), allowed)
    except ResticError as error:
        return [error.message], []
    return planned.refusals, planned.removals


def _proposer(restic, host):
    def propose(group):
        proposed = restic.forget_dry_run(group["keep"], host, tags=["dataset=" + group["dataset"]], group_by="host")
        return [one["id"] for found in proposed for one in found["remove"] or ()]

    return propose


def _remove(restic, planned, before, closed, done):
    """Removes explicit snapshots and lists again: what is gone then is what was removed. That all of them are is seen to by Restic.forget."""
    try:
        outputs = [restic.forget([one["snapshot_id"] for one in planned.removals]), restic.prune()]
        closed.update(exit_code=outputs[-1].exit_code, log=outputs[-1].log())
        holders = [holder for output in outputs for holder in output.cleared_locks]
        closed["messages"] += [record.message("lock_cleared", holder=holder) for holder in holders]
    except ResticError as error:
        _fail(closed, error)
    try:
        left = {one["id"] for one in restic.snapshots()}
    except ResticError:
        done["unconfirmed"] = planned.removals
        raise
    done["removed"] = [one for one in planned.removals if one["snapshot_id"] not in left]
    done["kept"] = done["listed"] - len(done["removed"])
    lost = sorted({one["id"] for one in before} - left - {one["snapshot_id"] for one in planned.removals})
    for row in done["groups"]:
        row["removed"] = sum(one["dataset"] == row["dataset"] for one in done["removed"])
        row["kept"] = row["listed"] - row["removed"]
    if lost:
        closed.update(outcome="failed", cause="snapshot_missing", errors=lost[:_SHOWN])
        closed["messages"].append(record.message("retention_lost_others", count=len(lost)))


def _fail(closed, error):
    closed.update(outcome="aborted" if error.cause == "killed" else "failed", cause=error.cause, exit_code=error.exit_code)
    closed["messages"].append(error.message)


def _repository_refusals(groups, own, now, clock):
    """Returns the messages why nothing at all may be removed."""
    refusals = []
    off_s = int(abs((now - clock).total_seconds()))
    if off_s > _CLOCK_S:
        refusals.append(record.message("retention_clock", seconds=off_s))
    known = {(group["dataset"], one["snapshot_id"]): one for group in groups for one in group["known"]}
    originals = {(group["dataset"], one["snapshot_id"]): one for group in groups for one in group.get("originals") or ()}
    unclaimed, misdated = [], []
    for one in own:
        claim = known.get((_dataset(one), one["id"]))
        if claim is None and one.get("original"):
            # A job may be lost after restic stored a copy: it makes one of each backup.
            claim = originals.pop((_dataset(one), one["original"]), None)
        shown = {"snapshot": one["id"][:16], "time": str(one["time"])[:40]}
        if claim is None:
            unclaimed.append(record.message("retention_unclaimed", **shown))
        elif not _is_dated(one, claim, now):
            misdated.append(record.message("retention_misdated", start=claim["not_before"], end=claim["not_after"], **shown))
    unknown = sorted({_dataset(one) or "?" for one in own} - {group["dataset"] for group in groups})
    strange = [record.message("retention_group", dataset=name, found=len({_dataset(one) for one in own}), expected=len(groups)) for name in unknown]
    for found in (unclaimed, misdated, strange):
        refusals += found[:_SHOWN] + ([record.message("retention_more", count=len(found) - _SHOWN)] if len(found) > _SHOWN else [])
    return refusals


def _is_dated(snapshot, claim, now):
    """Returns True if a snapshot is of the time of its record, and not of the future."""
    moment = _time(snapshot)
    if moment is None:
        return False
    return record.from_text(claim["not_before"]) - SLACK <= moment <= min(record.from_text(claim["not_after"]), now) + SLACK


def _group_refusals(group, listed):
    """Returns the messages why no snapshot of one data set may be removed."""
    known = _by_age(group["known"])
    if known[-1]["outcome"] != "success":
        return [record.message("retention_no_success", dataset=group["dataset"], outcome=known[-1]["outcome"])]
    if known[-1]["snapshot_id"] not in {one["id"] for one in listed}:
        return [record.message("retention_newest_gone", dataset=group["dataset"], snapshot=known[-1]["snapshot_id"][:16])]
    before = [one for one in known[:-1] if one["outcome"] == "success"][-_USUAL_OF:]
    for key in ("files", "bytes"):
        usual = statistics.median(one[key] or 0 for one in before) if before else 0
        if (known[-1][key] or 0) * 2 < usual:
            shown = {"dataset": group["dataset"], "found": known[-1][key] or 0, "usual": int(usual)}
            return [record.message("retention_shrunk_" + key, **shown)]
    return []


def _going(group, listed, proposed):
    """Returns the snapshots that may go: what restic proposes without what the proved backups need.

    restic counts every snapshot, so one that proves nothing could take the place of a proved one. Therefore a proved one goes only
    if the rules let it go among the proved ones alone, too.
    """
    proved = {one["snapshot_id"] for one in group["known"] if one["outcome"] == "success"}
    by_age = sorted(listed, key=_time)
    successes = [one for one in by_age if one["id"] in proved]
    stays = {one["id"] for one in successes[-max(group["least"], 1) :]} | _kept(successes, group["keep"])
    return [one for one in by_age if one["id"] in proposed - stays]


def _kept(by_age, keep):
    """Returns the ids that the rules keep, as restic counts (its ApplyPolicy): by the days that stand in the snapshots' own times.

    The oldest stays while a rule has some left to keep, as from restic 0.17 on.
    """
    kept = set()
    for rule, bucket in _BUCKETS.items():
        left, last = keep.get(rule) or 0, None
        for one in reversed(by_age):
            found = bucket(one)
            if left > 0 and (found != last or one is by_age[0]):
                kept.add(one["id"])
                left, last = left - 1, found
    return kept


def _day(snapshot):
    return datetime.date(*map(int, snapshot["time"][:10].split("-")))


_BUCKETS = {
    "last": lambda one: one["id"],
    "daily": _day,
    "weekly": lambda one: tuple(_day(one).isocalendar())[:2],
    "monthly": lambda one: one["time"][:7],
    "yearly": lambda one: one["time"][:4],
}


def _too_many(group, listed, going):
    if len(going) > _MANY and len(going) * 2 > len(listed):
        return [record.message("retention_too_many", dataset=group["dataset"], count=len(going), total=len(listed))]
    return []


def _by_age(known):
    return sorted(known, key=lambda one: record.from_text(one["not_before"]))


def _dataset(snapshot):
    """Returns the data set that a snapshot's tags name, or None if they name none or several."""
    names = [tag[len("dataset=") :] for tag in snapshot.get("tags") or () if tag.startswith("dataset=")]
    return names[0] if len(names) == 1 else None


def _time(snapshot):
    """Returns the time of a snapshot, or None for one that no calendar holds (a server can write anything)."""
    try:
        return record.from_text(snapshot["time"])
    except (ValueError, OverflowError):
        return None
