# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""MariaDB 10.11 and 11.8 with everything that goes wrong with them, what a restore test finds out, and the real restore."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from databases import SERVERS, counts, texts
from fleet import Fleet, codes

OLD, NEW = SERVERS
DATABASE = "kepegawaian"
KIND = {"kind": "mariadb", "category": "penting"}
STAFF_SET = {**KIND, "name": "kepegawaian-mariadb", "database": DATABASE, "newest_data": "SELECT max(waktu) FROM riwayat"}
BIG_SET = {**KIND, "name": "besar", "database": "besar"}
# tables without transactions; tables with history, generated and invisible columns
OTHERS = ({**KIND, "name": "lawas", "database": "lawas"}, {**KIND, "name": "berversi", "database": "berversi"})
# data set -> its own keys, and the cause and message of its record
FAULTS = {
    "diganti-nama": ({"database": "arsip_lama"}, "source_missing", "database_missing"),
    "kosong": ({"database": "kosong"}, "source_empty", "database_empty"),
    "kata-sandi-salah": ({"database": DATABASE, "credentials_file": "/root/klien.cnf"}, "credential", "database_refused"),
    "kata-sandi-terbuka": ({"database": DATABASE, "credentials_file": "/root/klien-terbuka.cnf"}, "credential", "password_file"),
    "terkunci": ({"database": "terkunci", "lock_timeout": 3}, "timeout", "database_locked"),
    "rusak": ({"database": "rusak"}, "source_unreadable", "database_unreadable"),
    "tampilan-rusak": ({"database": "tampilan"}, "source_invalid", "program_failed"),
    "tanpa-server": ({"database": DATABASE, "socket": "/run/mysqld/lain.sock"}, "source_unreadable", "database_silent"),
    "kueri-salah": ({"database": DATABASE, "newest_data": "SELECT nama FROM pegawai LIMIT 1"}, "source_invalid", "database_query"),
    "mesin-lain": ({"database": DATABASE, "kind": "mysql"}, "source_invalid", "database_other_engine"),
}
_MADE = ("kosong", "terkunci", "rusak", "tampilan", "lawas", "berversi")
_PREPARE = rf"""set -e
for name in {" ".join(_MADE)}; do mariadb -e "DROP DATABASE IF EXISTS $name; CREATE DATABASE $name"; done
mariadb terkunci -e 'CREATE TABLE t (a int); INSERT INTO t VALUES (1)'
mariadb rusak -e "CREATE TABLE t (id int PRIMARY KEY, isi varchar(500)); INSERT INTO t SELECT seq, repeat('x', 400) FROM seq_1_to_5000"
mariadb tampilan -e 'CREATE TABLE t (a int); CREATE TABLE hilang (a int); CREATE VIEW v AS SELECT a FROM hilang; DROP TABLE hilang'
mariadb lawas -e 'CREATE TABLE m (a int) ENGINE=MyISAM; INSERT INTO m VALUES (1), (2); CREATE TABLE i (a int); INSERT INTO i VALUES (3)'
mariadb berversi -e 'CREATE TABLE v (a int) WITH SYSTEM VERSIONING; INSERT INTO v VALUES (1), (2); UPDATE v SET a = a + 10;
CREATE TABLE h (a int, b int INVISIBLE DEFAULT 3, c int AS (a * 2)); INSERT INTO h (a, b) VALUES (1, 2)'
mariadb -e "CREATE OR REPLACE USER cadangan@localhost IDENTIFIED BY 'benar'"
printf '[client]\nuser=cadangan\npassword=rahasia-salah\n' >/root/klien.cnf
cp /root/klien.cnf /root/klien-terbuka.cnf
chmod 0600 /root/klien.cnf
chmod 0644 /root/klien-terbuka.cnf
systemctl stop mariadb
for page in 20 30 40; do
    printf 'RUSAK RUSAK RUSAK' | dd of=/var/lib/mysql/rusak/t.ibd bs=1 seek=$((page * 16384 + 5000)) conv=notrunc status=none
done
systemctl start mariadb
"""
# Waits until a mariadb-dump has sent some megabytes, and then ends it.
_KILL_DUMP = (
    "systemd-run --quiet --collect --unit=penengah bash -c "
    "'until pid=$(pgrep -x mariadb-dump) && [ $(awk \"/^wchar/ {print \\$2}\" /proc/$pid/io) -gt 3000000 ]; do sleep 0.01; done; kill -KILL $pid'"
)
PERSONS = ("-e", "restore_requester=Sri", "-e", "restore_approver=Budi", "-e", "restore_reason=latihan")


