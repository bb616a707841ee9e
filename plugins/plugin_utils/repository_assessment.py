# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of the repositories and of the servers that keep them: what they list, how much was read back, what room is left.

Pure functions of ledger notes and records. Note that this plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.sicekat.backup.plugins.plugin_utils import obligations

# Beyond this, retention refuses: it could not tell a back-dated snapshot.
_CLOCK_SKEW_MOST_S = 300


def vanished(listings: Sequence[Mapping]) -> set[str]:
    """Returns the ids of the records whose snapshot their repository no longer lists, though no retention removed it."""
    return {one["record_id"] for listing in listings for one in listing["vanished"]}


def reasons(listings: Sequence[Mapping], server: str) -> list[dict]:
    """Returns what the newest listings of a server's repositories hold against all its data sets."""
    found = []
    for listing in listings:
        if listing["server"] != server:
            continue
        place = {"repository": listing["repository"]}
        if listing["problem"]:
            found.append({"code": "status_unlisted", "params": place})
        found += [
            {"code": f"status_{kind}", "params": {**place, "count": len(listing[kind])}}
            for kind in ("unclaimed", "vanished", "strange_keys")
            if listing.get(kind)
        ]
    return found


def unseen(policy: Mapping, listings: Sequence[Mapping], server: str) -> list[dict]:
    """Returns a reason if a repository server keeps a server's primary repository and was never asked what is in it."""
    is_listed = any((one["server"], one["repository"]) == (server, "primary") for one in listings)
    is_elsewhere = bool(policy["servers"][server]["repositories"]["primary"].get("server"))
    return [{"code": "status_no_listing", "params": {"repository": "primary"}}] if is_elsewhere and not is_listed else []


def findings(listings: Sequence[Mapping], records: Sequence[Mapping]) -> list[dict]:
    """Returns an entry for each repository that could not be asked and each snapshot that no record claims, or that is gone, and key of nobody."""
    made = {one["record_id"]: one for one in records}
    return [entry for listing in listings for entry in _of_listing(listing, made)]


def _of_listing(listing: Mapping, made: Mapping[str, Mapping]) -> Iterator[dict]:
    nothing = dict.fromkeys(("snapshot_id", "time", "hostname", "dataset", "form_number", "problem"))
    base = {**nothing, "tags": [], **{key: listing[key] for key in ("server", "repository", "listed_at")}}
    if listing["problem"]:
        yield {**base, "kind": "unlisted", "problem": listing["problem"]}
    for one in listing["vanished"]:
        known = made.get(one["record_id"], {})
        known = {"time": known.get("started_at"), "dataset": known.get("dataset"), "form_number": known.get("form_number")}
        yield {**base, "kind": "vanished", "snapshot_id": one["snapshot_id"], **known}
    for one in listing["unclaimed"]:
        yield {**base, "kind": "unclaimed", **{key: one[key] for key in ("snapshot_id", "time", "hostname", "tags")}}
    for key_id in listing.get("strange_keys") or ():
        yield {**base, "kind": "strange_key", "snapshot_id": key_id}


def overview(policy: Mapping, evidence: Mapping, listings: Sequence[Mapping]) -> list[dict]:
    """Returns for each repository of each server its newest check, retention and listing, and how much of it was read back.

    evidence: records by (server, data set, kind), oldest first. The listing's "count" is how many snapshots there are.
    """
    listed = {(one["server"], one["repository"]): {key: one[key] for key in ("listed_at", "count", "problem")} for one in listings}
    rows = []
    for server, settings in sorted(policy["servers"].items()):
        for repository, place in sorted(settings["repositories"].items(), key=lambda item: (item[0] != "primary", item[0])):
            checks, retentions = (
                [one for one in evidence.get((server, "", kind), ()) if one["repository"] == repository] for kind in ("integrity_check", "retention")
            )
            rows.append({
                "server": server, "repository": repository, "location": place.get("location"), "listing": listed.get((server, repository)),
                "integrity": checks[-1] if checks else None, "coverage": coverage(checks, settings["integrity_read"]),
                "retention": retentions[-1] if retentions else None, "retention_owed": repository in wanted(policy, server, "retention"),
            })  # fmt: skip
    return rows


def wanted(policy: Mapping, server: str, kind: str) -> set[str]:
    """Returns the repositories of a server that some cycle owes a kind of record for."""
    cycles = [cycle for cycle, settings in policy["cycles"].items() if settings]
    return {repository for cycle in cycles for owed, _dataset, repository in obligations.owed(policy, server, cycle, None) if owed == kind}


def coverage(checks: Sequence[Mapping], integrity_read: str) -> dict:
    """Returns {"read", "of", "since"}: how many parts of a repository were read back with success, the oldest of them when.

    checks: those of one repository, oldest first. integrity_read: the policy's "full" or "n/t". A part counts until a later
    check of it is no success; one that failed on a part of another division, or without saying what it read, may have met
    damage anywhere.
    """
    parts = 1 if integrity_read == "full" else int(integrity_read.split("/")[1])
    every = [f"{number}/{parts}" for number in range(1, parts + 1)]
    read: dict[str, str] = {}
    for one in checks:
        found = one.get("integrity") or {}
        part = found.get("read_data")
        if one["outcome"] == "success":
            read.update((place, one["finished_at"]) for place in every if part in ("full", place) or place in (found.get("empty") or ()))
        elif part in every:
            read.pop(part, None)
        elif part or one["outcome"] == "failed":
            read.clear()
    return {"read": len(read), "of": parts, "since": min(read.values(), default=None)}


def storage(policy: Mapping, measurements: Sequence[Mapping]) -> list[dict]:
    """Returns the room on each repository server of the policy; what was never measured is unknown."""
    measured = {one["server"]: one for one in measurements}
    rows = []
    for host, settings in sorted(policy["repository_servers"].items()):
        one = measured.get(host, {})
        row = {"host": host, "path": settings["path"], "free_least_bytes": settings["free_least_bytes"], "measured_at": one.get("at")}
        row.update({key: one.get(key) for key in ("free_bytes", "total_bytes", "clock_skew_s")})
        rows.append({**row, "state": _storage_state(row)})
    return rows


def _storage_state(row: Mapping) -> str:
    if row["free_bytes"] is None or row["clock_skew_s"] is None:
        return "unknown"
    is_fit = row["free_bytes"] >= row["free_least_bytes"] and abs(row["clock_skew_s"]) <= _CLOCK_SKEW_MOST_S
    return "green" if is_fit else "red"
