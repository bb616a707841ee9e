# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directory on a server that belongs to us: canaries, spool, scratch, throw-away instances, running markers, jobs, logs, restic's cache.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import pwd
import shutil
import tempfile
import time

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.programs import ProgramError

# Whom throw-away servers run as; roles/client makes him. What is loaded into them is code of whoever owned the data, and with the
# rights of the engine's own user it would own production.
INSTANCE_USER = "sicekat-restore"
_LOGS_KEPT = 400
_HOLD_WAIT_S = 300


class Hold:
    """left_behind: the last holder of this data set died. restic_died: set it when restic was killed under us."""

    def __init__(self, left_behind):
        self.left_behind = left_behind
        self.restic_died = False


class Busy(Exception):
    """Another run held a data set for too long. Attribute: holder (its process id as text)."""

    def __init__(self, holder):
        super().__init__(holder)
        self.holder = holder


class Workspace:
    """root: absolute path (backup_server_dir). Everything in it is readable by its owner only."""

    def __init__(self, root):
        self.root = root

    def make(self):
        """Creates the directories and returns True if anything was missing."""
        names = ("", "canary", "spool", "scratch", "instances", "running", "jobs", "logs", "cache")
        missing = [path for path in map(self.path, names) if not os.path.isdir(path)]
        for path in missing:
            os.makedirs(path, mode=0o700, exist_ok=True)
        return bool(missing)

    def path(self, *parts):
        """Returns a path inside the workspace."""
        return os.path.join(self.root, *parts)

    def write_canary(self, dataset, content):
        """Writes the canary file of a data set and returns its path; content is a dict with the run's nonce."""
        path = self.path("canary", dataset + ".sicekat-canary")
        replace_file(path, json.dumps(content, sort_keys=True) + "\n")
        return path

    @contextlib.contextmanager
    def exclusive(self, dataset):
        """Holds a data set for one run; a second run waits a while, then gets Busy. Gives a Hold.

        The mark stays when the holder dies in between, and the next holder finds it: a lock of restic may be left.
        """
        with open(self.path("running", dataset), "a+", encoding="ascii") as file:
            _wait_for_lock(file)
            file.seek(0)
            hold = Hold(left_behind=bool(file.read()))
            file.truncate(0)
            file.write("%d\n" % os.getpid())
            file.flush()
            yield hold
            if not hold.restic_died:
                file.truncate(0)

    def scratch(self):
        """Gives a fresh directory, held by a lock for as long as we live, and removes it (a context manager)."""
        return self._held("scratch", "restore-", None)

    def instance(self, user):
        """Gives a fresh directory like `scratch`, that belongs to an OS user (its name): a place for a throw-away server.

        Raises ProgramError for a user who is not there. Its path is short, because that of a socket has a limit.
        """
        try:
            owner = pwd.getpwnam(user)
        except KeyError:
            raise ProgramError("throw-away server", "user", detail=user) from None
        # The user has to come by, and still sees nothing: what else lies here is closed.
        for path in (self.root, self.path("instances")):
            os.chmod(path, 0o711)
        return self._held("instances", "i-", owner)

    @contextlib.contextmanager
    def _held(self, place, prefix, owner):
        path = tempfile.mkdtemp(prefix=prefix, dir=self.path(place))
        if owner:
            os.chown(path, owner.pw_uid, owner.pw_gid)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield path
        finally:
            remove_tree(path)
            os.close(descriptor)

    def sweep_scratch(self):
        """Removes the scratch directories and instances that crashed runs left behind; returns how many."""
        return sum(_remove_if_free(self.path(place, name)) for place in ("scratch", "instances") for name in os.listdir(self.path(place)))

    def keep_log(self, record_id, text):
        """Stores the whole log of a record beside its digest; old ones make room."""
        directory = self.path("logs")
        replace_file(os.path.join(directory, record_id.replace(":", "-") + ".log"), text)
        for name in sorted(os.listdir(directory))[:-_LOGS_KEPT]:
            with contextlib.suppress(FileNotFoundError):  # another run makes room at the same time
                os.unlink(os.path.join(directory, name))


def _wait_for_lock(file):
    deadline = time.monotonic() + _HOLD_WAIT_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                file.seek(0)
                raise Busy(file.read().strip() or "?") from None
        time.sleep(1)


def _remove_if_free(path):
    """Removes a directory that no living process holds a lock on; returns 1 if it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return 0
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return int(remove_tree(path))
    except OSError:
        return 0
    finally:
        os.close(descriptor)


def remove_tree(path):
    """Removes a directory with all that is in it, also what a user other than root restored read-only; returns True if it is gone.

    Directories are emptied side by side: removing what was just restored otherwise takes as long as proving it.
    """
    directories = []
    for directory, _names, _files in os.walk(path):
        with contextlib.suppress(OSError):
            os.chmod(directory, 0o700)
        directories.append(directory)
    from concurrent.futures import ThreadPoolExecutor  # here, because only restores need it and loading it takes time

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_empty, directories))
    shutil.rmtree(path, ignore_errors=True)
    return not os.path.lexists(path)


def _empty(directory):
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)


def os_failure(error, place):
    """Returns (cause, message) of a record for an OSError; place says where we worked when the error names no file."""
    detail = record.printable("%s: %s" % (error.filename or place, error.strerror))
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "no_space", record.message("no_space", place=place)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "permission", record.message("permission", detail=detail)
    return "internal", record.message("internal", detail=detail)


def replace_file(path, text):
    """Writes a file of mode 0600 so that readers see the old or the new content, never a part."""
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".new-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
