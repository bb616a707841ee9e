# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one home of restic: its command line, its JSON, its exit codes, and how versions 0.14 to 0.18 differ.

Secrets (password and repository location with its user part) reach restic through pipes, and keys of an object store
in a file in memory, so they stand in no argument list, environment or file on a disk. Nothing is believed by exit code
alone: callers judge by parsed output and a re-listing.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import copy
import json
import os
import pwd
import re
import socket
import subprocess
import time

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.reach import look
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import (
    EXIT_PARTIAL,
    ResticError,
    classify,
    redact,
    refuses_removal,
)
from ansible_collections.sicekat.backup.plugins.module_utils.restic_process import CREDENTIALS, Handed, as_user, bounded, collect, environment
from ansible_collections.sicekat.backup.plugins.module_utils.transport import Means, Transport

OLDEST = (0, 14, 0)

# 0.18 keeps trying a dead server for 15 minutes (measured), so calls that only look are given less.
LOOK_LIMIT_S = 120
WORK_LIMIT_S = 24 * 3600
# restic's own rule: a lock that its holder has not refreshed for so long is stale, whichever host it is of.
LOCK_STALE_S = 30 * 60
# How long we wait for a living holder of a lock; restic 0.14 cannot wait by itself.
LOCK_WAIT_S = 300
_LOCK_RETRY_S = 10

_ID = re.compile(r"[0-9a-f]{64}")
_PACKS = re.compile(r"100\.00%\s+(\d+) / (\d+) packs")


