# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger's file: its schema, how it is created and opened, and what its errors mean.

What queries search by is generated from the hashed body, so a column can never say something else than the entry.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import ledger_messages

SCHEMA = 2
APPLICATION_ID = 0x53434B54  # "SCKT", so that `file` and we tell a ledger from other SQLite files
BUSY_TIMEOUT_S = 30

# Name -> statement; a verification compares these with what the file holds.
STATEMENTS = {
    "entries": """CREATE TABLE entries (
    seq INTEGER PRIMARY KEY,
    body TEXT NOT NULL,
    hash TEXT NOT NULL,
    kind TEXT GENERATED ALWAYS AS (json_extract(body, '$.kind')) VIRTUAL,
    at TEXT GENERATED ALWAYS AS (json_extract(body, '$.at')) VIRTUAL,
    run_id TEXT GENERATED ALWAYS AS (json_extract(body, '$.data.run_id')) VIRTUAL,
    form_number TEXT GENERATED ALWAYS AS (json_extract(body, '$.data.form_number')) VIRTUAL,
    record_id TEXT GENERATED ALWAYS AS (json_extract(body, '$.data.record_id')) VIRTUAL,
    record_kind TEXT GENERATED ALWAYS AS (json_extract(body, '$.data.kind')) VIRTUAL,
    server TEXT GENERATED ALWAYS AS (json_extract(body, '$.data.server')) VIRTUAL,
    dataset TEXT GENERATED ALWAYS AS (json_extract(body, '$.data.dataset')) VIRTUAL,
    repository TEXT GENERATED ALWAYS AS (json_extract(body, '$.data.repository')) VIRTUAL,
    CONSTRAINT entry_unnamed CHECK (
        (kind NOT IN ('run_opened', 'run_closed', 'record_opened') OR run_id IS NOT NULL)
        AND (kind NOT IN ('record_opened', 'record_closed') OR record_id IS NOT NULL)
    )
)""",
    "run_opened_once": "CREATE UNIQUE INDEX run_opened_once ON entries (run_id) WHERE kind = 'run_opened'",
    "run_closed_once": "CREATE UNIQUE INDEX run_closed_once ON entries (run_id) WHERE kind = 'run_closed'",
    "record_opened_once": "CREATE UNIQUE INDEX record_opened_once ON entries (record_id) WHERE kind = 'record_opened'",
    "record_closed_once": "CREATE UNIQUE INDEX record_closed_once ON entries (record_id) WHERE kind = 'record_closed'",
    "form_number_once": "CREATE UNIQUE INDEX form_number_once ON entries (form_number) WHERE kind = 'run_opened'",
    "record_of_run": "CREATE INDEX record_of_run ON entries (run_id) WHERE kind = 'record_opened'",
    "record_of_dataset": "CREATE INDEX record_of_dataset ON entries (server, record_kind, dataset) WHERE kind = 'record_opened'",
    "record_since": "CREATE INDEX record_since ON entries (at) WHERE kind = 'record_opened'",
    "pin_of_repository": "CREATE INDEX pin_of_repository ON entries (server, repository) WHERE kind = 'repository_pinned'",
    "policy_since": "CREATE INDEX policy_since ON entries (at) WHERE kind = 'policy'",
    "never_update": "CREATE TRIGGER never_update BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'entries are never changed'); END",
    "never_delete": "CREATE TRIGGER never_delete BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'entries are never removed'); END",
    "run_known": """CREATE TRIGGER run_known BEFORE INSERT ON entries
    WHEN NEW.kind IN ('record_opened', 'run_closed')
    AND NOT EXISTS (SELECT 1 FROM entries WHERE kind = 'run_opened' AND run_id = NEW.run_id)
    BEGIN SELECT RAISE(ABORT, 'run_unknown'); END""",
    "record_known": """CREATE TRIGGER record_known BEFORE INSERT ON entries
    WHEN NEW.kind = 'record_closed'
    AND NOT EXISTS (SELECT 1 FROM entries WHERE kind = 'record_opened' AND record_id = NEW.record_id)
    BEGIN SELECT RAISE(ABORT, 'record_unknown'); END""",
    # Since schema 2 (see _SINCE_2)
    "record_claimed_once": "CREATE UNIQUE INDEX record_claimed_once ON entries (record_id) WHERE kind = 'record_claimed'",
    "job_of_run": "CREATE INDEX job_of_run ON entries (run_id) WHERE kind = 'job_dispatched'",
    "note_of_repository": "CREATE INDEX note_of_repository ON entries (kind, server, repository)",
    "claim_known": """CREATE TRIGGER claim_known BEFORE INSERT ON entries
    WHEN NEW.kind = 'record_claimed'
    AND NOT EXISTS (SELECT 1 FROM entries WHERE kind = 'record_opened' AND record_id = NEW.record_id)
    BEGIN SELECT RAISE(ABORT, 'record_unknown'); END""",
}

