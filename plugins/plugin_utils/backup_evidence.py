# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether what a host tells of a backup shows that its data are in it: record and manifest held against each other and against the kind.

Pure. Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.sicekat.backup.plugins.module_utils import record

# Kinds whose snapshot is one bundle, and those whose evidence has a count of rows for each table.
BUNDLED = ("postgresql", "mariadb", "mysql", "ldap", "command")
_WITH_TABLES = ("sqlite", "postgresql", "mariadb", "mysql")


def held(opened: Mapping, closed: Mapping, manifest: Mapping) -> dict:
    """Returns the closed record of a backup; a success whose record and manifest do not show what its kind has to is none.

    manifest: the one that the record names by its digest, of any shape.
    """
    lacks = list(_lacks(opened, closed, manifest)) if closed["outcome"] == "success" else []
    if not lacks:
        return dict(closed)
    message = record.message("backup_unproved", dataset=opened["dataset"], detail="; ".join(lacks))
    return {**closed, "outcome": "failed", "cause": "no_evidence", "messages": [*closed["messages"], message], "error_count": max(1, closed["error_count"])}


def _lacks(opened: Mapping, closed: Mapping, manifest: Mapping) -> Iterator[str]:
    """Yields what a success does not show, in the terms of its own fields."""
    for name, key in (("dataset", "dataset"), ("kind", "dataset_kind")):
        if manifest.get(name) != opened[key]:
            yield f"manifest {name}"
    nonce = manifest.get("nonce")
    if not isinstance(nonce, str) or hashlib.sha256(nonce.encode("utf-8", "surrogateescape")).hexdigest() != closed.get("canary_sha256"):
        yield "canary"
    found = closed.get("database")
    if manifest.get("evidence") != found:
        yield "manifest evidence"
    if not _is_of_kind(opened["dataset_kind"], found or {}):
        yield "database"
    is_bundled = opened["dataset_kind"] in BUNDLED
    if is_bundled != bool(manifest.get("bundle")) or (is_bundled and not _is_bundle(opened, closed, manifest)):
        yield "bundle"


def _is_of_kind(kind: str, found: Mapping) -> bool:
    if kind in _WITH_TABLES:
        counts = found.get("tables")
        is_counted = isinstance(counts, Mapping) and all(count >= 0 for count in counts.values()) and found.get("rows") == sum(counts.values())
        return is_counted and (kind == "sqlite" or found.get("engine") == kind)
    if kind == "ldap":
        return found.get("engine") == kind and (found.get("rows") or 0) > 0
    return kind != "command" or (found.get("engine") == kind and (found.get("bytes") or 0) > 0)


def _is_bundle(opened: Mapping, closed: Mapping, manifest: Mapping) -> bool:
    """Returns True for the summary of one bundle with members, of the size and at the place that a backup of this data set has."""
    bundle = manifest["bundle"]
    members = bundle.get("members") if isinstance(bundle, Mapping) else None
    if not isinstance(members, list) or not members or not all(map(_is_summary, [bundle, *members])):
        return False
    is_within = sum(one["bytes"] for one in members) < bundle["bytes"] == closed["data_size_bytes"]
    return is_within and (closed.get("files") or {}).get("total") == 1 and manifest.get("paths") == [f"/{opened['dataset']}.zip"]


def _is_summary(one: Any) -> bool:
    if not isinstance(one, Mapping) or not isinstance(one.get("bytes"), int) or one["bytes"] < 0:
        return False
    return isinstance(one.get("sha256"), str) and re.fullmatch(r"[0-9a-f]{64}", one["sha256"]) is not None