def sql(fleet: Fleet, server: str, query: str, database: str = "mysql") -> str:
    return fleet.sql(server, "mariadb", database, query)


def stored(fleet: Fleet, server: str, dataset: str) -> str:
    return fleet.bed.run(server, f"/etc/si-cekat/restic snapshots --json --tag dataset={dataset}").stdout.strip()


def starts(fleet: Fleet, server: str) -> str:
    """Which process production is: another one would show that somebody started it anew."""
    return fleet.bed.run(server, "systemctl show -p MainPID mariadb").stdout


def left(fleet: Fleet, server: str) -> str:
    """Processes and directories of ours that have outlived their run."""
    where = "/var/lib/si-cekat-server"
    processes = f"ps -eo args | grep -E '^[^ ]*mariadb(-dump|-install-db)? --(no-defaults|defaults-file)|^[^ ]*mariadbd .*{where}' | grep -v grep"
    return fleet.bed.run(server, f"{processes}; find {where}/instances {where}/scratch {where}/spool -mindepth 1", check=False).stdout


def run(fleet: Fleet, playbook: str) -> None:
    """Plays a cycle, however its records end."""
    before = len(fleet.runs())
    played = fleet.play(playbook)
    assert len(fleet.runs()) == before + 1, played.text


def restore_tests(fleet: Fleet, *servers: str) -> list[dict]:
    """Plays the restore tests and returns their records."""
    run(fleet, "restore_test")
    return [one for server in servers for one in fleet.last_run(kind="restore_test", server=server)]


def only(fleet: Fleet, server: str, *datasets: dict, **more: object) -> None:
    """Leaves a server nothing but these data sets."""
    fleet.edit(server, backup_datasets=list(datasets), **more)


def objects(fleet: Fleet, server: str, database: str) -> str:
    """Everything that a database has beside its rows."""
    kinds = (("tables", "table"), ("routines", "routine"), ("events", "event"), ("triggers", "trigger"))
    queries = [f"SELECT '{kind}', {one}_name FROM information_schema.{kind} WHERE {one}_schema = '{database}' ORDER BY 2;" for kind, one in kinds]
    charset = f"SELECT default_collation_name FROM information_schema.schemata WHERE schema_name = '{database}';"
    return sql(fleet, server, "".join([*queries, charset]))


@pytest.fixture(scope="module")
def faulty() -> Iterator[tuple[Fleet, dict[tuple[str, str], dict]]]:
    """The backups of a day with all the faults at once, beside databases without."""
    fleet = Fleet("databases")
    datasets = [{**KIND, "name": name, **keys} for name, (keys, _cause, _code) in FAULTS.items()]
    try:
        for server in SERVERS:
            fleet.bed.run(server, _PREPARE, timeout=120)
            only(fleet, server, STAFF_SET, *OTHERS, *datasets)
            lock = "LOCK TABLES t WRITE; SELECT sleep(600)"
            fleet.bed.run(server, f"systemd-run --quiet --collect --unit=pengunci mariadb terkunci -e '{lock}'")
        run(fleet, "daily")
        yield fleet, {(one["server"], one["dataset"]): one for one in fleet.last_run(kind="backup")}
    finally:
        fleet.stop()
        for server in SERVERS:
            fleet.bed.run(server, "systemctl stop pengunci; systemctl restart mariadb", check=False)
            for name in _MADE:
                sql(fleet, server, f"DROP DATABASE {name}")


