# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files from a Btrfs snapshot: of one moment, under their own names, and nothing of it is left.

LVM's snapshots need the kernel's device mapper, which these hosts do not have; tests/unit has what can be tested without it.
"""

from __future__ import annotations

import pytest
from fleet import Fleet, codes

PLACE = "/srv/foto/pegawai"
PHOTOS = {"name": "foto", "kind": "files", "category": "penting", "paths": [PLACE], "snapshot": "btrfs"}
SERVER = "basisdata12"
LIMIT = ("--limit", f"{SERVER},gudang,localhost")
SUBVOLUMES = "btrfs subvolume list /srv/foto | sed 's/.* path //'"


def given(fleet: Fleet, **keys: object) -> None:
    fleet.edit(SERVER, backup_datasets=[{**PHOTOS, **keys}])


def backed_up(fleet: Fleet, **keys: object) -> dict:
    given(fleet, **keys)
    runs = len(fleet.runs())
    done = fleet.play("daily", *LIMIT)
    assert len(fleet.runs()) == runs + 1, done.text
    return fleet.last(server=SERVER, kind="backup")


@pytest.fixture
def slow(fleet: Fleet) -> Fleet:
    """A fleet whose server needs some seconds for a backup of its photographs."""
    fleet.bed.run(SERVER, f"head -c 8M /dev/urandom >{PLACE}/besar.jpg; echo sebelum >{PLACE}/catatan; rm -f {PLACE}/baru")
    fleet.bed.slow(SERVER, 8000)
    return fleet


def test_what_changes_during_the_backup_is_not_in_it(slow: Fleet):
    given(slow)
    playing = slow.start("daily", *LIMIT)
    slow.uploading(playing, SERVER, "gudang", "/srv/simpanan")
    slow.bed.run(SERVER, f"echo sesudah >{PLACE}/catatan; echo baru >{PLACE}/baru; rm '{PLACE}/besar.jpg'")
    # those who work on the machine see the live files, and the snapshot only by its hidden name
    assert slow.bed.run(SERVER, f"cat {PLACE}/catatan; findmnt --noheadings --list --output TARGET | grep -c foto").stdout == "sesudah\n1\n"
    assert slow.bed.run(SERVER, SUBVOLUMES).stdout == "pegawai\npegawai/.sicekat-foto\n"
    played = playing.wait()
    assert played.code == 0, played.text
    taken = slow.last(server=SERVER, kind="backup")
    fetch = f"rm -rf /var/tmp/kembali; /etc/si-cekat/restic restore {taken['snapshot_id']} --target /var/tmp/kembali >/dev/null"
    found = slow.bed.run(SERVER, f"{fetch}; cd /var/tmp/kembali{PLACE}; cat catatan; ls baru besar.jpg", check=False)
    assert found.stdout == "sebelum\nbesar.jpg\n"
    assert slow.bed.run(SERVER, SUBVOLUMES).stdout == "pegawai\n"
    tested = slow.play("restore_test", *LIMIT)
    assert tested.code == 0, tested.text
    compared = slow.last(server=SERVER, kind="restore_test")["restore"]["sample"]
    assert compared["equal"] == compared["compared"] > 40


def test_the_next_run_removes_what_a_lost_one_left(slow: Fleet):
    given(slow)
    playing = slow.start("daily", *LIMIT)
    slow.uploading(playing, SERVER, "gudang", "/srv/simpanan")
    slow.bed.power_off(SERVER)
    playing.kill()
    slow.bed.power_on(SERVER)
    assert slow.bed.run(SERVER, SUBVOLUMES).stdout == "pegawai\npegawai/.sicekat-foto\n"
    assert backed_up(slow)["outcome"] == "success"
    assert slow.bed.run(SERVER, SUBVOLUMES).stdout == "pegawai\n"


def test_a_hook_before_the_backup_runs_before_the_snapshot(fleet: Fleet):
    hooks = {"before": [["/bin/sh", "-c", f"date +%s%N >{PLACE}/dari-hook"]], "after": [["/bin/rm", f"{PLACE}/dari-hook"]]}
    taken = backed_up(fleet, hooks=hooks)
    assert (taken["outcome"], [one["result"] for one in taken["hooks"]]) == ("success", ["passed", "passed"])
    assert fleet.bed.run(SERVER, f"/etc/si-cekat/restic ls {taken['snapshot_id']} | grep -c dari-hook").stdout == "1\n"


@pytest.mark.parametrize(
    ("keys", "code", "named"),
    [
        ({"paths": ["/etc/ldap"]}, "snapshot_btrfs", {"fstype": "overlay", "target": "/"}),
        ({"paths": ["/srv/foto"]}, "snapshot_below", {"found": PLACE}),
        ({"paths": [PLACE], "snapshot": "lvm"}, "snapshot_lvm", {"fstype": "btrfs", "target": "/srv/foto"}),
    ],
    ids=["other file system", "subvolume inside", "other kind"],
)
def test_a_snapshot_that_cannot_be_whole_is_refused_with_what_was_found(fleet: Fleet, keys: dict, code: str, named: dict):
    failed = backed_up(fleet, **keys)
    assert (failed["outcome"], codes(failed)) == ("failed", [code])
    assert failed["messages"][0]["params"].items() >= named.items()
    assert fleet.bed.run(SERVER, SUBVOLUMES).stdout == "pegawai\n"
