# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a MariaDB or MySQL database consists of, and what a loaded one lacks of what it was.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import re

from ansible_collections.sicekat.backup.plugins.module_utils import mariadb_client
from ansible_collections.sicekat.backup.plugins.module_utils.mariadb_client import literal
from ansible_collections.sicekat.backup.plugins.module_utils.mariadb_dump import OBJECTS

COUNT_LIMIT_S = 4 * 3600
_SHOWN = 5  # names in one message
_TRANSACTIONAL = """SELECT ENGINE FROM information_schema.ENGINES WHERE TRANSACTIONS = 'YES';"""
_OBJECTS = """SET SESSION lock_wait_timeout=%(seconds)d;
SELECT 'schema', CONCAT(DEFAULT_CHARACTER_SET_NAME, ' ', DEFAULT_COLLATION_NAME), '', 0
  FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %(database)s;
SELECT TABLE_TYPE, TABLE_NAME, IFNULL(ENGINE, ''), IFNULL(DATA_LENGTH, 0) FROM information_schema.TABLES WHERE TABLE_SCHEMA = %(database)s ORDER BY 2;
SELECT 'routines', ROUTINE_NAME, ROUTINE_TYPE, 0 FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %(database)s;
SELECT 'events', EVENT_NAME, STATUS, 0 FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %(database)s;
SELECT 'triggers', TRIGGER_NAME, '', 0 FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %(database)s;"""
_KINDS = {"BASE TABLE": "tables", "SYSTEM VERSIONED": "tables", "VIEW": "views", "SYSTEM VIEW": "views", "SEQUENCE": "sequences"}
_WORD = re.compile(r"\w{1,64} \w{1,64}", re.ASCII)


class Schema:
    """A database as its server lists it.

    names: {kind of OBJECTS: list of names}. versioned: set of tables that keep their history. unsafe: tables without transactions.
    encoding: character set and collation, or "". bytes: of rows, as the server estimates them. enabled: names of events that run.
    """

    def __init__(self, client, database, lock_s):
        transactional = {row[0] for row in client.rows(_TRANSACTIONAL)}
        self.names = {kind: [] for kind in OBJECTS}
        self.versioned, self.unsafe, self.enabled = set(), [], []
        self.encoding, self.bytes = "", 0
        for kind, name, more, size in client.rows(_OBJECTS % {"database": literal(database), "seconds": lock_s}):
            if kind == "schema":
                self.encoding = name
                continue
            kind_of = _KINDS.get(kind, kind)
            self.names.setdefault(kind_of, []).append(name)
            self.bytes += int(size)
            if kind == "SYSTEM VERSIONED":
                self.versioned.add(name)
            if kind_of == "tables" and more and more not in transactional:
                self.unsafe.append(name)
            if kind == "events" and more == "ENABLED":
                self.enabled.append(name)

    @property
    def tables(self):
        return self.names["tables"]

    def counts(self):
        """Returns {kind of OBJECTS: count}."""
        return {kind: len(self.names[kind]) for kind in OBJECTS}


def charset_clause(encoding):
    """Returns what CREATE DATABASE needs for an encoding of `Schema`, or ""."""
    return "CHARACTER SET %s COLLATE %s" % tuple(encoding.split(" ")) if _WORD.fullmatch(encoding or "") else ""


def difference(client, database, schema, evidence):
    """Returns what a loaded database lacks of its evidence, as text, or ""; rows are counted in every table."""
    wanted, found = evidence["tables"], count_rows(client, database, schema)
    wrong = ["table %s: %s row(s), %s at backup time" % (name, found.get(name, "no"), wanted.get(name, "no"))
             for name in sorted(set(wanted) | set(found)) if wanted.get(name) != found.get(name)]  # fmt: skip
    counts = schema.counts()
    for kind, count in sorted(evidence.get("objects", {}).items()):
        if kind in counts and counts[kind] != count:
            wrong.append("%s: %d, %d at backup time" % (kind, counts[kind], count))
    return "; ".join(wrong[:_SHOWN]) + (" (and %d more)" % (len(wrong) - _SHOWN) if len(wrong) > _SHOWN else "")


def count_rows(client, database, schema):
    """Returns {table: rows} of a database, history included."""
    if not schema.tables:
        return {}
    queries = []
    for table in schema.tables:
        history = " FOR SYSTEM_TIME ALL" if table in schema.versioned else ""
        queries.append("SELECT %s, COUNT(*) FROM %s%s;" % (literal(table), mariadb_client.name(database, table), history))
    return {row[0]: int(row[1]) for row in client.rows("\n".join(queries), COUNT_LIMIT_S)}


def check_tables(client, database, schema):
    """Lets the engine check every table and view; returns what it found wrong as text, or ""."""
    names = schema.tables + schema.names["views"]
    if not names:
        return ""
    wrong = []
    for row in client.rows("\n".join("CHECK TABLE %s;" % mariadb_client.name(database, one) for one in names), COUNT_LIMIT_S):
        kind = row[2].lower()
        if kind == "error" or (kind == "status" and row[3] != "OK"):
            wrong.append("%s: %s" % (row[0], row[3]))
    return "; ".join(wrong[:_SHOWN])
