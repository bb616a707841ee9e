# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a policy owes: which records a cycle needs for a server. The denominator of everything.

Pure: reads no clock, file or host. Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import performers
from ansible_collections.sicekat.backup.plugins.plugin_utils.schedule import Slot

# Which repositories a cycle copies to, and which it checks and thins out.
COPIES = {"weekly": ("offsite",), "monthly": ("archive",)}
KEPT = {"weekly": ("primary",), "monthly": ("archive", "offsite")}


def owed(policy: Mapping, name: str, cycle: str, period: str | None) -> Iterator[tuple[str, str, str]]:
    """Yields (kind, data set name or "", repository) for each record that a cycle owes for a server of the policy.

    period: the slot's key, such as "2026-11"; None for what is owed in some period.
    """
    server = policy["servers"][name]
    repositories = server["repositories"]
    datasets = [dataset["name"] for dataset in server["datasets"]]
    if cycle in record.BACKUP_TYPES:
        for dataset in datasets:
            yield "backup", dataset, "primary"
    # The 3-2-1 rule: a weekly copy off-site, a monthly one in the archive.
    for repository in COPIES.get(cycle, ()):
        if repository in repositories:
            for dataset in datasets:
                yield "copy", dataset, repository
    # P3.1: what was written is read back; weekly the primary repository, monthly the copies.
    kept = [repository for repository in KEPT.get(cycle, ()) if repository in repositories]
    for repository in kept:
        yield "integrity_check", "", repository
    for repository in kept:
        if repositories[repository].get("retention"):
            yield "retention", "", repository
    if cycle == "restore_test":
        for settings in server["datasets"]:
            if period is None or _is_turn(name, settings["name"], test_months(policy, settings), period):
                yield "restore_test", settings["name"], "primary"


def test_months(policy: Mapping, dataset: Mapping) -> int:
    """Returns every how many months a data set owes a restore test."""
    return (policy["categories"].get(dataset.get("category")) or {}).get("restore_test_months", 1)  # not in a policy of an earlier version


def longest_test_months(policy: Mapping) -> int:
    """Returns the longest time in months between two restore tests that a data set of a policy owes."""
    return max((test_months(policy, dataset) for server in policy["servers"].values() for dataset in server["datasets"]), default=1)


def _is_turn(server: str, dataset: str, months: int, period: str) -> bool:
    """Returns True in one of so many months, always the same one for a data set; the data sets spread over all of them."""
    year, _hyphen, month = period.partition("-")
    share = int.from_bytes(hashlib.sha256(f"{server}/{dataset}".encode()).digest()[:8], "big")
    return (int(year) * 12 + int(month) - 1 + share) % months == 0


def dataset_of(server: Mapping, name: str) -> Mapping:
    """Returns a data set of a server of the policy; KeyError if it has none of that name."""
    for dataset in server["datasets"]:
        if dataset["name"] == name:
            return dataset
    raise KeyError(name)


def places(dataset: Mapping) -> list[str]:
    """Returns where a data set lives: its paths, or the name of its database, directory or program; none for no data set."""
    if not dataset:
        return []
    named = next((f"{dataset['kind']}:{dataset[key]}" for key in ("database", "suffix", "file_name") if dataset.get(key)), None)
    return list(dataset.get("paths") or ([named] if named else [dataset["path"]]))


def open_records(policy: Mapping, run_id: str, cycle: str, slot: Slot, owing: Iterable[tuple[str, str, str, str]]) -> list[dict]:
    """Returns the opened records of a run; owing are (server, kind, data set or "", repository)."""
    times = {
        name: record.to_text(moment)
        for name, moment in (("scheduled_start", slot.start), ("window_start", slot.start), ("window_end", slot.end), ("due_at", slot.due))
    }
    records = []
    for number, (name, kind, dataset_name, repository) in enumerate(owing, 1):
        server = policy["servers"][name]
        dataset = dataset_of(server, dataset_name) if dataset_name else {}
        category = policy["categories"].get(dataset.get("category"), {})
        opened = {
            "record_id": f"{run_id}:{number:04}", "run_id": run_id, "kind": kind, "cycle": cycle, "period": slot.period,
            "backup_type": record.BACKUP_TYPES.get(cycle) if kind == "backup" else None,
            "server": name, "unit": server["unit"], "service": server["service"],
            "dataset": dataset_name, "dataset_kind": dataset.get("kind"), "category": dataset.get("category"),
            "personal_data": dataset.get("personal_data"), "sources": [record.printable(path) for path in places(dataset)],
            "rto_s": category.get("rto_s"), "rpo_s": category.get("rpo_s"), "repository": repository,
            "performed_on": performers.performed_on(policy, name, kind, repository), **times,
        }  # fmt: skip
        records.append(opened)
    return records
