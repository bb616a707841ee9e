# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks that show whether a ledger is still what was written.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import canonical, ledger_schema

GENESIS = "0" * 64  # what the first entry names as the one before it

_FIELDS = {"seq", "prev", "at", "kind", "data"}


class Problem(NamedTuple):
    """Something that is wrong with entry `seq` (0: with the file); `what` is a message {"code", "params"}."""

    seq: int
    what: dict


def chain_problems(rows: Iterable[tuple[int, bytes, str]]) -> list[Problem]:
    """Returns the problems of entries (seq, body, hash) in order of seq, at most one for each entry."""
    problems = []
    expected = 1
    previous: str | None = GENESIS
    for seq, body, digest in rows:
        if seq != expected:
            problems.append(_problem(seq, "ledger_entry_missing", first=expected, last=seq - 1))
            previous = None  # nothing is left to link to
        code = _entry_fault(seq, body, digest, previous)
        if code:
            problems.append(_problem(seq, code))
        expected, previous = seq + 1, digest
    return problems


def file_problems(connection: sqlite3.Connection) -> list[Problem]:
    """Returns what SQLite's own check finds, and every rule of the schema that is gone."""
    found = dict(connection.execute("SELECT name, sql FROM sqlite_master"))
    problems = [_problem(0, "ledger_guard_missing", name=name) for name, sql in ledger_schema.STATEMENTS.items() if found.get(name) != sql]
    try:
        findings = [text for (text,) in connection.execute("PRAGMA integrity_check(10)") if text != "ok"]
    except sqlite3.DatabaseError as error:
        findings = [str(error)]
    return problems + [_problem(0, "ledger_file_damaged", detail=text) for text in findings]


def _entry_fault(seq: int, body: bytes, digest: str, previous: str | None) -> str | None:
    if hashlib.sha256(body).hexdigest() != digest:
        return "ledger_entry_altered"
    try:
        entry = json.loads(body)
        well_formed = entry.keys() == _FIELDS and entry["seq"] == seq and canonical.canonical_bytes(entry) == body
    except (ValueError, AttributeError):
        well_formed = False
    if not well_formed:
        return "ledger_entry_malformed"
    if previous is not None and entry["prev"] != previous:
        return "ledger_entry_unlinked"
    return None


def _problem(seq: int, code: str, **params: object) -> Problem:
    return Problem(seq, record.message(code, **params))
