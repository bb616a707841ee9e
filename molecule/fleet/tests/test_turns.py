# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many servers and one repository server: turns, limits, and the end of a window; and a restore test across the network."""

from __future__ import annotations

import datetime
import zoneinfo

from fleet import Fleet

STORE = "/srv/simpanan"


def test_one_at_a_time_means_one_at_a_time(backed_up: Fleet):
    fleet = backed_up
    for server in ("loket", "pajak"):
        fleet.bed.run(server, "head -c 2M /dev/urandom >/srv/berkas/giliran.bin")
        fleet.bed.slow(server, 8000)
    fleet.edit("gudang", backup_max_parallel=1)
    fleet.done("daily")
    spans = sorted((one["started_at"], one["finished_at"]) for one in fleet.last_run(kind="backup"))
    assert len(spans) == 2 and spans[0][1] <= spans[1][0], spans


def test_a_server_whose_latest_time_to_begin_has_passed_is_missed_and_not_late(backed_up: Fleet):
    fleet = backed_up
    before = fleet.snapshots("loket", "gudang", STORE)
    # where it is not just after midnight
    zone = next(name for name in ("Asia/Jakarta", "Asia/Makassar") if datetime.datetime.now(zoneinfo.ZoneInfo(name)).hour)
    fleet.edit(backup_timezone=zone, backup_cycles={"daily": {"start": "00:00", "end": "23:59", "start_by": "00:01", "grace": "6h"}})
    assert fleet.play("daily").code != 0
    assert {one["outcome"] for one in fleet.last_run(kind="backup")} == {"missed"}
    assert fleet.snapshots("loket", "gudang", STORE) == before


def test_a_bandwidth_limit_is_kept(backed_up: Fleet):
    fleet = backed_up
    fleet.bed.run("loket", "head -c 3M /dev/urandom >/srv/berkas/pelan.bin")
    fleet.edit("loket", backup_upload_limit=512)
    fleet.done("daily")
    one = fleet.last(server="loket", kind="backup")
    assert one["data_added_bytes"] >= 3 << 20
    assert one["duration_ms"] >= 4000, "3 MiB at 512 KiB a second"


def test_what_lies_on_the_repository_server_can_be_restored_and_proved(backed_up: Fleet):
    fleet = backed_up
    fleet.done("restore_test")
    records = fleet.last_run(kind="restore_test")
    assert {(one["server"], one["outcome"]) for one in records} == {("loket", "success"), ("pajak", "success")}
