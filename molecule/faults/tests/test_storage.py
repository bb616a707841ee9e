# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A repository server whose disk fills up."""

from __future__ import annotations

import pytest
from fleet import Fleet, codes

KEEPER, STORE = "gudang", "/srv/simpanan"


@pytest.mark.timeout(400)
def test_a_disk_that_is_nearly_full_refuses_backups_before_they_begin(backed_up: Fleet):
    fleet = backed_up
    fleet.edit("gudang", backup_repository_server={"path": STORE, "free_least": "1TiB", "allow_from": [str(fleet.bed.subnet)]})
    before = fleet.snapshots("loket", KEEPER, STORE)
    assert fleet.play("daily").code != 0
    for one in fleet.last_run(kind="backup"):
        assert (one["outcome"], one["cause"]) == ("failed", "no_space"), one
        assert "storage_low" in codes(one)
    assert fleet.snapshots("loket", KEEPER, STORE) == before


@pytest.mark.timeout(500)
def test_a_disk_that_fills_up_in_mid_backup(backed_up: Fleet):
    fleet = backed_up
    used = int(fleet.bed.run(KEEPER, f"du -sm {STORE} | cut -f1").stdout)
    fleet.edit("gudang", backup_repository_server={"path": STORE, "free_least": "1MiB", "allow_from": [str(fleet.bed.subnet)]})
    fleet.bed.run("loket", "head -c 80M /dev/urandom >/srv/berkas/raksasa.bin")
    try:
        with fleet.bed.small_disk(KEEPER, STORE, used + 30):
            fleet.bed.run(KEEPER, "systemctl restart sicekat-rest-server")
            before = fleet.snapshots("loket", KEEPER, STORE)
            assert fleet.play("daily").code != 0
            one = fleet.last(server="loket", kind="backup")
            assert one["outcome"] == "failed" and one["cause"] in ("no_space", "network", "permission"), one
            assert fleet.snapshots("loket", KEEPER, STORE) == before
            fleet.bed.resize(KEEPER, STORE, used + 400)
            fleet.done("daily")
    finally:
        fleet.bed.run("loket", "rm /srv/berkas/raksasa.bin")
        fleet.bed.run(KEEPER, "systemctl restart sicekat-rest-server")
    fleet.bed.run("loket", "/etc/si-cekat/restic check", timeout=120)
