# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kinds "mariadb" and "mysql": one database with its accounts, dumped in one transaction, proved in a throw-away server.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import threading
import time

from ansible_collections.sicekat.backup.plugins.module_utils import assertions, mariadb_accounts, mariadb_client, mariadb_instance
from ansible_collections.sicekat.backup.plugins.module_utils.mariadb_accounts import AccountsText
from ansible_collections.sicekat.backup.plugins.module_utils.mariadb_client import FLAVOURS, Client, EngineError
from ansible_collections.sicekat.backup.plugins.module_utils.mariadb_dump import DumpReader
from ansible_collections.sicekat.backup.plugins.module_utils.mariadb_schema import Schema
from ansible_collections.sicekat.backup.plugins.module_utils.mariadb_target import Target
from ansible_collections.sicekat.backup.plugins.module_utils.programs import ProgramError
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import Part, Source, SourceError, failure_of

ACCOUNTS = "grants.sql"
_MEMBER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_SIZE_BASE = 16 << 20
_WAIT_DEFAULT_S = 300  # for questions about tables, where the dump itself may wait for ever
_POLL_S = 5
_REFUSED = {1044, 1045, 1698, 1142, 1227}
_SILENT = {2002, 2003, 2005, 2006, 2013, 1040}
_LOCK_WAIT_EXCEEDED = 1205
_DAMAGED = re.compile(r"corrupt|crashed|Lost connection|ablespace")
_WAITING = """SELECT ID, STATE, INFO FROM information_schema.PROCESSLIST WHERE ID > %(after)d AND DB = %(database)s AND COMMAND = 'Query'
AND USER = SUBSTRING_INDEX(USER(), '@', 1) AND STATE LIKE 'Waiting for %%' AND TIME >= %(seconds)d
AND (INFO LIKE 'SELECT /*!40001 %%' OR INFO LIKE 'LOCK TABLES %%' OR INFO LIKE 'SHOW %%')
ORDER BY ID LIMIT 1;"""


