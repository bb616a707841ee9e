# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work that outlives whoever asked for it: a broken SSH connection or a killed playbook does not touch it.

A job is done by a process of its own, in a session of its own. While it works it holds the lock of jobs/<job>.lock;
what it comes to lies in jobs/<job>.json, mode 0600, until it is collected. A lock that is free beside a missing result means
that the worker died with the machine or by a signal: the job is lost, and nobody does it again under this name.

The worker imports nothing of this collection any more once it works: Ansible's archive may be gone by then.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import select
import time
import traceback

from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import redact
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import replace_file

KEPT_DAYS = 30

_JOB = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,199}$")
_FIRST_LOOK_S, _LONGEST_S = 0.2, 1.0


class JobLost(Exception):
    """A job whose worker died before it left a result; what it did is not known."""


def finish(module, workspace, work):
    """Ends an AnsibleModule with the result of work() (a dict), done as the job of its option `job` if there is one.

    A lost job gives `lost: true` and nothing else; a worker that crashed gives a failure with its reason.
    """
    try:
        result = run_detached(module.params["job"], workspace, work, module.no_log_values)
    except JobLost:
        result = {"changed": True, "lost": True}
    module.exit_json(**result)


def run_detached(job, workspace, work, secrets=()):
    """Returns the result of work(), a JSON-able dict, after it was done once for all callers of this job.

    job: name of the job, or None to do the work here. secrets: texts that the reason of a crash must not hold.
    Raises JobLost. Whoever comes while the work goes on, or later, gets the same result.
    """
    if job is None:
        return work()
    lock, stored = _paths(workspace, job)
    try:
        workspace.make()
        _sweep(workspace)
        started = _start(lock, stored, work, secrets)
    except OSError:
        return work()  # a directory that cannot be written to: the work itself says why in its records
    delay = _FIRST_LOOK_S
    while True:
        found = collect(job, workspace)
        if found["state"] == "done":
            return found["result"]
        if found["state"] == "lost":
            raise JobLost(job)
        if found["state"] == "unknown":
            started = _start(lock, stored, work, secrets)
        if started is None:
            time.sleep(delay)
            delay = min(delay * 1.5, _LONGEST_S)
        else:
            select.select([started], [], [])  # ends with the worker
            os.close(started)
            started = None


def collect(job, workspace):
    """Returns {"state": "done" | "running" | "lost" | "unknown", "result": dict or None} of a job; changes nothing.

    The result of a lost job is {"lost": True}.
    """
    lock, stored = _paths(workspace, job)
    # In this order: a worker writes its result before it lets go of its lock.
    state = _look(lock)
    try:
        with open(stored, encoding="utf-8") as file:
            answer = json.load(file)
    except FileNotFoundError:
        return {"state": state, "result": {"lost": True} if state == "lost" else None}
    if "crash" in answer:
        return {"state": "done", "result": {"failed": True, "msg": answer["crash"]}}
    return {"state": "done", "result": answer["result"]}


def _paths(workspace, job):
    if not _JOB.match(job):
        raise ValueError("not the name of a job: %r" % job)
    return workspace.path("jobs", job + ".lock"), workspace.path("jobs", job + ".json")


def _look(lock):
    try:
        with open(lock, encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return "lost" if file.read() else "unknown"
    except FileNotFoundError:
        return "unknown"
    except BlockingIOError:
        return "running"


def _start(lock, stored, work, secrets):
    """Starts the worker and returns a descriptor that shows its end; returns None if it is or was started by somebody."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.read(descriptor, 1) or os.path.exists(stored):
            return None
        os.write(descriptor, b"started\n")
        os.fsync(descriptor)
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                # A session of its own, and no parent that waits: nothing that ends the caller reaches the worker.
                os.setsid()
                if os.fork() == 0:
                    os.close(read_end)
                    _work(stored, work, secrets)
            finally:
                os._exit(0)
        os.close(write_end)
        os.waitpid(child, 0)
        return read_end
    except BlockingIOError:
        return None
    finally:
        os.close(descriptor)  # the worker has it too, and with it the lock


def _work(stored, work, secrets):
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)  # or whoever reads them would wait for us
    try:
        text = json.dumps({"result": work()})
    except BaseException as error:
        places = ["%s:%d" % (os.path.basename(frame.f_code.co_filename), line) for frame, line in traceback.walk_tb(error.__traceback__)]
        text = json.dumps({"crash": redact("%s: %s (%s)" % (type(error).__name__, error, ", ".join(places)), sorted(secrets, key=len, reverse=True))})
    replace_file(stored, text)


def _sweep(workspace):
    """Removes results that nobody collected for a month, with their locks unless they are held."""
    oldest = time.time() - KEPT_DAYS * 86400
    with os.scandir(workspace.path("jobs")) as entries:
        aged = [entry.path for entry in entries if entry.stat(follow_symlinks=False).st_mtime < oldest]
    for path in aged:
        with contextlib.suppress(OSError), open(path, "rb") as file:  # held, or another run removed it
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path)
