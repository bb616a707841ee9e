# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups of real databases, judged by what the engines say and by what lies in the repository, not by what the record says of itself."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest
from databases import ENGINES, SERVERS, STAFF, counts, fetched, load_by_hand, looked_into, texts, texts_meant
from fleet import Fleet

STREAMS = ("kepegawaian", "uji-beban", "kepegawaian-mariadb", "direktori", "laporan-aset")
PATHS = ("arsip", "foto")


def backed_up_now(fleet: Fleet) -> dict[tuple[str, str], dict]:
    """Plays a day, however it ends, and returns its backups by server and data set."""
    before = len(fleet.runs())
    played = fleet.play("daily")
    assert len(fleet.runs()) == before + 1, played.text
    return {(one["server"], one["dataset"]): one for one in fleet.last_run(kind="backup")}


@pytest.fixture(scope="module")
def day() -> Iterator[dict[tuple[str, str], dict]]:
    """The backup records of a quiet day, by server and data set."""
    fleet = Fleet("databases")
    try:
        yield backed_up_now(fleet)
    finally:
        fleet.stop()


@pytest.fixture(scope="module")
def busy_day() -> Iterator[dict[tuple[str, str], dict]]:
    """The backup records of a day on which rows were written all the time."""
    fleet = Fleet("databases")
    try:
        with contextlib.ExitStack() as writers:
            written = [writers.enter_context(fleet.written_to(server, engine, "kepegawaian")) for server in SERVERS for engine in ENGINES.values()]
            records = backed_up_now(fleet)
        assert all(writer.transactions > 100 for writer in written)
        yield records
    finally:
        fleet.stop()


@pytest.mark.parametrize("dataset", [*STREAMS, *PATHS])
@pytest.mark.parametrize("server", SERVERS)
def test_every_kind_is_backed_up(day: dict, server: str, dataset: str):
    assert (day[server, dataset]["outcome"], day[server, dataset]["messages"]) == ("success", [])


@pytest.mark.parametrize(("dataset", "engine", "database"), [*((*one, "kepegawaian") for one in ENGINES.items()), ("uji-beban", "postgresql", "uji_beban")])
@pytest.mark.parametrize("server", SERVERS)
def test_the_record_counts_rows_as_the_engine_does(fleet: Fleet, day: dict, server: str, dataset: str, engine: str, database: str):
    # of the data as load.sh made them, or as the writers of an earlier run left them: nobody has written since
    found = counts(fleet, server, engine, database)
    assert day[server, dataset]["database"]["tables"] == found
    assert day[server, dataset]["database"]["rows"] == sum(found.values())


@pytest.mark.parametrize("server", SERVERS)
def test_the_record_counts_entries_as_the_directory_does(fleet: Fleet, day: dict, server: str):
    entries = fleet.bed.run(server, "slapcat -b dc=contoh,dc=go,dc=id | grep -c ^dn:").stdout
    assert day[server, "direktori"]["database"]["rows"] == int(entries) > 3000


@pytest.mark.parametrize("dataset", STREAMS)
@pytest.mark.parametrize("server", SERVERS)
def test_the_bundle_in_the_repository_has_every_part(fleet: Fleet, day: dict, server: str, dataset: str):
    record = day[server, dataset]
    listed = fleet.bed.run(server, f"/etc/si-cekat/restic ls --json {record['snapshot_id']}").stdout.splitlines()
    assert [one["path"] for one in map(json.loads, listed) if one.get("type") == "file"] == [f"/{dataset}.zip"]
    noted = json.loads((fleet.state / f"manifests/{record['record_id'].replace(':', '-')}.json").read_text())["bundle"]
    found = looked_into(fleet, server, record)
    assert found["members"].pop(0)["name"] == "canary.json"
    assert found == noted
    assert found["members"] and all(one["bytes"] > 0 for one in found["members"])


@pytest.mark.parametrize("server", SERVERS)
def test_nothing_is_left_on_the_server(fleet: Fleet, day: dict, server: str):
    assert fleet.bed.run(server, "find /var/lib/si-cekat-server/spool /var/lib/si-cekat-server/scratch -mindepth 1").stdout == ""
    assert fleet.bed.run(server, "btrfs subvolume list /srv/foto | wc -l").stdout == "1\n"
    assert fleet.bed.run(server, "ps -eo args | grep -E '^[^ ]*(restic|pg_dump|psql|mariadb-dump|slapcat)'", check=False).stdout == ""
    assert fleet.sql(server, "postgresql", "postgres", "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'") == "0"
    assert fleet.sql(server, "mariadb", "mysql", "SELECT count(*) FROM information_schema.innodb_trx") == "0"
    assert fleet.bed.run(server, "systemctl is-system-running").stdout == "running\n"


@pytest.mark.parametrize("server", SERVERS)
def test_files_come_from_the_btrfs_snapshot_under_their_own_names(fleet: Fleet, day: dict, server: str):
    listed = fleet.bed.run(server, f"/etc/si-cekat/restic ls {day[server, 'foto']['snapshot_id']} | grep -c 'pegawai/foto .*jpg$'").stdout
    assert int(listed) == 40


@pytest.mark.parametrize("dataset", ENGINES)
@pytest.mark.parametrize("server", SERVERS)
def test_a_backup_under_write_load_is_of_one_moment(fleet: Fleet, busy_day: dict, server: str, dataset: str):
    record, engine = busy_day[server, dataset], ENGINES[dataset]
    assert record["outcome"] == "success"
    load_by_hand(fleet, "latihan", engine, fetched(fleet, server, record))
    assert counts(fleet, "latihan", engine, "kepegawaian") == record["database"]["tables"]
    assert fleet.sql("latihan", engine, "kepegawaian", STAFF["CONSISTENT"]) == "0"
    # more rows came after it, so it was made while they were written
    assert record["database"]["tables"].items() != counts(fleet, server, engine, "kepegawaian").items()
    people = int(fleet.sql(server, engine, "kepegawaian", "SELECT count(*) FROM pegawai"))
    assert texts(fleet, "latihan", engine, "kepegawaian") == texts_meant(people)
