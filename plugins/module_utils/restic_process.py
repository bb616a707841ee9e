# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The process of one restic call: what is handed to it, under which user it runs, and what it says.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import is_hopeless, item_of, redact

# For a repository whose owner is another user than we, because a key file that a stranger planted may ask for any amount.
MEMORY_LIMIT_BYTES = 4 << 30
_ERROR_LINES = 20000
_EXCERPT_LINES = 40

# In quotes, because the file is an INI file, where "#" and ";" begin a comment.
CREDENTIALS = "[default]\naws_access_key_id = `%s`\naws_secret_access_key = `%s`\n"


class Output:
    """What one restic call left.

    exit_code: int. stdout, stderr: lists of redacted text lines. item_errors: number of items that could not be read.
    cleared_locks: who held the stale locks that were removed for this call.
    """

    def __init__(self):
        self.exit_code = None
        self.stdout = []
        self.stderr = []
        self.item_errors = 0
        self.cleared_locks = []

    def log_text(self):
        """Returns the whole log, all lines of both streams but progress and lists of unharmed files."""
        return "".join(line + "\n" for line in self.stdout + self.stderr)

    def log(self):
        """Returns the record's log field: the digest of `log_text()`, its number of lines, and its printable end."""
        lines = self.stdout + self.stderr
        tail = [line for line in lines if line.strip()][-_EXCERPT_LINES:]
        digest = hashlib.sha256(self.log_text().encode("utf-8", "surrogateescape")).hexdigest()
        return {"sha256": digest, "lines": len(lines), "excerpt": "\n".join(record.printable(line)[:500] for line in tail)}


class Handed:
    """What restic reads from /dev/fd/N: pipes, which are empty once they were read, and files in memory, which it may read twice.

    user: entry of the password database to whom they belong, or None. pipes: dict of name to bytes, or to a function
    that writes to the pipe it is given; `{name}` stands for the path.
    """

    def __init__(self, user, pipes):
        self._user = user
        self._descriptors = {}
        self.writers = []
        for name, data in pipes.items():
            read_end, write_end = os.pipe()
            self._descriptors["{%s}" % name] = read_end
            self.writers.append((write_end, data))
            self._give(read_end)

    def file(self, name, text):
        """Returns the path of a file in memory that only the user can read."""
        descriptor = os.memfd_create("sicekat-" + name)
        self._descriptors["{%s}" % name] = descriptor
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(text.encode("utf-8"))
        os.fchmod(descriptor, 0o400)
        self._give(descriptor)
        return "/dev/fd/%d" % descriptor

    def _give(self, descriptor):
        if self._user:
            os.fchown(descriptor, self._user.pw_uid, self._user.pw_gid)

    def path(self, word):
        """Returns the path for `{name}`, and every other word as it is."""
        return "/dev/fd/%d" % self._descriptors[word] if word in self._descriptors else word

    def descriptors(self):
        """Returns the ends that restic keeps."""
        return tuple(self._descriptors.values())

    def close(self):
        """Closes our copies of the ends that restic keeps."""
        for descriptor in self._descriptors.values():
            os.close(descriptor)

    def drop(self):
        """Closes the other ends, where restic was not started."""
        for write_end, _data in self.writers:
            os.close(write_end)


def as_user(user):
    """Returns the command that runs another one as a user (util-linux, part of every Debian)."""
    if user is None:
        return []
    return ["setpriv", "--reuid=%d" % user.pw_uid, "--regid=%d" % user.pw_gid, "--init-groups", "--no-new-privs", "--"]


def bounded(user):
    """Returns the command that bounds the memory of another one that runs as a user (util-linux): its data, for Go reserves far more addresses."""
    return ["prlimit", "--data=%d" % MEMORY_LIMIT_BYTES, "--"] if user else []


def environment(user):
    """Returns a small environment: nothing of the caller's, least of all RESTIC_* variables, reaches restic."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "TZ") if name in os.environ}
    kept.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    if user:
        kept["HOME"] = user.pw_dir
        kept.pop("TMPDIR", None)  # ours may be closed to that user
    kept["RESTIC_PROGRESS_FPS"] = "1"
    return kept


def collect(process, writers, limit, take, raw, secrets):
    """Feeds the pipes, reads both streams to their end, and returns (Output, timed_out).

    take: gets each JSON line of the standard output, or, if raw, all of it in pieces.
    """
    output = Output()
    timed_out = threading.Event()

    def stop():
        timed_out.set()
        process.kill()

    def feed(write_end, data):
        try:
            with os.fdopen(write_end, "wb") as pipe:
                data(pipe) if callable(data) else pipe.write(data)
        except BrokenPipeError:
            pass  # restic ended before it read this pipe; its exit code tells why

    def read_errors():
        given_up = False
        for piece in process.stderr:
            line = redact(piece.decode("utf-8", "replace").rstrip("\n"), secrets)
            output.item_errors += item_of(line) is not None
            if is_hopeless(line) and not given_up:
                given_up = True
                process.send_signal(signal.SIGINT)  # restic then takes its lock away
            if len(output.stderr) < _ERROR_LINES:
                output.stderr.append(line)
            else:
                output.stderr[-1] = line

    watchdog = threading.Timer(limit, stop)
    watchdog.daemon = True
    threads = [threading.Thread(target=feed, args=one, daemon=True) for one in writers]
    threads.append(threading.Thread(target=read_errors, daemon=True))
    for thread in [watchdog] + threads:
        thread.start()
    try:
        if raw:
            for piece in iter(lambda: process.stdout.read(1 << 20), b""):
                take(piece)
        else:
            _read_lines(process.stdout, output, take, secrets)
        output.exit_code = process.wait()
    finally:
        if process.poll() is None:
            process.kill()
        watchdog.cancel()
    for thread in threads:
        thread.join(10)
    return output, timed_out.is_set()


def _read_lines(stream, output, take, secrets):
    for piece in stream:
        line = redact(piece.decode("utf-8", "replace").rstrip("\n"), secrets)
        kind = None
        if take is not None and line.startswith("{"):
            try:
                kind = take(line)
            except (ValueError, KeyError):
                kind = None  # a line that this version of the adapter does not know
        if kind not in ("status", "verbose_status", "node", "snapshot"):
            output.stdout.append(line)
