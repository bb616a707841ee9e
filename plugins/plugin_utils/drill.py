# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recovery drill: every service, in the order of the recovery plan, on isolated hosts, held against its RTO and RPO. Pure.

What counts is what a drill really reached (P4.8): the RTO from the declaration to the moment when the last data of a service were proved,
the RPO from the oldest data that came back. Note that this plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import policy_services

CYCLE = "drill"


class ScopeError(Exception):
    """A drill that cannot be held as it was asked for. Attributes: code and params of a message."""

    def __init__(self, code: str, **params: str) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


def owing(policy: Mapping, servers: Collection[str], asked: Collection[str]) -> list[tuple[str, str, str, str]]:
    """Returns (server, kind, data set, repository) of all that a drill brings back, in the order of the recovery plan.

    servers: those in the play. asked: names of services, empty for all. Raises ScopeError for an unknown service, a server without
    an isolated host, and nothing to do.
    """
    services = policy_services.in_order(policy)
    unknown = sorted(set(asked) - {one["name"] for one in services})
    if unknown:
        raise ScopeError("drill_unknown_service", names=", ".join(unknown), known=", ".join(one["name"] for one in services))
    chosen = [(one["name"], server) for one in services if not asked or one["name"] in asked for server in one["servers"] if server in servers]
    # On the server itself it would show what a disaster does not leave.
    exposed = sorted({server for _name, server in chosen if policy["servers"][server].get("restore_host") in (None, server)})
    if exposed:
        raise ScopeError("drill_not_isolated", names=", ".join(exposed))
    if not chosen:
        raise ScopeError("run_no_servers")
    return [(server, "restore_test", one["name"], "primary") for _name, server in chosen for one in policy["servers"][server]["datasets"]]


def results(policy: Mapping, run: Mapping, records: Sequence[Mapping]) -> dict:
    """Returns what a drill reached: {"declared_at", "order_kept", "services", "not_exercised", "control_node_exercised"}.

    run: the stored run; its opening is the declaration. Each service: {"name", "priority", "rto_s", "reached_s", "rto_met", "rpo_s", "lost_s",
    "rpo_met", "datasets"}; reached_s and lost_s are None unless everything of the service was proved.
    """
    services = policy_services.in_order(policy)
    made = {name: [one for one in records if one["server"] in servers] for name, servers in ((one["name"], one["servers"]) for one in services)}
    return {
        "declared_at": run["opened_at"],
        "order_kept": _order_kept(records),
        "services": [_service(policy, run, one, made[one["name"]]) for one in services if made[one["name"]]],
        "not_exercised": [one["name"] for one in services if not made[one["name"]]],
        "control_node_exercised": any(one["dataset_kind"] == policy_services.CONTROL_NODE for one in records),
    }


def shortfalls(found: Mapping) -> list[str]:
    """Returns the services that missed an objective, did not come back whole, or had none to be held against."""
    return [one["name"] for one in found["services"] if one["reached_s"] is None or one["rto_met"] is False or one["rpo_met"] is False]


def _service(policy: Mapping, run: Mapping, service: Mapping, records: Sequence[Mapping]) -> dict:
    declared = record.from_text(run["opened_at"])
    rto_s, rpo_s = (min((one[key] for one in records if one[key] is not None), default=None) for key in ("rto_s", "rpo_s"))
    reached_s = lost_s = None
    # --limit may have left a server of the service out.
    wanted = {(server, dataset["name"]) for server in service["servers"] for dataset in policy["servers"][server]["datasets"]}
    is_whole = wanted <= {(one["server"], one["dataset"]) for one in records}
    if is_whole and all(one["outcome"] == "success" for one in records):
        reached_s = max(int((record.from_text(_proved_at(one)) - declared).total_seconds()) for one in records)
        lost_s = max(int((declared - record.from_text(one["restore"]["snapshot_at"])).total_seconds()) for one in records)
    return {
        "name": service["name"], "priority": service["priority"],
        "rto_s": rto_s, "reached_s": reached_s, "rto_met": _met(rto_s, reached_s),
        "rpo_s": rpo_s, "lost_s": lost_s, "rpo_met": _met(rpo_s, lost_s),
        "datasets": [
            {**{key: one.get(key) for key in ("record_id", "server", "dataset", "outcome", "performed_on", "started_at", "finished_at")},
             "phases_ms": (one.get("restore") or {}).get("phases_ms")}
            for one in records
        ],
    }  # fmt: skip


def _proved_at(one: Mapping) -> str:
    """Returns when a success was known, by our clock: that of the isolated host may be behind."""
    return one["restore"].get("told_at") or one["finished_at"]


def _met(objective_s: int | None, reached_s: int | None) -> bool | None:
    """Returns None without an objective; what did not come back never met one."""
    if objective_s is None:
        return None
    return reached_s is not None and reached_s <= objective_s


def _order_kept(records: Sequence[Mapping]) -> bool | None:
    """Returns whether each host took its work in the order of the plan, which is that of the records; None if nothing was begun."""
    begun: dict[str, list[str]] = {}
    for one in sorted(records, key=lambda one: one["record_id"]):
        if one.get("started_at"):
            begun.setdefault(one["performed_on"], []).append(one["started_at"])
    return all(times == sorted(times) for times in begun.values()) if begun else None
