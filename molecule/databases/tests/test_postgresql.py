# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""PostgreSQL 15 and 17 with everything that goes wrong with them, and what a restore test finds out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from databases import SERVERS, counts
from fleet import Fleet, codes

OLD, NEW = SERVERS
KIND = {"kind": "postgresql", "category": "penting"}
STAFF_SET = {**KIND, "name": "kepegawaian", "database": "kepegawaian", "newest_data": "SELECT max(waktu) FROM riwayat"}
BIG_SET = {**KIND, "name": "uji-beban", "database": "uji_beban"}
BY_PASSWORD = {"database": "kepegawaian", "host": "127.0.0.1"}
# data set -> its own keys, and the cause and message of its record
FAULTS = {
    "diganti-nama": ({"database": "arsip_lama"}, "source_missing", "database_missing"),
    "kosong": ({"database": "kosong"}, "source_empty", "database_empty"),
    "kata-sandi-salah": ({**BY_PASSWORD, "password_file": "/root/pgpass"}, "credential", "database_refused"),
    "kata-sandi-terbuka": ({**BY_PASSWORD, "password_file": "/root/pgpass-terbuka"}, "credential", "password_file"),
    "terkunci": ({"database": "terkunci", "lock_timeout": 3}, "timeout", "database_locked"),
    "rusak": ({"database": "rusak"}, "source_unreadable", "database_unreadable"),
    "tanpa-server": ({"database": "kepegawaian", "port": 5499}, "source_unreadable", "database_silent"),
    "kueri-salah": ({"database": "kepegawaian", "newest_data": "SELECT nama FROM pegawai LIMIT 1"}, "source_invalid", "database_query"),
}
PERSONS = ("-e", "restore_requester=Sri", "-e", "restore_approver=Budi", "-e", "restore_reason=latihan")
_OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sicekat-backup'"
_PREPARE = r"""set -e
sql() { runuser -u postgres -- psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$1" -c "$2"; }
for name in kosong terkunci rusak arsip_baru; do sql postgres "DROP DATABASE IF EXISTS $name WITH (FORCE)"; sql postgres "CREATE DATABASE $name"; done
sql arsip_baru 'CREATE TABLE t AS SELECT 1 AS a'
sql terkunci 'CREATE TABLE t AS SELECT 1 AS a'
sql rusak "CREATE TABLE t AS SELECT n, repeat('data', 100) AS isi FROM generate_series(1, 1000) AS n"
sql rusak CHECKPOINT
printf '127.0.0.1:5432:*:postgres:salah\n' >/root/pgpass
cp /root/pgpass /root/pgpass-terbuka
chmod 0600 /root/pgpass
chmod 0644 /root/pgpass-terbuka
data=$(sql postgres 'SHOW data_directory')
page=$data/$(sql rusak "SELECT pg_relation_filepath('t')")
programs=$(echo /usr/lib/postgresql/*/bin)
systemctl stop 'postgresql@*'
runuser -u postgres -- "$programs/pg_checksums" --enable "$data" >/dev/null 2>&1 || runuser -u postgres -- "$programs/pg_checksums" --check "$data" >/dev/null
printf RUSAK | dd of="$page" bs=1 seek=$((8192 * 2 + 5000)) conv=notrunc status=none
systemctl start postgresql
until runuser -u postgres -- psql -X -c '' >/dev/null 2>&1; do sleep 0.2; done
"""
# Waits until a pg_dump has sent some megabytes, and then ends what the test wants ended.
_IN_THE_MIDDLE = (
    "systemd-run --quiet --collect --unit=penengah bash -c "
    "'until pid=$(pgrep -x pg_dump) && [ $(awk \"/^wchar/ {print \\$2}\" /proc/$pid/io) -gt 3000000 ]; do sleep 0.01; done; %s'"
)


def starts(fleet: Fleet, server: str) -> str:
    """When the production server was started: another time would show that somebody did."""
    return fleet.sql(server, "postgresql", "postgres", "SELECT pg_postmaster_start_time()")


