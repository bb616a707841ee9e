# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""PostgreSQL's own client programs: where they lie, how they reach a server, a session that stays open, the head of an archive.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import glob
import json
import os
import re
import shutil

from ansible_collections.sicekat.backup.plugins.module_utils.programs import PATH, Conversation, Program, ProgramError

APPLICATION = "sicekat-backup"  # the name of our sessions in pg_stat_activity
SHORT_S = 60
_CONNECT_S = 15
_NOTICE_S = 10  # a server looks so often whether its client still lives
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


def installed(programs):
    """Returns {major version: directory} of all places that have these programs (names), Debian's first."""
    found = {}
    places = glob.glob("/usr/lib/postgresql/*/bin")
    in_path = shutil.which(programs[0], path=PATH)
    # Debian's programs in the PATH are a script that chooses a version by its own rules.
    places += [os.path.dirname(os.path.realpath(in_path))] if in_path else []
    for place in places:
        if all(os.access(os.path.join(place, name), os.X_OK) for name in programs):
            match = _VERSION.search(Program([os.path.join(place, programs[0]), "--version"]).run(SHORT_S).text())
            if match:
                found.setdefault(int(match.group(1)), place)
    return found


class Client:
    """Reaches one server.

    directory: where the programs lie. user: OS user that they run as. address: host, port and user, as far as they are given.
    password_file: path, or None. home: a database of the server from which others are made and renamed.
    """

    def __init__(self, directory, user, address, password_file=None, home="postgres"):
        self.directory = directory
        self.os_user = user
        self.home = home
        self.address = {key: str(value) for key, value in address.items() if value is not None}
        self._environment = {"PGPASSFILE": password_file} if password_file else {}
        self.notices_our_end = False
        self.found = None  # what was found out of the server

    def moved(self, directory):
        """Returns the same with the programs of another version."""
        other = Client(directory, self.os_user, self.address, home=self.home)
        other._environment = self._environment
        other.notices_our_end = self.notices_our_end
        other.found = self.found
        return other

    def major(self):
        """Returns the server's major version."""
        return self.found["number"] // 10000

    def place(self):
        """Returns where the server is, for messages."""
        return "%s:%s" % (self.address.get("host", "localhost"), self.address.get("port", "5432"))

    def connection(self, database):
        """Returns the connection string for a database; a name alone may be taken for such a string."""
        connection = {**self.address, "dbname": database, "application_name": APPLICATION, "connect_timeout": str(_CONNECT_S)}
        return " ".join("%s='%s'" % (key, value.replace("\\", "\\\\").replace("'", "\\'")) for key, value in sorted(connection.items()))

    def program(self, name, database, *arguments, **environment):
        """Returns the Program `name` for a database of the server."""
        if self.notices_our_end:
            environment["PGOPTIONS"] = "-c client_connection_check_interval=%ds" % _NOTICE_S
        return self.tool(name, "--dbname=" + self.connection(database), *arguments, **{**self._environment, **environment})

    def tool(self, name, *arguments, **environment):
        """Returns the Program `name` without a connection."""
        return Program([os.path.join(self.directory, name), *arguments], self.os_user, environment)

    def psql(self, database, *arguments):
        """Returns psql, which stops at the first error and prints values as they are."""
        fixed = ("--no-psqlrc", "--no-password", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")
        return self.program("psql", database, *fixed, *arguments, PGCLIENTENCODING="UTF8")

    def execute(self, database, sql, limit_s=SHORT_S):
        """Runs statements (text) and returns what they print as text; raises ProgramError."""
        return self.psql(database).require(limit_s, (sql + "\n").encode("utf-8")).text()

    def value(self, database, sql, limit_s=SHORT_S):
        """Returns the one JSON value that a query answers; raises ProgramError."""
        return json.loads(self.execute(database, sql + ";", limit_s))

    def answer(self, database, query, limit_s):
        """Returns the first value of the first row of somebody's query as text, None without a row; raises ProgramError.

        Two limits: the server ends the query, and we end the client if the server does not.
        """
        script = "BEGIN READ ONLY;\nSET LOCAL statement_timeout = %d;\nSET LOCAL datestyle = 'ISO';\nSELECT * FROM (\n%s\n) AS answer LIMIT 1;\n"
        program = self.psql(database, "--field-separator-zero", "--record-separator-zero")
        output = program.require(limit_s + _CONNECT_S, (script % (limit_s * 1000, query.strip().rstrip(";"))).encode("utf-8"))
        return output.stdout.decode("utf-8", "replace").split("\0")[0] if output.stdout else None

    def is_ready(self):
        """Returns True if a server accepts connections, whoever asks."""
        return self.program("pg_isready", "postgres", "--quiet").run(SHORT_S).exit_code == 0

    def databases(self):
        """Returns the names of the server's databases, or None if it lets us into none of those that every server has."""
        for known in ("postgres", "template1"):
            try:
                return self.value(known, "SELECT jsonb_agg(datname ORDER BY datname) FROM pg_catalog.pg_database WHERE NOT datistemplate") or []
            except ProgramError:
                continue
        return None


class Session:
    """One psql that stays connected, with one transaction in it."""

    def __init__(self, client, database):
        self._psql = Conversation(client.psql(database))

    def do(self, sql, limit_s=SHORT_S):
        """Runs statements that answer nothing; raises ProgramError."""
        self.value("%s;\nSELECT 1" % sql, limit_s)

    def value(self, sql, limit_s=SHORT_S):
        """Returns the one JSON value that a query answers; raises ProgramError, also if the session is lost."""
        return json.loads(self._psql.ask((sql + ";\n").encode("utf-8"), limit_s).decode("utf-8", "replace"))

    def close(self):
        """Ends it, and what it does on the server."""
        self._psql.close()


class Archive:
    """The head of an archive in PostgreSQL's custom format. Attributes: database, server, writer (versions as text).

    head: its first bytes. Raises ValueError for anything else: layout of WriteHead() in PostgreSQL's pg_backup_archiver.c, versions 12 to 18.
    """

    HEAD_BYTES = 4096

    def __init__(self, head):
        if head[:5] != b"PGDMP":
            raise ValueError("not an archive of PostgreSQL")
        self._head, self._at = head, 8
        version = (head[5], head[6]) if len(head) > 6 else (0, 0)
        self._int_bytes, _offset_bytes, kind = self._byte(), self._byte(), self._byte()
        if kind != 1 or version < (1, 14):
            raise ValueError("archive %d.%d of kind %d" % (*version, kind))
        self._byte() if version >= (1, 15) else self._int()  # compression
        for _field in range(7):  # when it was made
            self._int()
        self.database, self.server, self.writer = self._text(), self._text(), self._text()
        if self._int() < 1:
            raise ValueError("an archive of nothing")

    def least_major(self):
        """Returns the major version that can read it and knows all that is in it."""
        return max(int(re.match(r"\d+", text).group()) for text in (self.server, self.writer))

    def _byte(self):
        self._at += 1
        return self._head[self._at - 1 : self._at][0] if self._at <= len(self._head) else self._short()

    def _int(self):
        negative = self._byte()
        value = sum(self._byte() << (8 * place) for place in range(self._int_bytes))
        return -value if negative else value

    def _text(self):
        length = self._int()
        piece = self._head[self._at : self._at + length]
        if length < 1 or len(piece) != length:
            self._short()
        self._at += length
        return piece.decode("utf-8", "replace")

    @staticmethod
    def _short():
        raise ValueError("its head is cut")
