# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds between servers: the services that they carry, in the order in which they are restored, and one control node for all.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.sicekat.backup.plugins.plugin_utils import policy_values
from ansible_collections.sicekat.backup.plugins.plugin_utils.policy_problems import Place, Problem, shown

CONTROL_NODE = "control_node"  # the kind of data set

# How a person reaches who answers for a service, sees that it works, and starts it.
_TEXTS = ("owner", "contact", "check", "start")


def services(place: Place, value: object) -> dict[str, dict]:
    """Returns service -> {"priority" (1 is restored first), "owner", "contact", "check", "start"}; an empty mapping where none is set."""
    if not isinstance(value, Mapping):
        policy_values.mapping(place, "backup_services", value, ())
        return {}
    found: dict[str, dict] = {}
    for name, settings in value.items():
        key = f"backup_services.{name}"
        policy_values.required_text(place, "backup_services", name)
        given = policy_values.mapping(place, key, settings, ("priority", *_TEXTS)) or {}
        priority = policy_values.whole(place, f"{key}.priority", given.get("priority"), "policy_priority", 1)
        other = next((one for one, entry in found.items() if priority is not None and entry["priority"] == priority), None)
        if other is not None:
            place.wrong(f"{key}.priority", shown(priority), "policy_priority_unique", other=other)
        found[name] = {"priority": priority, **{text: policy_values.text(place, f"{key}.{text}", given.get(text)) for text in _TEXTS}}
    return found


def in_order(policy: Mapping) -> list[dict]:
    """Returns the services of a policy in the order in which they come back: {"name", "priority" (or None), "rto_s", "servers"}.

    A server without a service is one by itself. Without priorities what has to be back first comes first; what has no time comes last.
    """
    given = policy.get("services") or {}
    found: dict[str, dict] = {}
    for server, settings in policy["servers"].items():
        own = [one for one in settings["datasets"] if one["kind"] != CONTROL_NODE]
        if not own:
            continue
        name = settings["service"] or server
        entry = found.setdefault(name, {"name": name, "priority": given.get(name, {}).get("priority"), "rto_s": None, "servers": []})
        times = [(policy["categories"].get(one["category"]) or {}).get("rto_s") for one in own]
        entry["rto_s"] = min((one for one in (entry["rto_s"], *times) if one is not None), default=None)
        entry["servers"].append(server)
    return sorted(found.values(), key=lambda one: (one["priority"] or 0, one["rto_s"] is None, one["rto_s"] or 0, one["name"]))


def check_use(problems: list[Problem], given: Mapping[str, Any], servers: Mapping[str, Mapping]) -> None:
    """Notes servers whose service has no entry in a given mapping, and entries that no server uses."""
    if not given:
        return
    named = {host: server["service"] for host, server in servers.items() if server["service"] is None or isinstance(server["service"], str)}
    for host, service in named.items():
        # The control node is no service of anybody: it is restored first, whatever else there is.
        if service not in given and any(dataset["kind"] != CONTROL_NODE for dataset in servers[host]["datasets"]):
            Place(problems, host).not_one_of("backup_service", shown(service), service, given)
    for name in [name for name in given if name not in named.values()]:
        Place(problems, next(iter(servers))).wrong(f"backup_services.{name}", shown(name), "policy_service_unused")


def check_control_node(problems: list[Problem], servers: Mapping[str, Mapping]) -> None:
    """Notes every control node but the first: there is one ledger, on one machine."""
    found = [(host, dataset["name"]) for host, server in servers.items() for dataset in server["datasets"] if dataset["kind"] == CONTROL_NODE]
    for host, dataset in found[1:]:
        Place(problems, host, dataset).wrong("kind", shown(CONTROL_NODE), "policy_control_node_once", other=found[0][0])
