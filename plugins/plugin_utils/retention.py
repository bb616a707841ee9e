# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What maintenance needs to know from the ledger: which part of a repository to read next, and which snapshots are whose.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger


def next_part(integrity_read: str, checks: Sequence[Mapping]) -> str:
    """Returns which part of a repository an integrity check reads: "full", or "n/t" for the n-th of t parts.

    checks: the repository's earlier checks, oldest first. A part whose last check failed comes first, then one that was never
    read, then the one read longest ago; so t checks that succeed read everything, also where some were missed or failed.
    """
    if integrity_read == "full":
        return "full"
    parts = int(integrity_read.split("/")[1])
    last: dict[int, tuple[int, int]] = {}
    for number, one in enumerate(checks):
        found = one.get("integrity") or {}
        # A part without a pack was found so by the same check, and is as good as read.
        for text, is_good in ((found.get("read_data"), one["outcome"] == "success"), *((text, True) for text in found.get("empty") or ())):
            part, _slash, total = (text or "").partition("/")
            if total == str(parts):
                last[int(part)] = (2, number) if is_good else (0, number)
    return f"{min(range(1, parts + 1), key=lambda part: last.get(part, (1, part)))}/{parts}"


def arguments(policy: Mapping, opened: Mapping, ledger: Ledger | None) -> dict:
    """Returns what the module `retention` has to know: the rules of each data set, and every snapshot that the ledger accounts for."""
    server = policy["servers"][opened["server"]]
    keep = server["repositories"][opened["repository"]]["retention"]
    known = _known(opened["server"], opened["repository"], ledger) if ledger else {}
    originals = _originals(opened["server"], ledger) if ledger and opened["repository"] != "primary" else {}
    names = {dataset["name"] for dataset in server["datasets"]}
    groups = [
        {
            "dataset": name,
            # A data set that left the policy keeps all that it has.
            "keep": (keep.get(name) or {}) if name in names else {},
            "least": policy["keep_least"],
            "known": known.get(name, []),
            "originals": originals.get(name, []),
        }
        for name in sorted(names | set(known) | set(originals))
    ]
    return {"groups": groups, "host": opened["server"], "now": record.to_text(record.utc_now())}


def may_be_removed(server: str, ledger: Ledger) -> set[str]:
    """Returns the ids of the snapshots that retention removed from a server's primary repository, or may have."""
    gone: set[str] = set()
    for made in ledger.records(server=server, kind="retention"):
        if made["repository"] == "primary" and made.get("retention"):
            gone |= {one["snapshot_id"] for name in ("removed", "unconfirmed") for one in made["retention"].get(name) or ()}
    # A job that nobody hears of again may have removed what it was sent to remove.
    return gone | {name for planned in ledger.notes("retention_planned", server) if planned["repository"] == "primary" for name in planned["snapshots"]}


def _originals(server: str, ledger: Ledger) -> dict[str, list[dict]]:
    """Returns for each data set the backups that copies may be of, also those that a job made before it was lost."""
    found: dict[str, list[dict]] = {}
    for one in ledger.records(server=server, kind="backup"):
        if one.get("snapshot_id"):
            found.setdefault(one["dataset"], []).append({"snapshot_id": one["snapshot_id"], "record_id": one["record_id"], **_made_within(one)})
    return found


def _made_within(source: Mapping) -> dict:
    return {"not_before": source["opened_at"], "not_after": source["recorded_at"] or record.to_text(record.utc_now())}


def _known(server: str, repository: str, ledger: Ledger) -> dict[str, list[dict]]:
    """Returns for each data set the snapshots of a repository that records account for, oldest first."""
    backups = list(ledger.records(server=server, kind="backup"))
    of_source = {one["snapshot_id"]: one for one in backups if one.get("snapshot_id")}
    if repository == "primary":
        pairs = [(one["snapshot_id"], one, one) for one in backups if one.get("snapshot_id")]
    else:
        copies = [one for one in ledger.records(server=server, kind="copy") if one["repository"] == repository and one.get("snapshot_id")]
        # A copy has the time of its original.
        pairs = [(one["snapshot_id"], one, of_source[source]) for one in copies if (source := one["copy"]["source_snapshot_id"]) in of_source]
    by_record = {one["record_id"]: one for one in backups}
    listed = ledger.newest("repository_listed", server, repository) or {}
    pairs += [
        (one["snapshot_id"], by_record[one["record_id"]], by_record[one["record_id"]]) for one in listed.get("explained", ()) if one["record_id"] in by_record
    ]
    # A backup that left no snapshot counts all the same: nothing is removed behind a failure.
    named = {one["record_id"] for _snapshot_id, one, _source in pairs}
    pairs += [(None, one, one) for one in (backups if repository == "primary" else ()) if one["outcome"] and one["record_id"] not in named]
    found: dict[str, dict[object, dict]] = {}
    for snapshot_id, one, source in pairs:
        found.setdefault(one["dataset"], {})[snapshot_id or one["record_id"]] = {
            "snapshot_id": snapshot_id, "record_id": one["record_id"], "outcome": _proved(one, source), **_made_within(source), **_size(source),
        }  # fmt: skip
    return {dataset: sorted(snapshots.values(), key=lambda one: one["not_before"]) for dataset, snapshots in found.items()}


def _proved(one: Mapping, source: Mapping) -> str:
    """Returns how a record ended; a success that its repository server could not measure proves nothing to retention."""
    if one["outcome"] == "success" and source.get("measured", {}) is None:
        return "unmeasured"
    return one["outcome"] or "open"


def _size(source: Mapping) -> dict:
    """Returns the size that the repository server measured, or, where there is none, the one that the server reported."""
    reported = {"files": (source.get("files") or {}).get("total") or 0, "bytes": source.get("data_size_bytes") or 0}
    return {key: (source.get("measured") or reported)[key] for key in ("files", "bytes")}
