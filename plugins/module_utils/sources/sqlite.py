# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kind "sqlite": a consistent copy through SQLite's online backup, proved by its own integrity check and row counts.

Copying the file of a database in WAL mode while it is written to gives a copy that may lack or tear transactions.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time

from ansible_collections.sicekat.backup.plugins.module_utils import assertions
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import Finding, Source, SourceError

try:
    import sqlite3
except ImportError:  # a Python without SQLite; prepare() and prove() say so
    sqlite3 = None

_BUSY_S = 60
_QUERY_S = 60
_STEPS = 10_000  # of SQLite's virtual machine, between two looks at the clock
_SQLITE_BUSY, _SQLITE_LOCKED = 5, 6


class SqliteSource(Source):
    """Data set keys: path, assertions, newest_data."""

    _evidence = None
    _newest_ns = None

    def examine(self):
        path = self.dataset["path"]
        if sqlite3 is None:
            raise SourceError("source_invalid", "source_no_sqlite", path=path)
        if not os.path.lexists(path):
            raise SourceError("source_missing", path=path)
        if not os.path.isfile(path):
            raise SourceError("source_invalid", "source_not_file", path=path)

    def prepare(self):
        self.examine()
        self.clean()  # what a killed run left takes the room of what is to come
        path = self.dataset["path"]
        os.makedirs(self._spool(), mode=0o700, exist_ok=True)
        needed = sum(os.path.getsize(part) for part in (path, path + "-wal") if os.path.exists(part))
        if shutil.disk_usage(self._spool()).free < needed * 1.1:
            raise SourceError("no_space", place=self._spool())
        self._newest_ns = max(os.stat(part).st_mtime_ns for part in (path, path + "-wal") if os.path.exists(part))
        try:
            self._copy(path)
            state, reason, self._evidence = examine_database(self._copy_path())
        except sqlite3.Error as error:
            raise SourceError("source_invalid", "source_database", path=path, detail=error) from None
        if state != "sound":
            raise SourceError("source_invalid", "source_database_damaged", path=path, detail=reason)
        if not self._evidence["tables"]:
            raise SourceError("source_invalid", "source_database_empty", path=path)
        if self.dataset.get("newest_data"):
            self._newest_ns = self._ask_newest()

    def paths(self):
        return [self._copy_path()]

    def evidence(self):
        return self._evidence

    def newest_ns(self):
        return self._newest_ns

    def clean(self):
        shutil.rmtree(self._spool(), ignore_errors=True)

    def prove(self, copy):
        path = copy.root + copy.paths[0]
        if not os.path.isfile(path):
            return Finding("damaged", "the database file was not restored")
        if sqlite3 is None:
            return Finding("damaged", "the server's Python has no sqlite3 module")
        with copy.clock.phase("prove"):
            try:
                state, reason, found = examine_database(path)
            except sqlite3.Error as error:
                return Finding("damaged", str(error))
            if state != "sound":
                return Finding(state, reason)
            if found != copy.evidence:
                return Finding("damaged", "row counts are %s, and %s at backup time" % (found["tables"], (copy.evidence or {}).get("tables")), found["rows"])
            return Finding("sound", rows=found["rows"], assertions=[_judged(one, path) for one in self.dataset.get("assertions", ())])

    def _ask_newest(self):
        """Returns the time that the data set's query answers, or None where there is none."""
        try:
            text = _answer(self._copy_path(), self.dataset["newest_data"], _QUERY_S)
            return None if text is None else assertions.moment_ns(text)
        except (sqlite3.Error, ValueError) as error:
            raise SourceError("source_invalid", "database_query", engine="SQLite", database=self.dataset["path"], detail=error) from None

    def _spool(self):
        return self.workspace.path("spool", self.dataset["name"])

    def _copy_path(self):
        return os.path.join(self._spool(), os.path.basename(self.dataset["path"]))

    def _copy(self, path):
        copy = self._copy_path()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(copy)
        source = sqlite3.connect("file:%s?mode=ro" % _uri(path), uri=True, timeout=_BUSY_S)
        target = sqlite3.connect(copy)
        try:
            source.backup(target, progress=_Patience())
            # A copy in WAL mode would need side files to be opened; the data are the same in one file.
            target.execute("PRAGMA journal_mode=DELETE")
        finally:
            target.close()
            source.close()
        # The copy is what comes back at a restore: it keeps the owner, the mode and the times of the original.
        status = os.stat(path)
        shutil.copystat(path, copy)
        os.chown(copy, status.st_uid, status.st_gid)


class _Patience:
    """Ends the wait for a database that another program keeps locked; Python itself would try for ever."""

    def __init__(self):
        self._deadline = time.monotonic() + _BUSY_S

    def __call__(self, status, _remaining, _total):
        if status in (_SQLITE_BUSY, _SQLITE_LOCKED) and time.monotonic() > self._deadline:
            raise sqlite3.OperationalError("database is locked")


def _judged(assertion, path):
    try:
        return assertions.judge(assertion, _answer(path, assertion["query"], assertion["timeout_s"]))
    except sqlite3.Error as error:
        return assertions.failed(assertion, str(error))


def _answer(path, query, limit_s):
    """Returns the first value that a query gives as text, or None where there is none; raises sqlite3.Error, also when time is up."""
    deadline = time.monotonic() + limit_s
    connection = sqlite3.connect("file:%s?mode=ro" % _uri(path), uri=True)
    try:
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
        row = connection.execute(query).fetchone()
    except sqlite3.OperationalError:
        if time.monotonic() > deadline:
            raise sqlite3.OperationalError("no answer within %d s" % limit_s) from None
        raise
    except sqlite3.Warning as error:  # more than one statement
        raise sqlite3.ProgrammingError(str(error)) from None
    finally:
        connection.close()
    return None if row is None or row[0] is None else str(row[0])


def examine_database(path):
    """Returns (state, reason, evidence): the verdict of PRAGMA integrity_check and the row count of each table.

    Virtual tables are not counted: their extension need not be loaded here, and their data lie in ordinary tables.
    """
    connection = sqlite3.connect("file:%s?mode=ro" % _uri(path), uri=True)
    try:
        verdict = [row[0] for row in connection.execute("PRAGMA integrity_check(5)")]
        if verdict != ["ok"]:
            return "damaged", "; ".join(verdict)[:500], None
        names = [
            row[0]
            for row in connection.execute(
                "SELECT name FROM sqlite_master WHERE type='table' AND sql NOT LIKE 'CREATE VIRTUAL%' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
            )
        ]
        tables = {}
        for name in names:
            tables[name] = connection.execute('SELECT count(*) FROM "%s"' % name.replace('"', '""')).fetchone()[0]
        return "sound", "", {"tables": tables, "rows": sum(tables.values())}
    finally:
        connection.close()


def _uri(path):
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
