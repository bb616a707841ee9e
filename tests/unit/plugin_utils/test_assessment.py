# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What records say: never green without evidence, and red until a later run of the same kind proves the opposite."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import assessment

SERVER = {"datasets": [{"name": "dokumen", "category": "penting"}], "repositories": {"primary": {}}}
DAY = {"start": "01:00", "end": "03:00", "grace_s": 3600}
POLICY = {
    "timezone": "UTC",
    "language": "id",
    "agency": {},
    "team": {},
    "categories": {"penting": {"rto_s": None, "rpo_s": None}},
    "cycles": {"daily": DAY, "weekly": {**DAY, "day": "sunday"}, "monthly": {**DAY, "day": 1}, "restore_test": None},
    "servers": {"srv": SERVER},
}
NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)


def made(kind: str, outcome: str | None, day: int, cycle: str = "daily", period: str | None = None, late: bool = False) -> dict:
    at = f"2026-11-{day:02}T{'09' if late else '02'}:00:00Z"
    return {
        "record_id": f"{kind}-{cycle}-{day}", "kind": kind, "cycle": cycle, "period": period or f"2026-11-{day:02}", "server": "srv",
        "dataset": "" if kind == "integrity_check" else "dokumen", "repository": "primary", "outcome": outcome, "opened_at": at, "started_at": at,
        "finished_at": at, "scheduled_start": f"2026-11-{day:02}T01:00:00Z", "due_at": f"2026-11-{day:02}T04:00:00Z", "form_number": f"CB/{day}",
    }  # fmt: skip


PROOFS = [made("integrity_check", "success", 15, "weekly", "2026-W46"), made("restore_test", "success", 16, "restore_test", "2026-11")]


def status(*records: dict, since: str = "2026-11-20T00:30:00Z") -> dict:
    return assessment.index(POLICY, [(since, POLICY)], records, NOON)["status"][0]


def test_all_proofs_make_green():
    assert status(*PROOFS, made("backup", "success", 20))["state"] == "green"


@pytest.mark.parametrize("left_out", [0, 1, 2])
def test_any_missing_proof_is_not_green(left_out):
    records = [*PROOFS, made("backup", "success", 20)]
    del records[left_out]
    assert status(*records)["state"] != "green"


@pytest.mark.parametrize("outcome", [None, *(outcome for outcome in record.OUTCOMES if outcome != "success")])
@pytest.mark.parametrize("kind", ["backup", "integrity_check", "restore_test"])
def test_the_newest_of_a_kind_that_is_no_success_makes_red(kind, outcome):
    assert status(*PROOFS, made("backup", "success", 19), made("backup", "success", 20), made(kind, outcome, 20))["state"] == "red"


def test_a_failed_integrity_check_stays_red_however_many_backups_succeed_after_it():
    broken = made("integrity_check", "failed", 16, "weekly", "2026-W46")
    backups = [made("backup", "success", day) for day in (17, 18, 19, 20)]
    assert status(*PROOFS, broken, *backups)["state"] == "red"
    assert status(*PROOFS, broken, *backups, made("integrity_check", "success", 20, "weekly", "2026-W47"))["state"] == "green"


def test_a_daily_success_does_not_clear_a_failed_weekly_but_a_weekly_clears_a_failed_daily():
    failed_weekly = made("backup", "failed", 19, "weekly", "2026-W46")
    assert status(*PROOFS, failed_weekly, made("backup", "success", 20))["state"] == "red"
    assert status(*PROOFS, made("backup", "failed", 20), made("backup", "success", 20, "weekly", "2026-W47", late=True))["state"] == "green"


def owed(*records: dict, since: str) -> dict:
    return {(one["cycle"], one["period"], one["kind"]): one["state"] for one in assessment.owed_list([(since, POLICY)], records, NOON)}


def test_a_day_without_a_run_is_missed_once_it_is_due():
    states = owed(made("backup", "success", 19), since="2026-11-18T00:00:00Z")
    assert states["daily", "2026-11-18", "backup"] == "missed"
    assert states["daily", "2026-11-19", "backup"] == "satisfied"
    assert states["daily", "2026-11-20", "backup"] == "missed"


def test_a_run_after_it_was_due_is_late():
    assert owed(made("backup", "success", 20, late=True), since="2026-11-20T00:00:00Z")["daily", "2026-11-20", "backup"] == "late"


def test_a_weekly_success_satisfies_its_day_but_a_daily_success_no_week():
    weekly = made("backup", "success", 15, "weekly", "2026-W46")
    states = owed(weekly, since="2026-11-15T00:00:00Z")
    assert states["daily", "2026-11-15", "backup"] == "satisfied" and states["weekly", "2026-W46", "integrity_check"] == "missed"
    assert owed(made("backup", "success", 15), since="2026-11-15T00:00:00Z")["weekly", "2026-W46", "backup"] == "missed"


def test_nothing_is_owed_before_the_policy_was_in_force():
    assert owed(since="2026-11-20T02:00:00Z") == {}


def test_a_missed_day_makes_red_until_a_later_day_succeeds():
    assert status(*PROOFS, made("backup", "success", 19), since="2026-11-19T00:00:00Z")["state"] == "red"
    assert status(*PROOFS, made("backup", "success", 20), since="2026-11-19T00:00:00Z")["state"] == "green"


NONE = dict.fromkeys(("success", "partial", "failed", "aborted", "unreachable", "open", "not_covered"), 0)


@given(st.fixed_dictionaries(dict.fromkeys(NONE, st.integers(0, 3))), st.integers(0, 5))
def test_only_as_many_successes_as_were_expected_and_nothing_else_is_a_success(counts, expected):
    only = {name: number for name, number in counts.items() if number}
    is_success = assessment.overall({**counts, "expected": expected}) == "success"
    assert is_success == (expected > 0 and only.keys() == {"success"} and counts["success"] >= expected)


def checklist(run: dict, records: list, covered: list = ()) -> dict:
    base = dict.fromkeys(("form_number", "period", "scheduled_start", "window_start", "window_end", "due_at"), "x")
    two = {**POLICY, "servers": {"srv": SERVER, "srv2": SERVER}}
    return assessment.checklist({**base, "cycle": "daily", **run}, records, [], two, covered, {"seq": 1, "hash": "0"})


DONE = {**made("backup", "success", 20), "verification": {"log_check": {"result": "passed"}}}


def test_a_server_that_was_left_out_keeps_the_checklist_from_being_a_success():
    found = checklist({"left_out": ["srv2"], "expected": 1}, [DONE])
    assert found["overall"] == "incomplete" and found["not_covered"] == [{"server": "srv2", "dataset": "dokumen", "kind": "backup"}]
    assert checklist({"left_out": ["srv2"], "expected": 1}, [DONE], [("srv2", "backup", "dokumen")])["overall"] == "success"


def test_fewer_records_than_the_run_owes_are_incomplete():
    assert checklist({"left_out": [], "expected": 2}, [DONE])["overall"] == "incomplete"
