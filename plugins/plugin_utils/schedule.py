# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a cycle is due: its slots, their windows and their period keys.

A pure function of the policy's "cycles", the agency's zone and a moment. Cycles are wall-clock times of that zone; slots are aware
datetimes in UTC. A wall-clock time that a change to summer time skips counts as that much later.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import calendar
import datetime
import math
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_ONE_DAY = datetime.timedelta(days=1)
_ONE_TICK = datetime.timedelta(microseconds=1)
# Longer than the longest time between two slots of a cycle, which is a month.
_HORIZON = datetime.timedelta(days=40)

Cycles = Mapping[str, Mapping | None]


@dataclass(frozen=True)
class Slot:
    """One occurrence of a cycle: its period key, its window, and when it must be done (window end plus grace)."""

    cycle: str
    period: str
    start: datetime.datetime
    end: datetime.datetime
    due: datetime.datetime


def slot_at(cycles: Cycles, timezone: str, cycle: str, moment: datetime.datetime) -> Slot:
    """Returns the newest slot that starts at or before `moment`: the one that a run at that moment belongs to.

    Raises ValueError if the cycle is disabled.
    """
    return slots_between(_enabled(cycles, cycle), timezone, cycle, moment - _HORIZON, moment + _ONE_TICK)[-1]


def slots_between(cycles: Cycles, timezone: str, cycle: str, since: datetime.datetime, until: datetime.datetime) -> list[Slot]:
    """Returns the slots with since <= start < until in order of time; a disabled cycle has none."""
    settings = cycles[cycle]
    if settings is None:
        return []
    zone = zoneinfo.ZoneInfo(timezone)
    days = _days(since.astimezone(zone).date() - _ONE_DAY, until.astimezone(zone).date())
    slots = (_slot(cycle, settings, zone, day) for day in days if _is_due(settings, day))
    return [slot for slot in slots if since <= slot.start < until]


def inside(slot: Slot, started: datetime.datetime, finished: datetime.datetime) -> tuple[bool, int]:
    """Returns whether a run lay wholly inside the slot's window, and by how many seconds it was too early or too late, rounded up."""
    nothing = datetime.timedelta()
    outside = max(nothing, slot.start - started) + max(nothing, finished - slot.end)
    return not outside, math.ceil(outside.total_seconds())


def _enabled(cycles: Cycles, cycle: str) -> Cycles:
    if cycles[cycle] is None:
        raise ValueError(f"the {cycle} cycle is disabled: backup_cycles sets it to null")
    return cycles


def _days(first: datetime.date, last: datetime.date) -> Iterator[datetime.date]:
    return (first + _ONE_DAY * number for number in range((last - first).days + 1))


def _is_due(settings: Mapping, day: datetime.date) -> bool:
    """Tells whether a slot starts on a day; without "day" each day, a weekday each week, a number each month."""
    chosen = settings.get("day")
    if chosen is None:
        return True
    if isinstance(chosen, str):
        return WEEKDAYS[day.weekday()] == chosen
    return day.day == min(chosen, calendar.monthrange(day.year, day.month)[1])


def _slot(cycle: str, settings: Mapping, zone: zoneinfo.ZoneInfo, day: datetime.date) -> Slot:
    start, end = (datetime.datetime.combine(day, datetime.time.fromisoformat(settings[key])) for key in ("start", "end"))
    if end <= start:
        end += _ONE_DAY
    start, end = (moment.replace(tzinfo=zone).astimezone(datetime.UTC) for moment in (start, end))
    end = max(start, end)  # a start that summer time skips can move past the end
    return Slot(cycle, _period(cycle, day), start, end, end + datetime.timedelta(seconds=settings["grace_s"]))


def _period(cycle: str, day: datetime.date) -> str:
    if cycle == "daily":
        return day.isoformat()
    if cycle == "weekly":
        year, week, _weekday = day.isocalendar()
        return f"{year:04}-W{week:02}"
    return f"{day:%Y-%m}"
