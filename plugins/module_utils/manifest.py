# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The manifest: what a sample of the backed-up files looked like, taken at backup time, for the restore test to compare.

It is kept on the control node and its digest in the record, so a server cannot adapt it later. Paths are
percent-encoded bytes, because file names need not be text.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import random
import stat
from urllib.parse import quote_from_bytes

from ansible_collections.sicekat.backup.plugins.module_utils import packing

SCHEMA = 1

# In a sample, a file up to this size is hashed whole; of a larger one, seeded ranges, so that one huge file does not double the work.
WHOLE_BYTES = 8 * 1024 * 1024
_RANGES = 4
_RANGE_BYTES = 1024 * 1024
_CHUNK = 1024 * 1024


def _replace_each_byte(error):
    return "\ufffd", error.start + 1


codecs.register_error("sicekat_each_byte", _replace_each_byte)


def engine_text(path):
    """Returns bytes of a path as restic's JSON shows them: each byte that is not UTF-8 becomes U+FFFD."""
    return path.decode("utf-8", "sicekat_each_byte")


def as_bytes(path):
    """Returns the bytes of a path that is UTF-8 text, whatever the locale is."""
    return path.encode("utf-8", "surrogateescape")


class Sampler:
    """Draws a uniform sample of the files that restic reports, without keeping them all.

    size: number of files, or "full". seed: text, recorded through the nonce. canary: path of our own file, never counted.
    """

    def __init__(self, size, seed, canary):
        self.size = size
        self.files = []
        self.newest_ns = None
        self._random = random.Random(seed)
        self._seen = 0
        self._canary = canary
        self.canary_action = None
        self._limit_ns = None

    def begin(self, started_ns):
        """Sets the start of the snapshot: data that are newer than it were changed while it ran and prove nothing."""
        self._limit_ns = started_ns

    def take(self, item, action):
        """Looks at one regular file (path as restic shows it, and what restic did with it)."""
        if item == self._canary:
            self.canary_action = action
            return
        try:
            modified = os.lstat(as_bytes(item)).st_mtime_ns
        except OSError:
            modified = None  # gone meanwhile, or a name that is not UTF-8
        if modified is not None and modified <= self._limit_ns and (self.newest_ns is None or modified > self.newest_ns):
            self.newest_ns = modified
        self._seen += 1
        if self.size == "full" or len(self.files) < self.size:
            self.files.append(item)
            return
        place = self._random.randrange(self._seen)
        if place < self.size:
            self.files[place] = item


def make(dataset, nonce, sampler, canary, paths, evidence):
    """Returns the manifest (JSON-able dict) of a snapshot that was just made.

    dataset: policy data set. canary: path of our own file. paths: what restic took beside it, searched for symbolic
    links and names that are not UTF-8. evidence: what the source wants to find again.
    """
    odd_names, links = _look_around(paths)
    chooser = random.Random(nonce)
    files = []
    for item in sampler.files:
        path = odd_names.get(item) if "\ufffd" in item else as_bytes(item)
        described = describe(path, None if sampler.size == "full" else chooser)
        if described:
            files.append(described)
    if sampler.size != "full" and len(links) > sampler.size:
        links = chooser.sample(links, sampler.size)
    symlinks = []
    for path in links:
        try:
            symlinks.append({"path": quote_from_bytes(path), "target": quote_from_bytes(os.readlink(path))})
        except OSError:
            continue
    return {
        "schema": SCHEMA, "dataset": dataset["name"], "kind": dataset["kind"], "nonce": nonce, "canary": canary, "paths": paths,
        "files": files, "symlinks": symlinks, "evidence": evidence,
    }  # fmt: skip


def make_of_bundle(dataset, nonce, path, bundle, evidence):
    """Returns the manifest of a snapshot of one bundle. bundle: summary of bundle.Stream. path: where the snapshot has it."""
    return {
        "schema": SCHEMA, "dataset": dataset["name"], "kind": dataset["kind"], "nonce": nonce, "canary": None, "paths": [path],
        "files": [], "symlinks": [], "evidence": evidence, "bundle": bundle,
    }  # fmt: skip


def describe(path, chooser):
    """Returns the entry of one regular file, or None if it is gone or changed while it was read.

    chooser: random.Random that draws the ranges of a large file, or None to hash every file whole.
    """
    if path is None:
        return None
    try:
        before = os.lstat(path)
        if not stat.S_ISREG(before.st_mode):
            return None
        ranges = None
        if chooser is not None and before.st_size > WHOLE_BYTES:
            ranges = sorted([chooser.randrange(before.st_size - _RANGE_BYTES), _RANGE_BYTES] for _count in range(_RANGES))
        digest = digest_of(path, ranges)
        after = os.lstat(path)
        xattrs = xattrs_of(path)
    except OSError:
        return None
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        return None
    return {
        "path": quote_from_bytes(path), "size": before.st_size, "mtime_ns": before.st_mtime_ns, "mode": stat.S_IMODE(before.st_mode),
        "uid": before.st_uid, "gid": before.st_gid, "sha256": digest, "ranges": ranges, "xattrs": xattrs,
    }  # fmt: skip


_UNPACKED_MOST = 512 * 2**20  # bytes


def digest(manifest):
    """Returns the SHA-256 of a manifest in canonical form, as hex; the record of the backup holds it."""
    return hashlib.sha256(_canonical(manifest)).hexdigest()


def pack(manifest):
    """Returns a manifest as one short text."""
    return packing.pack(_canonical(manifest))


def unpack(text):
    """Returns the manifest of a text that `pack` made; raises ValueError for any other text, and for one that grows beyond all measure."""
    return json.loads(packing.unpack(text, _UNPACKED_MOST).decode("ascii"))


def unpack_or_none(text):
    """Returns the manifest of a text that `pack` made, or None for no text or any other: whoever needs it finds that the evidence is missing."""
    try:
        return unpack(text) if text else None
    except ValueError:
        return None


def _canonical(manifest):
    return json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def digest_of(path, ranges):
    """Returns the SHA-256 of a file, or of its ranges (list of [offset, length] in bytes), as hex."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        if ranges is None:
            for chunk in iter(lambda: file.read(_CHUNK), b""):
                digest.update(chunk)
        for offset, length in ranges or ():
            file.seek(offset)
            digest.update(file.read(length))
    return digest.hexdigest()


def xattrs_of(path):
    """Returns the digests of the extended attributes of a file (access control lists among them) by name."""
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return {}
    return {name: hashlib.sha256(os.getxattr(path, name, follow_symlinks=False)).hexdigest() for name in sorted(names)}


def _look_around(roots):
    """Returns ({path as restic shows it: bytes} of names that are not UTF-8, [bytes of symbolic links]) below the roots."""
    odd_names, links = {}, []
    pending = [as_bytes(root) for root in roots]
    while pending:
        try:
            entries = list(os.scandir(pending.pop()))
        except OSError:
            continue
        for entry in entries:
            if entry.is_symlink():
                links.append(entry.path)
            elif entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
            else:
                shown = engine_text(entry.path)
                if "\ufffd" in shown:
                    odd_names[shown] = entry.path
    return odd_names, sorted(links)
