# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The statements that pg_dumpall and pg_restore print for roles and for a database itself: which of them a restore wants. Pure text.

Both print one statement a line, with names quoted where they need it.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import re

END = b"-- PostgreSQL database cluster dump complete"
_NAME = r'("(?:[^"]|"")+"|[^\s";]+)'
_TABLESPACE = re.compile(r"(?:CREATE|ALTER|DROP|COMMENT ON|SECURITY LABEL .*? ON|GRANT .*? ON|REVOKE .*? ON) TABLESPACE ")
_OF_ROLE = re.compile(r"(CREATE|ALTER|COMMENT ON) ROLE %s(?=[ ;])" % _NAME)
_GRANT = re.compile(r"GRANT %s TO %s(?=[ ;])" % (_NAME, _NAME))
_OF_DATABASE = (
    re.compile(r"(?P<before>CREATE DATABASE )(?P<name>%s)(?P<after> WITH .*;)" % _NAME),
    re.compile(r"(?P<before>ALTER DATABASE )(?P<name>%s)(?P<after> .*;)" % _NAME),
    re.compile(r"(?P<before>ALTER ROLE %s IN DATABASE )(?P<name>%s)(?P<after> .*;)" % (_NAME, _NAME)),
    re.compile(r"(?P<before>(?:GRANT|REVOKE) .*? ON DATABASE )(?P<name>%s)(?P<after> .*;)" % _NAME),
)  # fmt: skip
_IN_TABLESPACE = re.compile(r" TABLESPACE = %s" % _NAME)


def quoted(name):
    """Returns a name as SQL has it."""
    return '"%s"' % name.replace('"', '""')


def without_tablespaces(text):
    """Returns the globals without what is about tablespaces: their directories belong to the production server."""
    return "\n".join(line for line in text.splitlines() if not _TABLESPACE.match(line)) + "\n"


def of_missing_roles(text, existing):
    """Returns the statements that make the roles that do not exist yet, and change nothing of those that do. existing: names."""
    lines, made = [], set()
    for line in text.splitlines():
        match = _OF_ROLE.match(line)
        if match:
            role = _plain(match.group(2))
            if match.group(1) == "CREATE" and role not in existing:
                made.add(role)
            if role in made and " IN DATABASE " not in line:
                lines.append(line)
        match = _GRANT.match(line)
        if match and _plain(match.group(2)) in made:
            lines.append(line)
    return lines


def of_database(text, name):
    """Returns (statement that creates the database, statements for it when it is loaded), under the name `name`.

    text: what pg_restore --create prints. Settings come last, because they would hold for the load as well. Raises ValueError without the first.
    """
    create, later = None, []
    for line in text.splitlines():
        match = next(filter(None, (pattern.fullmatch(line) for pattern in _OF_DATABASE)), None)
        if match and line.startswith("CREATE "):
            create = match.group("before") + quoted(name) + _IN_TABLESPACE.sub("", match.group("after"))
        elif match:
            later.append(match.group("before") + quoted(name) + match.group("after"))
    if create is None:
        raise ValueError("no CREATE DATABASE in the archive")
    return create, later


def kept_name(database, stamp, infix="digantikan"):
    """Returns the name under which a database is kept, of at most 63 bytes, as PostgreSQL cuts longer ones without a word."""
    suffix = "_%s_%s" % (infix, stamp)
    return database.encode("utf-8")[: 63 - len(suffix.encode("utf-8"))].decode("utf-8", "ignore") + suffix


def _plain(name):
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
