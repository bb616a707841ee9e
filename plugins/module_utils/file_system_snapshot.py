# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots of Btrfs and LVM: files as they were at one moment, at the paths where they always are.

The snapshot is mounted over the paths in a mount namespace of our own, so that the backup knows the files by their usual names and
everybody else goes on to work with the live ones.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import contextlib
import json
import os
import re

from ansible_collections.sicekat.backup.plugins.module_utils.programs import Program, ProgramError
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import SourceError

_LIMIT_S = 300
_SUBVOLUME_INODE = 256  # of the root of every Btrfs subvolume
_HIDDEN = ".sicekat-"


class Snapshot:
    """A snapshot of what a data set (dict of the policy: name, paths, snapshot, one_file_system) names. place: directory of ours for a mount.

    Nothing is looked at or changed before `volume` or `take`; both raise SourceError, ProgramError and OSError.
    """

    def __init__(self, dataset, place):
        self._dataset = dataset
        self._place = place
        self._namespace = None
        self._volume = None

    def volume(self):
        """Returns the volume that holds all paths; raises SourceError if there is no such one, or if parts of it would be missing."""
        mounts = _mounts()
        paths = [os.path.realpath(path) for path in self._dataset["paths"]]
        kind = _KINDS[self._dataset["snapshot"]]
        volumes = [kind(self._dataset["name"], path, _mount_of(path, mounts)) for path in paths]
        for path, volume in zip(paths, volumes):
            if path == "/":
                raise SourceError("source_invalid", "snapshot_root")
            if volume.identity != volumes[0].identity:
                raise SourceError("source_invalid", "snapshot_apart", path=path, found=volume.identity, other=paths[0], expected=volumes[0].identity)
        if not self._dataset.get("one_file_system"):
            for place in [mount["target"] for mount in mounts] + volumes[0].nested():
                for path in paths:
                    if _is_below(place, path):
                        raise SourceError("source_invalid", "snapshot_below", found=place, path=path)
        return volumes[0]

    def take(self):
        """Makes the snapshot and shows it at the paths; whatever was begun, `remove` ends."""
        # here, because no other data set needs it, and not every Python has ctypes
        from ansible_collections.sicekat.backup.plugins.module_utils.mount_namespace import MountNamespace

        volume = self.volume()
        volume.remove_left()
        self._volume = volume
        volume.make()
        self._namespace = MountNamespace()
        self._namespace.enter()
        top = volume.open(self._namespace, self._place)
        try:
            for path in map(os.path.realpath, self._dataset["paths"]):
                # By descriptor: the first path may hide the place where the snapshot lies.
                self._namespace.bind(os.path.normpath("/proc/self/fd/%d/%s" % (top, volume.inside(path))), path)
                if os.lstat(path).st_dev != os.fstat(top).st_dev:
                    raise SourceError("source_invalid", "snapshot_not_shown", path=path)
        finally:
            os.close(top)

    def remove(self):
        """Takes everything back; what cannot be removed now stops the next run, which tries again."""
        if self._namespace:
            self._namespace.leave()
        with contextlib.suppress(ProgramError, SourceError, OSError):
            if self._volume:
                self._volume.remove_left()
        with contextlib.suppress(OSError):
            os.rmdir(self._place)


