# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nobody reports on himself: what a repository server lists decides what becomes of what a server claims.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.retention_operation import SLACK
from ansible_collections.sicekat.backup.plugins.plugin_utils import backup_evidence, retention
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger

_UNCLAIMED_SHOWN = 100


def confirmed(opened: Mapping, claim: Mapping, listing: Mapping) -> dict:
    """Returns the closed record of a claim as a listing of its repository bears it out.

    opened: the merged record. listing: one of the module `repository_listing`, without a problem. A claim of less than a success
    stays what it is. What the repository server was asked to measure of the snapshot becomes `measured`, None where it could not.
    """
    name = claim["snapshot_id"]
    found = next((one for one in listing["snapshots"] if one["id"] == name and tag(one, "record") == opened["record_id"]), None)
    sizes = listing.get("sizes") or {}
    measured = {"measured": sizes[name]} if found and name in sizes else {}
    claim = {key: value for key, value in claim.items() if key != "measured"}  # never the server's own word
    cause, message = _contradiction(opened, claim, found, measured.get("measured"))
    told = claim["verification"]["log_check"]
    checks = [*told["checks"], {"check": "confirmed_by_repository_server", "result": "failed" if cause else "passed"}]
    log_check = {**told, "result": "failed" if cause else told["result"], "checks": checks}
    closed = {**claim, **measured, "verification": {**claim["verification"], "log_check": log_check}}
    if cause and claim["outcome"] in ("success", "partial"):
        closed.update(outcome="failed", cause=cause, messages=[*claim["messages"], message], error_count=max(1, claim.get("error_count") or 0))
    return closed


def _contradiction(opened: Mapping, claim: Mapping, found: Mapping | None, measured: Mapping | None) -> tuple[str, dict] | tuple[None, None]:
    """Returns the cause and the message why a listing does not bear out a claim, or (None, None)."""
    shown = {"snapshot": claim["snapshot_id"]}
    if found is None:
        return "snapshot_not_listed", record.message("snapshot_not_listed", **shown)
    if not _is_of(found, opened):
        listed = ", ".join(str(one)[:100] for one in (found.get("hostname"), tag(found, "dataset"), found["time"]))
        return "snapshot_not_listed", record.message("snapshot_differs", listed=listed, **shown)
    # restic counts directories and links too, and the bytes of hard links once: only the number of items bounds what was reported.
    claimed = (claim.get("files") or {}).get("total") or 0
    if measured and measured["files"] < claimed:
        return "no_evidence", record.message("snapshot_smaller", found=measured["files"], claimed=claimed, **shown)
    # A bundle is one file, so its bytes are those of the snapshot.
    if measured and opened["dataset_kind"] in backup_evidence.BUNDLED and measured["bytes"] != claim.get("data_size_bytes"):
        return "no_evidence", record.message("snapshot_other_size", found=measured["bytes"], claimed=claim.get("data_size_bytes") or 0, **shown)
    return None, None


def _is_of(snapshot: Mapping, owner: Mapping) -> bool:
    """Returns whether a listed snapshot has the server, the data set and the time of a backup record."""
    try:
        moment = record.from_text(snapshot["time"])
        ended = record.from_text(owner["recorded_at"]) if owner.get("recorded_at") else record.utc_now()
        is_dated = record.from_text(owner["opened_at"]) - SLACK <= moment <= ended + SLACK
    except (ValueError, OverflowError):
        return False  # a server can write anything
    return is_dated and snapshot.get("hostname") == owner["server"] and tag(snapshot, "dataset") == owner["dataset"]


def listed(server: str, listing: Mapping, ledger: Ledger, claims: Sequence[Mapping], since: str | None) -> dict:
    """Returns the ledger's note on a listing of a server's primary repository: what nobody claims, and what is gone.

    claims: the claims of this server that are not closed yet. since: how far back records are compared with the listing (RFC 3339
    text), None for all of them.
    """
    note = {
        "server": server, "repository": "primary", "listed_at": listing.get("clock") or record.to_text(record.utc_now()),
        "repository_id": listing.get("repository_id"), "count": len(listing["snapshots"]),
        "problem": listing.get("problem"), "unclaimed": [], "explained": [], "vanished": [],
        "strange_keys": list(listing.get("strange_keys") or ())[:_UNCLAIMED_SHOWN],
    }  # fmt: skip
    if note["problem"]:
        return carried_on(note, ledger)
    claimed = {one["record_id"]: one["snapshot_id"] for one in claims}
    explained: dict[str, str] = {}
    for snapshot in listing["snapshots"]:
        owner = ledger.record(tag(snapshot, "record") or "")
        if owner is None or owner["server"] != server:
            note["unclaimed"].append(_shown(snapshot))
            continue
        # What a record ended with; a run that still goes on may have claimed it.
        own = owner.get("snapshot_id") or claimed.get(owner["record_id"]) or next((one["snapshot_id"] for one in ledger.claims([owner]).values()), None)
        # The record ended without a snapshot (its run was interrupted), but restic had made one: one, for that is all a backup makes.
        if own is None and owner["kind"] == "backup" and _is_of(snapshot, owner):
            own = explained.setdefault(owner["record_id"], snapshot["id"])
        if own != snapshot["id"]:
            note["unclaimed"].append(_shown(snapshot))
    note["explained"] = [{"snapshot_id": snapshot_id, "record_id": record_id} for record_id, snapshot_id in explained.items()]
    note["unclaimed"] = note["unclaimed"][:_UNCLAIMED_SHOWN]
    note["vanished"] = list(_vanished(server, {one["id"] for one in listing["snapshots"]}, note["repository_id"], ledger, since))
    return note


def names(found: Sequence) -> str:
    """Returns the beginnings of the first ids of a finding, for a message."""
    return ", ".join((one if isinstance(one, str) else one["snapshot_id"])[:12] for one in found[:5])


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
    accounted = present | retention.may_be_removed(server, ledger)
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
    kept = {key: before.get(key) or [] for key in ("unclaimed", "explained", "vanished", "strange_keys")}
    return {**note, "repository_id": before.get("repository_id"), **kept}
