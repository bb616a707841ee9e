# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which host does which work. Pure: reads the policy only.

A server backs up and restores; its restore tests are done on its restore host, where it has one. Everything that lists, checks, copies
or removes runs on the maintenance host: the repository server that keeps the repository; for a repository that no repository server
keeps, the host that the primary one is maintained on.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping


def maintenance_host(policy: Mapping, server: str, repository: str) -> str:
    """Returns the host that lists, checks, copies and prunes a server's repository."""
    repositories = policy["servers"][server]["repositories"]
    keeper = repositories.get(repository, {}).get("server") or repositories["primary"].get("server")
    return keeper or server


def performed_on(policy: Mapping, server: str, kind: str, repository: str) -> str:
    """Returns the host on which the work for a record is done."""
    if kind == "copy":
        return maintenance_host(policy, server, "primary")
    if kind == "restore_test":
        return policy["servers"][server].get("restore_host") or server
    return maintenance_host(policy, server, repository) if kind in ("integrity_check", "retention") else server


def has_witness(policy: Mapping, server: str) -> bool:
    """Returns True if another host than the server itself can say what the primary repository holds."""
    return maintenance_host(policy, server, "primary") != server
