# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore tests on a host of their own that has too little room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fleet import Fleet

HOST = "latihan"
WORKSPACE = "/var/lib/si-cekat-server"
UNMOUNT = f"for place in scratch instances; do ! mountpoint -q {WORKSPACE}/$place || umount {WORKSPACE}/$place; done"
LIMIT = ("--limit", f"basisdata13,gudang,{HOST}")


@pytest.fixture
def little_room(request: pytest.FixtureRequest, backed_up: Fleet) -> Iterator[Fleet]:
    place, size = request.param
    backed_up.edit("basisdata13", backup_restore_host=HOST)
    backed_up.prepared(HOST)
    # where nothing is due, the next run tests everything
    backed_up.done("restore_test", *LIMIT)
    # the first test of all makes the workspace
    backed_up.bed.run(HOST, f"mkdir -p {WORKSPACE}/{place} && mount -t tmpfs -o size={size},mode=0700 tmpfs {WORKSPACE}/{place}")
    try:
        yield backed_up
    finally:
        backed_up.bed.run(HOST, UNMOUNT)


def left(fleet: Fleet) -> str:
    files = fleet.bed.run(HOST, f"ls {WORKSPACE}/scratch {WORKSPACE}/instances | grep -v :", check=False).stdout.split()
    # what Debian's own services run is not ours
    return " ".join(files) + fleet.bed.run(HOST, f"pgrep -af [/]{WORKSPACE[1:]}/instances", check=False).stdout


# the bundle of 25 MB needs more than the first; what initdb makes needs more than the second
@pytest.mark.parametrize("little_room", [("scratch", "20m"), ("instances", "8m")], indirect=True, ids=["scratch", "instances"])
def test_a_full_restore_host_is_told_and_with_room_again_the_red_is_cleared(little_room: Fleet):
    played = little_room.play("restore_test", *LIMIT)
    assert played.code != 0
    made = {one["dataset"]: one for one in little_room.last_run(kind="restore_test", server="basisdata13")}
    for dataset in ("kepegawaian", "kepegawaian-mariadb"):
        one = made[dataset]
        assert (one["outcome"], one["cause"], one["performed_on"]) == ("failed", "no_space", HOST), one["messages"]
        assert one["restore"]["rto_met"] is False
    assert made["laporan-aset"]["outcome"] == "success", "what has room is proved all the same"
    assert left(little_room) == ""
    little_room.bed.run(HOST, UNMOUNT)
    little_room.done("restore_test", *LIMIT)
    assert {one["performed_on"] for one in little_room.last_run(kind="restore_test")} == {HOST}
    assert left(little_room) == ""