class MariadbSource(Source):
    """Data set keys: database, socket, credentials_file, lock_timeout_s (int or None), newest_data, assertions."""

    is_stream = True
    _schema = None
    _version = None
    _reader = None
    _accounts = None
    _newest_ns = None

    def __init__(self, dataset, workspace):
        super().__init__(dataset, workspace)
        self._flavour = FLAVOURS[dataset["kind"]]
        self._database = dataset["database"]
        self._lock_s = dataset.get("lock_timeout_s")

    def examine(self):
        client = self._client()
        with self._refusing():
            text, _numbers = client.version()
            if ("MariaDB" in text) != self._flavour.is_mariadb:
                raise SourceError("source_invalid", "database_other_engine", engine=self._flavour.label, found=text)
            self._version = re.match(r"[\d.]*\d|", text).group(0)
            there = client.databases()
            if self._database not in there:
                raise SourceError("source_missing", "database_missing", engine=self._flavour.label, database=self._database, found=", ".join(there[:20]) or "-")
            lacking = mariadb_accounts.lacking(client, self._database)
            if lacking:
                detail = "no right to %s" % ", ".join(lacking)
                raise SourceError("credential", "database_refused", engine=self._flavour.label, database=self._database, detail=detail)
            self._schema = Schema(client, self._database, self._lock_s or _WAIT_DEFAULT_S)
            # Looked for now, so that a program that is missing is said before anything else is done.
            client.program(self._flavour.dump, "--version").require(30)
        if not self._schema.tables:
            raise SourceError("source_empty", "database_empty", engine=self._flavour.label, database=self._database)

    def prepare(self):
        self.examine()
        if self.dataset.get("newest_data"):
            self._newest_ns = self._ask_newest()
        if self._schema.unsafe:
            self.warnings.append(
                "tables without transactions are locked for writing while the dump is made: %s" % ", ".join(self._schema.unsafe)[:400]
            )  # fmt: skip

    def parts(self):
        client = self._client()
        self._reader = DumpReader()
        self._accounts = AccountsText(client, self._database)
        yield Part(ACCOUNTS, _Refusing(self._accounts, self._refusing))
        yield Part(_member(self._database), self._dump(client), self._reader.feed, self._finish)

    def size_estimate(self):
        # Numbers take more room as text, and binary data twice theirs; what the server says is itself an estimate.
        return 2 * self._schema.bytes + _SIZE_BASE

    def evidence(self):
        tables = dict(self._reader.tables)
        return {
            "engine": self.dataset["kind"], "version": self._version, "encoding": self._schema.encoding, "tables": tables, "rows": sum(tables.values()),
            "objects": {**self._reader.objects, "accounts": self._accounts.count},
        }  # fmt: skip

    def newest_ns(self):
        return self._newest_ns

    def prove(self, copy):
        database = self._database
        return mariadb_instance.prove(self._flavour, copy, database, _dump_of(copy), ACCOUNTS, self.dataset.get("assertions") or ())

    def load(self, copy, database, stamp, replace):
        target = Target(self._client(), self.workspace, self._database, database, self._lock_s or _WAIT_DEFAULT_S, dump_options(self._flavour))
        try:
            return target.load(copy, _dump_of(copy), ACCOUNTS, stamp, replace)
        except (EngineError, ProgramError) as error:
            detail = error.detail or error
            raise SourceError("restored_differs", "database_load_failed", engine=self._flavour.label, database=database, detail=detail) from None

    def _client(self):
        return Client(self._flavour, _options(self.dataset))

    @contextlib.contextmanager
    def _refusing(self):
        """Turns what the server refuses, and what a program does not do, into a SourceError."""
        try:
            yield
        except ProgramError as error:
            raise failure_of(error) from None
        except EngineError as error:
            place = self.dataset.get("credentials_file") or self.dataset.get("socket") or "localhost"
            raise _refusal(self._flavour, self._database, place, error, self._lock_s or _WAIT_DEFAULT_S) from None

    def _ask_newest(self):
        # In the host's zone, in which a time without a zone is read.
        before = "SET SESSION time_zone='SYSTEM'; SET SESSION lock_wait_timeout=%d; START TRANSACTION READ ONLY;" % (self._lock_s or _WAIT_DEFAULT_S)
        try:
            found = self._client().value(self.dataset["newest_data"], mariadb_client.QUERY_LIMIT_S, self._database, before)
            return None if found is None else assertions.moment_ns(found)
        except (EngineError, ProgramError, ValueError) as error:
            detail = getattr(error, "detail", "") or error
            raise SourceError("source_invalid", "database_query", engine=self._flavour.label, database=self._database, detail=detail) from None

    def _dump(self, client):
        arguments = dump_options(self._flavour)
        # --single-transaction sees one moment of tables with transactions only; the others need a lock to be dumped of one moment.
        arguments.append("--lock-tables" if self._schema.unsafe else "--single-transaction")
        if self._schema.versioned:
            arguments.append("--dump-history")
        program = client.program(self._flavour.dump, *arguments, "--", self._database)
        return _Dump(program, client, self._database, self._lock_s)

    def _finish(self, _count, _stderr):
        reader, wanted = self._reader, self._schema.counts()
        if not reader.is_complete():
            raise SourceError("source_invalid", "dump_cut", part=self._database, detail="without its end")
        lacking = ["table %s" % one for one in self._schema.tables if one not in reader.filled]
        lacking += ["%s: %d of %d" % (kind, reader.objects[kind], wanted[kind]) for kind in wanted if reader.objects[kind] < wanted[kind]]
        if reader.unread:
            lacking.append("%d INSERT statement(s) that cannot be counted" % reader.unread)
        if lacking:
            raise SourceError("source_invalid", "dump_cut", part=self._database, detail=", ".join(lacking)[:400])


def dump_options(flavour):
    """Returns the options of every dump: equal data give equal bytes, and binary data survive every character set.

    Without locks in it, because a table whose default comes from a sequence could not be loaded (measured with 10.11 and 11.8).
    """
    fixed = ["--quick", "--routines", "--events", "--triggers", "--hex-blob", "--default-character-set=utf8mb4", "--skip-dump-date"]
    return [*fixed, "--skip-add-locks", "--max-allowed-packet=1G", *flavour.dump_options]