@pytest.mark.parametrize("dataset", FAULTS)
@pytest.mark.parametrize("server", SERVERS)
def test_a_fault_fails_its_data_set_and_leaves_no_snapshot(faulty: tuple[Fleet, dict], server: str, dataset: str):
    fleet, records = faulty
    _keys, cause, code = FAULTS[dataset]
    record = records[server, dataset]
    assert (record["outcome"], record["cause"], codes(record)) == ("failed", cause, [code])
    assert "rahasia-salah" not in str(record)
    assert stored(fleet, server, dataset) == "[]"


@pytest.mark.parametrize("server", SERVERS)
def test_the_faults_of_others_leave_a_database_and_the_server_alone(faulty: tuple[Fleet, dict], server: str):
    fleet, records = faulty
    assert records[server, "kepegawaian-mariadb"]["outcome"] == "success"
    assert sql(fleet, server, "SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'SELECT /*!40001%'") == "0"
    assert left(fleet, server) == ""


@pytest.mark.parametrize("server", SERVERS)
def test_tables_of_every_kind_are_counted_and_come_back(faulty: tuple[Fleet, dict], server: str):
    fleet, records = faulty
    assert records[server, "lawas"]["database"]["tables"] == {"i": 1, "m": 2}
    assert any("m" in line.split() for line in records[server, "lawas"]["warnings"])
    # two rows as they are, two as they were
    assert records[server, "berversi"]["database"]["tables"] == {"h": 1, "v": 4}
    only(fleet, server, *OTHERS)
    found = restore_tests(fleet, server)
    assert [(one["outcome"], one["restore"]["database"], one["restore"]["rows"]) for one in found] == [("success", "sound", 3), ("success", "sound", 5)]


def test_a_stopped_server_fails_the_backup(fleet: Fleet):
    for server in SERVERS:
        only(fleet, server, STAFF_SET)
        fleet.bed.run(server, "systemctl stop mariadb")
    try:
        run(fleet, "daily")
    finally:
        for server in SERVERS:
            fleet.bed.run(server, "systemctl start mariadb")
    for record in fleet.last_run(kind="backup"):
        assert (record["outcome"], record["cause"], codes(record)) == ("failed", "source_unreadable", ["database_silent"])


def test_a_dump_that_is_broken_off_is_no_backup(fleet: Fleet):
    for server in SERVERS:
        fleet.load(server, "mariadb", "besar", megabytes=40)
        only(fleet, server, BIG_SET)
        fleet.bed.run(server, _KILL_DUMP)
    run(fleet, "daily")
    for server in SERVERS:
        record = fleet.last(server=server, kind="backup")
        assert (record["outcome"], codes(record)) == ("failed", ["program_failed"])
        assert (stored(fleet, server, "besar"), left(fleet, server)) == ("[]", "")


def test_a_backup_under_write_load_is_proved_in_a_server_of_its_own(fleet: Fleet):
    with contextlib.ExitStack() as writers:
        for server in SERVERS:
            consistent = "SELECT (SELECT count(*) FROM gaji) - (SELECT count(*) FROM riwayat WHERE peristiwa = 'gaji')"
            only(fleet, server, {**STAFF_SET, "assertions": [{"name": "satu saat", "query": consistent, "equals": 0}]})
            writers.enter_context(fleet.written_to(server, "mariadb", DATABASE))
        run(fleet, "daily")
        since = {server: starts(fleet, server) for server in SERVERS}
        backups = {one["server"]: one for one in fleet.last_run(kind="backup")}
        found = restore_tests(fleet, *SERVERS)
    assert len(found) == 2
    for record in found:
        server, counted = record["server"], backups[record["server"]]["database"]
        assert (record["outcome"], record["messages"], record["restore"]["database"]) == ("success", [], "sound")
        assert record["restore"]["rows"] == counted["rows"] > 0
        assert record["restore"]["phases_ms"]["load"] > 0
        assert counted["objects"] == {"tables": 7, "views": 1, "sequences": 1, "routines": 2, "events": 1, "triggers": 1, "accounts": 1}
        assert counts(fleet, server, "mariadb", DATABASE) != counted["tables"]
        assert (starts(fleet, server), left(fleet, server)) == (since[server], "")


