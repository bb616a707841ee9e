# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kind "postgresql": one database as pg_dump's archive and the server's roles, proved in a throw-away server.

A session of ours holds the snapshot that pg_dump reads, so that row counts are those of the dump however much is written meanwhile.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import contextlib
import re

from ansible_collections.sicekat.backup.plugins.module_utils import assertions, postgresql_contents, postgresql_globals, postgresql_instance
from ansible_collections.sicekat.backup.plugins.module_utils import postgresql_restore as restore
from ansible_collections.sicekat.backup.plugins.module_utils.postgresql_access import ENGINE, PROGRAMS, able, connect, os_user
from ansible_collections.sicekat.backup.plugins.module_utils.postgresql_client import SHORT_S, Archive, Session
from ansible_collections.sicekat.backup.plugins.module_utils.postgresql_dump import Dump, End, Head, unreadable
from ansible_collections.sicekat.backup.plugins.module_utils.programs import ProgramError
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import DUMP_LIMIT_S, Finding, Part, Source, SourceError
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import INSTANCE_USER

_BEGIN = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL row_security = off; SET LOCAL statement_timeout = 0; "
    "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL datestyle = 'ISO'"
)
_NO_SPACE = "No space left on device"


class PostgresqlSource(Source):
    """Data set keys: database, host, port, user, password_file, lock_timeout_s, newest_data, assertions."""

    is_stream = True
    _client = None
    _session = None
    _evidence = None
    _newest_ns = None
    _bytes = None

    @property
    def _database(self):
        return self.dataset["database"]

    def examine(self):
        client = connect(self.dataset)
        if not client.found["tables"]:
            raise SourceError("source_empty", "database_empty", engine=ENGINE, database=self._database)
        self._client, self._bytes = client, client.found["bytes"]

    def parts(self):
        self.clean()
        self._evidence, self._newest_ns = None, None
        tail, head = End(), Head()
        roles = self._client.program("pg_dumpall", self._database, "--globals-only", "--no-password")
        yield Part(restore.GLOBALS, Dump(roles, self._database, None), tail.take, lambda count, stderr: self._roles_done(tail))
        try:
            snapshot = self._begin()
        except ProgramError as error:
            raise self._lost(error) from None
        limit_s = self.dataset.get("lock_timeout_s")
        arguments = ["--format=custom", "--compress=0", "--no-password", "--snapshot=" + snapshot]
        arguments += ["--lock-wait-timeout=%d" % (limit_s * 1000)] if limit_s else []
        dump = Dump(self._client.program("pg_dump", self._database, *arguments), self._database, limit_s)
        name = re.sub(r"^-|[^A-Za-z0-9_-]", "_", self._database) + restore.DUMP_SUFFIX
        yield Part(name, dump, lambda piece: self._watch(head, piece), lambda count, stderr: self._dump_done(head))
        self.clean()

    def size_estimate(self):
        return self._bytes

    def evidence(self):
        return self._evidence

    def newest_ns(self):
        return self._newest_ns

    def clean(self):
        if self._session:
            self._session.close()
            self._session = None

    def prove(self, copy):
        archive = restore.archive_of(copy.bundle)
        programs = able(archive.least_major(), postgresql_instance.PROGRAMS)
        with contextlib.ExitStack() as stack:
            with copy.clock.phase("load"):
                directory = stack.enter_context(copy.workspace.instance(INSTANCE_USER))
                unpacked = restore.Unpacked(copy.bundle, directory, INSTANCE_USER, copy.evidence["bytes"])
                client = stack.enter_context(postgresql_instance.serve(directory, programs, copy.evidence["superuser"]))
                try:
                    self._make_roles(client, unpacked, copy.evidence["superuser"])
                    client.execute(client.home, "DROP DATABASE IF EXISTS %s;" % postgresql_globals.quoted(archive.database))
                    restore.load(client, unpacked, archive.database, "--no-subscriptions")
                except (ProgramError, ValueError) as error:
                    return _damaged(error, directory)
            with copy.clock.phase("prove"):
                return self._ask(client, archive.database, copy.evidence, directory)

    def load(self, copy, database, stamp, replace):
        archive = restore.archive_of(copy.bundle)
        production = connect(self.dataset, at_home=True)
        if production.major() < int(re.match(r"\d+", archive.server).group()):
            raise SourceError("target_unusable", "engine_too_old", engine=ENGINE, wanted=archive.server, found=production.found["version"])
        client = production.moved(able(max(archive.least_major(), production.major()), PROGRAMS))
        if database == client.home:
            client.home = "template1"
        with copy.workspace.instance(os_user(self.dataset)) as directory:
            unpacked = restore.Unpacked(copy.bundle, directory, os_user(self.dataset), 0)
            try:
                return restore.into_production(client, unpacked, copy.evidence, database, stamp, replace)
            except (ProgramError, ValueError) as error:
                detail = getattr(error, "detail", "") or error
                raise SourceError("restored_differs", "database_load_failed", engine=ENGINE, database=database, detail=detail) from None

    def _ask(self, client, database, evidence, directory):
        """Returns the Finding of a loaded copy: its rows, the server's own checks, the data set's assertions."""
        try:
            different, rows = restore.compare(client, database, evidence)
            if different:
                return Finding("damaged", different, rows)
            postgresql_instance.examine(client, database, DUMP_LIMIT_S)
        except ProgramError as error:
            return _damaged(error, directory)
        results = [_judged(client, database, one) for one in self.dataset.get("assertions") or ()]
        problem = assertions.problem(results)
        return Finding("damaged" if problem else "sound", problem, rows, results)

    @staticmethod
    def _make_roles(client, unpacked, superuser):
        """Runs the globals; the one role that the server was made with is there already."""
        text = postgresql_globals.without_tablespaces(unpacked.globals)
        quoted = postgresql_globals.quoted(superuser)
        lines = [line for line in text.splitlines() if line not in ("CREATE ROLE %s;" % superuser, "CREATE ROLE %s;" % quoted)]
        # What production allows that role, and sets for it, is not meant for us.
        client.execute(client.home, "\n".join([*lines, "ALTER ROLE %s LOGIN CONNECTION LIMIT -1;" % quoted, "ALTER ROLE %s RESET ALL;" % quoted]), DUMP_LIMIT_S)

    def _begin(self):
        """Opens the session, asks for the newest data, and returns the name of its snapshot."""
        self._session = Session(self._client, self._database)
        more = ["SET LOCAL transaction_timeout = 0"] if self._client.found["number"] >= 170000 else []
        self._session.do("; ".join([_BEGIN, *more]))
        snapshot = self._session.value("SELECT to_jsonb(pg_catalog.pg_export_snapshot())")
        if self.dataset.get("newest_data"):
            self._newest_ns = self._newest(self.dataset["newest_data"].strip().rstrip(";"))
        self._session.value("SELECT to_jsonb(pg_catalog.set_config('search_path', '', true))")
        return snapshot

    def _newest(self, query):
        # What the query locks is let go: pg_dump might wait for a third one that waits for us, which no server notices.
        self._session.do("SAVEPOINT newest; SET LOCAL statement_timeout = '%ds'" % SHORT_S)
        try:
            text = self._session.value("SELECT jsonb_build_array((\n%s\n)::text)" % query, SHORT_S + 10)[0]
            newest_ns = None if text is None else assertions.moment_ns(text)
        except (ProgramError, ValueError) as error:
            detail = getattr(error, "detail", "") or error
            raise SourceError("source_invalid", "database_query", engine=ENGINE, database=self._database, detail=detail) from None
        self._session.do("ROLLBACK TO SAVEPOINT newest")
        return newest_ns

    def _watch(self, head, piece):
        if not head.data:  # pg_dump prints nothing before it has locked every table
            try:
                postgresql_contents.lock(self._session)
            except ProgramError as error:
                raise self._lost(error) from None
        head.take(piece)

    def _roles_done(self, tail):
        if postgresql_globals.END not in tail.data:
            raise SourceError("source_invalid", "dump_cut", part=restore.GLOBALS, detail="without its end")

    def _dump_done(self, head):
        try:
            archive = Archive(head.data)
        except ValueError as error:
            raise SourceError("source_invalid", "dump_cut", part=self._database, detail=error) from None
        if archive.database != self._database:
            raise SourceError("source_invalid", "dump_cut", part=self._database, detail="of database %s" % archive.database)
        try:
            self._evidence = postgresql_contents.contents(self._session, DUMP_LIMIT_S)
        except ProgramError as error:
            raise self._lost(error) from None

    def _lost(self, error):
        lost = SourceError("source_unreadable", "database_session_lost", engine=ENGINE, database=self._database, detail=error.detail)
        return unreadable(self._database, error.detail) or lost


def _damaged(error, directory):
    """Returns the Finding of a copy that could not be loaded or read; raises SourceError where only space was lacking."""
    detail = getattr(error, "detail", "") or str(error)
    if _NO_SPACE in detail:
        raise SourceError("no_space", place=directory) from None
    return Finding("damaged", detail)


def _judged(client, database, assertion):
    try:
        return assertions.judge(assertion, client.answer(database, assertion["query"], assertion.get("timeout_s", SHORT_S)))
    except ProgramError as error:
        return assertions.failed(assertion, error.detail)
