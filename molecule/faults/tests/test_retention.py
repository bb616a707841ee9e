# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Retention against a server that was taken over or emptied: it refuses with a reason, and no good snapshot goes."""

from __future__ import annotations

import pytest
from fleet import Fleet, codes

KEEPER, STORE = "gudang", "/srv/simpanan"


def planted(fleet: Fleet, when: str) -> str:
    """Lets a server's own credentials store a snapshot with a made-up time; returns its id."""
    before = fleet.snapshots("pajak", KEEPER, STORE)
    fleet.bed.run("pajak", f"/etc/si-cekat/restic backup --host pajak --tag dataset=berkas --time '{when}' /srv/berkas")
    (snapshot,) = fleet.snapshots("pajak", KEEPER, STORE) - before
    return snapshot


@pytest.mark.timeout(400)
def test_planted_snapshots_stop_retention_until_a_person_has_looked(backed_up: Fleet):
    fleet = backed_up
    past, future = planted(fleet, "2020-01-01 00:00:00"), planted(fleet, "2037-01-01 00:00:00")
    before = fleet.snapshots("pajak", KEEPER, STORE)
    try:
        played = fleet.play("weekly")
        assert played.code != 0
        one = fleet.last(server="pajak", kind="retention")
        assert (one["outcome"], one["cause"]) == ("failed", "retention_refused"), one
        assert set(codes(one)) & {"retention_unclaimed", "retention_misdated"}, one
        assert past[:8] in played.text and future[:8] in played.text, "each is named"
        assert before <= fleet.snapshots("pajak", KEEPER, STORE), "nothing was removed"
        assert fleet.last(server="loket", kind="retention")["outcome"] == "success"
    finally:
        fleet.bed.run(KEEPER, f"cd {STORE}/pajak/snapshots && rm {past} {future}")


@pytest.mark.timeout(600)
def test_an_emptied_server_does_not_push_its_good_backups_out(backed_up: Fleet):
    fleet = backed_up
    while len(fleet.records(server="loket", kind="backup", outcome="success")) < 5:
        fleet.done("daily")
    good = fleet.snapshots("loket", KEEPER, STORE)
    fleet.bed.run("loket", "mv /srv/berkas /srv/berkas.asli; mkdir -p /srv/berkas; echo tebusan >/srv/berkas/BACA.txt")
    try:
        assert fleet.play("weekly").code != 0
        one = fleet.last(server="loket", kind="retention")
        assert (one["outcome"], one["cause"]) == ("failed", "retention_refused"), one
        assert set(codes(one)) & {"retention_shrunk_files", "retention_shrunk_bytes"}, one
        assert good <= fleet.snapshots("loket", KEEPER, STORE)
    finally:
        fleet.bed.run("loket", "rm -r /srv/berkas; mv /srv/berkas.asli /srv/berkas")


@pytest.mark.timeout(600)
def test_retention_removes_what_the_policy_does_not_keep_and_nothing_else(backed_up: Fleet):
    fleet = backed_up
    while len(before := fleet.snapshots("pajak", KEEPER, STORE)) < 4:
        fleet.done("daily")
    # one comes, three go
    fleet.edit(backup_categories={"penting": {"rto": "4h", "rpo": "24h", "retention": {"last": len(before) - 2}}})
    fleet.done("weekly")
    one = fleet.last(server="pajak", kind="retention")
    backups = [record["snapshot_id"] for record in fleet.records(server="pajak", kind="backup") if record.get("snapshot_id") in before]
    after = fleet.snapshots("pajak", KEEPER, STORE)
    assert {removed["snapshot_id"] for removed in one["retention"]["removed"]} == before - after == set(backups[:3])
    assert fleet.last(server="pajak", kind="backup")["snapshot_id"] in after
    fleet.bed.run("pajak", "/etc/si-cekat/restic check --read-data", timeout=120)
