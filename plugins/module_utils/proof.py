# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proof of a restored copy: against what the repository lists, and against the manifest of backup time.

Zero subjects are a failure: a comparison that looked at nothing proves nothing.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import collections
import concurrent.futures
import datetime
import functools
import json
import os
import stat
from urllib.parse import unquote_to_bytes

from ansible_collections.sicekat.backup.plugins.module_utils import manifest as manifests
from ansible_collections.sicekat.backup.plugins.module_utils import record

# Go's os.FileMode keeps these three bits elsewhere than Unix does.
_GO_BITS = ((1 << 23, stat.S_ISUID), (1 << 22, stat.S_ISGID), (1 << 20, stat.S_ISVTX))
_TYPES = {
    "file": stat.S_ISREG, "dir": stat.S_ISDIR, "symlink": stat.S_ISLNK, "fifo": stat.S_ISFIFO,
    "dev": stat.S_ISBLK, "chardev": stat.S_ISCHR, "socket": stat.S_ISSOCK,
}  # fmt: skip
_SHOWN = 50
_EPOCH = datetime.date(1970, 1, 1).toordinal()


class Proof:
    """The findings about one restored copy; `differences` are printable lines, at most 50, `different` counts all."""

    def __init__(self):
        self.files = {"expected": 0, "restored": 0}
        self.bytes = {"expected": 0, "restored": 0}
        self.sample = {"compared": 0, "equal": 0, "different": 0, "missing": 0, "changed_during_backup": 0}
        self.metadata = {"compared": 0, "different": 0}
        self.canary = "none"
        self.different = 0
        self.differences = []

    def differs(self, path, what):
        """Notes one difference."""
        self.different += 1
        if len(self.differences) < _SHOWN:
            self.differences.append("%s: %s" % (record.printable(path), record.printable(what)))


def compare_tree(proof, root, nodes):
    """Compares each node that the repository lists with what lies below root: type, size, mode, mtime, and owner for root."""
    restored = _tree(root)
    as_root = os.geteuid() == 0
    for node in nodes:
        if node["type"] == "file":
            proof.files["expected"] += 1
            proof.bytes["expected"] += node.get("size", 0)
    for status in (status for statuses in restored.values() for status in statuses if stat.S_ISREG(status.st_mode)):
        proof.files["restored"] += 1
        proof.bytes["restored"] += status.st_size
    for node in nodes:
        candidates = restored.get(node["path"])
        if not candidates:
            proof.differs(node["path"], "missing")
            continue
        # Names that are not UTF-8 can look alike in restic's list: any entry of that shown name may be the one.
        wrong = min((_node_differences(node, status, as_root) for status in candidates), key=len)
        proof.metadata["compared"] += 1
        if wrong:
            proof.metadata["different"] += 1
            proof.differs(node["path"], ", ".join(wrong))
    if proof.files["expected"] != proof.files["restored"] or proof.bytes["expected"] != proof.bytes["restored"]:
        proof.differs(root, "%(restored)d files restored" % proof.files + " of %(expected)d" % proof.files)


def compare_sample(proof, root, nodes, manifest):
    """Compares the files of the manifest byte by byte (SHA-256), with their attributes and link targets.

    A file that changed between manifest and snapshot (size or mtime differ from what the repository lists) cannot be
    compared and is counted apart.
    """
    listed = collections.defaultdict(list)
    for node in nodes:
        listed[node["path"]].append(node)
    comparable = []
    for entry in manifest["files"]:
        path = unquote_to_bytes(entry["path"])
        same = [node for node in listed[manifests.engine_text(path)] if _is_that_file(node, entry)]
        if same:
            comparable.append((root + path, entry))
        else:
            proof.sample["changed_during_backup"] += 1
    # Hashing releases Python's lock, so that every core works.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for (path, _entry), wrong in zip(comparable, pool.map(lambda one: _sample_differences(*one), comparable)):
            proof.sample["compared"] += 1
            proof.sample["missing" if wrong == ["missing"] else "different" if wrong else "equal"] += 1
            if wrong:
                proof.differs(path[len(root) :], ", ".join(wrong))
    for entry in manifest["symlinks"]:
        path, target = unquote_to_bytes(entry["path"]), unquote_to_bytes(entry["target"])
        if not any(node["type"] == "symlink" for node in listed[manifests.engine_text(path)]):
            continue  # excluded, or made after the snapshot
        proof.metadata["compared"] += 1
        try:
            found = os.readlink(root + path)
        except OSError:
            found = None
        if found != target:
            proof.metadata["different"] += 1
            proof.differs(path, "symbolic link leads elsewhere")


