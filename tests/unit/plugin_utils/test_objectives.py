# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether RPO and RTO can be kept, and were: never better than what was measured."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.sicekat.backup.plugins.plugin_utils import objectives

DAY, HOUR = 86_400, 3600
NOW = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
SLOT = {"start": "22:00", "end": "04:00", "grace_s": 0}
CYCLES = {"daily": SLOT, "weekly": None, "monthly": None, "restore_test": None}


def policy(rpo_s: int | None = DAY, timezone: str = "Asia/Jakarta", **cycles: dict | None) -> dict:
    return {
        "timezone": timezone,
        "cycles": {**CYCLES, **cycles},
        "categories": {"penting": {"label": "Penting", "rpo_s": rpo_s, "rto_s": HOUR}, "kosong": {"label": "Kosong", "rpo_s": 60, "rto_s": 60}},
        "servers": {"srv": {"datasets": [{"name": "a", "category": "penting"}, {"name": "b", "category": "penting"}]}},
    }


def hours(*numbers: float) -> list[tuple[datetime.datetime, datetime.datetime]]:
    """Returns points that began so many hours before now and could be used six minutes later."""
    return [(NOW - datetime.timedelta(hours=number), NOW - datetime.timedelta(hours=number - 0.1)) for number in numbers]


def backup(seconds: float, dataset: str = "a", at_hour: float = 10, outcome: str = "success", **fields: object) -> dict:
    start = NOW - datetime.timedelta(hours=at_hour)
    return {
        "kind": "backup", "server": "srv", "dataset": dataset, "outcome": outcome, "duration_ms": int(seconds * 1000), "snapshot_id": f"s{at_hour}",
        "opened_at": f"{start:%FT%TZ}", "started_at": f"{start:%FT%TZ}", "finished_at": f"{start + datetime.timedelta(seconds=seconds):%FT%TZ}", **fields,
    }  # fmt: skip


def restore(total_ms: int | None, outcome: str | None = "success", kind: str = "restore_test", **fields: object) -> dict:
    return {"kind": kind, "outcome": outcome, "opened_at": f"{NOW:%FT%TZ}", "restore": {"total_ms": total_ms, **fields}}


# The schedule


def feasible(*records: dict, **settings: object) -> dict:
    (found,) = objectives.feasibility(policy(**settings), records, NOW)
    return found


def test_a_daily_schedule_cannot_keep_an_rpo_of_four_hours():
    found = feasible(rpo_s=4 * HOUR)
    assert (found["gap_s"], found["needed_s"], found["feasible"], found["slowest"]) == (DAY, DAY, False, None)


def test_what_a_backup_takes_is_a_part_of_what_is_lost():
    assert feasible(rpo_s=DAY)["feasible"] is True
    found = feasible(backup(1), backup(0.2, "b"), rpo_s=DAY)
    assert (found["duration_s"], found["needed_s"], found["feasible"], found["slowest"]) == (1, DAY + 1, False, ["srv", "a"])


def test_only_successes_and_the_last_runs_tell_how_long_one_takes():
    old, failed = backup(9000), backup(9000, outcome="failed")
    assert feasible(old, failed, *[backup(10)] * 30)["duration_s"] == 10


def test_the_longest_gap_of_the_year_counts():
    assert feasible(daily=None, monthly={**SLOT, "day": 1})["gap_s"] == 31 * DAY
    assert feasible(daily=None, weekly={**SLOT, "day": "sunday"}, monthly={**SLOT, "day": 1})["gap_s"] == 7 * DAY
    assert feasible(timezone="Europe/Berlin")["gap_s"] == 25 * HOUR


def test_without_any_cycle_of_backups_no_rpo_can_be_kept():
    found = feasible(daily=None)
    assert (found["needed_s"], found["feasible"]) == (None, False)


def test_a_category_without_an_rpo_or_without_data_is_not_asked():
    assert objectives.feasibility(policy(rpo_s=None), (), NOW) == []


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=100))
def test_at_least_95_of_100_do_not_exceed_p95(numbers):
    found = objectives.p95(numbers)
    assert found in numbers and sum(number <= found for number in numbers) * 100 >= 95 * len(numbers)
    assert sum(number < found for number in numbers) * 100 < 95 * len(numbers)


# The timeline


def followed(points: list, since_h: float = 48, rpo_s: int | None = DAY) -> dict:
    return objectives.timeline(points, NOW - datetime.timedelta(hours=since_h), NOW, rpo_s)


def test_the_age_counts_from_the_start_of_the_newest_usable_backup_to_the_end_of_the_next():
    found = followed(hours(50, 26, 2))
    assert (found["worst_s"], found["worst_at"]) == (int(24.1 * HOUR), "2026-11-21T10:06:00Z")  # reached twice: when first
    assert found["period_s"] - found["kept_s"] == 2 * 360  # six minutes, twice
    assert followed(hours(50, 26, 2), rpo_s=int(24.1 * HOUR))["kept_s"] == 48 * HOUR


