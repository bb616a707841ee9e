# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a data set's PostgreSQL server is reached, and why it may not be.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import os
import stat

from ansible_collections.sicekat.backup.plugins.module_utils import postgresql_contents
from ansible_collections.sicekat.backup.plugins.module_utils.postgresql_client import Client, installed
from ansible_collections.sicekat.backup.plugins.module_utils.programs import ProgramError
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import SourceError, failure_of

OS_USER = "postgres"  # who is let in without a password

ENGINE = "PostgreSQL"
PROGRAMS = ("pg_dump", "pg_dumpall", "psql", "pg_isready", "pg_restore")
_LOOK = (
    "SELECT jsonb_build_object('version', current_setting('server_version'), 'number', current_setting('server_version_num')::int, "
    "'bytes', pg_catalog.pg_database_size(current_database()), 'tables', (%s))" % postgresql_contents.TABLE_COUNT
)  # fmt: skip
_NO_CONNECTION = 2  # psql's exit code
_NAMES_SHOWN = 20


def os_user(dataset):
    """Returns the OS user that client programs run as: one that the server knows, or root where a password file speaks for it."""
    return "root" if dataset.get("password_file") else OS_USER


def connect(dataset, at_home=False):
    """Returns a Client of the server's version, whose `found` tells of server and database; raises SourceError.

    at_home: asks a database that every server has, not the data set's, which may be lost.
    """
    password_file = dataset.get("password_file")
    if password_file:
        _require_private(password_file)
    there = installed(PROGRAMS)
    if not there:
        raise SourceError("source_invalid", "program_missing", program="pg_dump", detail="postgresql-client")
    address = {"host": dataset.get("host"), "port": dataset.get("port"), "user": dataset.get("user") or OS_USER}
    client = Client(there[max(there)], os_user(dataset), address, password_file)
    try:
        client.found = client.value(client.home if at_home else dataset["database"], _LOOK)
    except ProgramError as error:
        raise _refusal(client, dataset["database"], error, at_home) from None
    major = client.major()
    if max(there) < major:
        raise SourceError("source_invalid", "database_client_older", engine=ENGINE, program="pg_dump", version=major, found=max(there))
    client.notices_our_end = major >= 14
    return client.moved(there[min(one for one in there if one >= major)])


def able(least, programs):
    """Returns the directory of the oldest installed version that can read a dump of major version `least`; raises SourceError."""
    there = installed(programs)
    enough = [major for major in there if major >= least]
    if not enough:
        raise SourceError("target_unusable", "engine_too_old", engine=ENGINE, wanted=least, found=max(there) if there else "-")
    return there[min(enough)]


def _refusal(client, database, error, at_home):
    """Returns the SourceError of a server that did not let us in."""
    if error.reason != "failed":
        return failure_of(error)
    if error.exit_code != _NO_CONNECTION:
        return SourceError("source_unreadable", "database_unreadable", engine=ENGINE, database=database, detail=error.detail)
    if not client.is_ready():
        return SourceError("source_unreadable", "database_silent", engine=ENGINE, place=client.place(), detail=error.detail)
    names = client.databases()
    if not at_home and names is not None and database not in names:
        return SourceError("source_missing", "database_missing", engine=ENGINE, database=database, found=", ".join(names[:_NAMES_SHOWN]) or "-")
    return SourceError("credential", "database_refused", engine=ENGINE, database=database, detail=error.detail)


def _require_private(path):
    """Refuses a password file that others than root can read."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise SourceError("credential", "password_file", path=path, detail=error.strerror) from None
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode) or mode & 0o077 or status.st_uid != os.geteuid():
        raise SourceError("credential", "password_file", path=path, detail="mode %03o, owner %d" % (mode, status.st_uid))
