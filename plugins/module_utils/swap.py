# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Putting restored data into the place of others, which are kept beside: all of it or nothing.

A swap only renames. Before the first rename it notes what it will do in the workspace; whoever finds such a note without its
writer, after a crash, puts everything back.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import remove_tree, replace_file

_STAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_STAGING = ".sicekat-pemulihan-"


def kept_name(path, stamp):
    """Returns what a path is renamed to when something else takes its place; stamp is when the run was opened, as 20261122T150000Z."""
    if not _STAMP.fullmatch(stamp):
        raise ValueError("not a stamp: %r" % stamp)
    return "%s.digantikan-%s" % (path.rstrip("/"), stamp)


def nearest(path):
    """Returns a path, or the nearest directory above it that exists."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


class Staging:
    """A directory beside a target, on its file system, that is held by a lock and removed at the end, whatever happens."""

    def __init__(self, beside, stamp):
        self._parent = nearest(os.path.dirname(beside.rstrip("/")))
        self.path = os.path.join(self._parent, _STAGING + stamp)
        self._descriptor = None

    def __enter__(self):
        for name in os.listdir(self._parent):
            if name.startswith(_STAGING) and _STAMP.fullmatch(name[len(_STAGING) :]):
                _sweep(os.path.join(self._parent, name))
        os.mkdir(self.path, 0o700)
        self._descriptor = _held(self.path)
        return self

    def __exit__(self, *_exception):
        _remove(self.path, self._descriptor)


def _sweep(path):
    """Removes the staging directory that a killed restore left, unless its writer lives or it is not ours."""
    with contextlib.suppress(OSError):
        _remove(path, _held(path))


def _held(path):
    """Returns the descriptor of a directory of our own that nobody else holds a lock on; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove(path, descriptor):
    """Removes a directory that is still the one that was opened: who owns the one above may have put a link there."""
    try:
        if os.path.lexists(path) and os.path.samestat(os.lstat(path), os.fstat(descriptor)):
            remove_tree(path)
    finally:
        os.close(descriptor)


class Swap:
    """Puts restored paths into the place of what is there, all of them or none.

    workspace: the server's Workspace. stamp: names what is kept. Use: add(), then commit(), which puts everything back before it raises.
    After a crash put_back() does that, by the note that commit() leaves. Attribute: replaced, as a record has it.
    """

    def __init__(self, workspace, stamp):
        self._directory = workspace.path("swaps")
        self._note = os.path.join(self._directory, stamp + ".json")
        self._stamp = stamp
        self._moves = []
        self._parents = []
        self.replaced = []

    def add(self, place, restored=None, root=None):
        """Replaces a place by a restored path on the same file system, or only moves it aside if there is none.

        root: below it lie the restored directories above the place, whose modes and owners are taken where one is missing.
        """
        if os.path.lexists(place):
            kept = kept_name(place, self._stamp)
            self._moves.append((place, kept, place))
            self.replaced.append({"path": record.printable(place), "kept_as": record.printable(kept)})
        if restored is not None:
            self._moves.append((restored, place, "%s.pemulihan-%s" % (place, self._stamp)))
            self._parents.append((os.path.dirname(place), root))

    def commit(self):
        """Makes all moves."""
        os.sync()  # what takes the place must be on the disk before the old is moved away
        with _only_one(self._directory):
            # By inode, so that a later look tells what was moved from what somebody put there since.
            note = [{"from": one, "to": other, "undo": undo, "inode": os.lstat(one).st_ino} for one, other, undo in self._moves]
            replace_file(self._note, json.dumps(note))
            _sync(self._directory)
            made, done = [], []
            try:
                for parent, root in self._parents:
                    _make_parents(parent, root, made)
                for one, other, _undo in self._moves:
                    _rename(one, other)
                    done.append((one, other))
                for directory in sorted({os.path.dirname(path) for one, other, _undo in self._moves for path in (one, other)}):
                    _sync(directory)
            except BaseException:
                for old, new in reversed(done):
                    _rename(new, old)
                for directory in reversed(made):
                    os.rmdir(directory)
                os.unlink(self._note)
                raise
            os.unlink(self._note)


def put_back(workspace):
    """Undoes the swaps that a crash left half done; returns messages. Removes nothing: what was restored stays under a name of its own."""
    directory, messages = workspace.path("swaps"), []
    with _only_one(directory):
        for name in sorted(os.listdir(directory)):
            if name.endswith(".json"):  # any other is a note that was never finished: nothing was moved
                path = os.path.join(directory, name)
                with open(path, encoding="utf-8", errors="surrogateescape") as file:
                    messages += _undone(json.load(file))
                os.unlink(path)
    return messages


def _undone(moves):
    """Undoes the moves of a swap that were made, unless all were, or somebody has worked there since; returns messages."""
    made = [one for one in moves if not _is(one["from"], one)]
    in_place = all(_is(one["to"], one) for one in made)
    if not made or (in_place and len(made) == len(moves)):
        return []  # only the note was left
    left = {one["to"] for one in made}
    if not in_place or any(os.path.lexists(one["undo"]) and one["undo"] not in left for one in made):
        return [record.message("swap_changed", paths=", ".join(sorted(left)))]
    for one in reversed(made):
        _rename(one["to"], one["undo"])
    return [record.message("swap_put_back", paths=", ".join(sorted(one["undo"] for one in made)))]


@contextlib.contextmanager
def _only_one(directory):
    """Lets one process at a time swap on this host."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make_parents(directory, root, made):
    """Makes a directory and those above it; adds the ones that were missing to `made`."""
    if os.path.isdir(directory):
        return
    _make_parents(os.path.dirname(directory), root, made)
    os.mkdir(directory, 0o755)
    made.append(directory)
    if root and os.path.isdir(root + directory):
        status = os.stat(root + directory)
        os.chown(directory, status.st_uid, status.st_gid)
        shutil.copystat(root + directory, directory)


def _is(path, move):
    try:
        return os.lstat(path).st_ino == move["inode"]  # the numbers of devices may change when a host starts again
    except OSError:
        return False


def _rename(path, target):
    """Renames without replacing anything that appeared at the new name meanwhile."""
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    os.rename(path, target)


def _sync(directory):
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