def test_assertions_that_fail_and_queries_without_end_are_named(fleet: Fleet):
    for server in SERVERS:
        only(fleet, server, STAFF_SET)
    fleet.done("daily")
    asked = [
        {"name": "cukup banyak", "query": "SELECT count(*) FROM pegawai", "min": 1},
        {"name": "terlalu banyak", "query": "SELECT count(*) FROM pegawai", "max": 1},
        {"name": "tanpa akhir", "query": "SELECT count(*) FROM gaji a, gaji b, gaji c, gaji d", "min": 1, "timeout": 2},
        {"name": "tidur", "query": "SELECT sleep(1000)", "equals": 0, "timeout": 2},
        {"name": "menulis", "query": "DELETE FROM gaji", "min": 1},
    ]
    for server in SERVERS:
        only(fleet, server, {**STAFF_SET, "assertions": asked})
    for record in restore_tests(fleet, *SERVERS):
        assert (record["outcome"], record["cause"], codes(record)) == ("failed", "restored_differs", ["proof_failed"])
        assert [one["result"] for one in record["restore"]["assertions"]] == ["passed", "failed", "failed", "failed", "failed"]
        assert all(one["name"] in record["messages"][0]["params"]["detail"] for one in asked[1:])


def test_an_older_version_refuses_the_dump_of_a_newer_one(fleet: Fleet):
    only(fleet, OLD)
    only(fleet, NEW, STAFF_SET)
    fleet.done("daily")
    fleet.edit(NEW, backup_restore_host=OLD)
    (record,) = restore_tests(fleet, NEW)
    assert (record["performed_on"], record["outcome"], record["cause"], codes(record)) == (OLD, "failed", "target_unusable", ["engine_too_old"])


def test_a_killed_restore_test_leaves_production_alone_and_is_swept(fleet: Fleet):
    for server in SERVERS:
        fleet.load(server, "mariadb", "besar", megabytes=40)
        only(fleet, server, BIG_SET)
    fleet.done("daily")
    since = {server: (starts(fleet, server), counts(fleet, server, "mariadb", "besar")) for server in SERVERS}
    playing = fleet.start("restore_test")
    loading = "ps -eo ppid,args | grep -E '^ *[0-9]+ [^ ]*mariadb .*--socket=/var/lib/si-cekat-server.*--database=besar' | awk '{print $1}'"
    for server in SERVERS:
        fleet.until("loading", lambda server=server: playing.is_over or fleet.bed.run(server, loading, check=False).stdout.strip(), 120)
        fleet.bed.run(server, f"kill -KILL $({loading})")
    played = playing.wait()
    assert played.code != 0
    for server in SERVERS:
        record = fleet.last(server=server, kind="restore_test")
        assert record["outcome"] == "aborted", record
        assert fleet.bed.run(server, "ps -eo args | grep -E '^[^ ]*mariadbd? .*/var/lib/si-cekat-server'", check=False).stdout == ""
        assert (starts(fleet, server), counts(fleet, server, "mariadb", "besar")) == since[server]
    for record in restore_tests(fleet, *SERVERS):
        assert (record["outcome"], codes(record)) == ("success", ["scratch_removed"])
    assert [left(fleet, server) for server in SERVERS] == ["", ""]


@pytest.fixture
def kept(fleet: Fleet) -> Fleet:
    """A fleet whose staff databases have a backup and nothing else of these tests."""
    for server in SERVERS:
        fleet.load(server, "mariadb", DATABASE, megabytes=20)  # as many as usual
        only(fleet, server, STAFF_SET)
        for name in sql(fleet, server, "SHOW DATABASES LIKE '%salinan%'").split() + sql(fleet, server, "SHOW DATABASES LIKE '%digantikan%'").split():
            sql(fleet, server, f"DROP DATABASE `{name}`")
    fleet.done("daily")
    return fleet