def stored(fleet: Fleet, server: str, dataset: str) -> str:
    return fleet.bed.run(server, f"/etc/si-cekat/restic snapshots --json --tag dataset={dataset}").stdout.strip()


def left(fleet: Fleet, server: str) -> str:
    """Processes and directories of ours that have outlived their run."""
    where = "/var/lib/si-cekat-server"
    processes = f"ps -eo args | grep -E '^[^ ]*(pg_dump|pg_restore|pg_amcheck|initdb) |^[^ ]*postgres -D {where}' | grep -v grep"
    return fleet.bed.run(server, f"{processes}; find {where}/instances {where}/scratch {where}/spool -mindepth 1", check=False).stdout


def run(fleet: Fleet, playbook: str, *arguments: str) -> None:
    """Plays a cycle, however its records end."""
    before = len(fleet.runs())
    played = fleet.play(playbook, *arguments)
    assert len(fleet.runs()) == before + 1, played.text


def restore_tests(fleet: Fleet, *servers: str) -> list[dict]:
    """Plays the restore tests of the newest backups and returns their records."""
    run(fleet, "restore_test", "-e", "restore_test_snapshot=newest")
    return [one for server in servers for one in fleet.last_run(kind="restore_test", server=server)]


def only(fleet: Fleet, server: str, *datasets: dict, **more: object) -> None:
    """Leaves a server nothing but these data sets."""
    fleet.edit(server, backup_datasets=list(datasets), **more)


@pytest.fixture(scope="module")
def faulty() -> Iterator[tuple[Fleet, dict[tuple[str, str], dict]]]:
    """The backups of a day with all the faults at once, beside a database without."""
    fleet = Fleet("databases")
    datasets = [{**KIND, "name": name, **keys} for name, (keys, _cause, _code) in FAULTS.items()]
    try:
        for server in SERVERS:
            fleet.bed.run(server, _PREPARE, timeout=120)
            only(fleet, server, STAFF_SET, *datasets)
            lock = "BEGIN; LOCK TABLE t; SELECT pg_sleep(300)"
            fleet.bed.run(server, f"systemd-run --quiet --collect --unit=pengunci runuser -u postgres -- psql -X -d terkunci -c '{lock}'")
        run(fleet, "daily")
        yield fleet, {(one["server"], one["dataset"]): one for one in fleet.last_run(kind="backup")}
    finally:
        fleet.stop()
        for server in SERVERS:
            fleet.bed.run(server, "systemctl stop pengunci", check=False)
            for name in ("kosong", "terkunci", "rusak", "arsip_baru"):
                fleet.sql(server, "postgresql", "postgres", f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("dataset", FAULTS)
@pytest.mark.parametrize("server", SERVERS)
def test_a_fault_fails_its_data_set_and_leaves_no_snapshot(faulty: tuple[Fleet, dict], server: str, dataset: str):
    fleet, records = faulty
    _keys, cause, code = FAULTS[dataset]
    record = records[server, dataset]
    assert (record["outcome"], record["cause"], codes(record)) == ("failed", cause, [code])
    assert stored(fleet, server, dataset) == "[]"


@pytest.mark.parametrize("server", SERVERS)
def test_the_faults_of_others_leave_a_database_and_the_server_alone(faulty: tuple[Fleet, dict], server: str):
    fleet, records = faulty
    assert records[server, "kepegawaian"]["outcome"] == "success"
    assert fleet.sql(server, "postgresql", "postgres", _OURS) == "0"
    assert left(fleet, server) == ""


def test_a_stopped_server_fails_the_backup(fleet: Fleet):
    for server in SERVERS:
        only(fleet, server, STAFF_SET)
        fleet.bed.run(server, "systemctl stop 'postgresql@*'")
    try:
        run(fleet, "daily")
    finally:
        for server in SERVERS:
            fleet.bed.run(server, "systemctl start postgresql")
    for record in fleet.last_run(kind="backup"):
        assert (record["outcome"], record["cause"], codes(record)) == ("failed", "source_unreadable", ["database_silent"])


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("kill -KILL $pid", "program_failed"),
        # the session that holds the snapshot: the dump itself goes on
        (
            'runuser -u postgres -- psql -X -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state ~ \\$\\$^idle in\\$\\$"',
            "database_session_lost",
        ),
    ],
    ids=["pg_dump", "session"],
)
def test_a_dump_that_is_broken_off_is_no_backup(fleet: Fleet, end: str, code: str):
    for server in SERVERS:
        only(fleet, server, BIG_SET)
    before = {server: stored(fleet, server, "uji-beban") for server in SERVERS}
    for server in SERVERS:
        fleet.bed.run(server, _IN_THE_MIDDLE % end)
    run(fleet, "daily")
    for server in SERVERS:
        record = fleet.last(server=server, kind="backup")
        assert (record["outcome"], codes(record)) == ("failed", [code])
        assert stored(fleet, server, "uji-beban") == before[server]
        assert fleet.sql(server, "postgresql", "postgres", _OURS) == "0"
        assert left(fleet, server) == ""


