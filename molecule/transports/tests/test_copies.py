# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Three copies on two media, one elsewhere: an object store, SFTP, a mounted disk; each proved by reading back from there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fleet import Fleet

KEEPER = "brankas"
SERVERS = ("kasir", "lapor")


@pytest.fixture
def backed_up(fleet: Fleet) -> Iterator[Fleet]:
    yield fleet
    fleet.bed.run("awan", "systemctl start objek ssh")


def copies(fleet: Fleet, repository: str) -> dict[tuple[str, str], dict]:
    return {(one["server"], one["dataset"]): one for one in fleet.last_run(kind="copy", repository=repository)}


def proved(one: dict) -> bool:
    verified = (one.get("copy") or {}).get("verified") or {}
    return one["outcome"] == "success" and verified.get("canary") == "found" and verified["compared"] == verified["equal"] > 0


@pytest.mark.timeout(400)
def test_the_weekly_cycle_copies_elsewhere_by_s3_and_by_sftp(backed_up: Fleet):
    fleet = backed_up
    fleet.done("weekly")
    found = copies(fleet, "offsite")
    assert set(found) == {(server, dataset) for server in SERVERS for dataset in ("berkas", "buku")}
    assert all(proved(one) for one in found.values()), found
    assert int(fleet.bed.run("awan", "find /srv/objek/cadangan/kasir/snapshots -type f | wc -l").stdout) >= 2
    assert int(fleet.bed.run("awan", "find /home/simpan/lapor/snapshots -type f | wc -l").stdout) >= 2
    assert len(fleet.last_run(kind="integrity_check", repository="primary", outcome="success")) == len(SERVERS)


@pytest.mark.timeout(500)
def test_the_monthly_cycle_copies_to_the_archive_and_checks_every_copy(backed_up: Fleet):
    fleet = backed_up
    if not fleet.records(kind="copy", repository="offsite", outcome="success"):
        fleet.done("weekly")
    fleet.done("monthly")
    found = copies(fleet, "archive")
    assert len(found) == 4 and all(proved(one) for one in found.values()), found
    checked = {(one["server"], one["repository"]) for one in fleet.last_run(kind="integrity_check", outcome="success")}
    assert checked >= {(server, repository) for server in SERVERS for repository in ("archive", "offsite")}
    assert fleet.bed.run(KEEPER, "find /mnt/arsip -mindepth 1 ! -user sicekat-backup").stdout == ""


def test_no_credential_of_a_copy_is_on_a_server_or_stays_on_the_repository_server(fleet: Fleet):
    for host in (KEEPER, *SERVERS):
        fleet.bed.run(host, "umask 077; printf 'rahasia-objek-0123456789abcdef\n' >/root/cari")
        found = fleet.bed.run(host, "grep -rlsFf /root/cari /etc /var /root /home /srv /tmp /run --exclude=cari; rm /root/cari", check=False).stdout
        assert found == "", host


@pytest.mark.timeout(500)
@pytest.mark.parametrize(("service", "server"), [("objek", "kasir"), ("ssh", "lapor")])
def test_a_place_elsewhere_that_is_down_fails_its_copy_alone_and_soon(backed_up: Fleet, service: str, server: str):
    fleet = backed_up
    fleet.bed.run("awan", f"systemctl stop {service} {service}.socket 2>/dev/null; systemctl stop {service}")
    played = fleet.play("weekly", limit_s=240)
    assert played.code != 0
    for one in fleet.last_run(kind="copy"):
        assert one["outcome"] == ("failed" if one["server"] == server else "success"), one
    assert {one["outcome"] for one in fleet.last_run(kind="backup")} == {"success"}


@pytest.mark.timeout(400)
def test_an_archive_disk_that_is_not_mounted_is_not_filled_beside(backed_up: Fleet):
    fleet = backed_up
    fleet.bed.run(KEEPER, "mkdir /mnt/lain && mount --bind /mnt/arsip /mnt/lain && umount /mnt/arsip")
    try:
        assert fleet.play("monthly").code != 0
        found = copies(fleet, "archive")
        assert len(found) == 4 and {one["outcome"] for one in found.values()} == {"failed"}, found
        assert fleet.bed.run(KEEPER, "ls -A /mnt/arsip").stdout == ""
    finally:
        fleet.bed.run(KEEPER, "mount --bind /mnt/lain /mnt/arsip && umount /mnt/lain && rmdir /mnt/lain")


@pytest.mark.timeout(400)
def test_an_object_store_with_another_certificate_is_refused(backed_up: Fleet):
    fleet = backed_up
    remake = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=lain -addext subjectAltName=IP:{} -keyout {} -out {}"
    key, certificate = "/etc/ssl/private/awan.key", "/etc/ssl/certs/awan.pem"
    fleet.bed.run(
        "awan", f"cp -p {key} /root/k; cp -p {certificate} /root/c; {remake.format(fleet.bed.address('awan'), key, certificate)}; systemctl restart objek"
    )
    try:
        assert fleet.play("weekly", limit_s=240).code != 0
        refused = fleet.last_run(kind="copy", server="kasir")
        assert {(one["outcome"], one["cause"]) for one in refused} == {("failed", "certificate")}, refused
    finally:
        fleet.bed.run("awan", f"mv /root/k {key}; mv /root/c {certificate}; systemctl restart objek")


@pytest.mark.timeout(400)
def test_a_restore_by_hand_works_by_ssh_and_by_https(backed_up: Fleet):
    fleet = backed_up
    for server in SERVERS:
        fleet.bed.run(server, "rm -rf /srv/kembali; /etc/si-cekat/restic restore latest --tag dataset=berkas --target /srv/kembali", timeout=120)
        fleet.bed.run(server, "diff -r /srv/berkas $(find /srv/kembali -type d -name berkas | head -1); rm -r /srv/kembali")