class Restic:
    """One repository, spoken to through one restic binary.

    repository: location as in transport.Transport. password: str. cache_dir: path or None for no cache. access: dict as in
    arguments.ACCESS. run_as: OS user under which restic runs, and whose home then holds the cache. upload_limit: KiB/s.
    max_runtime: seconds for all working calls together, counted from the first one. key_hint: id of the key that the password opens;
    it is tried first, so that key files that others planted are not even read.
    Every method raises ResticError with its cause.
    """

    def __init__(self, binary, repository, password, cache_dir=None, access=None, run_as=None, upload_limit=None, max_runtime=None, key_hint=None):
        self.binary = binary
        self.repository = repository
        self.shown_repository = redact(repository, [password])
        self.run_as = run_as
        self._password = password
        self._cache_dir = cache_dir
        self._access = access or {}
        self._upload_limit = upload_limit
        self._max_runtime = max_runtime or WORK_LIMIT_S
        self._key_hint = key_hint
        self._deadline = None
        self._version = None
        self._transport = None

    def with_password(self, password):
        """Returns the same repository, opened with another password, whose key is not known."""
        fresh = copy.copy(self)
        if password != self._password:
            fresh._key_hint = None
        fresh._password = password
        return fresh

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
        output = self._with_lock_rule(arguments, limit=self._work_limit(), pipes={"paths": data}, take=take, allowed=(0, EXIT_PARTIAL))
        return summary, output

    def can_stream(self):
        """Returns True if this restic makes no snapshot of a stream whose program failed (0.17 and newer)."""
        return self.version() >= (0, 17, 0)

    def backup_stream(self, name, host, tags, stream, on_progress=None):
        """Backs up what `stream` writes as one file /name and returns (summary dict, Output).

        stream: object with `write(pipe)`, which writes everything, and `write_verdict(pipe)`, which waits for it and writes "whole" if it
        is complete; both are called again if restic has to wait for a lock. restic runs a relay that ends well only after that word, and
        makes no snapshot otherwise (measured with 0.18).
        """
        relay = ["sh", "-c", 'cat "$1" && read -r verdict <"$2" && [ "$verdict" = whole ]', "relay", "{stream}", "{verdict}"]
        arguments = [*self._stream_options(name, host, tags), "--stdin-from-command", "--", *relay]
        return self._backed_up(arguments, on_progress, pipes={"stream": stream.write, "verdict": stream.write_verdict})

    def backup_finished(self, name, host, tags, path, on_progress=None):
        """Backs up a finished file as one file /name, as `backup_stream` does; for restic that cannot tell a stream that was cut."""
        with open(path, "rb") as file:
            return self._backed_up([*self._stream_options(name, host, tags), "--stdin"], on_progress, stdin=file)

    @staticmethod
    def _stream_options(name, host, tags):
        return ["backup", "--json", "--host", host, "--stdin-filename", "/" + name, *(word for tag in tags for word in ("--tag", tag))]

    def _backed_up(self, arguments, on_progress, **options):
        summary = {}

        def take(line):
            event = json.loads(line)
            if event.get("message_type") == "status" and on_progress:
                on_progress(event.get("bytes_done", 0), 0)
            elif event.get("message_type") == "summary":
                summary.update(event)
            return event.get("message_type")

        return summary, self._with_lock_rule(arguments, limit=self._work_limit(), take=take, allowed=(0, EXIT_PARTIAL), **options)

    def snapshots(self, ids=()):
        """Returns the repository's own list of snapshots (all, or those whose ids or id prefixes are given)."""
        output = self._checked(["snapshots", "--json", "--no-lock"], limit=LOOK_LIMIT_S)
        listed = _parsed(output) or []
        return [one for one in listed if not ids or any(one["id"].startswith(prefix) for prefix in ids)]

    def size(self, snapshot_id):
        """Returns {"files", "bytes"} of a snapshot (full id): all its items, directories and links too, and its files' bytes, hard links once."""
        found = _parsed(self._checked(["stats", "--json", "--no-lock", "--mode", "restore-size", snapshot_id], limit=self._work_limit()))
        if found.get("snapshots_count") != 1:  # restic ends with 0 without any
            raise ResticError("snapshot_missing", record.message("snapshot_missing", snapshot=snapshot_id[:16]))
        return {"files": found.get("total_file_count", 0), "bytes": found.get("total_size", 0)}

    def nodes(self, snapshot_id):
        """Returns (snapshot dict, list of node dicts) as the repository lists them."""
        nodes = []

        def take(line):
            event = json.loads(line)
            nodes.append(event)
            return event.get("struct_type")

        self._checked(["ls", "--json", "--no-lock", snapshot_id], limit=self._work_limit(), take=take)
        if not nodes or nodes[0].get("struct_type") != "snapshot":
            raise ResticError("snapshot_missing", record.message("snapshot_missing", snapshot=snapshot_id[:16]))
        return nodes[0], nodes[1:]

    def restore(self, snapshot_id, target):
        """Restores a snapshot into a directory and returns the Output; anything but exit code 0 is an error."""
        return self._with_lock_rule(["restore", snapshot_id, "--target", target], limit=self._work_limit())

    def check(self, read_data):
        """Checks the repository and reads its data back.

        read_data: "full" or "n/t" (the n-th of t groups). Returns (Output, packs read as int or None, ok as bool); ok
        needs exit code 0, restic's own words that it read and found no errors, and at least one pack.
        """
        option = "--read-data" if read_data == "full" else "--read-data-subset=" + read_data
        output = self._with_lock_rule(["check", option], limit=self._work_limit(), allowed=range(256))
        if not any(line.startswith("check all packs") for line in output.stdout):
            raise classify(output.exit_code, output.stderr, self.shown_repository)
        found = [match for match in (_PACKS.search(line) for line in output.stdout) if match]
        packs = int(found[-1].group(1)) if found else None
        said = any(line.startswith(("read all data", "read group")) for line in output.stdout)
        sound = any("no errors were found" in line for line in output.stdout)
        return output, packs, bool(output.exit_code == 0 and said and sound and packs)

    def groups_with_packs(self, groups):
        """Returns which of t groups (numbers from 1) of `check --read-data-subset=n/t` have a pack: the first byte of its id decides."""
        names = (line.strip() for line in self._checked(["list", "packs", "--no-lock"], limit=LOOK_LIMIT_S).stdout)
        return {int(name[:2], 16) % groups + 1 for name in names if re.match(r"^[0-9a-f]{64}$", name)}

    def copy(self, snapshot_ids, source):
        """Copies snapshots from another repository (a Restic) into this one. Both are spoken to as this one's user, if it names none as the source's."""
        return self._with_lock_rule(["copy"] + list(snapshot_ids), limit=self._work_limit(), other=source)

    def dump(self, snapshot_id, path, sink):
        """Reads one file of a snapshot back and gives it in pieces to sink(bytes); nothing is stored."""
        self._checked(["dump", "--no-lock", snapshot_id, path], limit=self._work_limit(), sink=sink)

    def forget_dry_run(self, keep, host, tags=(), group_by="host"):
        """Returns restic's own groups (dicts with "keep" and "remove", lists of snapshots) for these rules; nothing is removed.

        keep: dict of last, daily, weekly, monthly, yearly to int; at least one positive, because restic keeps nothing
        or everything without a rule, depending on its version. tags: all must be on a snapshot.
        """
        rules = [word for name in ("last", "daily", "weekly", "monthly", "yearly") if keep.get(name) for word in ("--keep-" + name, "%d" % keep[name])]
        if not rules:
            raise ValueError("no rule to keep anything")
        arguments = ["forget", "--dry-run", "--json", "--no-lock", "--host", host, "--group-by", group_by] + rules
        if tags:
            arguments += ["--tag", ",".join(tags)]
        return _parsed(self._checked(arguments, limit=LOOK_LIMIT_S)) or []

    def forget(self, ids):
        """Removes these snapshots (full ids) from the list. restic 0.18 ends with 0 when it was refused, so the list decides."""
        output = self._with_lock_rule(["forget"] + list(ids), limit=self._work_limit(), allowed=range(256))
        if self.snapshots(ids):
            raise self._removal_error(output)
        return output

    def prune(self):
        """Removes data that no snapshot needs."""
        output = self._with_lock_rule(["prune"], limit=self._work_limit(), allowed=range(256))
        if output.exit_code != 0 or refuses_removal(output.stderr + output.stdout):
            raise self._removal_error(output)
        return output

    def keys(self):
        """Returns the keys as the repository lists them (dicts with id, userName, hostName, created, current)."""
        return _parsed(self._checked(["key", "list", "--json", "--no-lock"], limit=LOOK_LIMIT_S))

    def key_ids(self):
        """Returns the full ids of all keys; `keys()` of restic 0.14 has 8 digits of them."""
        return [line for line in self._checked(["list", "keys", "--no-lock"], limit=LOOK_LIMIT_S).stdout if _ID.fullmatch(line)]

    def current_key(self):
        """Returns the full id of the key that the repository was opened with."""
        begin = next(one["id"] for one in self.keys() if one["current"])
        found = [one for one in self.key_ids() if one.startswith(begin)]
        if len(found) != 1:  # somebody made a key whose id begins as ours
            raise ResticError("other", record.message("other", exit_code=0, detail="%d keys begin with %s" % (len(found), begin)))
        return found[0]

    def add_key(self, new_password):
        """Adds a password that opens the repository, and proves that it does."""
        fresh = self.with_password(new_password)
        self._with_lock_rule(
            ["key", "add", "--new-password-file", "{new_password}"], limit=LOOK_LIMIT_S, pipes={"new_password": new_password.encode()}, secrets=[new_password]
        )
        fresh.repository_id()

    def remove_key(self, key_id):
        """Removes a key by its id; restic refuses to remove the one that it was opened with."""
        output = self._with_lock_rule(["key", "remove", key_id], limit=LOOK_LIMIT_S, allowed=range(256))
        if any(one.startswith(key_id) for one in self.key_ids()):
            raise self._removal_error(output)

    def clear_stale_locks(self):
        """Removes locks that a dead process of this host left, or that nobody refreshed for 30 minutes, and returns who held them (list of text).

        Only `restic unlock` is used, never --remove-all: restic itself decides that the holder is gone.
        """
        stale = []
        for name in self._checked(["list", "locks", "--no-lock"], limit=LOOK_LIMIT_S).stdout:
            if not _ID.fullmatch(name.strip()):
                continue
            try:
                lock = _parsed(self._checked(["cat", "lock", name.strip(), "--no-lock"], limit=LOOK_LIMIT_S))
            except ResticError:
                continue  # its holder removed it meanwhile
            age = (record.utc_now() - record.from_text(lock["time"])).total_seconds()
            dead = lock.get("hostname") == socket.gethostname() and not os.path.exists("/proc/%d" % lock["pid"])
            if dead or age > LOCK_STALE_S:
                stale.append("PID %d on %s, %s" % (lock["pid"], lock["hostname"], lock["time"][:19]))
        if stale:
            self._checked(["unlock"], limit=LOOK_LIMIT_S)
        return stale

    def _removal_error(self, output):
        if output.exit_code == 0 or refuses_removal(output.stderr + output.stdout):
            return ResticError("permission", record.message("removal_refused", repository=self.shown_repository), output.exit_code)
        return classify(output.exit_code, output.stderr, self.shown_repository)

    def _work_limit(self):
        """Returns the seconds that a working call may take: what is left of the longest run time."""
        if self._deadline is None:
            self._deadline = time.monotonic() + self._max_runtime
        return self._deadline - time.monotonic()

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

    def _checked(self, arguments, limit, pipes=None, take=None, allowed=(0,), other=None, sink=None, secrets=(), stdin=subprocess.DEVNULL):
        if limit <= 0:
            raise ResticError("timeout", record.message("timeout", seconds=self._max_runtime))
        output, timed_out = self._run(arguments, limit, dict(pipes or {}), take or sink, bool(sink), other, secrets, stdin)
        locked = output.exit_code != 0 and any("repository is already locked" in line for line in output.stderr)
        if timed_out or output.exit_code not in allowed or locked:
            seconds = self._max_runtime if limit != LOOK_LIMIT_S else limit
            raise classify(output.exit_code, output.stderr, self.shown_repository, seconds if timed_out else None)
        return output

    def reach(self):
        """Returns the Transport, after one look at whether the server answers: restic 0.18 tries for 15 minutes before it says so."""
        if self._transport is None:
            transport = Transport(self.repository, self._access)
            user = self._user()
            look(transport, as_user(user), environment(user))
            self._transport = transport
        return self._transport

    def _run(self, arguments, limit, pipes, take, raw, other, secrets, stdin):
        self.version()
        user = self._user() if self.run_as or other is None else other._user()
        sides = [one.reach() for one in (self, other) if one is not None]
        means = Means(*sides)
        pipes["repository"], pipes["password"] = sides[0].restic_location.encode("utf-8", "surrogateescape"), self._password.encode()
        options = ["--repository-file", "{repository}", "--password-file", "{password}"]
        options += ["--key-hint", self._key_hint] if self._key_hint else []
        secrets = [self._password, *secrets, *(secret for side in sides for secret in side.secrets)]
        if other is not None:
            pipes["from_repository"], pipes["from_password"] = sides[1].restic_location.encode("utf-8", "surrogateescape"), other._password.encode()
            options += ["--from-repository-file", "{from_repository}", "--from-password-file", "{from_password}"]
            options += ["--from-key-hint", other._key_hint] if other._key_hint else []
            secrets.append(other._password)
        cache_dir = self._cache_dir
        if user and cache_dir:  # ours is closed to that user
            cache_dir = os.path.join(user.pw_dir, "cache") if os.path.isdir(user.pw_dir) else None
        options += ["--cache-dir", cache_dir] if cache_dir else ["--no-cache"]
        options += ["--limit-upload", "%d" % self._upload_limit] if self._upload_limit else []
        for option in means.options:
            options += ["-o", option]
        variables = environment(user)
        handed = Handed(user, pipes)
        try:
            if means.authorities:
                options += ["--cacert", handed.file("authorities", means.authorities)]
            if means.keys:
                variables["AWS_SHARED_CREDENTIALS_FILE"] = handed.file("keys", CREDENTIALS % means.keys)
            words = [self.binary] + [handed.path(word) for word in options + list(arguments)]
            process = subprocess.Popen(
                as_user(user) + bounded(user) + words, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                pass_fds=handed.descriptors(), env=variables, cwd="/",
            )  # fmt: skip
        except OSError:
            handed.drop()
            raise ResticError("engine_missing", record.message("engine_missing", path=self.binary)) from None
        finally:
            handed.close()
        return collect(process, handed.writers, limit, take, raw, secrets)

    def _user(self):
        """Returns the password database's entry of the user that restic shall run as, or None where that is us."""
        if not self.run_as:
            return None
        try:
            user = pwd.getpwnam(self.run_as)
        except KeyError:
            user = None
        if user and user.pw_uid == os.geteuid():
            return None
        if not user or os.geteuid() != 0:
            raise ResticError("permission", record.message("run_as_impossible", user=self.run_as))
        return user


def _parsed(output):
    """Returns the JSON document that a call printed."""
    try:
        return json.loads("\n".join(output.stdout))
    except ValueError:
        detail = "unreadable output"
        raise ResticError("other", record.message("other", exit_code=output.exit_code, detail=detail), output.exit_code) from None
