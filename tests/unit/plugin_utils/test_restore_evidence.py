# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a taken-over host can say of a restore, and that it is no proof."""

from __future__ import annotations

import copy
import datetime

import pytest

from ansible_collections.sicekat.backup.plugins.module_utils import assertions
from ansible_collections.sicekat.backup.plugins.plugin_utils import restore_evidence

BACKUP = {"snapshot_id": "1" * 64, "started_at": "2026-11-21T22:00:00Z", "database": {"engine": "postgresql", "rows": 7}}
ASKED = [
    {"name": "banyak", "query": "SELECT count(*) FROM pegawai", "min": 5, "timeout_s": 60},
    {"name": "kota", "query": "SELECT kota", "equals": "Banda\nAceh", "timeout_s": 60},
]
NOW = datetime.datetime(2026, 11, 22, 9, tzinfo=datetime.UTC)
DATASET = {"name": "data", "kind": "postgresql", "assertions": ASKED}


def opened(kind: str = "restore_test") -> dict:
    return {"kind": kind, "rto_s": 3600, "rpo_s": 86400}


def told(**fields: object) -> dict:
    restore = {
        "snapshot_id": "1" * 64, "snapshot_at": "2026-11-21T22:00:00Z", "pick": "newest", "age_s": 36000, "canary": "found", "database": "sound", "rows": 7,
        "files": {"expected": 1, "restored": 1}, "bytes": {"expected": 9, "restored": 9}, "sample": {"compared": 1, "equal": 1, "different": 0, "missing": 0},
        "metadata": {"compared": 1, "different": 0}, "phases_ms": {"prepare": 1, "fetch": 2, "load": 3, "prove": 4, "clean": 0},
        "total_ms": 10, "extrapolated_ms": 20, "rto_met": True, "rpo_met": True,
        "assertions": [assertions.judge(ASKED[0], "7"), assertions.judge(ASKED[1], "Banda\nAceh")], **fields,
    }  # fmt: skip
    return {"outcome": "success", "cause": None, "messages": [], "error_count": 0, "started_at": "2026-11-22T08:00:00Z", "restore": restore}


def held(closed: dict, kind: str = "restore_test", dataset: dict | None = None) -> dict:
    return restore_evidence.held(opened(kind), closed, BACKUP, dataset or DATASET, NOW)


def test_what_our_module_tells_of_a_sound_database_is_taken_as_it_is():
    assert held(told()) == told(told_at="2026-11-22T09:00:00Z")
    collected = {**told(), "collected_at": "2026-11-22T09:00:00Z"}
    assert held(collected) == collected


def without(name: str) -> dict:
    closed = told()
    del closed["restore"][name]
    return closed


LIES = [
    {"database": "none"}, {"database": "damaged"}, {"rows": 6}, {"rows": None}, {"canary": "missing"}, {"snapshot_id": "2" * 64},
    {"files": {"expected": 2, "restored": 1}}, {"files": {"restored": 1}}, {"bytes": {"expected": 9, "restored": 0}},
    {"sample": {"compared": 1, "different": 1}}, {"sample": {}}, {"metadata": {"compared": 1, "different": 1}},
    {"phases_ms": {}}, {"phases_ms": {"fetch": -1}}, {"total_ms": 9}, {"extrapolated_ms": 1},
    {"assertions": []}, {"assertions": told()["restore"]["assertions"][:1]},
    {"assertions": [assertions.judge({**ASKED[0], "min": 1}, "7"), assertions.judge(ASKED[1], "Banda\nAceh")]},
    {"assertions": [assertions.judge({**ASKED[0], "query": "SELECT 7"}, "7"), assertions.judge(ASKED[1], "Banda\nAceh")]},
    {"assertions": [{**assertions.judge(ASKED[0], "4"), "result": "passed"}, assertions.judge(ASKED[1], "Banda\nAceh")]},
    {"assertions": [assertions.judge(ASKED[0], "7"), {**assertions.judge(ASKED[1], "Medan"), "result": "passed"}]},
    {"assertions": [assertions.judge(ASKED[0], "4"), assertions.judge(ASKED[1], "Banda\nAceh")]},
]  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_success_that_does_not_show_what_it_had_to_is_none(lie):
    found = held(told(**lie))
    assert (found["outcome"], found["cause"], found["error_count"]) == ("failed", "no_evidence", 1)
    assert [one["code"] for one in found["messages"]] == ["restore_unproved"]
    assert (found["restore"]["rto_met"], found["restore"]["rpo_met"]) == (False, False)


@pytest.mark.parametrize("name", ["database", "rows", "assertions", "canary", "files", "bytes", "sample", "metadata", "phases_ms", "total_ms"])
def test_what_is_not_told_is_not_proved(name):
    assert held(without(name))["outcome"] == "failed"


def test_objectives_and_ages_are_the_control_nodes_word():
    found = held(told(total_ms=3_600_001, extrapolated_ms=3_600_001, snapshot_at="2026-11-22T07:59:00Z", age_s=1))
    assert (found["outcome"], found["restore"]["rto_met"]) == ("success", False)
    assert (found["restore"]["snapshot_at"], found["restore"]["age_s"], found["restore"]["rpo_met"]) == (BACKUP["started_at"], 36000, True)
    assert held(told(pick="random"))["restore"]["rpo_met"] is None


def test_a_database_without_a_table_proves_nothing():
    empty = {**BACKUP, "database": {"engine": "postgresql", "tables": {}, "rows": 0}}
    assert restore_evidence.held(opened(), told(rows=0), empty, DATASET, NOW)["outcome"] == "failed"
    empty["database"]["tables"] = {"public.pegawai": 0}
    assert restore_evidence.held(opened(), told(rows=0), empty, DATASET, NOW)["outcome"] == "success"


def test_files_are_not_opened_and_a_real_restore_asks_nothing():
    files = {"name": "data", "kind": "files"}
    assert held(told(database="none", rows=None, assertions=[]), dataset=files)["outcome"] == "success"
    assert held(told(database="none", rows=None, assertions=[]), "restore")["outcome"] == "success"
    assert held(told(snapshot_id="2" * 64), "restore")["outcome"] == "failed"


def test_a_failure_stays_what_it_is():
    closed = {**copy.deepcopy(told(database="damaged")), "outcome": "failed", "cause": "restored_differs"}
    assert held(closed)["messages"] == [] and held({**closed, "restore": {}}) == {**closed, "restore": {}}
