# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kind "control_node": what no playbook can make again: ledger, manifests and logs, and the paths of inventory and vault password.

The ledger grows while this very backup runs. What is kept is a copy from its beginning, with the head that it had then.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import shutil

from ansible_collections.sicekat.backup.plugins.module_utils import ledger_chain
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import Copy, Finding, SourceError
from ansible_collections.sicekat.backup.plugins.module_utils.sources.files import FilesSource
from ansible_collections.sicekat.backup.plugins.module_utils.sources.sqlite import SqliteSource, sqlite3

LEDGER = "ledger.sqlite3"
BESIDE = ("manifests", "logs")


class ControlNodeSource(FilesSource):
    """Data set keys: paths; state_dir (absolute path of backup_state_dir), which the policy puts in."""

    _evidence = None

    def __init__(self, dataset, workspace):
        super().__init__(dataset, workspace)
        self._ledger = SqliteSource({**dataset, "path": os.path.join(dataset["state_dir"], LEDGER)}, workspace)

    def examine(self):
        super().examine()
        self._ledger.examine()

    def prepare(self):
        super().examine()
        # The ledger first: a manifest is written before the entry that names it, so none that the copy names is missing.
        self._ledger.prepare()
        fault, head = _chain(os.path.join(self._spool(), LEDGER))
        if fault:
            raise SourceError("source_invalid", "source_ledger_unsound", path=self.dataset["state_dir"], detail=fault)
        _keep_owner(self.dataset["state_dir"], self._spool())
        self._evidence = {**self._ledger.evidence(), "head": head}
        for name in BESIDE:
            directory = os.path.join(self.dataset["state_dir"], name)
            if os.path.isdir(directory):
                self._copy(directory, os.path.join(self._spool(), name))

    def paths(self):
        return [*super().paths(), self._spool()]

    def evidence(self):
        return self._evidence

    def newest_ns(self):
        return self._ledger.newest_ns()

    def clean(self):
        self._ledger.clean()

    def prove(self, copy):
        noted = dict(copy.evidence or {})
        head = noted.pop("head", None)
        path = os.path.join(copy.paths[-1], LEDGER)
        finding = self._ledger.prove(Copy(copy.root, [path], noted, None, copy.clock, copy.workspace))
        if finding.state != "sound":
            return finding
        fault, found = _chain(copy.root + path)
        if fault:
            return Finding("damaged", "the restored ledger is not sound: %s" % fault)
        if not head or found != head:
            return Finding("damaged", "the restored ledger ends with entry %d, and %s at backup time" % (found["seq"], (head or {}).get("seq")))
        return finding

    def _spool(self):
        return self.workspace.path("spool", self.dataset["name"])

    def _copy(self, source, target):
        """Copies a directory of files with owners, modes and times."""
        needed = sum(entry.stat().st_size for entry in os.scandir(source) if entry.is_file(follow_symlinks=False))
        if shutil.disk_usage(self._spool()).free < needed * 1.1:
            raise SourceError("no_space", place=self._spool())
        shutil.rmtree(target, ignore_errors=True)  # of a run that died
        shutil.copytree(source, target, symlinks=True, copy_function=_copy_file)
        _keep_owner(source, target)


def _copy_file(source, target):
    # One that is being written has a name of its own and goes away.
    with contextlib.suppress(FileNotFoundError):
        shutil.copy2(source, target, follow_symlinks=False)
        _keep_owner(source, target)


def _keep_owner(source, target):
    status = os.lstat(source)
    os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)


def _chain(path):
    """Returns (what is wrong with the chain of the ledger at a path, or None, and its head {"seq", "hash"})."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        try:
            for seq, code, _params in ledger_chain.faults(connection.execute("SELECT seq, CAST(body AS BLOB), hash FROM entries ORDER BY seq")):
                return "%s (%d)" % (code, seq), None
            head = connection.execute("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1").fetchone() or (0, ledger_chain.GENESIS)
        except sqlite3.Error as error:
            return str(error), None
    return None, {"seq": head[0], "hash": head[1]}
