# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking a MariaDB or MySQL server through its own client program, and what its answers and errors mean.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import re

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.programs import Program, ProgramError

QUERY_LIMIT_S = 120
_CONNECT_S = 10
# What a line of the client's output writes for what would not fit on it.
_ESCAPES = {"n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
_ERROR = re.compile(r"ERROR (\d+) \((\w+)\)(?: at line (\d+))?: (.*)")
_PERSONAL = {"1064", "1062", "1366", "1406", "1264", "1292", "1048"}  # errors whose text quotes rows


class Flavour:
    """What the programs of an engine are called, and where they differ."""

    def __init__(self, kind, label, client, dump, server, dump_options):
        self.kind = kind
        self.label = label
        self.client = client
        self.dump = dump
        self.server = server
        self.dump_options = dump_options

    @property
    def is_mariadb(self):
        return self.kind == "mariadb"


# Of MySQL's dump, statistics and the server's own identity would be read beside the data.
FLAVOURS = {
    "mariadb": Flavour("mariadb", "MariaDB", "mariadb", "mariadb-dump", "mariadbd", ()),
    "mysql": Flavour("mysql", "MySQL", "mysql", "mysqldump", "mysqld", ("--set-gtid-purged=OFF", "--column-statistics=0", "--no-tablespaces")),
}


class EngineError(Exception):
    """A statement that the server did not carry out. Attributes: number (int, 0 if unknown), detail (printable, without rows)."""

    def __init__(self, number, detail):
        super().__init__(detail)
        self.number = number
        self.detail = detail


class Client:
    """options: list of text that say which server and with which credentials; the first ones must be those of option files. user: OS user."""

    def __init__(self, flavour, options, user=None):
        self.flavour = flavour
        self.options = list(options)
        self.user = user

    def program(self, name, *arguments):
        """Returns the Program of one of the engine's clients."""
        return Program([name, *self.options, *arguments], user=self.user)

    def rows(self, sql, limit_s=QUERY_LIMIT_S, database=None):
        """Returns the rows of all results of `sql` (text) as lists of text; NULL is "NULL". Raises EngineError, ProgramError."""
        program = self._sql(database, "--batch", "--skip-column-names")
        # Ours are written for one mode, whatever the server's is.
        output = program.run(limit_s, data=("SET SESSION sql_mode='';\n%s\n" % sql).encode("utf-8", "surrogateescape"))
        if output.exit_code != 0:
            raise _error(output.stderr, output.exit_code)
        return rows_of(output.stdout)

    def value(self, sql, limit_s, database, before=""):
        """Returns the first value of the first row of a query of the inventory as text, or None; `before` (statements) goes first."""
        program = self._sql(database, "--batch", "--skip-column-names")
        output = program.run(limit_s, data=("%s\n%s\n;\n" % (before, sql.strip().rstrip(";"))).encode("utf-8"))
        if output.exit_code != 0:
            raise _error(output.stderr, output.exit_code)
        rows = rows_of(output.stdout)
        return None if not rows or rows[0][0] == "NULL" else rows[0][0]

    def load(self, pieces, database, limit_s):
        """Feeds a dump (iterable of bytes) to a database; raises EngineError, ProgramError."""
        try:
            self._sql(database, "--batch", "--max-allowed-packet=1G").feed(pieces, limit_s)
        except ProgramError as error:
            if error.reason != "failed":
                raise
            raise _error(error.detail, error.exit_code) from None

    def version(self):
        """Returns (text, (major, minor)) of the server."""
        text = self.rows("SELECT VERSION();", 30)[0][0]
        number = re.match(r"(\d+)\.(\d+)", text)
        return text, (int(number.group(1)), int(number.group(2))) if number else (0, 0)

    def databases(self):
        """Returns the names of the databases, without the engine's own."""
        own = ("information_schema", "performance_schema", "mysql", "sys")
        return [row[0] for row in self.rows("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY 1;") if row[0] not in own]

    def _sql(self, database, *arguments):
        # Binary mode: no command of the client itself (system, source) in what is read, which may come from a taken-over server.
        fixed = ["--binary-mode", "--default-character-set=utf8mb4", "--connect-timeout=%d" % _CONNECT_S]
        return self.program(self.flavour.client, *fixed, *arguments, *(["--database=" + database] if database else []))


def rows_of(output):
    """Returns what a client printed in batch mode (bytes) as lists of text."""
    lines = output.decode("utf-8", "surrogateescape").split("\n")[:-1]
    return [[re.sub(r"\\(.)", lambda match: _ESCAPES.get(match.group(1), match.group(0)), field) for field in line.split("\t")] for line in lines]


def _error(said, exit_code):
    """Returns the EngineError of what a client said; clients repeat the failed statement, which may hold rows, so only the error is kept."""
    found = _ERROR.findall(said)
    if not found:
        return EngineError(0, "exit code %d" % exit_code)
    number, state, line, text = found[-1]
    is_personal = number in _PERSONAL or state[:2] in ("22", "23")
    text = "" if is_personal else ": " + record.printable(text.split(" | ")[0])[:300]
    return EngineError(int(number), "ERROR %s (%s)%s%s" % (number, state, " at line " + line if line else "", text))


def literal(text):
    """Returns text as a string of SQL, for sessions without NO_BACKSLASH_ESCAPES."""
    return "'%s'" % text.replace("\\", "\\\\").replace("'", "''")


def name(*parts):
    """Returns a quoted, qualified name of SQL."""
    return ".".join("`%s`" % part.replace("`", "``") for part in parts)
