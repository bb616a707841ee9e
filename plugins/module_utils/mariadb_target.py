# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Loading a dump into the server's own MariaDB or MySQL engine, for a real restore.

What it replaces is kept: tables are renamed into a database of their own, which takes no time and works for a damaged one too, and what
cannot be renamed (views, triggers, routines, events) is dumped into a file for root.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import os

from ansible_collections.sicekat.backup.plugins.module_utils import mariadb_accounts, record
from ansible_collections.sicekat.backup.plugins.module_utils.mariadb_client import EngineError, name
from ansible_collections.sicekat.backup.plugins.module_utils.mariadb_dump import renamed
from ansible_collections.sicekat.backup.plugins.module_utils.mariadb_instance import require_version
from ansible_collections.sicekat.backup.plugins.module_utils.mariadb_schema import Schema, charset_clause, difference
from ansible_collections.sicekat.backup.plugins.module_utils.programs import ProgramError
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import DUMP_LIMIT_S, SourceError

_NAME_MOST = 64  # characters of a database's name
_STATEMENT_LIMIT_S = 3600


class Target:
    """origin: name of the database that was backed up. database: name of the one to make. lock_s: wait for tables in use. dump_options: of every dump."""

    def __init__(self, client, workspace, origin, database, lock_s, dump_options):
        self._client = client
        self._workspace = workspace
        self._origin = origin
        self._database = database
        self._lock_s = lock_s
        self._dump_options = dump_options

    def load(self, copy, dump, accounts, stamp, replace):
        """Loads the bundle's member `dump` and makes missing accounts; returns where what it replaced is kept, or None.

        Raises SourceError, EngineError or ProgramError; then everything is as it was, or the text says where it is kept.
        """
        require_version(self._client, copy.evidence)
        kept = None
        if self._database in self._client.databases():
            if not replace:
                raise SourceError("target_unusable", "target_exists", path=self._database, named=self._database)
            kept = _Kept(self._client, self._workspace, self._database, stamp, self._lock_s, self._dump_options)
            kept.take()
        try:
            self._client.rows("CREATE DATABASE %s %s;" % (name(self._database), charset_clause(copy.evidence.get("encoding"))))
            self._fill(copy, dump)
            self._make_accounts(copy, accounts)
        except (EngineError, ProgramError, SourceError) as error:
            self._undo(kept, error)
            raise
        return kept.text if kept else None

    def _fill(self, copy, dump):
        pieces = copy.bundle.read(dump)
        if self._database != self._origin:
            pieces = renamed(pieces, self._origin, self._database)
        self._client.load(pieces, self._database, DUMP_LIMIT_S)
        schema = Schema(self._client, self._database, self._lock_s)
        wrong = difference(self._client, self._database, schema, copy.evidence)
        if self._database != self._origin and schema.enabled:
            wrong += " events that would run: %s" % ", ".join(schema.enabled)
        if wrong:
            raise SourceError("restored_differs", "proof_failed", detail=wrong)

    def _make_accounts(self, copy, member):
        """Makes the accounts that are missing and touches no other; their rights are on the database of the old name."""
        if self._database != self._origin:
            return
        there = mariadb_accounts.existing(self._client)
        for account in mariadb_accounts.read(copy.bundle.read(member)):
            if account.sql not in there:
                mariadb_accounts.make(self._client, account)

    def _undo(self, kept, failure):
        """Makes everything as it was before the failure; raises SourceError if that cannot be done."""
        try:
            self._client.rows("DROP DATABASE IF EXISTS %s;" % name(self._database), _STATEMENT_LIMIT_S)
            if kept:
                kept.put_back()
        except (EngineError, ProgramError) as error:
            place = kept.text if kept else "-"
            detail = "%s; %s" % (getattr(failure, "detail", "") or failure, error.detail or error)
            raise SourceError("target_unusable", "target_database_left", database=self._database, kept=place, detail=detail) from None


class _Kept:
    """A database that makes room. Attribute: text, where it is kept."""

    def __init__(self, client, workspace, database, stamp, lock_s, dump_options):
        self._client = client
        self._database = database
        self._lock_s = lock_s
        self._dump_options = dump_options
        suffix = "_digantikan_" + stamp
        self._schema_name = database[: _NAME_MOST - len(suffix)] + suffix
        self._directory = workspace.path("replaced")
        self._file = os.path.join(self._directory, "%s-%s.sql" % (database.replace("/", "_"), stamp))
        self._schema = None
        self.text = record.printable("database %s, file %s" % (self._schema_name, self._file))

    def take(self):
        """Moves the database aside; if that fails, everything is as it was."""
        self._schema = Schema(self._client, self._database, self._lock_s)
        self._write_definitions()
        try:
            self._client.rows("CREATE DATABASE %s %s;" % (name(self._schema_name), charset_clause(self._schema.encoding)))
            # A table with triggers cannot be moved.
            self._run(["DROP TRIGGER %s;" % name(self._database, one) for one in self._schema.names["triggers"]])
            self._move(self._database, self._schema_name)
            self._run(["DROP DATABASE %s;" % name(self._database)])
        except (EngineError, ProgramError):
            self.put_back()
            raise

    def put_back(self):
        """Makes the database what it was; raises EngineError or ProgramError."""
        self._run(["CREATE DATABASE IF NOT EXISTS %s %s;" % (name(self._database), charset_clause(self._schema.encoding))])
        self._move(self._schema_name, self._database)
        self._run(["DROP DATABASE IF EXISTS %s;" % name(self._schema_name)])
        there = Schema(self._client, self._database, self._lock_s)
        # The definitions replace what is still there, but for triggers.
        self._run(["DROP TRIGGER %s;" % name(self._database, one) for one in there.names["triggers"]])
        with open(self._file, "rb") as file:
            self._client.load(iter(lambda: file.read(1 << 20), b""), self._database, DUMP_LIMIT_S)
        os.unlink(self._file)

    def _move(self, source, target):
        schema = Schema(self._client, source, self._lock_s)
        moved = schema.tables + schema.names["sequences"]
        if moved:
            self._run(["RENAME TABLE %s;" % ", ".join("%s TO %s" % (name(source, one), name(target, one)) for one in moved)])

    def _run(self, statements):
        lock = "SET SESSION lock_wait_timeout=%d;" % self._lock_s
        self._client.rows("\n".join([lock, *statements]), _STATEMENT_LIMIT_S)

    def _write_definitions(self):
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        views = self._schema.names["views"]
        options = [*self._dump_options, "--no-data", "--skip-lock-tables"]
        objects = [*options, "--skip-triggers", *([] if views else ["--no-create-info"]), "--", self._database, *views]
        triggers = [*options, "--skip-routines", "--skip-events", "--no-create-info", "--", self._database]
        with os.fdopen(os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for arguments in (objects, triggers):
                self._client.program(self._client.flavour.dump, *arguments).stream(file.write, DUMP_LIMIT_S)
            file.flush()
            os.fsync(file.fileno())
