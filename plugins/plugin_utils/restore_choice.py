# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which restore tests a run makes, and which snapshot each of them takes.

Nobody tests by hand what he knows to be good: the newest snapshot comes first, then in turn with it a random older one. Its number comes
from a seed that the ledger holds, so that anybody can draw it again. After a failure only a success with the newest clears the red.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import obligations, retention
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger

# How a snapshot came to be the one; also what a person may ask for in one run, besides the id of a snapshot.
NEWEST, RANDOM, NAMED = "newest", "random", "named"
# What a server's backup_restore_test_pick can be; in turn, the newest first, then an older one.
PICKS = (NEWEST, "alternate")
NOTE = "restore_chosen"  # the ledger's note on a choice, of the control node's own word

_ID = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class Choice:
    """The backup whose snapshot a test takes; candidates: how many older ones a draw has, or would have had, to choose from."""

    backup: Mapping
    pick: str
    seed: str
    candidates: int


def is_askable(asked: str) -> bool:
    """Returns True for what `restore_test_snapshot` may be: nothing, "newest", "random", or the beginning of a snapshot's id."""
    return asked in ("", NEWEST, RANDOM) or _ID.fullmatch(asked) is not None


def due(policy: Mapping, servers: Iterable[str], period: str, tests: Iterable[Mapping], pins: Mapping) -> list[tuple[str, str]]:
    """Returns the data sets (server, name) that a run of restore tests makes: what is due, or all of them where nothing is.

    Due is what has no success since its newest turn, also one that was missed, what was never proved, and what has a failure that nothing cleared.
    tests: the records of restore tests, oldest first. pins: (server, repository) -> the id of the repository that belongs to it today.
    """
    made: dict[tuple[str, str], list[Mapping]] = {}
    for one in tests:
        made.setdefault((one["server"], one["dataset"]), []).append(one)
    every = [(server, dataset["name"]) for server in servers for dataset in policy["servers"][server]["datasets"]]
    found = [one for one in every if _is_due(policy, *one, period, made.get(one, ()), pins.get((one[0], "primary")))]
    return found or every


def _is_due(policy: Mapping, server: str, dataset: str, period: str, tests: Iterable[Mapping], pinned: str | None) -> bool:
    proofs = evidence(tests, pinned)
    proved_in = [one["period"] or "" for one in proofs if one["outcome"] == "success"]  # a drill has no period
    turn = next((one for one in _back_from(period) if ("restore_test", dataset, "primary") in obligations.owed(policy, server, "restore_test", one)), "")
    return not proved_in or open_failure(proofs) is not None or max(proved_in) < turn


def _back_from(period: str) -> Iterator[str]:
    """Yields a month, such as "2026-11", and the eleven before it: no data set has its turn less often than once a year."""
    year, month = map(int, period.split("-"))
    for number in range(12 * year + month - 1, 12 * year + month - 13, -1):
        yield f"{number // 12:04}-{number % 12 + 1:02}"


def evidence(tests: Iterable[Mapping], pinned: str | None) -> list[Mapping]:
    """Returns the tests of a data set that say something of the repository that belongs to its server today."""
    return [one for one in tests if one["outcome"] != "success" or (pinned is not None and one.get("repository_id") == pinned)]


def open_failure(tests: Sequence[Mapping]) -> Mapping | None:
    """Returns the newest test of a data set that is no success, unless a later one succeeded with the newest snapshot of its time."""
    for one in reversed(tests):
        if one["outcome"] != "success":
            return one
        # Before there was a choice, every test took the newest.
        if (one.get("restore") or {}).get("pick", NEWEST) == NEWEST:
            return None
    return None


