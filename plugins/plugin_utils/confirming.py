# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nobody reports on himself: what a repository server lists decides what becomes of what a server claims.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger

_UNCLAIMED_SHOWN = 100


def confirmed(opened: Mapping, claim: Mapping, listing: Mapping) -> dict:
    """Returns the closed record of a claim as a listing of its repository bears it out.

    listing: one of the module `repository_listing`, without a problem. A claim of less than a success stays what it is.
    """
    found = next((one for one in listing["snapshots"] if one["id"] == claim["snapshot_id"] and tag(one, "record") == opened["record_id"]), None)
    checks = [*claim["verification"]["log_check"]["checks"], {"check": "confirmed_by_repository_server", "result": "passed" if found else "failed"}]
    result = claim["verification"]["log_check"]["result"]
    closed = {**claim, "verification": {**claim["verification"], "log_check": {"result": result if found else "failed", "checks": checks}}}
    if found is None and claim["outcome"] in ("success", "partial"):
        message = record.message("snapshot_not_listed", snapshot=claim["snapshot_id"])
        closed.update(outcome="failed", cause="snapshot_not_listed", messages=[*claim["messages"], message], error_count=max(1, claim.get("error_count") or 0))
    return closed


def listed(server: str, listing: Mapping, ledger: Ledger, claims: Sequence[Mapping], since: str | None) -> dict:
    """Returns the ledger's note on a listing of a server's primary repository: what nobody claims, and what is gone.

    claims: the claims of this server that are not closed yet. since: how far back records are compared with the listing (RFC 3339
    text), None for all of them.
    """
    note = {
        "server": server, "repository": "primary", "listed_at": listing.get("clock") or record.to_text(record.utc_now()),
        "repository_id": listing.get("repository_id"), "count": len(listing["snapshots"]),
        "problem": listing.get("problem"), "unclaimed": [], "explained": [], "vanished": [],
    }  # fmt: skip
    if note["problem"]:
        return carried_on(note, ledger)
    claimed = {one["snapshot_id"] for one in claims}
    for snapshot in listing["snapshots"]:
        if snapshot["id"] in claimed:
            continue
        owner = ledger.record(tag(snapshot, "record") or "")
        if owner is None or owner["server"] != server or owner.get("snapshot_id") not in (None, snapshot["id"]):
            note["unclaimed"].append(_shown(snapshot))
        elif owner.get("snapshot_id") is None:
            # The record ended without a snapshot (its run was interrupted), but restic had made one.
            note["explained"].append({"snapshot_id": snapshot["id"], "record_id": owner["record_id"]})
    note["unclaimed"] = note["unclaimed"][:_UNCLAIMED_SHOWN]
    note["vanished"] = list(_vanished(server, {one["id"] for one in listing["snapshots"]}, note["repository_id"], ledger, since))
    return note


def tag(snapshot: Mapping, name: str) -> str | None:
    """Returns the value of a snapshot's tag "name=value", or None if it has none, or more than one."""
    values = [one.partition("=")[2] for one in snapshot.get("tags") or () if one.startswith(f"{name}=")]
    return values[0] if len(values) == 1 else None


def _shown(snapshot: Mapping) -> dict:
    tags = [record.printable(one)[:200] for one in (snapshot.get("tags") or ())[:10]]
    return {"snapshot_id": snapshot["id"], "time": str(snapshot["time"])[:35], "hostname": record.printable(snapshot.get("hostname") or "")[:100], "tags": tags}


def _vanished(server: str, present: set[str], repository_id: str | None, ledger: Ledger, since: str | None) -> Iterator[dict]:
    """Yields the proved backups of a repository that it no longer lists although retention did not remove them.

    What an earlier listing missed stays missing, however far back it is, until it is listed again.
    """
    accounted = set(present)
    for made in ledger.records(server=server, kind="retention"):
        if made["repository"] == "primary" and made.get("retention"):
            accounted |= {one["snapshot_id"] for name in ("removed", "unconfirmed") for one in made["retention"].get(name) or ()}
    before = ledger.newest("repository_listed", server, "primary") or {}
    known = [*(before.get("vanished") or ())] if before.get("repository_id") == repository_id else []
    known += [
        {"snapshot_id": one["snapshot_id"], "record_id": one["record_id"]}
        for one in ledger.records(server=server, kind="backup", since=since)
        if one["outcome"] == "success" and one["repository_id"] == repository_id
    ]
    for one in {one["snapshot_id"]: one for one in known}.values():
        if one["snapshot_id"] not in accounted:
            yield one


def unanswered(server: str, problem: Mapping, ledger: Ledger) -> dict:
    """Returns the ledger's note on a repository server that gave no listing at all."""
    note = {
        "server": server,
        "repository": "primary",
        "listed_at": record.to_text(record.utc_now()),
        "repository_id": None,
        "count": 0,
        "problem": dict(problem),
    }
    return carried_on(note, ledger)


def carried_on(note: Mapping, ledger: Ledger) -> dict:
    """Returns the note of a listing that failed with what the one before had found: silence clears nothing."""
    before = ledger.newest("repository_listed", note["server"], "primary") or {}
    kept = {key: before.get(key) or [] for key in ("unclaimed", "explained", "vanished")}
    return {**note, "repository_id": before.get("repository_id"), **kept}