def test_the_gap_that_is_still_open_counts():
    found = followed(hours(50, 30))
    assert (found["worst_s"], found["worst_at"], found["kept_s"]) == (30 * HOUR, "2026-11-22T12:00:00Z", 42 * HOUR)


def test_a_time_without_any_usable_backup_is_never_kept():
    found = followed(hours(12))
    assert (found["points"], found["worst_s"], found["kept_s"]) == (1, int(36.1 * HOUR), int(11.9 * HOUR))
    assert followed([]) == {"points": 0, "worst_s": None, "worst_at": None, "period_s": 48 * HOUR, "kept_s": 0}


def test_a_late_backup_of_older_data_makes_nothing_younger():
    slow = [(NOW - datetime.timedelta(hours=40), NOW - datetime.timedelta(hours=1))]
    assert followed(hours(20) + slow, since_h=10)["worst_s"] == 20 * HOUR


def test_without_an_rpo_there_is_an_age_and_no_verdict():
    found = followed(hours(10), rpo_s=None)
    assert (found["kept_s"], found["worst_s"] is None) == (None, False)


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 300)), max_size=12), st.integers(1, 3000), st.integers(60, 100_000))
def test_the_timeline_is_what_asking_each_minute_gives(given_points, minutes, rpo_s):
    minute = datetime.timedelta(minutes=1)
    points = [(NOW - ago * minute, NOW - ago * minute + taken * minute) for ago, taken in given_points]
    rpo_s = rpo_s // 60 * 60
    found = objectives.timeline(points, NOW - minutes * minute, NOW, rpo_s)
    kept, worst = 0, 0
    for number in range(minutes):
        at = NOW - (minutes - number) * minute
        usable = [start for start, ready in points if ready <= at]
        kept += bool(usable) and at - max(usable) + minute <= datetime.timedelta(seconds=rpo_s)
        worst = max(worst, int(((at + minute) - max(usable, default=NOW - minutes * minute)).total_seconds()))
    # a point that is ready at the very end counts there, with the age of its start
    at_end = [start for start, ready in points if ready <= NOW]
    worst = max(worst, int((NOW - max(at_end)).total_seconds())) if at_end else worst
    assert found["kept_s"] == kept * 60
    if found["points"]:
        assert found["worst_s"] == worst


# Restores


def test_a_restore_that_failed_never_meets_an_rto_and_none_is_no_data():
    done = [restore(1000), restore(1000, "failed"), restore(None, "unreachable"), restore(3_600_001), restore(3_600_000, kind="restore"), restore(1, None)]
    assert objectives.attainment(done, HOUR) == {"met": 2, "of": 5, "worst_ms": 3_600_001}
    assert objectives.attainment([restore(1, None)], HOUR) == {"met": 0, "of": 0, "worst_ms": None}
    assert objectives.attainment(done, None)["met"] is None


def test_what_the_whole_data_set_would_take_counts_and_a_success_without_a_time_does_not():
    assert objectives.attainment([restore(1000, extrapolated_ms=4_000_000), restore(None)], HOUR) == {"met": 0, "of": 2, "worst_ms": 4_000_000}


# The figures of the index


def figures(*records: dict, since: str = "2026-11-21T12:00:00Z", **settings: object) -> dict:
    evidence: dict = {}
    for one in records:
        evidence.setdefault((one.get("server", "srv"), one.get("dataset", "a"), one["kind"]), []).append(one)
    return objectives.figures(policy(**settings), [(since, policy(**settings))], evidence, NOW)


def test_a_category_counts_a_data_set_without_a_usable_backup_as_not_kept():
    (category,) = figures(backup(60, at_hour=24), backup(60, at_hour=23))["categories"]
    assert (category["rpo"]["kept"], category["rpo"]["of"], category["rpo"]["points"]) == (0, 2, 2)
    assert category["rpo"]["worst"] == {"server": "srv", "dataset": "b", "worst_s": None, "worst_at": None}
    assert category["rto"] == {"met": 0, "of": 0, "worst_ms": None}


@pytest.mark.parametrize(
    "spoiled",
    [{"outcome": "partial"}, {"verification": {"log_check": {"result": "failed"}}}, {"snapshot_id": "bad"}],
    ids=["partial", "log check failed", "restore test failed"],
)
def test_a_backup_that_is_not_proved_is_no_point(spoiled):
    test = {**restore(5, "failed"), "snapshot_id": "bad"}
    found = figures(backup(60, at_hour=20), backup(60, at_hour=2, **spoiled), test)["datasets"][0]
    assert found["points"] == 1
    assert figures(backup(60, at_hour=20), backup(60, at_hour=2), test)["datasets"][0]["points"] == 2


def test_a_data_set_is_followed_since_it_came_into_the_policy_and_restores_for_a_year():
    assert figures(since="2026-11-22T11:00:00Z")["datasets"][0]["period_s"] == HOUR
    assert figures(since="2020-01-01T00:00:00Z")["datasets"][0]["period_s"] == objectives.RPO_DAYS * DAY
    long_ago = {**restore(5), "opened_at": "2025-11-01T00:00:00Z"}
    assert figures(long_ago, restore(5))["categories"][0]["rto"]["of"] == 1
