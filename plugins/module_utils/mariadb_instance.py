# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A throw-away MariaDB or MySQL server with a data directory and socket of its own, in which a restored copy is proved.

It never reads the configuration of the host, listens to no network, and cannot write files outside of its own directory.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal

from ansible_collections.sicekat.backup.plugins.module_utils import assertions, mariadb_accounts, mariadb_client, record
from ansible_collections.sicekat.backup.plugins.module_utils.mariadb_client import Client, EngineError
from ansible_collections.sicekat.backup.plugins.module_utils.mariadb_schema import Schema, charset_clause, check_tables, difference
from ansible_collections.sicekat.backup.plugins.module_utils.programs import Program, ProgramError, wait_until
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import DUMP_LIMIT_S, Finding, SourceError
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import INSTANCE_USER

_INSTALL_LIMIT_S = 300
_START_LIMIT_S = 120
_QUESTION_S = 60  # an assertion without a limit of its own
_GRACE_S = 15  # for the client, after the server's own limit
_SOCKET_MOST = 107  # bytes of a socket's path
_FULL = {1021, 1026, 1030, 1114}  # errors of a server whose disk is full
_NO_SPACE = re.compile(r"\b(?:error|errno:?) 28\b|No space left", re.IGNORECASE)
_LEAST_FREE = 32 << 20
# The data go away again: nothing needs to be on the disk, and no event of the copy may run.
_SETTINGS = (
    "--skip-networking", "--skip-log-bin", "--event-scheduler=OFF", "--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite",
    "--innodb-buffer-pool-size=256M", "--max-allowed-packet=1G", "--local-infile=0", "--skip-name-resolve", "--skip-symbolic-links",
)  # fmt: skip


class Instance:
    """flavour: of mariadb_client. directory: path that belongs to INSTANCE_USER."""

    def __init__(self, flavour, directory):
        self._flavour = flavour
        self._directory = directory
        self._log = os.path.join(directory, "log")

    @contextlib.contextmanager
    def running(self):
        """Makes and starts the server for as long as the context lasts; gives its Client."""
        socket = os.path.join(self._directory, "s")
        if len(os.fsencode(socket)) > _SOCKET_MOST:
            raise SourceError("internal", detail="%s is too long for a socket" % socket)
        data, temporary, files = (os.path.join(self._directory, name) for name in ("data", "tmp", "files"))
        self._run(["mkdir", "-m", "700", data, temporary, files])
        if self._flavour.is_mariadb:
            self._run(["mariadb-install-db", "--no-defaults", "--datadir=" + data, "--skip-test-db", "--auth-root-authentication-method=normal"])
        else:
            self._run([self._flavour.server, "--no-defaults", "--initialize-insecure", "--datadir=" + data])
        places = ["--datadir=" + data, "--socket=" + socket, "--pid-file=" + os.path.join(data, "pid"), "--tmpdir=" + temporary, "--secure-file-priv=" + files]
        server = Program([self._flavour.server, "--no-defaults", *places, *_SETTINGS], user=INSTANCE_USER)
        client = Client(self._flavour, ["--no-defaults", "--user=root", "--socket=" + socket], user=INSTANCE_USER)
        with server.serve(self._log, signal.SIGKILL) as process:
            if not wait_until(lambda: _answers(client), process, _START_LIMIT_S):
                words = self.last_words()
                if self._lacks_space(words):
                    raise SourceError("no_space", place=self._directory)
                raise ProgramError(self._flavour.server, "failed", process.poll() or 0, words)
            yield client

    def last_words(self):
        """Returns the errors at the end of the server's log as printable text."""
        with contextlib.suppress(OSError), open(self._log, "rb") as log:
            lines = log.read()[-65536:].decode("utf-8", "replace").splitlines()
            return " | ".join(record.printable(line)[:300] for line in [one for one in lines if "[ERROR]" in one][-3:])
        return ""

    def is_full(self, error):
        """Returns True if an EngineError means that there is no space for the throw-away server."""
        return error.number in _FULL or self._lacks_space(self.last_words())

    def _run(self, argv):
        program = Program(argv, user=INSTANCE_USER)
        try:
            program.require(_INSTALL_LIMIT_S)
        except ProgramError as error:
            if error.reason == "failed" and self._lacks_space(error.detail):
                raise SourceError("no_space", place=self._directory) from None
            raise

    def _lacks_space(self, words):
        return _NO_SPACE.search(words) is not None or shutil.disk_usage(self._directory).free < _LEAST_FREE