def test_a_backup_under_write_load_is_proved_in_a_server_of_its_own(fleet: Fleet):
    with contextlib.ExitStack() as writers:
        for server in SERVERS:
            only(fleet, server, STAFF_SET, BIG_SET)
            writers.enter_context(fleet.written_to(server, "postgresql", "kepegawaian"))
        run(fleet, "daily")
        since = {server: starts(fleet, server) for server in SERVERS}
        backups = {(one["server"], one["dataset"]): one for one in fleet.last_run(kind="backup")}
        found = restore_tests(fleet, *SERVERS)
    assert len(found) == 4
    for record in found:
        backup = backups[record["server"], record["dataset"]]
        assert (record["outcome"], record["messages"], record["restore"]["database"]) == ("success", [], "sound")
        assert record["restore"]["snapshot_id"] == backup["snapshot_id"]
        assert record["restore"]["rows"] == backup["database"]["rows"] > 0
        assert record["restore"]["phases_ms"]["load"] > 0
    for server in SERVERS:
        assert counts(fleet, server, "postgresql", "kepegawaian") != backups[server, "kepegawaian"]["database"]["tables"]
        assert (starts(fleet, server), left(fleet, server)) == (since[server], "")


def test_assertions_that_fail_and_queries_without_end_are_named(fleet: Fleet):
    for server in SERVERS:
        only(fleet, server, STAFF_SET)
    run(fleet, "daily")
    asked = [
        {"name": "cukup banyak", "query": "SELECT count(*) FROM pegawai", "min": 1},
        {"name": "terlalu banyak", "query": "SELECT count(*) FROM pegawai", "max": 1},
        {"name": "tanpa akhir", "query": "WITH RECURSIVE n AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT count(*) FROM n", "min": 1, "timeout": 2},
        {"name": "menulis", "query": "SELECT nextval('nomor_surat')", "min": 1},
    ]
    for server in SERVERS:
        only(fleet, server, {**STAFF_SET, "assertions": asked})
    for record in restore_tests(fleet, *SERVERS):
        assert (record["outcome"], record["cause"], codes(record)) == ("failed", "restored_differs", ["proof_failed"])
        assert [one["result"] for one in record["restore"]["assertions"]] == ["passed", "failed", "failed", "failed"]
        assert all(one["name"] in record["messages"][0]["params"]["detail"] for one in asked[1:])


def test_an_older_version_refuses_the_dump_of_a_newer_one(fleet: Fleet):
    only(fleet, OLD)
    only(fleet, NEW, STAFF_SET)
    run(fleet, "daily")
    fleet.edit(NEW, backup_restore_host=OLD)
    (record,) = restore_tests(fleet, NEW)
    assert (record["performed_on"], record["outcome"], record["cause"], codes(record)) == (OLD, "failed", "target_unusable", ["engine_too_old"])


