# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the repository server itself says of its snapshots, beside what the servers claim."""

from __future__ import annotations

from fleet import Fleet

KEEPER, STORE = "gudang", "/srv/simpanan"


def listed(fleet: Fleet, server: str) -> dict:
    with fleet.ledger() as ledger:
        found = ledger.newest("repository_listed", server, "primary")
    assert found and found["run_id"] == fleet.runs()[-1]["run_id"], found
    return found


def test_every_backup_is_confirmed_by_the_repository_server(backed_up: Fleet):
    fleet = backed_up
    fleet.done("daily")
    for server in ("loket", "pajak"):
        found = listed(fleet, server)
        assert (found["host"], found["problem"], found["count"]) == (KEEPER, None, len(fleet.snapshots(server, KEEPER, STORE)))


def test_a_snapshot_that_nobody_claims_is_a_finding(backed_up: Fleet):
    fleet = backed_up
    before = fleet.snapshots("loket", KEEPER, STORE)
    fleet.bed.run("loket", "/etc/si-cekat/restic backup --host loket --tag dataset=berkas /etc/hostname")
    (planted,) = fleet.snapshots("loket", KEEPER, STORE) - before
    try:
        fleet.play("daily")
        assert [one["snapshot_id"] for one in listed(fleet, "loket")["unclaimed"]] == [planted]
    finally:
        fleet.bed.run(KEEPER, f"rm {STORE}/loket/snapshots/{planted}")


def test_a_snapshot_that_is_gone_from_the_repository_is_a_finding(backed_up: Fleet):
    fleet = backed_up
    fleet.done("daily")
    gone = fleet.last(server="pajak", kind="backup")
    fleet.bed.run(KEEPER, f"mv {STORE}/pajak/snapshots/{gone['snapshot_id']} /root/")
    try:
        fleet.play("daily")
        assert [(one["snapshot_id"], one["record_id"]) for one in listed(fleet, "pajak")["vanished"]] == [(gone["snapshot_id"], gone["record_id"])]
    finally:
        fleet.bed.run(KEEPER, f"mv /root/{gone['snapshot_id']} {STORE}/pajak/snapshots/")
    fleet.done("daily")
    assert listed(fleet, "pajak")["vanished"] == []
