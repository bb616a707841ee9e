# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""When cycles are due."""

from __future__ import annotations

import datetime
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.sicekat.backup.plugins.plugin_utils import schedule

CYCLES = {
    "daily": {"start": "22:00", "end": "04:00", "grace_s": 6 * 3600},
    "weekly": {"day": "sunday", "start": "01:00", "end": "06:00", "grace_s": 24 * 3600},
    "monthly": {"day": 31, "start": "01:00", "end": "08:00", "grace_s": 72 * 3600},
    "restore_test": None,
}
JAKARTA = "Asia/Jakarta"
BERLIN = "Europe/Berlin"


def moment(text: str, zone: str = "UTC") -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=zoneinfo.ZoneInfo(zone))


def daily(start: str, end: str) -> dict:
    return {"daily": {"start": start, "end": end, "grace_s": 0}}


def test_a_run_after_midnight_belongs_to_the_slot_of_the_evening_before():
    slot = schedule.slot_at(CYCLES, JAKARTA, "daily", moment("2026-11-23 01:00", JAKARTA))
    assert (slot.period, slot.start) == ("2026-11-22", moment("2026-11-22 15:00"))


def test_a_run_in_the_afternoon_still_belongs_to_the_slot_of_the_evening_before():
    assert schedule.slot_at(CYCLES, JAKARTA, "daily", moment("2026-11-23 15:00", JAKARTA)).period == "2026-11-22"


def test_a_slot_begins_at_its_very_start():
    assert schedule.slot_at(CYCLES, JAKARTA, "daily", moment("2026-11-22 22:00", JAKARTA)).period == "2026-11-22"


def test_a_window_that_ends_before_it_starts_crosses_midnight():
    assert schedule.slot_at(CYCLES, JAKARTA, "daily", moment("2026-11-22 23:00", JAKARTA)).end == moment("2026-11-23 04:00", JAKARTA)


def test_a_slot_is_due_when_its_grace_after_the_window_ends():
    assert schedule.slot_at(CYCLES, JAKARTA, "daily", moment("2026-11-22 23:00", JAKARTA)).due == moment("2026-11-23 10:00", JAKARTA)


def test_a_weekly_period_is_the_iso_week_of_the_start_also_at_new_year():
    assert schedule.slot_at(CYCLES, JAKARTA, "weekly", moment("2027-01-03 02:00", JAKARTA)).period == "2026-W53"


def test_a_weekly_cycle_starts_on_its_weekday():
    slot = schedule.slot_at(CYCLES, JAKARTA, "weekly", moment("2026-11-25 12:00", JAKARTA))
    assert (slot.period, slot.start) == ("2026-W47", moment("2026-11-22 01:00", JAKARTA))


def test_day_31_is_the_last_day_of_a_shorter_month():
    slots = schedule.slots_between(CYCLES, JAKARTA, "monthly", moment("2028-01-01", JAKARTA), moment("2028-05-01", JAKARTA))
    assert [slot.start.astimezone(zoneinfo.ZoneInfo(JAKARTA)).day for slot in slots] == [31, 29, 31, 30]


def test_slots_between_holds_the_first_moment_and_not_the_last():
    slots = schedule.slots_between(CYCLES, JAKARTA, "daily", moment("2026-11-20 22:00", JAKARTA), moment("2026-11-22 22:00", JAKARTA))
    assert [slot.period for slot in slots] == ["2026-11-20", "2026-11-21"]


def test_a_disabled_cycle_has_no_slots():
    assert schedule.slots_between(CYCLES, JAKARTA, "restore_test", moment("2026-01-01"), moment("2027-01-01")) == []


def test_a_slot_of_a_disabled_cycle_is_refused_by_name():
    with pytest.raises(ValueError, match="restore_test cycle is disabled"):
        schedule.slot_at(CYCLES, JAKARTA, "restore_test", moment("2026-11-22"))


def test_a_start_that_summer_time_skips_moves_forward():
    slot = schedule.slot_at(daily("02:30", "06:00"), BERLIN, "daily", moment("2026-03-29 12:00", BERLIN))
    assert slot.start == moment("2026-03-29 03:30", BERLIN)


