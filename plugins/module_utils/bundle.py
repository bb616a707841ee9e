# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bundle: what the programs of one data set print, in one file that restic stores, a zip of uncompressed members.

Uncompressed, because restic finds what has not changed since yesterday and compresses by itself. Any unzip opens it. The first
member is the canary of the run.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import zipfile

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.programs import ProgramError
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import SourceError, failure_of
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import os_failure

CANARY = "canary.json"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
_CHUNK = 1 << 20


class Stream:
    """Writes the bundle of a source into a pipe or file, and tells afterwards whether it is whole.

    source: a stream source that is prepared. canary: dict. place: where it is written to, for messages. on_bytes(count) is called as it
    grows. After write(): `error` (SourceError or None), `summary` as the manifest keeps it: {"sha256", "bytes", "members": [{"name",
    "bytes", "sha256"}]}.
    """

    def __init__(self, source, canary, place, on_bytes):
        self._source = source
        self._canary = canary
        self._place = place
        self._on_bytes = on_bytes
        self.error = None
        self.summary = None
        # Where restic has to wait for a lock, both are called again: each verdict is of its own writing.
        self._ended = threading.Condition()
        self._writings = self._verdicts = 0

    def write(self, file):
        """Writes everything to a binary file that need not be seekable; never raises: `error` says what went wrong."""
        self.error = self.summary = None
        try:
            self.summary = self._write(file)
        except SourceError as error:
            self.error = error
        except ProgramError as error:
            self.error = failure_of(error)
        except BrokenPipeError:
            self.error = SourceError("killed", "stream_unread")
        except OSError as error:
            cause, message = os_failure(error, self._place)
            self.error = SourceError(cause, message["code"], **message["params"])
        except Exception as error:  # a defect of ours must not pass for a whole stream
            self.error = SourceError("internal", detail="%s: %s" % (type(error).__name__, error))
        finally:
            with self._ended:
                self._writings += 1
                self._ended.notify_all()

    def write_verdict(self, pipe):
        """Waits for the end of write() and writes "whole" if nothing is missing."""
        with self._ended:
            self._verdicts += 1
            self._ended.wait_for(lambda: self._writings >= self._verdicts)
        if self.error is None and self.summary is not None:
            pipe.write(b"whole\n")

    def _write(self, file):
        members = []
        out = _Hashing(file, self._on_bytes)
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
            content = json.dumps(self._canary, sort_keys=True).encode("ascii")
            with archive.open(_info(CANARY), "w") as member:
                member.write(content)
            for part in self._source.parts():
                members.append(self._add(archive, part))
        out.flush()
        return {"sha256": out.digest.hexdigest(), "bytes": out.count, "members": members}

    def _add(self, archive, part):
        if part.name in archive.namelist():
            raise ValueError("two members named %s" % part.name)
        digest, count = hashlib.sha256(), 0
        with archive.open(_info(part.name), "w", force_zip64=True) as member:

            def take(piece):
                nonlocal count
                digest.update(piece)
                count += len(piece)
                member.write(piece)
                part.watch(piece)

            output = part.program.stream(take, part.limit_s)
        said = "%s: %s" % (part.program.name, output.stderr[:400])
        if output.stderr and said not in self._source.warnings:
            self._source.warnings.append(said)
        part.finish(count, output.stderr)
        return {"name": part.name, "bytes": count, "sha256": digest.hexdigest()}


class _Hashing:
    """A file that cannot be sought, whose every byte is counted and hashed."""

    def __init__(self, file, on_bytes):
        self._file = file
        self._on_bytes = on_bytes
        self.digest = hashlib.sha256()
        self.count = 0

    def write(self, data):
        self._file.write(data)
        self.digest.update(data)
        self.count += len(data)
        self._on_bytes(self.count)
        return len(data)

    def flush(self):
        self._file.flush()


def _info(name):
    if not _NAME.fullmatch(name):
        raise ValueError("not a member's name: %r" % name)
    info = zipfile.ZipInfo(name)  # with the constant date of 1980, so that equal data make equal bytes
    info.external_attr = 0o600 << 16
    return info


class Bundle:
    """A restored bundle. path: absolute path of the file. summary: what the manifest says of it.

    Names of members come from the manifest, never from the file: what a stranger put in is not looked at.
    """

    def __init__(self, path, summary):
        self.path = path
        self.summary = summary

    def names(self):
        """Returns the names of the members, without the canary."""
        return [one["name"] for one in self.summary["members"]]

    def problem(self, nonce):
        """Reads the whole bundle; returns what differs from backup time as text, or "" if every byte is as it was."""
        digest, count = hashlib.sha256(), 0
        try:
            with open(self.path, "rb") as file:
                for piece in iter(lambda: file.read(_CHUNK), b""):
                    digest.update(piece)
                    count += len(piece)
            if (digest.hexdigest(), count) != (self.summary["sha256"], self.summary["bytes"]):
                return "content"
            with zipfile.ZipFile(self.path) as archive:
                found = json.loads(archive.read(CANARY).decode("utf-8")).get("nonce")
                sizes = {one.filename: one.file_size for one in archive.infolist()}
        except (OSError, ValueError, KeyError, AttributeError, zipfile.BadZipFile) as error:
            return record.printable("%s: %s" % (type(error).__name__, error))
        if not nonce or found != nonce:
            return "canary"
        wrong = [one["name"] for one in self.summary["members"] if sizes.get(one["name"]) != one["bytes"]]
        return "members %s" % ", ".join(wrong) if wrong else ""

    def read(self, name):
        """Yields a member in pieces; zipfile compares the checksum at its end. Raises OSError, zipfile.BadZipFile, KeyError."""
        with zipfile.ZipFile(self.path) as archive, archive.open(name) as member:
            yield from iter(lambda: member.read(_CHUNK), b"")

    def unpack(self, directory):
        """Writes every member as a file of mode 0600 into a directory."""
        for name in self.names():
            if not _NAME.fullmatch(name):
                raise ValueError("not a member's name: %r" % name)
            with os.fdopen(os.open(os.path.join(directory, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                for piece in self.read(name):
                    file.write(piece)
