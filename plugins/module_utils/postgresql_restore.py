# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Loading a dump into a PostgreSQL server, a throw-away one or production, and comparing what is there then.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil

from ansible_collections.sicekat.backup.plugins.module_utils import postgresql_contents, postgresql_globals
from ansible_collections.sicekat.backup.plugins.module_utils.postgresql_client import APPLICATION, SHORT_S, Archive, Session
from ansible_collections.sicekat.backup.plugins.module_utils.programs import ProgramError
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import DUMP_LIMIT_S, SourceError

GLOBALS = "globals.sql"
DUMP_SUFFIX = ".dump"
_ENTRIES = (" DATABASE - ", " DATABASE PROPERTIES - ", " ACL - DATABASE ")
_JOBS_MOST = 4
_TRIES = 10  # to take a database's name from programs that come back at once


class Unpacked:
    """The members of a bundle, as files that an OS user can read. Attributes: archive (Archive), path (of the dump), globals (text).

    directory: a directory of that user. bytes_loaded: what the database will need, or 0. Raises SourceError.
    """

    def __init__(self, bundle, directory, user, bytes_loaded):
        dump = [name for name in bundle.names() if name.endswith(DUMP_SUFFIX)]
        if len(dump) != 1 or GLOBALS not in bundle.names():
            raise SourceError("restored_differs", "proof_failed", detail="members %s" % ", ".join(bundle.names()))
        self.archive = archive_of(bundle)
        size = sum(one["bytes"] for one in bundle.summary["members"])
        if shutil.disk_usage(directory).free < size * 1.1 + bytes_loaded * 1.2:
            raise SourceError("no_space", place=directory)
        bundle.unpack(directory)
        self._directory, self._owner = directory, pwd.getpwnam(user)
        for name in bundle.names():
            self._give(os.path.join(directory, name))
        self.path = os.path.join(directory, dump[0])
        with open(os.path.join(directory, GLOBALS), encoding="utf-8", errors="surrogateescape") as file:
            self.globals = file.read()

    def write(self, name, text):
        """Writes one more file for that user and returns its path."""
        path = os.path.join(self._directory, name)
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        self._give(path)
        return path

    def _give(self, path):
        os.chown(path, self._owner.pw_uid, self._owner.pw_gid)


def archive_of(bundle):
    """Returns the Archive of a bundle's dump; raises SourceError for a damaged one."""
    try:
        dump = next(name for name in bundle.names() if name.endswith(DUMP_SUFFIX))
        return Archive(next(iter(bundle.read(dump)), b"")[: Archive.HEAD_BYTES])
    except (StopIteration, ValueError) as error:
        raise SourceError("restored_differs", "proof_failed", detail=error or "no dump") from None


def load(client, unpacked, database, *more):
    """Creates `database` and loads the dump into it; raises ProgramError or ValueError. more: arguments of pg_restore."""
    create, later = postgresql_globals.of_database(_own_statements(client, unpacked), database)
    client.execute(client.home, create, DUMP_LIMIT_S)
    jobs = min(os.cpu_count() or 1, _JOBS_MOST)
    arguments = ("--exit-on-error", "--no-password", "--no-tablespaces", "--jobs=%d" % jobs, *more, unpacked.path)
    client.program("pg_restore", database, *arguments).require(DUMP_LIMIT_S)
    client.execute(client.home, "\n".join(later))


def compare(client, database, wanted):
    """Returns (what differs from the evidence `wanted` as text, number of rows). Raises ProgramError."""
    session = Session(client, database)
    try:
        session.do("SET row_security = off")
        session.value("SELECT to_jsonb(pg_catalog.set_config('search_path', '', false))")
        found = postgresql_contents.contents(session, DUMP_LIMIT_S)
    finally:
        session.close()
    return postgresql_contents.differences(wanted, found) if wanted else "", found["rows"]


def into_production(client, unpacked, wanted, database, stamp, replace):
    """Loads a dump beside what is there, compares it, and only then gives it the name `database`.

    wanted: the evidence, or None. Returns the name under which the replaced database is kept, or None. What goes wrong leaves
    production as it was. Raises SourceError for a target that cannot be used, else ProgramError or ValueError.
    """
    exists = database in (client.databases() or ())
    if exists and not replace:
        raise SourceError("target_unusable", "target_exists", path=database, named=database)
    existing = client.value(client.home, "SELECT jsonb_agg(rolname) FROM pg_catalog.pg_roles")
    roles = postgresql_globals.of_missing_roles(unpacked.globals, existing)
    loading = postgresql_globals.kept_name(database, stamp, "dimuat")
    kept = postgresql_globals.kept_name(database, stamp) if exists else None
    client.execute(client.home, "\n".join(["BEGIN;", *roles, "COMMIT;"]))
    try:
        load(client, unpacked, loading)
        different, _rows = compare(client, loading, wanted)
        if different:
            raise SourceError("restored_differs", "proof_failed", detail=different)
        _take_place(client, loading, database, kept)
    except BaseException:
        with contextlib.suppress(ProgramError):
            _drop(client, loading)
        raise
    return kept


def _own_statements(client, unpacked):
    """Returns what makes the database itself: pg_restore prints it only together with a choice of the archive's entries."""
    entries = client.tool("pg_restore", "--create", "--list", unpacked.path).require(SHORT_S).text().splitlines()
    chosen = unpacked.write("entries", "\n".join(line for line in entries if not line.startswith(";") and any(entry in line for entry in _ENTRIES)))
    return client.tool("pg_restore", "--create", "--use-list=" + chosen, "--file=-", unpacked.path).require(SHORT_S).text()


def _take_place(client, loading, database, kept):
    """Gives what was loaded its name, in one transaction with moving aside what has that name now."""
    name = postgresql_globals.quoted
    arrive = "ALTER DATABASE %s RENAME TO %s;" % (name(loading), name(database))
    if not kept:
        client.execute(client.home, arrive)
        return
    ended = "pg_catalog.pg_terminate_backend(pid, 10000) FROM pg_catalog.pg_stat_activity WHERE datname = '%s'" % database.replace("'", "''")
    leave = "ALTER DATABASE %s RENAME TO %s;" % (name(database), name(kept))
    # Renaming waits for nobody and lets nobody new in; who came between is ended at the next try. Nothing is changed that a crash
    # of ours would leave behind, as ALLOW_CONNECTIONS would be.
    for left in reversed(range(_TRIES)):
        try:
            client.execute(client.home, "\n".join(["SELECT FROM (SELECT %s) AS ended;" % ended, "BEGIN;", leave, arrive, "COMMIT;"]))
            return
        except ProgramError:
            if not left or database not in (client.databases() or ()):
                raise


def _drop(client, database):
    """Removes a half-loaded database and our own sessions in it."""
    ours = "datname = '%s' AND application_name = '%s'" % (database.replace("'", "''"), APPLICATION)
    client.execute(client.home, "SELECT FROM (SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE %s) AS ended;" % ours)
    client.execute(client.home, "DROP DATABASE IF EXISTS %s;" % postgresql_globals.quoted(database), DUMP_LIMIT_S)
