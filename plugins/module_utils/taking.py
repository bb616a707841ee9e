# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking one snapshot of a source: of its paths with a canary file beside them, or of the bundle that its programs fill.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time

from ansible_collections.sicekat.backup.plugins.module_utils import manifest as manifests
from ansible_collections.sicekat.backup.plugins.module_utils.bundle import Stream
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import ResticError
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import SourceError

_LOOK_BYTES = 1 << 16  # between two looks at how much room the spool has
_RESERVE = 0.05  # of the disk, which a bundle in the spool leaves free


class Taken:
    """What restic took: its summary and Output, our manifest, file counts and bytes without what is ours, and whether the canary is in it."""

    def __init__(self, summary, output, manifest, files, own_bytes, newest_ns, has_canary):
        self.summary = summary
        self.output = output
        self.manifest = manifest
        self.files = files
        self.own_bytes = own_bytes
        self.newest_ns = newest_ns
        self.has_canary = has_canary


def take(task, dataset, workspace, restic, source, canary):
    """Takes a snapshot of a prepared source and returns a Taken. canary: dict that must be found again. Raises ResticError and SourceError."""
    return (_take_stream if source.is_stream else _take_paths)(task, dataset, workspace, restic, source, canary)


def _tags(task, dataset):
    return ["sicekat", "dataset=" + dataset["name"], "cycle=" + task.cycle, "record=" + dataset["record_id"]]


def _take_paths(task, dataset, workspace, restic, source, canary):
    """Lets restic take the source's paths and a canary file."""
    path = workspace.write_canary(dataset["name"], canary)
    sampler = manifests.Sampler(task.sample, canary["nonce"], path)
    sampler.begin(time.time_ns())
    summary, output = restic.backup(
        source.paths() + [path], task.host, _tags(task, dataset),
        excludes=dataset.get("exclude", ()), force=task.force, one_file_system=dataset.get("one_file_system", False),
        on_item=sampler.take, on_progress=lambda done, total: task.report(dataset["name"], done, total),
    )  # fmt: skip
    manifest = manifests.make(dataset, canary["nonce"], sampler, path, source.paths(), source.evidence())
    files = _file_counts(summary, sampler.canary_action)
    newest_ns = source.newest_ns() or (None if dataset.get("newest_data") else sampler.newest_ns)
    return Taken(summary, output, manifest, files, os.path.getsize(path), newest_ns, bool(sampler.canary_action))


def _take_stream(task, dataset, workspace, restic, source, canary):
    """Lets restic take the source's bundle: as it is made, or finished from the spool where a cut stream would pass for a whole one."""
    spool = workspace.path("spool")
    stream = Stream(source, canary, spool, lambda count: task.report(dataset["name"], count, 0))
    name = dataset["name"] + ".zip"
    if restic.can_stream():
        try:
            summary, output = restic.backup_stream(name, task.host, _tags(task, dataset), stream)
        except ResticError as error:
            # A stream that nobody read any more was cut by restic, and restic knows why.
            raise (stream.error if stream.error and stream.error.message["code"] != "stream_unread" else error) from None
        if stream.error:
            raise stream.error
    else:
        path = os.path.join(spool, name)
        try:
            _spool(stream, source, path)
            summary, output = restic.backup_finished(name, task.host, _tags(task, dataset), path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
    manifest = manifests.make_of_bundle(dataset, canary["nonce"], "/" + name, stream.summary, source.evidence())
    whole = summary.get("total_bytes_processed") == stream.summary["bytes"]
    return Taken(summary, output, manifest, _file_counts(summary, None), 0, source.newest_ns(), whole)


def _spool(stream, source, path):
    """Writes the whole bundle into a file that only we can read."""
    # What a killed run left takes the room of what is to come.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    needed = source.size_estimate()
    if needed is not None and shutil.disk_usage(os.path.dirname(path)).free < needed * 1.1:
        raise SourceError("no_space", place=os.path.dirname(path))
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        stream.write(_Reserving(file))
    if stream.error:
        raise stream.error


class _Reserving:
    """A file in the spool that ends before the disk is full, which others need too: nobody can tell how much a program will print."""

    def __init__(self, file):
        self._file = file
        self._unseen = 0

    def write(self, data):
        self._unseen += len(data)
        if self._unseen >= _LOOK_BYTES:
            self._unseen = 0
            usage = shutil.disk_usage(os.path.dirname(self._file.name))
            if usage.free < usage.total * _RESERVE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._file.name)
        return self._file.write(data)

    def flush(self):
        self._file.flush()


def _file_counts(summary, canary_action):
    """Returns the record's file counts; the canary is ours and is left out of each."""
    return {
        "total": summary.get("total_files_processed", 0) - (canary_action is not None),
        "new": summary.get("files_new", 0) - (canary_action == "new"),
        "changed": summary.get("files_changed", 0) - (canary_action == "modified"),
        "unmodified": summary.get("files_unmodified", 0) - (canary_action == "unchanged"),
    }
