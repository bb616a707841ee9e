# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Power that goes in the middle of a backup, on either side."""

from __future__ import annotations

import time

import pytest
from fleet import Fleet

KEEPER, STORE = "gudang", "/srv/simpanan"
QUICK = "-o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=3 -o ServerAliveCountMax=3"  # notices a lost line sooner than ansible.cfg


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("big")
def test_a_server_that_loses_its_power_in_mid_backup(backed_up: Fleet):
    fleet = backed_up
    fleet.edit(backup_reconnect=5, ansible_ssh_args=QUICK)
    before = fleet.snapshots("loket", KEEPER, STORE)
    playing = fleet.start("daily")
    fleet.uploading(playing, "loket", KEEPER, STORE)
    fleet.bed.power_off("loket")
    assert playing.wait().code != 0
    lost = fleet.last(server="loket", kind="backup")
    assert lost["outcome"] != "success"
    assert fleet.last(server="pajak", kind="backup")["outcome"] == "success"

    fleet.bed.power_on("loket")
    fleet.done("daily")
    closed = fleet.records(record_id=lost["record_id"])
    assert len(closed) == 1 and closed[0]["outcome"] in ("aborted", "unreachable", "failed"), closed
    found = fleet.snapshots("loket", KEEPER, STORE) - before
    assert found == {fleet.last(server="loket", kind="backup")["snapshot_id"]}, "the lost backup left no snapshot"


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("big")
@pytest.mark.parametrize("away", [True, False])
def test_a_repository_server_that_loses_its_power_in_mid_upload(backed_up: Fleet, away: bool):
    """It comes back while the backup waits, or it stays away until the backup's time is over."""
    fleet = backed_up
    fleet.edit(backup_max_runtime=45)
    before = fleet.snapshots("loket", KEEPER, STORE)
    playing = fleet.start("daily")
    fleet.uploading(playing, "loket", KEEPER, STORE)
    fleet.bed.power_off(KEEPER)
    if not away:
        time.sleep(10)
        fleet.bed.power_on(KEEPER)
    played = playing.wait()
    one = fleet.last(server="loket", kind="backup")
    if away:
        assert played.code != 0 and one["outcome"] == "failed", one
        fleet.bed.power_on(KEEPER)
    else:
        assert one["outcome"] in ("success", "failed") and (played.code == 0) == (one["outcome"] == "success"), one
    fleet.bed.slow("loket", 0)
    fleet.done("daily")
    assert fleet.records(outcome=None) == []
    new = fleet.snapshots("loket", KEEPER, STORE) - before
    assert fleet.last(server="loket", kind="backup")["snapshot_id"] in new
    claimed = {record["snapshot_id"] for record in fleet.records(server="loket", kind="backup", outcome="success")}
    assert new <= claimed, "no snapshot that no record tells of"
    fleet.bed.run("loket", "/etc/si-cekat/restic check --read-data", timeout=120)


@pytest.mark.timeout(400)
def test_a_repository_server_that_is_down_fails_every_backup_soon(backed_up: Fleet):
    fleet = backed_up
    fleet.bed.power_off(KEEPER)
    played = fleet.play("daily", limit_s=200)
    assert played.code != 0
    assert {(one["server"], one["outcome"]) for one in fleet.last_run(kind="backup")} == {("loket", "failed"), ("pajak", "failed")}
    assert {one["cause"] for one in fleet.last_run(kind="backup")} <= {"network", "no_evidence"}


@pytest.mark.timeout(300)
def test_a_service_that_is_stopped_says_that_nothing_answers(backed_up: Fleet):
    fleet = backed_up
    fleet.bed.run(KEEPER, "systemctl stop sicekat-rest-server")
    try:
        played = fleet.play("daily", limit_s=150)
    finally:
        fleet.bed.run(KEEPER, "systemctl start sicekat-rest-server")
    assert played.code != 0
    for one in fleet.last_run(kind="backup"):
        assert (one["outcome"], one["cause"]) == ("failed", "network"), one
