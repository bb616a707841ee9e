# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a server's turn comes."""

from __future__ import annotations

import datetime
import subprocess
import sys
from pathlib import Path

from ansible_collections.sicekat.backup.plugins.plugin_utils import turns

COLLECTIONS = Path(__file__).resolve().parents[3] / "collections"
WINDOW = datetime.datetime(2026, 11, 22, 15, 0, tzinfo=datetime.UTC)  # 22:00 in Jakarta


def policy(**daily) -> dict:
    return {"timezone": "Asia/Jakarta", "cycles": {"daily": daily}}


def test_turns_are_spread_over_the_whole_time_and_the_same_each_night():
    offsets = [turns.offset(f"srv-{number}", 7200).total_seconds() for number in range(200)]
    assert offsets == [turns.offset(f"srv-{number}", 7200).total_seconds() for number in range(200)]
    assert min(offsets) < 600 and max(offsets) > 6600 and max(offsets) < 7200
    assert len({int(one // 600) for one in offsets}) == 12


def test_without_a_spread_all_begin_at_once_in_their_own_order():
    assert turns.offset("srv", None) == datetime.timedelta() and turns.in_order(["b", "a"], None) == ["b", "a"]
    assert turns.in_order(["srv-1", "srv-2", "srv-3"], 3600) == sorted(["srv-1", "srv-2", "srv-3"], key=lambda one: turns.offset(one, 3600))


def test_start_by_is_a_time_of_the_agencys_zone_also_after_midnight():
    assert turns.start_by(policy(start_by="23:30"), "daily", WINDOW) == datetime.datetime(2026, 11, 22, 16, 30, tzinfo=datetime.UTC)
    assert turns.start_by(policy(start_by="02:00"), "daily", WINDOW) == datetime.datetime(2026, 11, 22, 19, 0, tzinfo=datetime.UTC)
    assert turns.start_by(policy(start_by=None), "daily", WINDOW) is None and turns.start_by(policy(), "restore", WINDOW) is None


def test_a_passed_deadline_gives_no_place(tmp_path):
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=1)
    for keeper in (None, "srv-cadangan"):
        with turns.place(str(tmp_path), keeper, 1, past) as granted:
            assert granted is False
    with turns.place(str(tmp_path), None, 0, None) as granted:
        assert granted is True


def test_places_are_limited_among_processes_and_come_back_when_one_is_killed(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[2]); from ansible_collections.sicekat.backup.plugins.plugin_utils import turns\n"
        "with turns.place(sys.argv[1], 'srv-cadangan', 1, None) as granted: print(granted, flush=True); input()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(COLLECTIONS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline().strip() == "True"
        soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
        with turns.place(str(tmp_path), "srv-cadangan", 1, soon) as granted:
            assert granted is False
        with turns.place(str(tmp_path), "srv-cadangan", 2, soon) as granted:
            assert granted is False  # its time has passed meanwhile
        with turns.place(str(tmp_path), "srv-cadangan", 2, None) as granted:
            assert granted is True
    finally:
        holder.kill()
        holder.wait()
        holder.stdin.close()
        holder.stdout.close()
    with turns.place(str(tmp_path), "srv-cadangan", 1, datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=10)) as granted:
        assert granted is True
