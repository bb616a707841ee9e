# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recovery plan: the runbook of an emergency, service by service in the order in which they are restored. Pure.

It is made of what restore.yml works with: the policy, the backups that it would choose from, and where repositories lie. It holds
no secret. Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import datetime
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import policy_services, recovery, recovery_steps, restore_request

SCHEMA = "sicekat.recovery_plan/1"

_TESTS = 5  # so many of the newest restore tests are the standard time of today


@dataclass(frozen=True)
class Known:
    """What the ledger knows of a server.

    backups, copies, tests: merged records, oldest first. gone: ids of snapshots that were removed. proofs: repository -> the newest
    `escrow_proved`, or the pin of a repository that was never proved to open with the key of the envelope ({"repository_id",
    "proved_at": None}).
    """

    backups: Sequence[Mapping]
    copies: Sequence[Mapping]
    tests: Sequence[Mapping]
    gone: frozenset[str]
    proofs: Mapping[str, Mapping]


def plan(policy: Mapping, known: Mapping[str, Known], typed: recovery_steps.Typed, now: datetime.datetime, facts: Mapping[str, Any]) -> dict:
    """Returns the document. known: by server. facts: what only the caller knows, such as "policy_digest", "ledger" and "language"."""
    datasets = {server: [_dataset(policy, server, one, known[server], now) for one in settings["datasets"]] for server, settings in policy["servers"].items()}
    kept = next(((server, one) for server, found in datasets.items() for one in found if one["kind"] == policy_services.CONTROL_NODE), None)
    services = _services(policy, datasets)
    return {
        "schema": SCHEMA, "rendered_at": record.to_text(now), **{key: policy[key] for key in ("timezone", "agency", "team", "categories")}, **facts,
        "is_prioritised": bool(policy.get("services")), "least_rto_s": min((one["rto_s"] for one in services if one["rto_s"]), default=None),
        "services": [
            {**one, "steps": recovery_steps.of_service(policy, one, typed), "datasets": [_shown(dataset) for dataset in one["datasets"]]} for one in services
        ],
        "control_node": _of_control_node(policy, kept, typed) if kept else None,
    }  # fmt: skip


def _of_control_node(policy: Mapping, kept: tuple[str, Mapping], typed: recovery_steps.Typed) -> dict:
    found = recovery_steps.of_control_node(policy, *kept, typed)
    return {**found, "dataset": _shown(found["dataset"])}


def _shown(dataset: Mapping) -> dict:
    """Returns a data set without its settings: the arguments of its programs and hooks are nothing for a paper that lies about."""
    return {key: value for key, value in dataset.items() if key != "settings"}


def _services(policy: Mapping, datasets: Mapping[str, Sequence[Mapping]]) -> list[dict]:
    """Returns the services in the order in which they are restored."""
    given = policy.get("services") or {}
    nothing = dict.fromkeys(("priority", "owner", "contact", "check", "start"))
    found = []
    for service in policy_services.in_order(policy):
        own = [one for host in service["servers"] for one in datasets[host] if one["kind"] != policy_services.CONTROL_NODE]
        measured = [one["tested"]["median_ms"] for one in own if one["tested"]]
        total_ms = sum(measured) if len(measured) == len(own) else None
        units = sorted({policy["servers"][host]["unit"] or "" for host in service["servers"]} - {""})
        found.append({
            **nothing, **given.get(service["name"], {}), **service, "units": units, "datasets": own,
            "rpo_s": min((one["rpo_s"] for one in own if one["rpo_s"] is not None), default=None),
            "measured_ms": total_ms, "is_within_rto": None if None in (service["rto_s"], total_ms) else total_ms <= service["rto_s"] * 1000,
        })  # fmt: skip
    return found


def _dataset(policy: Mapping, server: str, dataset: Mapping, known: Known, now: datetime.datetime) -> dict:
    """Returns a data set as the plan shows it: what there is to restore from, where, and how long that took."""
    category = policy["categories"].get(dataset.get("category")) or {}
    pinned = (known.proofs.get("primary") or {}).get("repository_id")
    proved = [one for one in restore_request.candidates(known.backups, dataset["name"], pinned, known.gone) if one["outcome"] == "success"]
    newest = proved[-1] if proved else None
    age_s = int((now - record.from_text(newest["started_at"])).total_seconds()) if newest else None
    rpo_s = category.get("rpo_s")
    return {
        "server": server, "name": dataset["name"], "kind": dataset["kind"], "category": dataset.get("category"), "settings": dataset,
        "rto_s": category.get("rto_s"), "rpo_s": rpo_s, "personal_data": bool(dataset.get("personal_data")),
        "newest": newest and {key: newest.get(key) for key in ("snapshot_id", "started_at", "newest_data_at", "data_size_bytes", "database", "files")},
        "age_s": age_s, "is_within_rpo": None if None in (age_s, rpo_s) else age_s <= rpo_s,
        "tested": standard_time(known.tests, dataset["name"], pinned),
        "places": list(_places(policy, server, dataset["name"], known, newest)),
    }  # fmt: skip


def standard_time(tests: Sequence[Mapping], dataset: str, repository_id: str | None) -> dict | None:
    """Returns the median of the newest successful restore tests in ms, with how many and when the last was; None if there is none."""
    proved = [one for one in tests if one["dataset"] == dataset and one["outcome"] == "success" and repository_id and one["repository_id"] == repository_id]
    newest = proved[-_TESTS:]
    if not newest:
        return None
    # What was tested may be a part, or of an older day: what counts is how long the whole data set would take today.
    times = [one["restore"].get("extrapolated_ms") or one["restore"]["total_ms"] for one in newest]
    return {"median_ms": int(statistics.median(times)), "count": len(times), "last_at": newest[-1]["finished_at"]}


def _places(policy: Mapping, server: str, dataset: str, known: Known, newest: Mapping | None) -> Any:
    """Yields where a data set lies, the primary repository first: what is typed there, and the newest proved snapshot there."""
    for name, settings in policy["servers"][server]["repositories"].items():
        proof = known.proofs.get(name)
        if proof is None:
            continue  # never deployed
        if name == "primary":
            there = newest and {"snapshot_id": newest["snapshot_id"], "started_at": newest["started_at"]}
        else:
            there = _copied(known, dataset, name, proof["repository_id"])
        # Without credentials: these stand on the paper in the sealed envelope alone.
        row = recovery.row(policy, server, name, {"url": settings["url"]}, bool(settings["ca_certificate"]), proof)
        yield {**{key: row[key] for key in ("repository", "kind", "host", "address", "argument", "location", "proved_at")}, "snapshot": there or None}


def _copied(known: Known, dataset: str, repository: str, repository_id: str) -> dict | None:
    """Returns the newest proved copy in a repository, with when its original was made."""
    begun = {one["snapshot_id"]: one["started_at"] for one in known.backups if one.get("snapshot_id")}
    made = [one for one in known.copies if (one["dataset"], one["repository"], one["outcome"]) == (dataset, repository, "success")]
    proved = [one for one in made if one["repository_id"] == repository_id]
    if not proved:
        return None
    return {"snapshot_id": proved[-1]["snapshot_id"], "started_at": begun.get((proved[-1].get("copy") or {}).get("source_snapshot_id"))}
