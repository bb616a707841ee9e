# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers that come, are renamed, reinstalled, given new credentials, and go."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fleet import Fleet

KEEPER, STORE = "gudang", "/srv/simpanan"


@pytest.fixture
def newcomer(backed_up: Fleet) -> Iterator[str]:
    """A bare new host with data, which the inventory does not know yet."""
    backed_up.bed.add({"perizinan": "bookworm-plain"})
    backed_up.bed.run("perizinan", "mkdir -p /srv/izin; for n in 1 2 3; do seq $n 9999 >/srv/izin/$n.txt; done")
    yield "perizinan"
    backed_up.bed.remove("perizinan")


@pytest.mark.timeout(600)
def test_one_entry_in_the_inventory_is_all_that_a_new_server_needs(backed_up: Fleet, newcomer: str):
    fleet = backed_up
    fleet.edit(newcomer, backup_datasets=[{"name": "izin", "kind": "files", "category": "penting", "paths": ["/srv/izin"]}])
    fleet.done("site")
    again = fleet.done("site")
    assert sorted(re.findall(r"^(\S+) +: ok=\d+ +changed=(\d+)", again.text, re.MULTILINE)) == [
        (host, "0") for host in sorted(["gudang", "loket", "pajak", newcomer])
    ], again.text
    fleet.done("daily")
    one = fleet.last(server=newcomer, kind="backup")
    assert one["outcome"] == "success" and one["snapshot_id"] in fleet.snapshots(newcomer, KEEPER, STORE)

    # and it goes again: its access does, its history does not
    fleet.done("offboard", "-e", f"offboard_server={newcomer}")
    assert fleet.bed.run(newcomer, "test -e /etc/si-cekat", check=False).returncode == 1
    assert newcomer not in fleet.bed.run(KEEPER, "cat /etc/sicekat-rest-server/htpasswd").stdout
    assert one["snapshot_id"] in fleet.snapshots(newcomer, KEEPER, STORE)
    assert fleet.records(record_id=one["record_id"])[0]["outcome"] == "success"
    fleet.more.clear()
    fleet.done("daily")
    assert {record["server"] for record in fleet.last_run()} == {"loket", "pajak"}


@pytest.mark.timeout(600)
def test_a_server_that_was_reinstalled_needs_site_and_has_all_its_history(backed_up: Fleet):
    fleet = backed_up
    if not fleet.snapshots("pajak", KEEPER, STORE):
        fleet.done("daily")
    before = fleet.snapshots("pajak", KEEPER, STORE)
    expected = fleet.bed.run("pajak", "cd /srv/berkas && find . -type f -exec sha256sum {} + | sort").stdout
    fleet.bed.reinstall("pajak")
    assert fleet.play("daily").code != 0
    assert fleet.last(server="pajak", kind="backup")["outcome"] == "failed"

    fleet.done("site")
    persons = ("-e", "restore_requester=Sri", "-e", "restore_approver=Budi", "-e", "restore_reason=latihan")
    fleet.done("restore", *persons, "-e", "restore_server=pajak", "-e", "restore_dataset=berkas", "-e", "restore_target=/srv/kembali")
    found = fleet.bed.run("pajak", "cd $(find /srv/kembali -type d -name berkas | head -1) && find . -type f -exec sha256sum {} + | sort").stdout
    assert found == expected != ""
    fleet.bed.run("pajak", "mv $(find /srv/kembali -type d -name berkas | head -1) /srv/berkas; rm -r /srv/kembali")
    fleet.done("daily")
    assert fleet.last(server="pajak", kind="backup")["outcome"] == "success"
    assert before <= fleet.snapshots("pajak", KEEPER, STORE)


@pytest.mark.timeout(600)
def test_rotated_credentials_open_everything_and_the_old_ones_nothing(backed_up: Fleet):
    fleet = backed_up
    before = fleet.snapshots("pajak", KEEPER, STORE)
    old = fleet.bed.run("pajak", "cat /etc/si-cekat/repository /etc/si-cekat/password").stdout
    fleet.bed.run("pajak", "cp -a /etc/si-cekat /root/lama; sed -i s,/etc/si-cekat,/root/lama, /root/lama/restic")
    fleet.done("rotate", "-e", "rotate_server=pajak")
    assert fleet.bed.run("pajak", "cat /etc/si-cekat/repository /etc/si-cekat/password").stdout != old
    assert fleet.bed.run("pajak", "timeout 20 /root/lama/restic snapshots; code=$?; rm -r /root/lama; exit $code", check=False).returncode != 0
    fleet.done("daily")
    assert before <= fleet.snapshots("pajak", KEEPER, STORE)
    assert fleet.last(server="pajak", kind="backup")["outcome"] == "success"
    again = fleet.done("site")
    assert not re.search(r"changed=[1-9]", again.text), again.text


@pytest.mark.timeout(600)
def test_a_server_that_was_renamed_is_another_one_and_says_so(backed_up: Fleet):
    """The new name has no repository until site.yml has run; what the old name stored stays."""
    fleet = backed_up
    before = fleet.snapshots("pajak", KEEPER, STORE)
    fleet.edit("pajak", backup_datasets=[])
    fleet.edit("pendapatan", backup_datasets=[{"name": "berkas", "kind": "files", "category": "penting", "paths": ["/srv/berkas"]}],
               **fleet.way_to("pajak"))  # fmt: skip
    assert fleet.play("daily").code != 0
    assert fleet.last(server="pendapatan", kind="backup")["outcome"] == "failed"
    fleet.done("site")
    fleet.done("daily")
    assert fleet.last(server="pendapatan", kind="backup")["outcome"] == "success"
    assert fleet.snapshots("pajak", KEEPER, STORE) == before
    fleet.bed.run(KEEPER, f"test -d {STORE}/pendapatan")
    # back to the old name, whose files on the server the new one has replaced
    fleet.more.clear()
    fleet.done("site")