# Only these are ever added to an older ledger: a rule of its own that it lacks was taken away, and must show.
_SINCE_2 = ("record_claimed_once", "job_of_run", "note_of_repository", "claim_known")

_CODES = {
    "SQLITE_FULL": "ledger_disk_full",
    "SQLITE_BUSY": "ledger_locked",
    "SQLITE_LOCKED": "ledger_locked",
    "SQLITE_READONLY": "ledger_read_only",
    "SQLITE_NOTADB": "ledger_not_a_ledger",
    "SQLITE_CORRUPT": "ledger_damaged",
}


class LedgerError(Exception):
    """The ledger could not be opened, read or written, or it refused an entry; `str()` says what to do next."""

    def __init__(self, code: str, **params: object) -> None:
        self.message = record.message(code, **params)
        super().__init__(ledger_messages.english(self.message))


@contextlib.contextmanager
def ledger_errors(path: Path) -> Iterator[None]:
    """Turns what SQLite raises inside the block into a LedgerError about the ledger at `path`."""
    try:
        yield
    except sqlite3.Error as error:
        name = "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])  # SQLITE_BUSY_SNAPSHOT is a SQLITE_BUSY
        code = "ledger_damaged" if "malformed JSON" in str(error) else _CODES.get(name, "ledger_failed")
        if name == "SQLITE_IOERR" and _is_full(path.parent):
            code = "ledger_disk_full"
        raise LedgerError(code, path=path, detail=error, seconds=BUSY_TIMEOUT_S) from error


def _is_full(directory: Path) -> bool:
    """Returns True if a disk has no room for even a page: SQLite then speaks of an I/O error where it maps its shared memory."""
    with contextlib.suppress(OSError):
        return shutil.disk_usage(directory).free < 64 * 1024
    return False


def create(path: Path) -> None:
    """Creates an empty ledger (0600) and its directory (0700), unless there is one. Raises LedgerError.

    The file appears under its name only when it is complete, also if two processes create it at once.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            return
        with tempfile.TemporaryDirectory(prefix=".ledger-", dir=path.parent) as scratch:
            draft = Path(scratch, path.name)
            draft.touch(mode=0o600)
            with ledger_errors(path):
                _write_schema(draft)
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        _sync_directory(path.parent)
    except OSError as error:
        raise LedgerError("ledger_not_creatable", path=path, detail=error.strerror or error) from error


def connect(path: Path) -> sqlite3.Connection:
    """Opens the ledger at `path` for durable appends from any thread. Raises LedgerError if it is not one of ours."""
    try:
        path.stat()
    except OSError as error:
        raise LedgerError("ledger_missing" if isinstance(error, FileNotFoundError) else "ledger_failed", path=path, detail=error.strerror) from error
    with ledger_errors(path):
        # Autocommit, because transactions are begun by hand.
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            if _check_identity(connection, path) < SCHEMA:
                _upgrade(connection)
            connection.execute("PRAGMA journal_mode = WAL")  # a copy that was restored is one file without it
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
    return connection


def _write_schema(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for statement in STATEMENTS.values():
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA}")


def _upgrade(connection: sqlite3.Connection) -> None:
    """Gives a ledger of schema 1 what schema 2 has on top: indexes and a trigger. No entry is touched."""
    connection.execute("BEGIN IMMEDIATE")
    have = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    for name in _SINCE_2:
        if name not in have:  # another process may have been quicker
            connection.execute(STATEMENTS[name])
    connection.execute(f"PRAGMA user_version = {SCHEMA}")
    connection.execute("COMMIT")


def _check_identity(connection: sqlite3.Connection, path: Path) -> int:
    """Returns the schema of a ledger; raises LedgerError if it is none of ours."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise LedgerError("ledger_not_a_ledger", path=path)
    if schema > SCHEMA:
        raise LedgerError("ledger_newer_schema", path=path, found=schema, known=SCHEMA)
    return schema


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
