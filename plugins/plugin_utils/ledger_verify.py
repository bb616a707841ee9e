# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks that show whether a ledger is still what was written.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from ansible_collections.sicekat.backup.plugins.module_utils import ledger_chain, record
from ansible_collections.sicekat.backup.plugins.plugin_utils import ledger_schema

GENESIS = ledger_chain.GENESIS


class Problem(NamedTuple):
    """Something that is wrong with entry `seq` (0: with the file); `what` is a message {"code", "params"}."""

    seq: int
    what: dict


def chain_problems(rows: Iterable[tuple[int, bytes, str]]) -> list[Problem]:
    """Returns the problems of entries (seq, body, hash) in order of seq."""
    return [_problem(seq, code, **params) for seq, code, params in ledger_chain.faults(rows)]


def file_problems(connection: sqlite3.Connection) -> list[Problem]:
    """Returns what SQLite's own check finds, and every rule of the schema that is gone."""
    found = dict(connection.execute("SELECT name, sql FROM sqlite_master"))
    problems = [_problem(0, "ledger_guard_missing", name=name) for name, sql in ledger_schema.STATEMENTS.items() if found.get(name) != sql]
    try:
        findings = [text for (text,) in connection.execute("PRAGMA integrity_check(10)") if text != "ok"]
    except sqlite3.DatabaseError as error:
        findings = [str(error)]
    return problems + [_problem(0, "ledger_file_damaged", detail=text) for text in findings]


def _problem(seq: int, code: str, **params: object) -> Problem:
    return Problem(seq, record.message(code, **params))
