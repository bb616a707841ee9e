# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kind "ldap": configuration and entries of an OpenLDAP server, proved by a throw-away server that loads both.

slapcat reads beside a running slapd: the databases of Debian's slapd (mdb) give each reader the state of one moment.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import socket
from urllib.parse import quote

from ansible_collections.sicekat.backup.plugins.module_utils import assertions, ldif
from ansible_collections.sicekat.backup.plugins.module_utils.programs import PATH, Program, ProgramError, wait_until
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import Finding, Part, Source, SourceError
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import INSTANCE_USER

CONFIG, DATA = "config.ldif", "data.ldif"
_MODULES = "/usr/lib/ldap"
_LOOK_S, _START_S, _LOAD_S, _COUNT_S = 60, 60, 6 * 3600, 1800
_ALL = "(objectClass=*)"

# What a copy must not have: certificates that are not here, replication with the real servers, and limits that keep us from asking it.
_LEFT_OUT = re.compile(
    "olc(TLS.*|Syncrepl|MultiProvider|MirrorMode|UpdateRef|ServerID|Authz.*|AuthID.*|Security|Requires|Restrict|ReadOnly|Sasl.*|LocalSSF|RootDN|RootPW)",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"(\{-?\d+\})?(.*)", re.DOTALL)


class LdapSource(Source):
    """Data set keys: suffix, config_dir, assertions."""

    is_stream = True
    _entries = None
    _config = None
    _directories = ()

    def examine(self):
        config_dir = self.dataset["config_dir"]
        if not os.path.isdir(config_dir):
            raise SourceError("source_missing", path=config_dir)
        try:
            output = Program(self._slapcat("-n", "0"), user=self._user()).run(_LOOK_S)
        except ProgramError as error:
            raise SourceError("source_invalid", "program_" + error.reason, program=error.program, detail=error.detail) from None
        if output.exit_code != 0:
            raise SourceError("source_invalid", "program_failed", program="slapcat", exit_code=output.exit_code, detail=output.stderr)
        database = _database_of(self.dataset["suffix"], ldif.entries([output.stdout]))
        if database is None:
            raise SourceError("source_invalid", "source_ldap_suffix", suffix=self.dataset["suffix"], path=config_dir)
        self._directories = [value for name, value in database if name.lower() == "olcdbdirectory"]

    def parts(self):
        self._config, self._entries = ldif.Watch(), ldif.Watch()
        for name, watch, which in ((CONFIG, self._config, ["-n", "0"]), (DATA, self._entries, ["-b", self.dataset["suffix"]])):
            yield Part(name, Program(self._slapcat(*which), user=self._user()), watch.take, self._whole(name, watch))

    def size_estimate(self):
        # The blocks that the database takes: its files are mostly holes. LDIF has no indexes, but a third more for what is not text.
        files = [os.path.join(directory, name) for directory in self._directories if os.path.isdir(directory) for name in os.listdir(directory)]
        return 2 * sum(os.lstat(path).st_blocks * 512 for path in files)

    def _whole(self, name, watch):
        def finish(_count, stderr):
            if not watch.entries:
                raise SourceError("source_empty", "source_ldap_empty", suffix=self.dataset["suffix"], member=name)
            if not watch.is_ended():
                raise SourceError("source_invalid", "source_ldap_cut", member=name, detail=stderr)

        return finish

    def evidence(self):
        return {"engine": "ldap", "version": _version(), "rows": self._entries.entries, "objects": {"config": self._config.entries}}

    def newest_ns(self):
        return self._entries.newest_ns()

    def prove(self, copy):
        if not shutil.which("slapd", path=PATH) or not shutil.which("ldapsearch", path=PATH):
            raise SourceError("engine_missing", "source_ldap_no_server")
        try:
            return self._prove(copy)
        except ValueError as error:
            return Finding("damaged", str(error))

    def _prove(self, copy):
        with copy.workspace.instance(INSTANCE_USER) as directory:
            server = _Server(directory, self.dataset["suffix"])
            with copy.clock.phase("load"):
                server.load(copy.bundle)
            with copy.clock.phase("prove"), server.running():
                rows = server.count(_ALL, _COUNT_S)
                results = [_judged(one, server) for one in self.dataset.get("assertions", ())]
        wanted = (copy.evidence or {}).get("rows")
        if not rows or rows != wanted:
            return Finding("damaged", "%d entries, and %s at backup time" % (rows, wanted), rows, results)
        return Finding("sound", rows=rows, assertions=results)

    def _slapcat(self, *which):
        return ["slapcat", "-F", self.dataset["config_dir"], "-o", "ldif-wrap=no", *which]

    def _user(self):
        """Returns whom the configuration belongs to: as root, slapcat may leave a lock file that slapd cannot open."""
        return pwd.getpwuid(os.stat(self.dataset["config_dir"]).st_uid).pw_name


