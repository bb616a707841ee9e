# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands on the paper in the sealed envelope: where each repository lies, and what a person types to open it. Pure.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.sicekat.backup.plugins.module_utils.transport import Transport
from ansible_collections.sicekat.backup.plugins.plugin_utils.performers import maintenance_host


def row(policy: Mapping, server: str, repository: str, given: Mapping, ca_certificate: bool, proof: Mapping) -> dict:
    """Returns one repository as the paper shows it.

    policy: the one in which the server is. given: the repository's variables, with credentials; {"url": …} alone for a server that
    has left the inventory. proof: the newest `escrow_proved`. Among the keys: `kind` (server, directory, rest, s3, sftp), `host` where
    it lies, `argument` (what is typed after `restic -r`), `keys` (of an object store, or None).
    """
    settings = policy["servers"][server]["repositories"][repository]
    found = {
        "server": server, "repository": repository, "location": settings["location"], "repository_id": proof["repository_id"],
        "proved_at": proof["proved_at"], "keys": None, "address": None, "offboarded_at": None,
    }  # fmt: skip
    if settings.get("server"):
        place = policy["repository_servers"][settings["server"]]
        return {**found, "kind": "server", "host": settings["server"], "address": place["address"], "argument": f"{place['path'].rstrip('/')}/{server}"}
    url = str(given["url"])
    if url.startswith("/"):
        return {**found, "kind": "directory", "host": maintenance_host(policy, server, repository), "argument": shlex.quote(url)}
    access = {"username": given.get("username"), "password": given.get("access_password")}
    access.update({key: given.get(key) for key in ("access_key", "secret_key")})
    way = Transport(url, access)
    # An own authority's certificate is too long to type. What is read is protected by the repository's own encryption.
    argument = shlex.quote(way.restic_location) + (" --insecure-tls" if ca_certificate else "")
    return {**found, "kind": way.kind, "host": way.host, "argument": argument, "keys": list(way.keys) if way.keys else None}


def places(rows: Iterable[Mapping]) -> list[dict[str, Any]]:
    """Returns the rows by where they lie: {"kind", "host", "address", "rows"}, each place once."""
    found: dict[tuple, dict] = {}
    for one in rows:
        place = found.setdefault((one["kind"], one["host"]), {"kind": one["kind"], "host": one["host"], "address": one["address"], "rows": []})
        place["rows"].append(one)
    return list(found.values())


def passwords(escrow_of: Iterable[tuple[str, str, str]]) -> list[dict[str, Any]]:
    """Returns {"groups", "servers"} for each password of the envelope: one for all that repository servers keep, one for each server that
    works with its own repositories. escrow_of: (server, repository, password). A server with several is named with the repository.
    """
    escrow_of = list(escrow_of)
    of_server: dict[str, set[str]] = {}
    for server, _name, password in escrow_of:
        of_server.setdefault(server, set()).add(password)
    found: dict[str, dict[str, None]] = {}
    for server, name, password in escrow_of:
        found.setdefault(password, {})[server if len(of_server[server]) == 1 else f"{server}/{name}"] = None
    return [{"groups": password.split("-"), "servers": list(names)} for password, names in found.items()]
