# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines that break in the middle of a backup, control nodes that die, and two at once: one record each, and none lost."""

from __future__ import annotations

import time

import pytest
from fleet import Fleet, codes

KEEPER, STORE = "gudang", "/srv/simpanan"
QUICK = "-o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=3 -o ServerAliveCountMax=3"  # notices a lost line sooner than ansible.cfg


def working(fleet: Fleet, host: str) -> bool:
    return fleet.bed.run(host, "pgrep -x restic", check=False).returncode == 0


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("big")
def test_ssh_that_is_cut_for_a_minute_costs_nothing(backed_up: Fleet):
    fleet = backed_up
    playing = fleet.start("daily")
    fleet.uploading(playing, "loket", KEEPER, STORE)
    fleet.bed.cut("loket", "control")
    time.sleep(70)
    fleet.bed.heal()
    assert playing.wait().code == 0
    one = fleet.last(server="loket", kind="backup")
    assert one["outcome"] == "success", one
    assert one["snapshot_id"] in fleet.snapshots("loket", KEEPER, STORE)


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("big")
def test_a_server_that_is_back_only_next_day_has_its_backup_counted_then(backed_up: Fleet):
    fleet = backed_up
    fleet.edit(backup_reconnect=5, ansible_ssh_args=QUICK)
    before = fleet.snapshots("loket", KEEPER, STORE)
    playing = fleet.start("daily")
    fleet.uploading(playing, "loket", KEEPER, STORE)
    fleet.bed.cut("loket", "control")
    played = playing.wait()
    assert played.code != 0, "a backup whose result nobody knows is not green"
    late = fleet.last(server="loket", kind="backup")
    assert late["outcome"] != "success"
    assert fleet.last(server="pajak", kind="backup")["outcome"] == "success"

    fleet.until("end of the backup without a control node", lambda: not working(fleet, "loket"))
    fleet.bed.heal()
    fleet.bed.slow("loket", 0)
    fleet.done("daily")
    assert fleet.last(server="loket", kind="backup")["outcome"] == "success"
    collected = fleet.records(record_id=late["record_id"])
    assert len(collected) == 1 and collected[0]["outcome"] == "success", collected
    assert collected[0]["snapshot_id"] in fleet.snapshots("loket", KEEPER, STORE)
    assert len(fleet.snapshots("loket", KEEPER, STORE) - before) == 2


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("big")
def test_a_control_node_that_dies_loses_no_result(backed_up: Fleet):
    fleet = backed_up
    playing = fleet.start("daily")
    fleet.uploading(playing, "loket", KEEPER, STORE)
    playing.kill()
    left = fleet.last(server="loket", kind="backup")
    assert left["outcome"] is None

    fleet.until("end of the backup without a control node", lambda: not working(fleet, "loket"))
    fleet.bed.slow("loket", 0)
    fleet.done("daily")
    assert fleet.last(server="loket", kind="backup")["outcome"] == "success"
    collected = fleet.records(record_id=left["record_id"])
    assert len(collected) == 1 and collected[0]["outcome"] == "success", collected
    assert fleet.records(outcome=None) == []


@pytest.mark.timeout(400)
def test_two_control_nodes_at_once_take_turns_or_say_so(backed_up: Fleet):
    fleet = backed_up
    both = [fleet.start("daily"), fleet.start("daily")]
    ended = [playing.wait() for playing in both]
    runs = [run["run_id"] for run in fleet.runs()[-2:]]
    assert len(set(runs)) == 2
    for run in runs:
        records = fleet.records(run_id=run)
        assert records and all(one["outcome"] in ("success", "failed") for one in records), records
        assert all(one["cause"] == "busy" for one in records if one["outcome"] == "failed"), records
        assert all(one["snapshot_id"] in fleet.snapshots(one["server"], KEEPER, STORE) for one in records if one["outcome"] == "success")
    assert any(played.code == 0 for played in ended)
    for server in ("loket", "pajak"):
        claimed = [one["snapshot_id"] for run in runs for one in fleet.records(run_id=run, server=server, outcome="success")]
        assert len(claimed) == len(set(claimed)) >= 1


def test_a_silent_line_to_the_repository_server_ends_in_good_time(backed_up: Fleet):
    fleet = backed_up
    fleet.bed.cut("loket", KEEPER)
    fleet.bed.cut("pajak", KEEPER)
    played = fleet.play("daily", limit_s=150)
    assert played.code != 0
    for one in fleet.last_run(kind="backup"):
        assert (one["outcome"], one["cause"]) == ("failed", "network"), one
        assert set(codes(one)) & {"network_silent", "network", "network_refused"}