def _member(database):
    return database + ".sql" if _MEMBER.fullmatch(database) and database != "grants" else "database.sql"


def _dump_of(copy):
    names = [one for one in copy.bundle.names() if one != ACCOUNTS]
    if len(names) != 1 or ACCOUNTS not in copy.bundle.names() or not copy.evidence:
        raise SourceError("no_evidence", "no_evidence_manifest")
    return names[0]


class _Refusing:
    """A program whose EngineErrors become SourceErrors."""

    def __init__(self, program, refusing):
        self._program = program
        self._refusing = refusing
        self.name = program.name

    def stream(self, sink, limit_s):
        with self._refusing():
            return self._program.stream(sink, limit_s)


class _Dump:
    """A dump program whose wait for locked tables has a limit, which it has no option for. lock_s: seconds or None."""

    def __init__(self, program, client, database, lock_s):
        self._program = program
        self._client = client
        self._database = database
        self._lock_s = lock_s
        self.name = program.name
        self._took = time.monotonic()
        self._locked = ""  # what it waits for

    def stream(self, sink, limit_s):
        """Does what Program.stream does; raises SourceError if a table stays locked for too long."""
        if self._lock_s is None:
            return self._program.stream(sink, limit_s)
        after = int(self._client.rows("SELECT CONNECTION_ID();")[0][0])
        ended = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(after, ended), daemon=True)

        def take(piece):
            sink(piece)
            self._took = time.monotonic()

        self._took = time.monotonic()
        watcher.start()
        try:
            return self._program.stream(take, limit_s)
        except ProgramError as error:
            engine = self._client.flavour.label
            if self._locked:
                raise SourceError("timeout", "database_locked", engine=engine, database=self._database, seconds=self._lock_s, detail=self._locked) from None
            if _DAMAGED.search(error.detail):
                raise SourceError("source_unreadable", "database_unreadable", engine=engine, database=self._database, detail=error.detail) from None
            raise
        finally:
            ended.set()
            watcher.join()

    def _watch(self, after, ended):
        """Ends the session of our dump, and with it the program, when it has waited for too long."""
        waiting = _WAITING % {"after": after, "database": mariadb_client.literal(self._database), "seconds": self._lock_s}
        while not ended.wait(max(min(_POLL_S, self._lock_s), self._took + self._lock_s - time.monotonic())):
            if time.monotonic() - self._took < self._lock_s:
                continue
            with contextlib.suppress(EngineError, ProgramError):
                for session, state, statement in self._client.rows(waiting):
                    self._locked = "%s: %s" % (state, statement[:200])
                    self._client.rows("KILL CONNECTION %d;" % int(session))


class MysqlSource(MariadbSource):
    """The same with MySQL's programs; see mariadb_client.FLAVOURS."""


def _refusal(flavour, database, place, error, lock_s=None):
    """Returns the SourceError of an EngineError. place: of the server, as text. lock_s: the limit that was set for locks."""
    about = {"engine": flavour.label, "database": database, "detail": error.detail}
    if error.number in _REFUSED:
        return SourceError("credential", "database_refused", **about)
    if error.number in _SILENT:
        return SourceError("source_unreadable", "database_silent", engine=flavour.label, place=place, detail=error.detail)
    if error.number == _LOCK_WAIT_EXCEEDED and lock_s:
        return SourceError("timeout", "database_locked", seconds=lock_s, **about)
    return SourceError("source_unreadable", "database_unreadable", **about)


def _options(dataset):
    """Returns the options for the server of a data set; raises SourceError for a file of credentials that others can read."""
    path = dataset.get("credentials_file")
    options = ["--defaults-file=" + path] if path else ["--no-defaults"]
    if path:
        try:
            status = os.lstat(path)
        except OSError as error:
            raise SourceError("credential", "password_file", path=path, detail=error.strerror) from None
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077 or status.st_uid not in (0, os.geteuid()):
            detail = "mode %03o, owner %d" % (stat.S_IMODE(status.st_mode), status.st_uid)
            raise SourceError("credential", "password_file", path=path, detail=detail)
    return options + (["--socket=" + dataset["socket"]] if dataset.get("socket") else [])