def _answers(client):
    try:
        return bool(client.rows("SELECT 1;", 10))
    except (EngineError, ProgramError):
        return False


def prove(flavour, copy, database, dump, accounts, questions):
    """Loads a restored copy into a throw-away server and examines it; returns a Finding.

    copy: Copy. database: its name. dump, accounts: names of the bundle's members. questions: the data set's assertions. Raises SourceError,
    ProgramError for what says nothing about the copy.
    """
    with copy.workspace.instance(INSTANCE_USER) as directory, contextlib.ExitStack() as stack:
        instance = Instance(flavour, directory)
        with copy.clock.phase("load"):
            client = stack.enter_context(instance.running())
            require_version(client, copy.evidence)
            try:
                _load(client, copy, database, dump)
                problem = _make_accounts(client, copy, accounts)
            except EngineError as error:
                if instance.is_full(error):
                    raise SourceError("no_space", place=directory) from None
                return Finding("damaged", "the dump cannot be loaded: %s" % (error.detail or instance.last_words()))
        with copy.clock.phase("prove"):
            try:
                return _examine(client, copy, database, questions, problem)
            except EngineError as error:
                return Finding("damaged", "%s %s" % (error.detail, instance.last_words()))


def require_version(client, evidence):
    """Refuses a server that is older than the one that the dump comes from."""
    text, version = client.version()
    wanted = tuple(int(number) for number in evidence["version"].split(".")[:2])
    if version < wanted:
        raise SourceError("target_unusable", "engine_too_old", engine=client.flavour.label, found=text, wanted=evidence["version"])


def _load(client, copy, database, dump):
    client.rows("CREATE DATABASE %s %s;" % (mariadb_client.name(database), charset_clause(copy.evidence.get("encoding"))))
    client.load(copy.bundle.read(dump), database, DUMP_LIMIT_S)


def _make_accounts(client, copy, member):
    """Makes the accounts; returns what is wrong with them as text, or ""."""
    wrong, found = [], mariadb_accounts.read(copy.bundle.read(member))
    for account in found:
        try:
            mariadb_accounts.make(client, account)
        except EngineError as error:
            wrong.append(error.detail)
    there = mariadb_accounts.existing(client)
    made = sum(account.sql in there for account in found)
    if made != copy.evidence["objects"]["accounts"]:
        wrong.append("accounts: %d, %d at backup time" % (made, copy.evidence["objects"]["accounts"]))
    return "; ".join(wrong[:5])


def _examine(client, copy, database, questions, problem):
    schema = Schema(client, database, 60)
    problems = [problem, check_tables(client, database, schema), difference(client, database, schema, copy.evidence)]
    asked = [_ask(client, database, one) for one in questions]
    reason = "; ".join(one for one in [*problems, assertions.problem(asked)] if one)
    return Finding("damaged" if reason else "sound", reason, sum(copy.evidence["tables"].values()), asked)


def _ask(client, database, question):
    """Asks one assertion, without the right to change anything, for a limited time."""
    limit_s = question.get("timeout_s") or _QUESTION_S
    if client.flavour.is_mariadb:
        before = "SET SESSION max_statement_time=%d;" % limit_s
    else:
        before = "SET SESSION max_execution_time=%d;" % (limit_s * 1000)
    try:
        found = client.value(question["query"], limit_s + _GRACE_S, database, before + " START TRANSACTION READ ONLY;")
    except EngineError as error:
        if error.number in (1969, 3024):
            return assertions.failed(question, "no answer within %d s" % limit_s)
        return assertions.failed(question, error.detail)
    except ProgramError as error:
        if error.reason != "timeout":
            raise
        return assertions.failed(question, "no answer within %d s" % limit_s)
    return assertions.judge(question, found)
