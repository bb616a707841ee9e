# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The accounts and roles of a MariaDB or MySQL server that have rights on one database, as statements that make them again.

Passwords are in them as the hashes that the server keeps, so the text belongs into the encrypted backup and nowhere else.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import contextlib
import re

from ansible_collections.sicekat.backup.plugins.module_utils.mariadb_client import QUERY_LIMIT_S, EngineError, literal, name
from ansible_collections.sicekat.backup.plugins.module_utils.programs import Output

# Every server has these of its own.
_OWN = {("root", "localhost"), ("mysql", "localhost"), ("mariadb.sys", "localhost"), ("PUBLIC", "")}
_OWN_OF_MYSQL = {(user, "localhost") for user in ("mysql.sys", "mysql.session", "mysql.infoschema")}
_HEADER = "-- Account "
_ON = re.compile(r" ON (?:(?:TABLE|PROCEDURE|FUNCTION|PACKAGE|PACKAGE BODY) )?(?:(\*)|`((?:[^`]|``)+)`)\.(\*|`(?:[^`]|``)+`) TO ")
_ROLE = re.compile(r"GRANT `((?:[^`]|``)+)`(?:@`((?:[^`]|``)*)`)? TO ")
_MARK = "sicekat account"
# Without one of these the server hides a part of a database, and its dump program ends well without that part (measured with 10.11: triggers).
_TO_SEE_ALL = ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT")


class Account:
    """sql: its quoted name. create: statement that makes it unless it is there. grants: statements that give it its rights on the database."""

    def __init__(self, sql, create, grants):
        self.sql = sql
        self.create = create
        self.grants = grants


class AccountsText:
    """What `Program` is to a Part: gives the accounts of a database as SQL text. Attribute: count, after it was read."""

    name = "mariadb"

    def __init__(self, client, database):
        self._client = client
        self._database = database
        self.count = 0

    def stream(self, sink, _limit_s):
        """Gives the text to sink(bytes); raises EngineError, ProgramError."""
        accounts = _accounts(self._client, self._database)
        self.count = len(accounts)
        sink(b"-- Accounts with rights on the database. No password in clear text.\n")
        for account in accounts:
            lines = [_HEADER + account.sql] + ["%s;" % one for one in [account.create, *account.grants]]
            sink(("\n".join(lines) + "\n").encode("utf-8", "surrogateescape"))
        return Output(0, b"", "")


def read(pieces):
    """Returns the Accounts of a text that AccountsText gave."""
    found = []
    for group in ("\n" + b"".join(pieces).decode("utf-8", "surrogateescape")).split("\n" + _HEADER)[1:]:
        lines = group.rstrip("\n").split("\n")
        statements = [line[:-1] if line.endswith(";") else line for line in lines[1:]]
        found.append(Account(lines[0], statements[0], statements[1:]))
    return found


def make(client, account):
    """Makes an account with its rights; raises EngineError, whose text names the account and never holds its hash."""
    plugin = re.search(r"IDENTIFIED (?:VIA|WITH) '?(\w+)'?", account.create)
    if plugin and client.flavour.is_mariadb:
        # Built in, or there already; if neither, the next statement says so.
        with contextlib.suppress(EngineError):
            client.rows("INSTALL SONAME 'auth_%s';" % plugin.group(1))
    try:
        client.rows("".join("%s;\n" % one for one in [account.create, *account.grants]))
    except EngineError as error:
        raise EngineError(error.number, "%s: error %d" % (account.sql, error.number)) from None


def lacking(client, database):
    """Returns the rights on all of a database that our own account lacks to see everything in it, as a list of their names."""
    held = set()
    for row in client.rows("SHOW GRANTS;"):
        match = _ON.search(row[0])
        if match and match.group(3) == "*" and _is_of(row[0], database):
            held.update(row[0][len("GRANT ") : match.start()].split(", "))
    return [] if "ALL PRIVILEGES" in held else [right for right in _TO_SEE_ALL if right not in held]


def existing(client):
    """Returns the quoted names of all accounts and roles of a server."""
    return {_sql(user, host, is_role) for user, host, is_role in _all(client)}


