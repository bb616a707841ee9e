# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one home of restic: its command line, its JSON, its exit codes, and how versions 0.14 to 0.18 differ.

Secrets (password and repository location with its user part) reach restic through pipes, so they stand in no argument
list, environment or file. Nothing is believed by exit code alone: callers judge by parsed output and a re-listing.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
import threading
import time

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import EXIT_PARTIAL, ResticError, classify, item_of, redact

OLDEST = (0, 14, 0)

# 0.18 keeps trying a dead server for 15 minutes (measured), so calls that only look are given less.
LOOK_LIMIT_S = 120
WORK_LIMIT_S = 24 * 3600
# How long we wait for a living holder of a lock; restic 0.14 cannot wait by itself.
LOCK_WAIT_S = 300
_LOCK_RETRY_S = 10

_PACKS = re.compile(r"100\.00%\s+(\d+) / (\d+) packs")
_ERROR_LINES = 20000
_EXCERPT_LINES = 40


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


class Restic:
    """One repository, spoken to through one restic binary.

    repository: location as restic takes it. password: str. cache_dir: path or None for no cache.
    Every method raises ResticError with its cause.
    """

    def __init__(self, binary, repository, password, cache_dir=None):
        self.binary = binary
        self.repository = repository
        self.shown_repository = redact(repository, [password])
        self._password = password
        self._cache_dir = cache_dir
        self._version = None

    def version(self):
        """Returns the version as a tuple of ints, and refuses one older than 0.14."""
        if self._version is None:
            try:
                text = subprocess.run([self.binary, "version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=LOOK_LIMIT_S, check=False).stdout
            except (OSError, subprocess.TimeoutExpired):
                raise ResticError("engine_missing", record.message("engine_missing", path=self.binary)) from None
            match = re.match(rb"restic (\d+)\.(\d+)\.(\d+)", text)
            version = tuple(int(part) for part in match.groups()) if match else (0, 0, 0)
            if version < OLDEST:
                found = text.decode("utf-8", "replace").strip()[:80]
                raise ResticError("engine_unsupported", record.message("engine_unsupported", found=found, wanted="0.14.0 or newer"))
            self._version = version
        return self._version

    def version_text(self):
        """Returns the version as text, such as 0.14.0."""
        return ".".join(str(part) for part in self.version())

    def repository_id(self):
        """Returns the identity of the repository (64 hex digits)."""
        output = self._checked(["cat", "config", "--no-lock"], limit=LOOK_LIMIT_S)
        return _parsed(output)["id"]

    def require_identity(self, expected):
        """Refuses a repository whose identity is not the pinned one."""
        found = self.repository_id()
        if found != expected:
            raise ResticError(
                "repository_replaced", record.message("repository_replaced", repository=self.shown_repository, found=found[:16], expected=expected[:16])
            )

    def init(self, chunker_of=None):
        """Creates the repository and returns its identity; chunker_of shares another one's chunker parameters."""
        arguments = ["init"] + (["--copy-chunker-params"] if chunker_of else [])
        self._checked(arguments, limit=LOOK_LIMIT_S, other=chunker_of)
        return self.repository_id()

    def backup(self, paths, host, tags, excludes=(), force=False, one_file_system=False, on_item=None, on_progress=None):
        """Backs up absolute paths and returns (summary dict, Output).

        on_item(path text, "new" | "modified" | "unchanged") is called for each regular file that restic took; on_progress(done, total) in bytes.
        Exit code 3 (unreadable items) is not raised: it stands in Output.exit_code and the error lines in Output.stderr.
        """
        arguments = ["backup", "--json", "--verbose=2", "--host", host, "--files-from-raw", "{paths}"]
        for tag in tags:
            arguments += ["--tag", tag]
        for exclude in excludes:
            arguments.append("--exclude=" + exclude)
        arguments += ["--force"] * force + ["--one-file-system"] * one_file_system
        summary = {}

        def take(line):
            event = json.loads(line)
            kind = event.get("message_type")
            if kind == "verbose_status" and on_item and not event["item"].endswith("/") and event.get("action") in ("new", "modified", "unchanged"):
                on_item(event["item"], event["action"])
            elif kind == "status" and on_progress and event.get("total_bytes"):
                on_progress(event.get("bytes_done", 0), event["total_bytes"])
            elif kind == "summary":
                summary.update(event)
            return kind

        data = b"".join(path.encode("utf-8", "surrogateescape") + b"\0" for path in paths)
        output = self._with_lock_rule(arguments, limit=WORK_LIMIT_S, pipes={"paths": data}, take=take, allowed=(0, EXIT_PARTIAL))
        return summary, output

    def snapshots(self, ids=()):
        """Returns the repository's own list of snapshots (all, or those whose ids or id prefixes are given)."""
        output = self._checked(["snapshots", "--json", "--no-lock"], limit=LOOK_LIMIT_S)
        listed = _parsed(output) or []
        return [one for one in listed if not ids or any(one["id"].startswith(prefix) for prefix in ids)]

    def nodes(self, snapshot_id):
        """Returns (snapshot dict, list of node dicts) as the repository lists them."""
        nodes = []

        def take(line):
            event = json.loads(line)
            nodes.append(event)
            return event.get("struct_type")

        self._checked(["ls", "--json", "--no-lock", snapshot_id], limit=WORK_LIMIT_S, take=take)
        if not nodes or nodes[0].get("struct_type") != "snapshot":
            raise ResticError("snapshot_missing", record.message("snapshot_missing", snapshot=snapshot_id[:16]))
        return nodes[0], nodes[1:]

    def restore(self, snapshot_id, target):
        """Restores a snapshot into a directory and returns the Output; anything but exit code 0 is an error."""
        return self._with_lock_rule(["restore", snapshot_id, "--target", target], limit=WORK_LIMIT_S)

    def check(self, read_data):
        """Checks the repository and reads its data back.

        read_data: "full" or "n/t" (the n-th of t groups). Returns (Output, packs read as int or None, ok as bool); ok
        needs exit code 0, restic's own words that it read and found no errors, and at least one pack.
        """
        option = "--read-data" if read_data == "full" else "--read-data-subset=" + read_data
        output = self._with_lock_rule(["check", option], limit=WORK_LIMIT_S, allowed=range(256))
        if not any(line.startswith("check all packs") for line in output.stdout):
            raise classify(output.exit_code, output.stderr, self.shown_repository)
        found = [match for match in (_PACKS.search(line) for line in output.stdout) if match]
        packs = int(found[-1].group(1)) if found else None
        said = any(line.startswith(("read all data", "read group")) for line in output.stdout)
        sound = any("no errors were found" in line for line in output.stdout)
        return output, packs, bool(output.exit_code == 0 and said and sound and packs)

    def copy(self, snapshot_ids, source):
        """Copies snapshots from another repository (a Restic) into this one."""
        return self._with_lock_rule(["copy"] + list(snapshot_ids), limit=WORK_LIMIT_S, other=source)

    def clear_stale_locks(self):
        """Removes locks that a dead process of this host left, and returns who held them (list of text).

        Only `restic unlock` is used, never --remove-all: restic itself decides that the holder is gone.
        """
        stale = []
        for name in self._checked(["list", "locks", "--no-lock"], limit=LOOK_LIMIT_S).stdout:
            if not re.match(r"^[0-9a-f]{64}$", name.strip()):
                continue
            try:
                lock = _parsed(self._checked(["cat", "lock", name.strip(), "--no-lock"], limit=LOOK_LIMIT_S))
            except ResticError:
                continue  # its holder removed it meanwhile
            if lock.get("hostname") == socket.gethostname() and not os.path.exists("/proc/%d" % lock["pid"]):
                stale.append("PID %d on %s, %s" % (lock["pid"], lock["hostname"], lock["time"][:19]))
        if stale:
            self._checked(["unlock"], limit=LOOK_LIMIT_S)
        return stale

    def _with_lock_rule(self, arguments, **options):
        """Runs a call that needs a lock. A lock of a dead process of ours is cleared once; a living holder is waited for."""
        deadline = time.monotonic() + LOCK_WAIT_S
        stale = []
        while True:
            try:
                output = self._checked(arguments, **options)
                output.cleared_locks = stale
                return output
            except ResticError as error:
                if error.cause != "repository_locked":
                    raise
                if not stale:
                    stale = self.clear_stale_locks()
                    if stale:
                        continue
                if time.monotonic() > deadline:
                    raise
            time.sleep(_LOCK_RETRY_S)

    def _checked(self, arguments, limit, pipes=None, take=None, allowed=(0,), other=None):
        output, timed_out = self._run(arguments, limit, dict(pipes or {}), take, other)
        locked = output.exit_code != 0 and any("repository is already locked" in line for line in output.stderr)
        if timed_out or output.exit_code not in allowed or locked:
            raise classify(output.exit_code, output.stderr, self.shown_repository, limit if timed_out else None)
        return output

    def _run(self, arguments, limit, pipes, take, other):
        self.version()
        pipes["repository"], pipes["password"] = self.repository.encode("utf-8", "surrogateescape"), self._password.encode()
        options = ["--repository-file", "{repository}", "--password-file", "{password}"]
        secrets = [self._password]
        if other is not None:
            pipes["from_repository"], pipes["from_password"] = other.repository.encode("utf-8", "surrogateescape"), other._password.encode()
            options += ["--from-repository-file", "{from_repository}", "--from-password-file", "{from_password}"]
            secrets.append(other._password)
        options += ["--cache-dir", self._cache_dir] if self._cache_dir else ["--no-cache"]
        descriptors = {}
        writers = []
        for name, data in pipes.items():
            read_end, write_end = os.pipe()
            descriptors["{%s}" % name] = read_end
            writers.append((write_end, data))
        command = [self.binary] + ["/dev/fd/%d" % descriptors[word] if word in descriptors else word for word in options + list(arguments)]
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                pass_fds=tuple(descriptors.values()), env=_environment(), cwd="/",
            )  # fmt: skip
        except OSError:
            for write_end, _data in writers:
                os.close(write_end)
            raise ResticError("engine_missing", record.message("engine_missing", path=self.binary)) from None
        finally:
            for read_end in descriptors.values():
                os.close(read_end)
        return _collect(process, writers, limit, take, secrets)


def _parsed(output):
    """Returns the JSON document that a call printed."""
    try:
        return json.loads("\n".join(output.stdout))
    except ValueError:
        detail = "unreadable output"
        raise ResticError("other", record.message("other", exit_code=output.exit_code, detail=detail), output.exit_code) from None


def _environment():
    """Returns a small environment: nothing of the caller's, least of all RESTIC_* variables, reaches restic."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "TZ") if name in os.environ}
    kept.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    kept["RESTIC_PROGRESS_FPS"] = "1"
    return kept


def _collect(process, writers, limit, take, secrets):
    """Feeds the pipes, reads both streams to their end, and returns (Output, timed_out)."""
    output = Output()
    timed_out = threading.Event()

    def stop():
        timed_out.set()
        process.kill()

    def feed(write_end, data):
        try:
            with os.fdopen(write_end, "wb") as pipe:
                pipe.write(data)
        except BrokenPipeError:
            pass  # restic ended before it read this pipe; its exit code tells why

    def read_errors():
        for raw in process.stderr:
            line = redact(raw.decode("utf-8", "replace").rstrip("\n"), secrets)
            output.item_errors += item_of(line) is not None
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
        for raw in process.stdout:
            line = redact(raw.decode("utf-8", "replace").rstrip("\n"), secrets)
            kind = None
            if take is not None and line.startswith("{"):
                try:
                    kind = take(line)
                except (ValueError, KeyError):
                    kind = None  # a line that this version of the adapter does not know
            if kind not in ("status", "verbose_status", "node", "snapshot"):
                output.stdout.append(line)
        output.exit_code = process.wait()
    finally:
        if process.poll() is None:
            process.kill()
        watchdog.cancel()
    for thread in threads:
        thread.join(10)
    return output, timed_out.is_set()