class _Btrfs:
    """The subvolume that holds a path. Its snapshot lies inside of it, under a hidden name."""

    def __init__(self, name, path, mount):
        if mount["fstype"] != "btrfs":
            raise _other_file_system(path, mount, "btrfs")
        self.identity = path
        while os.stat(self.identity).st_ino != _SUBVOLUME_INODE:
            if self.identity == mount["target"]:
                raise _other_file_system(path, mount, "btrfs")
            self.identity = os.path.dirname(self.identity)
        self._snapshot = os.path.join(self.identity, _HIDDEN + name)

    def nested(self):
        """Returns the paths of the subvolumes in this one, which a snapshot holds as empty directories."""
        own = _said("btrfs", "subvolume", "show", self.identity).splitlines()[0].strip().strip("/")
        listed = [line.partition(" path ")[2] for line in _said("btrfs", "subvolume", "list", "-o", self.identity).splitlines()]
        inside = [path[len(own) :].lstrip("/") for path in listed if not own or path.startswith(own + "/")]
        return [os.path.join(self.identity, path) for path in inside if not path.startswith(_HIDDEN)]

    def make(self):
        _said("btrfs", "subvolume", "snapshot", "-r", self.identity, self._snapshot)

    def open(self, _namespace, _place):
        """Returns a descriptor of the snapshot's root."""
        return os.open(self._snapshot, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)

    def inside(self, path):
        """Returns where a path lies in the snapshot."""
        return os.path.relpath(path, self.identity)

    def remove_left(self):
        """Removes the snapshot, ours or that of a run that died."""
        if not os.path.lexists(self._snapshot):
            return
        if os.path.islink(self._snapshot) or os.lstat(self._snapshot).st_ino != _SUBVOLUME_INODE:
            raise SourceError("source_invalid", "snapshot_not_ours", name=self._snapshot)
        _said("btrfs", "subvolume", "delete", self._snapshot)


class _Lvm:
    """The logical volume that holds a path. Its snapshot has room for changes of a fifth of it."""

    def __init__(self, name, path, mount):
        try:
            (found,) = _volumes(mount["source"])
        except (ProgramError, ValueError):
            raise _other_file_system(path, mount, "lvm") from None
        # Two Btrfs with one identity would be taken for one file system.
        if mount["fstype"] == "btrfs":
            raise _other_file_system(path, mount, "lvm")
        self._group, self._origin, self._mount = found["vg_name"], found["lv_name"], mount
        self._name = "sicekat_" + name
        self.identity = "%s/%s" % (self._group, self._origin)

    def nested(self):
        return []

    def make(self):
        _said("lvcreate", "--yes", "--snapshot", "--name", self._name, "--extents", "20%ORIGIN", self.identity)

    def open(self, namespace, place):
        os.makedirs(place, mode=0o700, exist_ok=True)
        options = "nouuid" if self._mount["fstype"] == "xfs" else ""
        namespace.mount("/dev/%s/%s" % (self._group, self._name), place, self._mount["fstype"], options)
        return os.open(place, os.O_RDONLY | os.O_DIRECTORY)

    def inside(self, path):
        return os.path.normpath("%s/%s" % (self._mount["fsroot"].strip("/") or ".", os.path.relpath(path, self._mount["target"])))

    def remove_left(self):
        left = [one for one in _volumes(self._group) if one["lv_name"] == self._name]
        if not left:
            return
        if left[0]["origin"] != self._origin:
            raise SourceError("source_invalid", "snapshot_not_ours", name="%s/%s" % (self._group, self._name))
        _said("lvremove", "--yes", "%s/%s" % (self._group, self._name))


_KINDS = {"btrfs": _Btrfs, "lvm": _Lvm}


def _said(*argv):
    return Program(argv).require(_LIMIT_S).text()


def _volumes(of):
    """Returns {"vg_name", "lv_name", "origin"} of a logical volume (its device) or of all of a group (its name)."""
    return json.loads(_said("lvs", "--reportformat", "json", "--options", "vg_name,lv_name,origin", of))["report"][0]["lv"]


def _mounts():
    """Returns {"target", "source", "fstype", "fsroot"} of each mount, a later one over an earlier one."""
    return json.loads(_said("findmnt", "--json", "--list", "--nofsroot", "--output", "TARGET,SOURCE,FSTYPE,FSROOT"))["filesystems"]


def _mount_of(path, mounts):
    holding = [mount for mount in mounts if mount["target"] == path or _is_below(path, mount["target"])]
    longest = max(len(mount["target"]) for mount in holding)
    return [mount for mount in holding if len(mount["target"]) == longest][-1]


def _is_below(path, directory):
    return path != directory and path.startswith(directory.rstrip("/") + "/")


def _other_file_system(path, mount, kind):
    found = {key: re.sub(r"\s+", " ", str(mount[key])) for key in ("fstype", "source", "target")}
    return SourceError("source_invalid", "snapshot_" + kind, path=path, **found)
