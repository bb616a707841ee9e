# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A throw-away PostgreSQL server: its own directory and socket, no network, gone with us. It never meets the production server.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import signal

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.postgresql_client import Client
from ansible_collections.sicekat.backup.plugins.module_utils.programs import Program, ProgramError, wait_until
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import INSTANCE_USER

PROGRAMS = ("postgres", "initdb", "psql", "pg_restore", "pg_dump", "pg_isready")
_INITDB_S = 300
_START_S = 120
_SHOWN = 10  # lines of what is wrong
_SOCKET_MOST = 107  # bytes of the path of a socket
# Nothing of it outlives us, so nothing needs to reach the disk.
_SETTINGS = {
    "listen_addresses": "", "unix_socket_permissions": "0700", "max_connections": "30", "max_locks_per_transaction": "1024",
    "fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "wal_level": "minimal", "max_wal_senders": "0",
    "autovacuum": "off", "restart_after_crash": "off", "lc_messages": "C", "maintenance_work_mem": "128MB",
}  # fmt: skip


@contextlib.contextmanager
def serve(directory, programs, superuser):
    """Makes a server in an empty directory of INSTANCE_USER and gives a Client of it; ends it afterwards. Raises ProgramError.

    programs: directory of the server's programs. superuser: name of its first role, as production's has it.
    """
    data = os.path.join(directory, "data")
    if len(os.fsencode(os.path.join(directory, ".s.PGSQL.5432"))) > _SOCKET_MOST:
        raise ProgramError("postgres", "failed", None, "%s is too long for the path of a socket" % directory)
    initdb = [os.path.join(programs, "initdb"), "--pgdata=" + data, "--username=" + superuser, "--data-checksums", "--no-sync"]
    # Whoever is let into the directory is let into the server: it is closed for all but this user and root.
    Program([*initdb, "--auth=trust", "--encoding=UTF8", "--locale=C"], INSTANCE_USER).require(_INITDB_S)
    settings = {**_SETTINGS, "unix_socket_directories": directory}
    server = [os.path.join(programs, "postgres"), "-D", data] + ["--%s=%s" % pair for pair in settings.items()]
    log_path = os.path.join(directory, "log")
    client = Client(programs, INSTANCE_USER, {"host": directory, "port": 5432, "user": superuser}, home="template1")
    # SIGQUIT makes the server and all its processes leave at once, also if we are killed.
    with Program(server, INSTANCE_USER).serve(log_path, signal.SIGQUIT) as process:
        if not wait_until(client.is_ready, process, _START_S):
            raise ProgramError("postgres", "failed", process.poll(), _end_of(log_path))
        yield client


def examine(client, database, limit_s):
    """Reads every table and index with the server's own checks; raises ProgramError with what it finds."""
    available = client.value(database, "SELECT to_jsonb(count(*)) FROM pg_catalog.pg_available_extensions WHERE name = 'amcheck'")
    if available and os.access(os.path.join(client.directory, "pg_amcheck"), os.X_OK):
        output = client.tool("pg_amcheck", "--no-password", "--install-missing", client.connection(database)).run(limit_s)
        if output.exit_code != 0:
            raise ProgramError("pg_amcheck", "failed", output.exit_code, record.printable(" | ".join([*output.text().splitlines()[:_SHOWN], output.stderr])))
    else:
        client.program("pg_dump", database, "--no-password", "--format=plain").stream(lambda piece: None, limit_s)


def _end_of(path):
    with open(path, "rb") as file:
        return file.read()[-1000:].decode("utf-8", "replace")
