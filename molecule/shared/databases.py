# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of scenario `databases` ask the engines themselves, with nothing of ours in between."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import runpy
import zipfile

from fleet import MAINTENANCE, ROOT, Fleet

STAFF = runpy.run_path(str(ROOT / "tests/fixtures/staff.py"))
SERVERS = ("basisdata12", "basisdata13")
ENGINES = {"kepegawaian": "postgresql", "kepegawaian-mariadb": "mariadb"}  # data sets of staff.py; the database is `kepegawaian` in both
_TABLES = """SELECT format('SELECT %L, count(*) FROM %I.%I', nspname || '.' || relname, nspname, relname)
FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind = 'r' AND nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema' \\gexec"""
_TEXTS = {
    "postgresql": "SELECT md5(string_agg(coalesce(md5(catatan), '-') || coalesce(md5(foto), '-'), '' ORDER BY id)) FROM pegawai",
    "mariadb": "SELECT md5(group_concat(coalesce(md5(catatan), '-'), coalesce(md5(foto), '-') ORDER BY id SEPARATOR '')) FROM pegawai",
}
_LOOK = """import hashlib, json, zipfile
def looked_at(data, **more):
    return {**more, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
with zipfile.ZipFile("/var/tmp/bundle") as archive:
    members = [looked_at(archive.read(name), name=name) for name in archive.namelist()]
print(json.dumps(looked_at(open("/var/tmp/bundle", "rb").read(), members=members)))
"""


def counts(fleet: Fleet, host: str, engine: str, database: str) -> dict[str, int]:
    """Returns the rows of each table, as the engine counts them now."""
    if engine == "postgresql":
        found = fleet.sql(host, engine, database, _TABLES)
    else:
        listed = f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{database}' AND table_type = 'BASE TABLE'"
        names = fleet.sql(host, engine, database, listed).split("\n")
        found = fleet.sql(host, engine, database, " UNION ALL ".join(f"SELECT '{name}', count(*) FROM `{name}`" for name in names))
    return {name: int(number) for name, number in (line.split("\t") for line in found.split("\n"))}


def texts(fleet: Fleet, host: str, engine: str, database: str) -> str:
    """Returns the digest of all notes and photographs of a staff database; no writer changes them."""
    return fleet.sql(host, engine, database, _TEXTS[engine])


def texts_meant(number: int, seed: int = 1) -> str:
    """Returns what `texts` is of a database with so many people, by what staff.py meant to write."""
    people = STAFF["rows"]("pegawai", number, seed)
    return hashlib.md5("".join(_md5(one) for *_rest, note, photo in people for one in (note, photo)).encode()).hexdigest()


def looked_into(fleet: Fleet, server: str, record: dict) -> dict:
    """Returns what the bundle of a backup is in the repository, in the manifest's form and with the canary as its first member."""
    command = f"set -e; /etc/si-cekat/restic dump {record['snapshot_id']} /{record['dataset']}.zip >/var/tmp/bundle; python3 - ; rm /var/tmp/bundle"
    return json.loads(fleet.bed.run(server, command, data=_LOOK, timeout=120).stdout)


def fetched(fleet: Fleet, server: str, record: dict) -> bytes:
    """Returns the bundle of a backup, out of the repository."""
    command = f"set -e; /etc/si-cekat/restic dump {record['snapshot_id']} /{record['dataset']}.zip >/var/tmp/bundle; base64 /var/tmp/bundle; rm /var/tmp/bundle"
    return base64.b64decode(fleet.bed.run(server, command, timeout=120).stdout)


def load_by_hand(fleet: Fleet, host: str, engine: str, bundle: bytes) -> None:
    """Restores a bundle of `kepegawaian` over the one of a host with the engine's own programs, as a person does who has nothing of ours."""
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        parts = [archive.read(name) for name in archive.namelist()]
    fleet.bed.run(host, "rm -rf /var/tmp/parts; mkdir /var/tmp/parts")
    for number, part in enumerate(parts):
        fleet.bed.run(host, f"base64 -d >/var/tmp/parts/{number}", data=base64.b64encode(part).decode())
    dump = next(number for number, part in enumerate(parts) if part.startswith(b"PGDMP") or b"\nCREATE TABLE `pegawai`" in part)
    for statement in ("DROP DATABASE IF EXISTS kepegawaian;", "CREATE DATABASE kepegawaian;"):
        fleet.sql(host, engine, MAINTENANCE[engine], statement)
    if engine == "mariadb":
        fleet.bed.run(host, f"mariadb kepegawaian </var/tmp/parts/{dump}")
        return
    roles = next(number for number, part in enumerate(parts) if b"\nCREATE ROLE " in part)
    # that there is a role postgres already is the one thing that psql may complain of
    said = fleet.bed.run(host, f"runuser -u postgres -- psql -X -q -d postgres </var/tmp/parts/{roles}").stderr
    assert all("already exists" in line for line in said.strip().split("\n") if "ERROR" in line), said
    fleet.bed.run(host, f"runuser -u postgres -- pg_restore --exit-on-error -d kepegawaian </var/tmp/parts/{dump}")


def _md5(value: str | bytes | None) -> str:
    return "-" if value is None else hashlib.md5(value.encode() if isinstance(value, str) else value).hexdigest()
