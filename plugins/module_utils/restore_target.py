# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a restore for a person goes: into a directory, back to where the data came from, or into a database.

Whatever is replaced is kept, and nothing is replaced before what takes its place was restored and proved.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import contextlib
import os

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.bundle import Bundle
from ansible_collections.sicekat.backup.plugins.module_utils.programs import ProgramError
from ansible_collections.sicekat.backup.plugins.module_utils.restore_place import database_of, form_of, form_problem, immovable, origins, sides, within
from ansible_collections.sicekat.backup.plugins.module_utils.restore_proof import Refused
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import Copy, Finding, SourceError, failure_of
from ansible_collections.sicekat.backup.plugins.module_utils.sources.control_node import LEDGER
from ansible_collections.sicekat.backup.plugins.module_utils.sources.kinds import source_for
from ansible_collections.sicekat.backup.plugins.module_utils.swap import Staging, Swap, kept_name, nearest
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import Busy


def target_for(asked, job, workspace, stores):
    """Returns the Target of a restore.

    asked: {"target", "overwrite", "to_type", "stamp"}, see Target. job: restore_operation.Job. stores: paths where backups are kept.
    """
    return {"directory": Directory, "original": Original, "database": Database}[_class_of(asked["target"], job.dataset)](asked, job, workspace, stores)


def _class_of(target, dataset):
    return "database" if database_of(target, dataset) else form_of(target)


class Target:
    """Where a restore goes.

    asked: target (as the person named it), overwrite (what is there may be replaced, the person typed its name again), to_type (what
    he has to type for that), stamp (when the run was opened, for names). Attributes: name, the target as it was named; replaced, what was
    moved aside, as a record has it.
    """

    room = 1.1  # times the size of the data

    def __init__(self, asked, job, workspace, stores):
        self._asked = asked
        self.name = asked["target"]
        self._job = job
        self._workspace = workspace
        self._kept_off = [workspace.root, *stores]
        self.replaced = []

    def problem(self):
        """Returns the message why the target cannot be used, or None; changes nothing."""
        return form_problem(self.name, self._job.dataset["kind"])

    def would_replace(self):
        """Returns what is there now and would be moved aside, as a record has it."""
        return []

    def opened(self):
        """Gives the directory to restore into (a context manager)."""
        raise NotImplementedError

    def take(self, root, clock):
        """Brings what was restored and proved below root to its place. Returns what a source found, or None. Raises Refused or OSError."""

    def _kept(self, paths):
        stamp = self._asked["stamp"]
        return [{"path": record.printable(one), "kept_as": record.printable(kept_name(one, stamp))} for one in paths if os.path.lexists(one)]

    def _swapped(self, swap):
        """Makes a swap while no backup of the data set reads."""
        try:
            with self._workspace.exclusive(self._job.dataset["name"]):
                swap.commit()
        except Busy as busy:
            raise Refused("busy", record.message("busy", holder=busy.holder)) from None
        except OSError as error:
            detail = record.printable("%s: %s" % (error.filename or "", error.strerror))
            raise Refused("target_unusable", record.message("swap_failed", detail=detail)) from None
        self.replaced = swap.replaced