def restored(fleet: Fleet, server: str, target: str, *more: str) -> dict:
    before = len(fleet.runs())
    played = fleet.play(
        "restore", *PERSONS, "-e", f"restore_server={server}", "-e", f"restore_dataset={STAFF_SET['name']}", "-e", f"restore_target={target}", *more
    )
    assert len(fleet.runs()) == before + 1, played.text
    return fleet.last(server=server, kind="restore")


def test_a_copy_beside_the_original_is_the_same_and_runs_no_event(kept: Fleet):
    for server in SERVERS:
        record = restored(kept, server, "database:salinan")
        assert (record["outcome"], record["messages"]) == ("success", [])
        assert objects(kept, server, "salinan") == objects(kept, server, DATABASE)
        assert counts(kept, server, "mariadb", "salinan") == counts(kept, server, "mariadb", DATABASE)
        assert texts(kept, server, "mariadb", "salinan") == texts(kept, server, "mariadb", DATABASE)
        assert sql(kept, server, "SELECT status FROM information_schema.events WHERE event_schema = 'salinan'") == "DISABLED"
        default = "SELECT column_default FROM information_schema.columns WHERE table_schema = 'salinan' AND column_default LIKE '%nextval%'"
        assert sql(kept, server, default) == "nextval(`salinan`.`nomor_surat`)"


def test_what_a_restore_replaces_is_kept(kept: Fleet):
    for server in SERVERS:
        whole, rows = objects(kept, server, DATABASE), counts(kept, server, "mariadb", DATABASE)
        sql(kept, server, "UPDATE pegawai SET nama = 'salah'; DROP USER kepegawaian@localhost; CREATE VIEW v AS SELECT 1 AS a", DATABASE)
        record = restored(kept, server, "original", "-e", f"restore_overwrite={DATABASE}")
        assert (record["outcome"], record["messages"]) == ("success", [])
        assert (objects(kept, server, DATABASE), counts(kept, server, "mariadb", DATABASE)) == (whole, rows)
        assert sql(kept, server, "SELECT status FROM information_schema.events WHERE event_schema = 'kepegawaian'") == "ENABLED"
        assert "`kepegawaian`.*" in sql(kept, server, "SHOW GRANTS FOR kepegawaian@localhost")
        (aside,) = sql(kept, server, "SHOW DATABASES LIKE 'kepegawaian_digantikan_%'").split()
        (replaced,) = record["restore"]["replaced"]
        assert aside in replaced["kept_as"]
        assert sql(kept, server, "SELECT count(*) FROM pegawai WHERE nama <> 'salah'", aside) == "0"
        assert kept.bed.run(server, "stat -c %a /var/lib/si-cekat-server/replaced/*").stdout.split()[-1] == "600"


def test_a_restore_that_fails_puts_back_what_was_there(kept: Fleet):
    for server in SERVERS:
        sql(kept, server, "UPDATE pegawai SET nama = 'sekarang'; CREATE VIEW v AS SELECT 1 AS a", DATABASE)
        whole, rows = objects(kept, server, DATABASE), counts(kept, server, "mariadb", DATABASE)
        # an INSERT statement of the dump is longer than this server takes
        sql(kept, server, "SET GLOBAL max_allowed_packet = 65536")
        try:
            record = restored(kept, server, "original", "-e", f"restore_overwrite={DATABASE}")
        finally:
            sql(kept, server, "SET GLOBAL max_allowed_packet = 16777216")
        assert (record["outcome"], record["cause"], codes(record)) == ("failed", "restored_differs", ["database_load_failed"])
        assert (objects(kept, server, DATABASE), counts(kept, server, "mariadb", DATABASE)) == (whole, rows)
        assert sql(kept, server, "SELECT count(*) FROM pegawai WHERE nama <> 'sekarang'", DATABASE) == "0"
        assert sql(kept, server, "SHOW DATABASES LIKE '%digantikan%'") == ""