def test_a_killed_restore_test_leaves_production_alone_and_is_swept(fleet: Fleet):
    for server in SERVERS:
        only(fleet, server, BIG_SET)
    run(fleet, "daily")
    since = {server: starts(fleet, server) for server in SERVERS}
    playing = fleet.start("restore_test", "-e", "restore_test_snapshot=newest")
    for server in SERVERS:
        fleet.until("loading", lambda server=server: playing.is_over or fleet.bed.run(server, "pgrep -x pg_restore", check=False).stdout, 120)
        worker = "ps -o ppid= -p $(pgrep -o -f 'postgres -D /var/lib/si-cekat-server/instances')"
        fleet.bed.run(server, f"kill -KILL $({worker})")
    played = playing.wait()
    assert played.code != 0
    for server in SERVERS:
        record = fleet.last(server=server, kind="restore_test")
        assert record["outcome"] == "aborted", record
        processes = "ps -eo args | grep -E '^[^ ]*(pg_restore|initdb) |^[^ ]*postgres -D /var/lib/si-cekat-server'"
        assert fleet.bed.run(server, processes, check=False).stdout == ""
        assert starts(fleet, server) == since[server]
        assert fleet.sql(server, "postgresql", "uji_beban", "SELECT count(*) FROM pgbench_accounts") == "1000000"
    for record in restore_tests(fleet, *SERVERS):
        assert (record["outcome"], codes(record)) == ("success", ["scratch_removed"])
    assert [left(fleet, server) for server in SERVERS] == ["", ""]


def restored(fleet: Fleet, server: str, database: str, *more: str) -> dict:
    """Restores a server's staff into a database of it, and returns the record."""
    before = len(fleet.runs())
    arguments = ("-e", f"restore_server={server}", "-e", "restore_dataset=kepegawaian", "-e", f"restore_target=database:{database}")
    played = fleet.play("restore", *PERSONS, *arguments, *more)
    assert len(fleet.runs()) == before + 1, played.text
    return fleet.last(server=server, kind="restore")


@pytest.mark.parametrize("server", SERVERS)
def test_a_restore_keeps_what_it_replaces_and_leaves_it_if_it_fails(fleet: Fleet, server: str):
    only(fleet, server, STAFF_SET)
    run(fleet, "daily")
    whole = fleet.last(server=server, kind="backup")["database"]["tables"]
    role = "SELECT count(*) FROM pg_roles WHERE rolname = 'kepegawaian'"
    names = "SELECT datname FROM pg_database WHERE datname ~ '^pulihan' ORDER BY 1"

    assert restored(fleet, server, "pulihan")["outcome"] == "success"
    assert counts(fleet, server, "postgresql", "pulihan") == whole
    fleet.sql(server, "postgresql", "pulihan", "DELETE FROM gaji")

    refused = restored(fleet, server, "pulihan")
    assert (refused["cause"], codes(refused)) == ("target_unusable", ["target_exists"])
    extension = "/usr/share/postgresql/*/extension/pg_trgm.control"
    fleet.bed.run(server, f"mv {extension} /root/")
    try:
        failed = restored(fleet, server, "pulihan", "-e", "restore_overwrite=pulihan")
    finally:
        fleet.bed.run(server, "mv /root/pg_trgm.control /usr/share/postgresql/*/extension/")
    assert (failed["outcome"], codes(failed)) == ("failed", ["database_load_failed"])
    assert "pg_trgm" in failed["messages"][0]["params"]["detail"]
    assert fleet.sql(server, "postgresql", "postgres", names) == "pulihan"
    assert fleet.sql(server, "postgresql", "pulihan", "SELECT count(*) FROM gaji") == "0"

    fleet.bed.run(server, "systemd-run --quiet --collect --unit=pemakai runuser -u postgres -- psql -X -d pulihan -c 'SELECT pg_sleep(300)'")
    assert restored(fleet, server, "pulihan", "-e", "restore_overwrite=pulihan")["outcome"] == "success"
    (_new, kept) = fleet.sql(server, "postgresql", "postgres", names).split("\n")
    assert counts(fleet, server, "postgresql", "pulihan") == whole
    assert fleet.sql(server, "postgresql", kept, "SELECT count(*) FROM gaji") == "0"
    assert (fleet.sql(server, "postgresql", "postgres", role), left(fleet, server)) == ("1", "")
    for name in ("pulihan", kept):
        fleet.sql(server, "postgresql", "postgres", f'DROP DATABASE "{name}"')