def test_a_window_never_ends_before_it_starts_when_summer_time_skips_its_start():
    slot = schedule.slot_at(daily("02:30", "03:15"), BERLIN, "daily", moment("2026-03-29 12:00", BERLIN))
    assert slot.end == slot.start


def test_a_window_over_the_end_of_summer_time_is_an_hour_longer():
    slot = schedule.slot_at(daily("22:00", "04:00"), BERLIN, "daily", moment("2026-10-25 01:00", BERLIN))
    assert slot.end - slot.start == datetime.timedelta(hours=7)


@pytest.fixture
def window() -> schedule.Slot:
    return schedule.slot_at(CYCLES, "UTC", "daily", moment("2026-11-22 23:00"))


def test_a_run_that_fills_the_window_exactly_lies_inside(window):
    assert schedule.inside(window, window.start, window.end) == (True, 0)


def test_a_run_that_ends_late_counts_its_seconds_after_the_window(window):
    assert schedule.inside(window, moment("2026-11-23 03:00"), moment("2026-11-23 04:00:30")) == (False, 30)


def test_a_run_that_starts_early_counts_its_seconds_before_the_window(window):
    assert schedule.inside(window, moment("2026-11-22 21:59"), moment("2026-11-22 22:30")) == (False, 60)


def test_a_run_wholly_after_the_window_counts_from_the_end_of_the_window(window):
    assert schedule.inside(window, moment("2026-11-23 09:00"), moment("2026-11-23 09:01")) == (False, 18060)


def test_a_part_of_a_second_outside_counts_as_a_second(window):
    assert schedule.inside(window, moment("2026-11-23 03:00"), moment("2026-11-23 04:00:00.200")) == (False, 1)


clock = st.times().map(lambda time: f"{time:%H:%M}")
days = st.sampled_from([{}]) | st.sampled_from(schedule.WEEKDAYS).map(lambda day: {"day": day}) | st.integers(1, 31).map(lambda day: {"day": day})
zones = st.sampled_from([JAKARTA, "Asia/Jayapura", BERLIN, "America/New_York", "Australia/Lord_Howe", "UTC"])
moments = st.integers(1_420_070_400, 2_366_841_600).map(lambda seconds: datetime.datetime.fromtimestamp(seconds, datetime.UTC))  # 2015 to 2045


@st.composite
def one_cycle(draw) -> dict:
    start, end = draw(st.lists(clock, min_size=2, max_size=2, unique=True))
    return {"daily": {**draw(days), "start": start, "end": end, "grace_s": draw(st.integers(0, 10**6))}}


def next_slot(cycles: dict, zone: str, at: datetime.datetime) -> schedule.Slot:
    day = datetime.timedelta(days=1)
    return next(slot for slot in schedule.slots_between(cycles, zone, "daily", at, at + 70 * day) if slot.start > at)


@given(one_cycle(), zones, moments)
def test_any_moment_lies_between_its_slot_and_the_next_one(cycles, zone, at):
    slot, following = schedule.slot_at(cycles, zone, "daily", at), next_slot(cycles, zone, at)
    assert slot.start <= at < following.start


@given(one_cycle(), zones, moments)
def test_there_is_no_slot_between_a_slot_and_the_next_one(cycles, zone, at):
    slot, following = schedule.slot_at(cycles, zone, "daily", at), next_slot(cycles, zone, at)
    assert schedule.slots_between(cycles, zone, "daily", slot.start, following.start) == [slot]


@given(one_cycle(), zones, moments)
def test_a_slot_never_ends_before_it_starts_and_never_is_due_before_it_ends(cycles, zone, at):
    slot = schedule.slot_at(cycles, zone, "daily", at)
    assert slot.start <= slot.end <= slot.due


@given(st.integers(1, 31), st.sampled_from(["monthly", "restore_test"]), st.integers(2015, 2045))
def test_each_month_of_a_year_has_one_period_whatever_the_day(day, cycle, year):
    cycles = {cycle: {"day": day, "start": "00:00", "end": "23:59", "grace_s": 0}}
    slots = schedule.slots_between(cycles, JAKARTA, cycle, moment(f"{year}-01-01", JAKARTA), moment(f"{year + 1}-01-01", JAKARTA))
    assert [slot.period for slot in slots] == [f"{year}-{month:02}" for month in range(1, 13)]