def find_canary(proof, root, path, nonce):
    """Looks for the canary file of this very run below root."""
    try:
        with open(root + os.fsencode(path), encoding="utf-8") as file:
            found = json.load(file).get("nonce")
    except (OSError, ValueError, AttributeError):
        found = None
    proof.canary = "found" if nonce and found == nonce else "missing"


def nanoseconds(text):
    """Returns an RFC 3339 time of restic as nanoseconds since 1970; written for speed, there is one for each file."""
    fraction, zone = "", text[19:]
    if zone.startswith("."):
        digits = len(zone) - len(zone[1:].lstrip("0123456789")) - 1
        fraction, zone = zone[1 : 1 + digits], zone[1 + digits :]
    seconds = _seconds(text[:10]) + int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19])
    if zone != "Z":
        seconds -= (-1 if zone[0] == "-" else 1) * (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60)
    return seconds * 10**9 + int(fraction.ljust(9, "0"))


@functools.lru_cache(maxsize=4096)
def _seconds(day):
    return (datetime.date(int(day[:4]), int(day[5:7]), int(day[8:10])).toordinal() - _EPOCH) * 86400


def _tree(root):
    """Returns {path below root as restic shows it: [os.stat_result, ...]}."""
    found = collections.defaultdict(list)
    pending = [root]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                found[manifests.engine_text(entry.path[len(root) :])].append(entry.stat(follow_symlinks=False))
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
    return found


def _node_differences(node, status, as_root):
    """Returns which properties of a restored entry differ from the node."""
    if not _TYPES.get(node["type"], lambda _mode: False)(status.st_mode):
        return ["type", "size", "mode", "mtime", "owner"]
    wrong = []
    if node["type"] == "file" and status.st_size != node.get("size", 0):
        wrong.append("size %d instead of %d" % (status.st_size, node.get("size", 0)))
    if node["type"] != "symlink":
        if stat.S_IMODE(status.st_mode) != _unix_mode(node["mode"]):
            wrong.append("mode %04o instead of %04o" % (stat.S_IMODE(status.st_mode), _unix_mode(node["mode"])))
        if status.st_mtime_ns != nanoseconds(node["mtime"]):
            wrong.append("mtime")
    if as_root and (status.st_uid, status.st_gid) != (node.get("uid", 0), node.get("gid", 0)):
        wrong.append("owner %d:%d instead of %d:%d" % (status.st_uid, status.st_gid, node.get("uid", 0), node.get("gid", 0)))
    return wrong


def _is_that_file(node, entry):
    return node["type"] == "file" and node.get("size", 0) == entry["size"] and nanoseconds(node["mtime"]) == entry["mtime_ns"]


def _unix_mode(go_mode):
    return go_mode & 0o777 | sum(unix for go, unix in _GO_BITS if go_mode & go)


def _sample_differences(path, entry):
    """Returns what differs between a restored file and its entry in the manifest."""
    try:
        status = os.lstat(path)
        digest = manifests.digest_of(path, entry["ranges"])
        xattrs = manifests.xattrs_of(path)
    except FileNotFoundError:
        return ["missing"]
    except OSError as error:
        return ["cannot be read: %s" % error.strerror]
    wrong = []
    if digest != entry["sha256"]:
        wrong.append("content")
    expected = entry["xattrs"]
    if os.geteuid() != 0:
        expected = {name: value for name, value in expected.items() if name.startswith(("user.", "system.posix_acl"))}
        xattrs = {name: value for name, value in xattrs.items() if name in expected}
    if xattrs != expected:
        wrong.append("extended attributes")
    if stat.S_IMODE(status.st_mode) != entry["mode"]:
        wrong.append("mode")
    return wrong
