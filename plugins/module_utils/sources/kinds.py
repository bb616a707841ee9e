# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The source of each kind of data set.

Apart from the package itself, so that a part of it can be imported without all the others.

Note that this module util is private to the collection.
"""

from __future__ import annotations

from ansible_collections.sicekat.backup.plugins.module_utils.sources.command import CommandSource
from ansible_collections.sicekat.backup.plugins.module_utils.sources.control_node import ControlNodeSource
from ansible_collections.sicekat.backup.plugins.module_utils.sources.files import FilesSource
from ansible_collections.sicekat.backup.plugins.module_utils.sources.ldap import LdapSource
from ansible_collections.sicekat.backup.plugins.module_utils.sources.mariadb import MariadbSource, MysqlSource
from ansible_collections.sicekat.backup.plugins.module_utils.sources.postgresql import PostgresqlSource
from ansible_collections.sicekat.backup.plugins.module_utils.sources.sqlite import SqliteSource

SOURCES = {
    "command": CommandSource,
    "control_node": ControlNodeSource,
    "files": FilesSource,
    "ldap": LdapSource,
    "mariadb": MariadbSource,
    "mysql": MysqlSource,
    "postgresql": PostgresqlSource,
    "sqlite": SqliteSource,
}


def source_for(dataset, workspace):
    """Returns the source of a data set (dict of the policy) in a Workspace."""
    return SOURCES[dataset["kind"]](dataset, workspace)
