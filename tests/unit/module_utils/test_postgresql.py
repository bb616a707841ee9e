# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of PostgreSQL needs no server: the head of an archive, the text of the globals, names, what differs, password files."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from ansible_collections.sicekat.backup.plugins.module_utils import postgresql_contents, postgresql_globals
from ansible_collections.sicekat.backup.plugins.module_utils.postgresql_client import Archive, Client
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import SourceError
from ansible_collections.sicekat.backup.plugins.module_utils.sources.postgresql import PostgresqlSource

GLOBALS = r"""--
-- Roles
--

CREATE ROLE kepegawaian;
ALTER ROLE kepegawaian WITH NOSUPERUSER LOGIN PASSWORD 'SCRAM-SHA-256$4096:abc$def:ghi';
CREATE ROLE "pembaca ""utama"" kantor";
ALTER ROLE "pembaca ""utama"" kantor" WITH NOLOGIN;
COMMENT ON ROLE kepegawaian IS 'aplikasi';
CREATE ROLE postgres;
ALTER ROLE postgres WITH SUPERUSER;
ALTER ROLE kepegawaian SET work_mem TO '4MB';
GRANT "pembaca ""utama"" kantor" TO kepegawaian GRANTED BY postgres;
GRANT kepegawaian TO postgres GRANTED BY postgres;
CREATE TABLESPACE cepat OWNER postgres LOCATION '/srv/cepat';
GRANT ALL ON TABLESPACE cepat TO kepegawaian;
-- PostgreSQL database cluster dump complete
"""
OWN = r"""SET statement_timeout = 0;
CREATE DATABASE "data; lama" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'C.UTF-8' TABLESPACE = cepat;
ALTER DATABASE "data; lama" OWNER TO kepegawaian;
\connect -reuse-previous=on "dbname='data; lama'"
ALTER DATABASE "data; lama" SET search_path TO 'arsip', 'public';
ALTER ROLE kepegawaian IN DATABASE "data; lama" SET work_mem TO '8MB';
GRANT CONNECT ON DATABASE "data; lama" TO kepegawaian;
"""
EVIDENCE = {
    "engine": "postgresql", "tables": {"public.gaji": 10, "public.pegawai": 3}, "rows": 13, "encoding": "UTF8", "extensions": ["plpgsql"],
    "objects": {"tables": 2, "indexes": 2},
}  # fmt: skip


def number(value: int) -> bytes:
    return bytes([0]) + value.to_bytes(4, "little")


def text(value: str) -> bytes:
    return number(len(value)) + value.encode()


def head(version: int = 15, database: str = "toko", server: str = "15.20 (Debian)", writer: str = "17.2", entries: int = 3) -> bytes:
    compression = number(0) if version < 15 else b"\0"
    return b"".join((b"PGDMP", bytes([1, version, 0, 4, 8, 1]), compression, number(1) * 7, text(database), text(server), text(writer), number(entries)))


@pytest.mark.parametrize("version", [14, 15, 16])
def test_the_head_of_an_archive_tells_database_and_versions(version: int):
    archive = Archive(head(version) + b"and so on")
    assert (archive.database, archive.server, archive.writer, archive.least_major()) == ("toko", "15.20 (Debian)", "17.2", 17)


@pytest.mark.parametrize("cut", [0, 4, 8, 12, 30, 60, len(head()) - 1])
def test_a_cut_head_is_no_archive(cut: int):
    with pytest.raises(ValueError, match=r"archive|cut"):
        Archive(head()[:cut])


@pytest.mark.parametrize("wrong", [b"-- PostgreSQL database dump\n", head().replace(b"PGDMP", b"PGDMQ"), head(12), head(entries=0)])
def test_what_is_no_archive_is_refused(wrong: bytes):
    with pytest.raises(ValueError, match="archive"):
        Archive(wrong)


