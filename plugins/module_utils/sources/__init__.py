# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kinds of data that can be protected, one file each, all with the same operations.

prepare() refuses a source that is not there or makes a consistent copy; paths() names what restic takes; evidence()
tells what a restored copy must match; clean() removes what prepare() made; prove(root, evidence) examines a restored copy.

Note that this module util is private to the collection.
"""

from __future__ import annotations

from ansible_collections.sicekat.backup.plugins.module_utils.sources.files import FilesSource
from ansible_collections.sicekat.backup.plugins.module_utils.sources.sqlite import SqliteSource

SOURCES = {"files": FilesSource, "sqlite": SqliteSource}


def source_for(dataset, workspace):
    """Returns the source of a data set (dict of the policy) in a Workspace."""
    return SOURCES[dataset["kind"]](dataset, workspace)
