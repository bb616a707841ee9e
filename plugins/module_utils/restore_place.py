# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person can name as the target of a restore, what keeps a place from being replaced, and where data belong.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import os
import re

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.sources.control_node import BESIDE, LEDGER

ORIGINAL = "original"
DATABASE = "database:"
# Which kinds of data can go into a database, and which go back to where their files came from.
ENGINES = ("postgresql", "mariadb", "mysql")
IN_PLACE = ("files", "sqlite", "control_node")

# What an SQLite database has beside its file; a log of the old one would be played into the new one.
_SQLITE_SIDES = ("-wal", "-shm", "-journal")
_DATABASE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.$-]{0,62}")


def form_of(target):
    """Returns "original", "database" or "directory"."""
    if target == ORIGINAL:
        return "original"
    return "database" if target.startswith(DATABASE) else "directory"


def form_problem(target, kind):
    """Returns the message why a data set of a kind cannot go to a target of this form, or None; looks at no file."""
    form = form_of(target)
    if form == "directory":
        is_plain = os.path.isabs(target) and os.path.normpath(target) == (target.rstrip("/") or "/") and not target.startswith("//")
        return None if is_plain else record.message("target_not_absolute", path=target)
    if form == "original":
        return None if kind in IN_PLACE or kind in ENGINES else record.message("target_directory_only", dataset_kind=kind)
    if kind not in ENGINES:
        return record.message("target_no_database", dataset_kind=kind)
    name = target[len(DATABASE) :]
    return None if _DATABASE_NAME.fullmatch(name) else record.message("target_database_name", database=name)


def database_of(target, dataset):
    """Returns the name of the database that a target means for a data set, or None."""
    if form_of(target) == "database":
        return target[len(DATABASE) :]
    return dataset["database"] if target == ORIGINAL and dataset["kind"] in ENGINES else None


def immovable(path, places):
    """Returns the message why a path cannot be renamed, or None."""
    if os.path.islink(path):
        return record.message("target_link", path=path)
    real = os.path.realpath(path)
    for place in places:
        if os.path.isabs(place) and within(os.path.realpath(place), real):
            return record.message("target_holds", path=path, place=place)
    for point in mount_points():
        if within(point, real):
            return record.message("target_mount", path=path, point=point)
    return None


def mount_points():
    """Returns the mount points of this host as paths."""
    with open("/proc/self/mountinfo", "rb") as file:
        fields = [line.split()[4] for line in file]
    # Blanks and backslashes are written as \040 and the like.
    return [os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match.group(1), 8)]), field)) for field in fields]


def within(path, place):
    return path == place or path.startswith(place.rstrip("/") + "/")


def origins(dataset, paths):
    """Returns [(path inside the snapshot, where it came from)] of a data set.

    paths: what the manifest of the snapshot names. Raises ValueError with the first one that the data set does not have any more.
    """
    if dataset["kind"] == "sqlite":
        return [(paths[0], dataset["path"])]
    copied = []
    if dataset["kind"] == "control_node":
        *paths, spool = paths
        copied = [(os.path.join(spool, name), os.path.join(dataset["state_dir"], name)) for name in (LEDGER, *BESIDE)]
    for path in paths:
        if path not in dataset["paths"]:
            raise ValueError(path)
    return [(path, path) for path in paths] + copied


def sides(dataset):
    """Returns the files beside a data set that have to leave together with it."""
    return [dataset["path"] + end for end in _SQLITE_SIDES] if dataset["kind"] == "sqlite" else []