def _accounts(client, database):
    listed = _all(client)
    queries = []
    if not client.flavour.is_mariadb:
        queries.append("SET SESSION print_identified_with_as_hex=ON;")  # hashes of MySQL are binary otherwise
    own = _OWN | _OWN_OF_MYSQL
    for number, (user, host, is_role) in enumerate(listed):
        if (user, host) in own:
            continue
        quoted = _sql(user, host, is_role)
        queries.append("SELECT '%s', %d, '';" % (_MARK, number))
        queries.append("" if is_role else "SHOW CREATE USER %s;" % quoted)
        queries.append("SHOW GRANTS FOR %s;" % quoted)
    said, current = {}, None
    for row in client.rows("\n".join(queries), QUERY_LIMIT_S) if queries else []:
        if len(row) == 3 and row[0] == _MARK:
            current = said.setdefault(int(row[1]), [])
        else:
            current.append(row[0])
    definers = _definers(client, database)
    wanted = {number for number, lines in said.items() if _has_rights(lines, database) or "@".join(listed[number][:2]) in definers}
    wanted = _with_roles(said, listed, wanted)
    accounts = [_account(_sql(*listed[number]), listed[number][2], said[number], database) for number in sorted(wanted)]
    return sorted(accounts, key=lambda one: (not one.create.startswith("CREATE ROLE"), one.sql))


def _all(client):
    """Returns [(user, host, is_role)]."""
    if not client.flavour.is_mariadb:
        return [(row[0], row[1], False) for row in client.rows("SELECT User, Host FROM mysql.user ORDER BY 1, 2;")]
    return [(row[0], row[1], row[2] == "Y") for row in client.rows("SELECT User, Host, is_role FROM mysql.user ORDER BY 1, 2;") if row[0] or row[1]]


def _definers(client, database):
    """Returns "user@host" of those in whose name views, routines, triggers and events of the database run."""
    tables = (("VIEWS", "TABLE"), ("ROUTINES", "ROUTINE"), ("TRIGGERS", "TRIGGER"), ("EVENTS", "EVENT"))
    queries = ["SELECT DISTINCT DEFINER FROM information_schema.%s WHERE %s_SCHEMA = %s;" % (table, start, literal(database)) for table, start in tables]
    return {row[0] for row in client.rows("\n".join(queries))}


def _has_rights(lines, database):
    return any(_is_of(line, database) for line in lines)


def _is_of(line, database):
    """Returns True if a statement of SHOW GRANTS gives rights that hold for the database."""
    if not line.startswith("GRANT ") or line.startswith(("GRANT USAGE ON *.* ", "GRANT PROXY ")):
        return False
    match = _ON.search(line)
    if not match:
        return False
    if match.group(1):
        return True
    pattern = match.group(2).replace("``", "`")
    return _matches(pattern, database) if match.group(3) == "*" else pattern == database


def _matches(pattern, database):
    r"""Rights on a database are given to a pattern: % and _ stand for anything, \% and \_ for themselves."""
    parts = re.findall(r"\\.|%|_|[^\\%_]+|\\", pattern, re.DOTALL)
    regex = "".join({"%": ".*", "_": "."}.get(part) or re.escape(part[1:] if part.startswith("\\") and len(part) == 2 else part) for part in parts)
    return re.fullmatch(regex, database, re.DOTALL) is not None


def _with_roles(said, listed, wanted):
    """Adds those who were granted a role with rights, until nobody is left out."""
    while True:
        roles = {listed[number][0] for number in wanted}
        more = {number for number, lines in said.items() if any(role in roles for role in map(_granted_role, lines))}
        if more <= wanted:
            return wanted
        wanted = wanted | more


def _granted_role(line):
    match = None if _ON.search(line) else _ROLE.match(line)
    return match.group(1).replace("``", "`") if match else None


def _account(sql, is_role, lines, database):
    if is_role:
        create = "CREATE ROLE IF NOT EXISTS " + sql
    else:
        create = re.sub(r"^CREATE USER (?!IF NOT EXISTS)", "CREATE USER IF NOT EXISTS ", lines[0])
    kept = [line for line in lines if _is_of(line, database) or _granted_role(line) or line.startswith("SET DEFAULT ROLE ")]
    return Account(sql, create, kept)


def _sql(user, host, is_role):
    return name(user) if is_role else "%s@%s" % (name(user), name(host))