class Directory(Target):
    """A directory: an empty or new one is filled, another one makes room for a new one."""

    @property
    def room(self):
        return 2.2 if self._job.bundle else 1.1  # a bundle is unpacked beside itself

    @property
    def _path(self):
        return self.name.rstrip("/") or "/"

    def problem(self):
        return super().problem() or self._directory_problem()

    def _directory_problem(self):
        state_dir = self._job.dataset.get("state_dir")
        path, places = self._path, [*self._kept_off, *self._job.places(), *([state_dir] if state_dir else ())]
        real = os.path.realpath(path)
        for place in places:
            if os.path.isabs(place) and within(real, os.path.realpath(place)):
                return record.message("target_inside", path=path, place=place)
        if not os.path.lexists(path):
            return None
        if not os.path.isdir(path) or os.path.islink(path):
            return record.message("target_not_directory", path=path)
        if not os.listdir(path):
            return None
        return immovable(path, places) if self._asked["overwrite"] else record.message("target_not_empty", path=path)

    def _is_full(self):
        return os.path.isdir(self._path) and bool(os.listdir(self._path))

    def would_replace(self):
        return self._kept([self._path]) if self._is_full() else []

    @contextlib.contextmanager
    def opened(self):
        if self._is_full():
            with Staging(self._path, self._asked["stamp"]) as staging:
                root = os.path.join(staging.path, "isi")
                os.mkdir(root, 0o700)
                yield root
        else:
            os.makedirs(self._path, mode=0o700, exist_ok=True)
            yield self._path

    def take(self, root, clock):
        with clock.phase("load"):
            if self._job.bundle:
                path = root + self._job.manifest["paths"][0]
                Bundle(path, self._job.bundle).unpack(root)
                os.unlink(path)
            if root != self._path:
                swap = Swap(self._workspace, self._asked["stamp"])
                swap.add(self._path, root)
                self._swapped(swap)


class Original(Target):
    """Where the data came from, each path by a swap."""

    def problem(self):
        problem = super().problem()
        if problem or self._job.manifest is None:
            return problem or record.message("no_evidence_manifest")
        try:
            places = self._places()
        except ValueError as error:
            return record.message("target_origin_unknown", path=error)
        dataset = self._job.dataset
        if dataset["kind"] == "control_node" and os.path.lexists(os.path.join(dataset["state_dir"], LEDGER)):
            return record.message("target_ledger_in_use", path=os.path.join(dataset["state_dir"], LEDGER))
        devices = set()
        for place in places:
            if os.path.lexists(place) and not self._asked["overwrite"]:
                return record.message("target_exists", path=place, named=self._asked["to_type"])
            problem = immovable(place, self._kept_off)
            if problem:
                return problem
            devices.add(os.stat(nearest(os.path.dirname(place))).st_dev)
        return record.message("target_several_disks", paths=", ".join(places)) if len(devices) > 1 else None

    def _places(self):
        return [place for _path, place in origins(self._job.dataset, self._job.manifest["paths"])]

    def would_replace(self):
        return [] if self.problem() else self._kept([*self._places(), *sides(self._job.dataset)])

    @contextlib.contextmanager
    def opened(self):
        with Staging(self._places()[0], self._asked["stamp"]) as staging:
            yield staging.path

    def take(self, root, clock):
        swap = Swap(self._workspace, self._asked["stamp"])
        for path in sides(self._job.dataset):
            swap.add(path)
        for path, place in origins(self._job.dataset, self._job.manifest["paths"]):
            if os.path.lexists(root + path):
                swap.add(place, root + path, root)
        with clock.phase("load"):
            self._swapped(swap)


class Database(Target):
    """A database of the server's own engine."""

    room = 2.5  # as a bundle and unpacked; what the engine needs is its own to find out

    def opened(self):
        return self._workspace.scratch()

    def take(self, root, clock):
        job, manifest = self._job, self._job.manifest
        bundle = Bundle(root + manifest["paths"][0], job.bundle) if job.bundle else None
        copy = Copy(root, manifest["paths"], manifest["evidence"], bundle, clock, self._workspace)
        name = database_of(self.name, job.dataset)
        try:
            with clock.phase("load"):
                kept = source_for(job.dataset, self._workspace).load(copy, name, self._asked["stamp"], self._asked["overwrite"])
        except SourceError as error:
            raise Refused(error.cause, error.message) from None
        except ProgramError as error:
            failure = failure_of(error)
            raise Refused(failure.cause, failure.message) from None
        if kept:
            self.replaced = [{"database": record.printable(name), "kept_as": record.printable(kept)}]
        # Whoever loads compares what is there then with the evidence, before it gets the name.
        return Finding("sound", rows=manifest["evidence"]["rows"]) if manifest["evidence"] else None