def test_only_missing_roles_are_made_and_none_that_exists_is_changed():
    assert postgresql_globals.of_missing_roles(GLOBALS, ["postgres", 'pembaca "utama" kantor']) == [
        "CREATE ROLE kepegawaian;",
        "ALTER ROLE kepegawaian WITH NOSUPERUSER LOGIN PASSWORD 'SCRAM-SHA-256$4096:abc$def:ghi';",
        "COMMENT ON ROLE kepegawaian IS 'aplikasi';",
        "ALTER ROLE kepegawaian SET work_mem TO '4MB';",
        'GRANT "pembaca ""utama"" kantor" TO kepegawaian GRANTED BY postgres;',
    ]
    assert postgresql_globals.of_missing_roles(GLOBALS, ["postgres", "kepegawaian", 'pembaca "utama" kantor']) == []


def test_a_throw_away_server_never_sees_tablespaces_of_production():
    found = postgresql_globals.without_tablespaces(GLOBALS)
    assert "cepat" not in found
    assert found.count("\n") == GLOBALS.count("\n") - 2


def test_a_database_is_made_under_another_name_with_its_settings_last():
    create, later = postgresql_globals.of_database(OWN, 'data "baru" kantor')
    assert create == """CREATE DATABASE "data ""baru"" kantor" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'C.UTF-8';"""
    assert later == [
        'ALTER DATABASE "data ""baru"" kantor" OWNER TO kepegawaian;',
        """ALTER DATABASE "data ""baru"" kantor" SET search_path TO 'arsip', 'public';""",
        """ALTER ROLE kepegawaian IN DATABASE "data ""baru"" kantor" SET work_mem TO '8MB';""",
        'GRANT CONNECT ON DATABASE "data ""baru"" kantor" TO kepegawaian;',
    ]


def test_an_archive_without_its_database_is_refused():
    with pytest.raises(ValueError, match="CREATE DATABASE"):
        postgresql_globals.of_database("SET statement_timeout = 0;\n", "toko")


@pytest.mark.parametrize("database", ["toko", "a" * 63, "é" * 40])
def test_the_name_of_what_is_kept_fits_into_63_bytes(database: str):
    kept = postgresql_globals.kept_name(database, "20260301T101500")
    assert len(kept.encode()) <= 63
    assert kept.endswith("_digantikan_20260301T101500")
    assert database.startswith(kept[: -len("_digantikan_20260301T101500")])


def test_a_copy_with_the_same_contents_does_not_differ():
    assert postgresql_contents.differences(EVIDENCE, {**EVIDENCE, "version": "17.2", "bytes": 5}) == ""


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("tables", "public.gaji"), 9, "table public.gaji has 9 rows, and 10 rows at backup time"),
        (("tables", "public.asing"), 1, "table public.asing has 1 rows, and no such table at backup time"),
        (("objects", "indexes"), 1, "there are 1 indexes, and 2 at backup time"),
        (("encoding",), "SQL_ASCII", "encoding: SQL_ASCII, and UTF8 at backup time"),
        (("extensions",), [], "extensions: [], and ['plpgsql'] at backup time"),
    ],
)
def test_what_differs_is_named(path: tuple[str, ...], value: object, named: str):
    found = copy.deepcopy(EVIDENCE)
    place = found
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert postgresql_contents.differences(EVIDENCE, found) == named


def test_names_cannot_break_out_of_the_connection_string():
    client = Client("/usr/lib/postgresql/15/bin", "postgres", {"host": None, "port": 5433, "user": "postgres"})
    found = client.connection("a' host='jahat \\")
    assert found == r"application_name='sicekat-backup' connect_timeout='15' dbname='a\' host=\'jahat \\' port='5433' user='postgres'"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, None])
def test_a_password_file_that_others_can_read_is_refused(tmp_path: Path, mode: int | None):
    path = tmp_path / "pgpass"
    if mode is not None:
        path.write_text("*:*:*:postgres:rahasia\n")
        path.chmod(mode)
    source = PostgresqlSource({"name": "toko", "kind": "postgresql", "database": "toko", "password_file": str(path)}, None)
    with pytest.raises(SourceError) as refused:
        source.examine()
    assert (refused.value.cause, refused.value.message["code"]) == ("credential", "password_file")
    assert "rahasia" not in str(refused.value.message)