def choose(ledger: Ledger, opened: Mapping, kind: str, how: str, asked: str) -> Choice | None:
    """Returns what the test of an opened record takes, or None where there is nothing to take.

    kind: the data set's kind in the policy, which an older snapshot has to be of. how: one of PICKS. asked: what a person asks for in
    this run, with a whole id for a snapshot.
    """
    server, dataset = opened["server"], opened["dataset"]
    pinned = (ledger.pinned_repository(server, "primary") or {}).get("repository_id")
    seed = f"{opened.get('run_id') or opened['record_id']}/{server}/{dataset}"[:200]
    backups = [one for one in ledger.records(server=server, kind="backup") if one["dataset"] == dataset and one.get("snapshot_id")]
    proved = [one for one in backups if one["outcome"] == "success"]
    older = [one for one in _existing(ledger, server, proved[:-1], pinned) if one["dataset_kind"] == kind]
    if asked not in ("", NEWEST, RANDOM):
        named = next((one for one in backups if one["snapshot_id"] == asked), None)
        return named and Choice(named, NAMED, seed, len(older))
    if not proved:
        return None
    tests = [one for one in ledger.records(server=server, kind="restore_test") if one["dataset"] == dataset and one["record_id"] != opened["record_id"]]
    if older and (asked or _turn(how, evidence(tests, pinned))) == RANDOM:
        return Choice(older[draw(seed, len(older))], RANDOM, seed, len(older))
    return Choice(proved[-1], NEWEST, seed, len(older))


def draw(seed: str, candidates: int) -> int:
    """Returns which of so many candidates (from 0, oldest first) a seed draws."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest(), "big") % candidates


def _turn(how: str, tests: Sequence[Mapping]) -> str:
    if how == NEWEST or not tests or open_failure(tests) is not None:
        return NEWEST
    return RANDOM if (tests[-1].get("restore") or {}).get("pick", NEWEST) == NEWEST else NEWEST


def _existing(ledger: Ledger, server: str, backups: Iterable[Mapping], pinned: str | None) -> list[Mapping]:
    """Returns the backups that lie in the pinned repository as far as the ledger knows: neither removed by retention nor vanished."""
    gone = retention.may_be_removed(server, ledger)
    gone |= {one["snapshot_id"] for one in (ledger.newest("repository_listed", server, "primary") or {}).get("vanished") or ()}
    return [one for one in backups if pinned and one.get("repository_id") == pinned and one["snapshot_id"] not in gone]


def named(ledger: Ledger, servers: Iterable[str], asked: str) -> list[tuple[str, str, str]]:
    """Returns (server, data set, whole id) of each backup that could be restored and whose snapshot id begins as a person says."""
    found = []
    for server in servers:
        pinned = (ledger.pinned_repository(server, "primary") or {}).get("repository_id")
        backups = [one for one in ledger.records(server=server, kind="backup") if (one.get("snapshot_id") or "").startswith(asked) and one["storage_locations"]]
        found += [(server, one["dataset"], one["snapshot_id"]) for one in _existing(ledger, server, backups, pinned)]
    return found


def note(opened: Mapping, choice: Choice) -> dict:
    """Returns what the ledger is told of a choice before the test begins."""
    told = {"run_id": opened.get("run_id"), "record_id": opened["record_id"], "server": opened["server"], "dataset": opened["dataset"]}
    return {**told, "snapshot_id": choice.backup["snapshot_id"], "pick": choice.pick, "seed": choice.seed, "candidates": choice.candidates}


def as_chosen(closed: Mapping, chosen: Mapping | None) -> dict:
    """Returns the closed record of a test with what the control node chose; a host that tells of another snapshot has proved nothing.

    chosen: the ledger's note, or None where there is none.
    """
    if not chosen or not closed.get("restore"):
        return dict(closed)
    told = {key: chosen[key] for key in ("pick", "seed", "candidates")}
    result = {**closed, "restore": {**closed["restore"], **told}}
    found = closed["restore"].get("snapshot_id")
    if found != chosen["snapshot_id"] and closed["outcome"] in ("success", "partial"):
        message = record.message("restore_other_snapshot", found=found, expected=chosen["snapshot_id"])
        result.update(outcome="failed", cause="no_evidence", messages=[*closed["messages"], message], error_count=max(1, closed["error_count"]))
    return result