class _Server:
    """A throw-away slapd in a directory of its own, which answers on one socket there and nowhere else."""

    def __init__(self, directory, suffix):
        self._directory = directory
        self._suffix = suffix
        self._config_dir = os.path.join(directory, "slapd.d")
        self._socket = os.path.join(directory, "ldapi")
        self._url = "ldapi://" + quote(self._socket, safe="")

    def load(self, bundle):
        """Loads configuration and entries; raises ProgramError, and ValueError for a configuration that is none."""
        entries = [_isolated(entry, self._directory, number) for number, entry in enumerate(ldif.entries(bundle.read(CONFIG)))]
        database = _database_of(self._suffix, entries)
        if database is None:
            raise ValueError("the configuration has no database for %s" % self._suffix)
        (number,) = [_NUMBERED.fullmatch(value).group(1).strip("{}") for name, value in database if name.lower() == "olcdatabase"]
        databases = [value for entry in entries for name, value in entry if name.lower() == "olcdbdirectory"]
        self._as_owner("mkdir", "-m", "0700", "--", self._config_dir, *databases).require(_LOOK_S)
        self._as_owner("slapadd", "-n", "0", "-F", self._config_dir).feed(map(ldif.text_of, entries), _LOOK_S)
        self._as_owner("slaptest", "-u", "-F", self._config_dir).require(_LOOK_S)
        # -q leaves out waiting for the disk, not the check against the schema
        self._as_owner("slapadd", "-q", "-n", number, "-F", self._config_dir).feed(bundle.read(DATA), _LOAD_S)

    @contextlib.contextmanager
    def running(self):
        """Runs the server for as long as the context lasts; raises ProgramError if it does not start."""
        log = os.path.join(self._directory, "slapd.log")
        with self._as_owner("slapd", "-F", self._config_dir, "-h", self._url, "-d", "0").serve(log) as process:
            if not wait_until(self._answers, process, _START_S):
                with open(log, "rb") as file:
                    raise ProgramError("slapd", "failed", process.poll(), file.read()[-500:].decode("utf-8", "replace"))
            yield

    def count(self, filter_text, limit_s):
        """Returns how many entries below the suffix a filter finds; raises ProgramError."""
        # What is no filter would be taken for the name of an attribute, and all entries for its answer.
        filter_text = filter_text if filter_text.startswith("(") else "(%s)" % filter_text
        watch = ldif.Watch()
        search = ["ldapsearch", "-LLL", "-Q", "-Y", "EXTERNAL", "-H", self._url, "-M", "-s", "sub", "-b", self._suffix, "--", filter_text, "1.1"]
        self._as_owner(*search).stream(watch.take, limit_s)
        return watch.entries

    def _answers(self):
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(self._socket)
            except OSError:
                return False
        return True

    def _as_owner(self, *argv):
        return Program(argv, user=INSTANCE_USER, environment={"LDAPNOINIT": "1"})


def _isolated(entry, directory, number):
    """Returns an entry of a configuration so that it names nothing outside of a directory, and lets us read all of its database."""
    isolated = []
    for name, value in entry:
        index, bare = _NUMBERED.fullmatch(value).groups("")
        if _LEFT_OUT.fullmatch(name):
            continue
        if name.lower() == "olcmodulepath":
            bare = _MODULES
        elif name.lower() == "olcmoduleload":
            bare = os.path.basename(bare)
        elif bare.startswith("/"):
            bare = os.path.join(directory, "%d-%s" % (number, os.path.basename(bare)))
        isolated.append((name, index + bare))
    if any(name.lower() == "olcsuffix" for name, _value in entry):
        owner = pwd.getpwnam(INSTANCE_USER)
        isolated.append(("olcRootDN", "gidNumber=%d+uidNumber=%d,cn=peercred,cn=external,cn=auth" % (owner.pw_gid, owner.pw_uid)))
    return isolated


def _database_of(suffix, entries):
    """Returns the entry of the database that holds a suffix, or None where the configuration has none."""
    for entry in entries:
        if any(name.lower() == "olcsuffix" and _plain(_NUMBERED.fullmatch(value).group(2)) == _plain(suffix) for name, value in entry):
            return entry
    return None


def _plain(name):
    """Returns a distinguished name without what makes no difference: case, and spaces around commas and equals signs."""
    return re.sub(r"\s*([,=])\s*", r"\1", name.strip()).lower()


def _judged(assertion, server):
    try:
        return assertions.judge(assertion, str(server.count(assertion["query"], assertion["timeout_s"])))
    except ProgramError as error:
        return assertions.failed(assertion, "%s: %s" % (error.reason, error.detail))


def _version():
    try:
        # With one V it would go on and serve.
        said = Program(["slapd", "-VV"]).run(_LOOK_S)
    except ProgramError:
        return ""
    found = re.search(r"slapd ([0-9][0-9A-Za-z.]*)", said.stderr + said.text())
    return found.group(1) if found else ""
