# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policy: an inventory, checked as a whole and resolved into plain values with integers only.

Durations are seconds ("rto_s"), times of day are wall-clock "HH:MM" of the policy's zone. A policy holds no secret.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.sicekat.backup.plugins.plugin_utils import (
    canonical,
    policy_fleet,
    policy_repository_server,
    policy_server,
    policy_services,
    policy_values,
)
from ansible_collections.sicekat.backup.plugins.plugin_utils.policy_problems import Place, PolicyError, Problem, shown
from ansible_collections.sicekat.backup.plugins.plugin_utils.policy_repositories import Inventory

__all__ = ["KNOWN_VARIABLES", "SCHEMA", "PolicyError", "Problem", "digest", "resolve"]

SCHEMA = 2

KNOWN_VARIABLES = (
    *policy_fleet.VARIABLES,
    "backup_datasets", "backup_repositories", "backup_master_secret", "backup_restic", "backup_restore_host", "backup_restore_test_pick", "backup_server_dir",
    "backup_sample", "backup_integrity_read", "backup_unit", "backup_service", "backup_replace_repository", "backup_accept_change",
    "backup_upload_limit", "backup_max_runtime", "backup_max_parallel", policy_repository_server.VARIABLE,
)  # fmt: skip


def resolve(hosts: Mapping[str, Mapping[str, object]]) -> dict:
    """Returns the policy of an inventory: for each host all of its variables, of which those named backup_* and ansible_host count.

    Raises PolicyError with every mistake at once.
    """
    problems: list[Problem] = []
    for host, variables in hosts.items():
        named = {name: value for name, value in variables.items() if name.startswith("backup_")}
        policy_values.known_keys(Place(problems, host), "", named, KNOWN_VARIABLES)
    # An empty list is a decision; null is a forgotten value, which the checks will name.
    servers = {host: variables for host, variables in hosts.items() if variables.get("backup_datasets", []) != []}
    fleet = _fleet(problems, servers)
    services = fleet.pop("services")
    repository_servers = policy_repository_server.repository_servers(problems, hosts)
    inventory = Inventory(hosts, repository_servers)
    resolved = {host: policy_server.server(Place(problems, host), host, fleet, inventory) for host in servers}
    restore_hosts = sorted({name for server in resolved.values() if isinstance(name := server["restore_host"], str) and name in hosts})
    policy = {
        "schema": SCHEMA,
        **fleet,
        "servers": resolved,
        "repository_servers": {
            # What a host with data sets is told about itself is told once.
            host: {**entry, **policy_server.workplace(Place([] if host in servers else problems, host), hosts[host])}
            for host, entry in repository_servers.items()
        },
        **({"services": services} if services else {}),
        "restore_hosts": {
            host: policy_server.workplace(Place([] if host in servers or host in repository_servers else problems, host), hosts[host]) for host in restore_hosts
        },
        "without_datasets": sorted(host for host in hosts if host not in servers and host not in repository_servers),
    }
    policy_services.check_use(problems, services, policy["servers"])
    policy_services.check_control_node(problems, policy["servers"])
    if problems:
        raise PolicyError(problems)
    return policy


def digest(policy: Mapping) -> str:
    """Returns the SHA-256 of a policy's canonical JSON in hexadecimal."""
    return canonical.canonical_digest(policy)


def _fleet(problems: list[Problem], servers: Mapping[str, Mapping[str, object]]) -> dict:
    """Returns what holds for all servers; a value that most have is taken, and each server with another one is a mistake."""
    fleet, spread_at = {}, Place([], "")
    for name, (key, default, check) in policy_fleet.VARIABLES.items():
        values = {host: default if variables.get(name) is None else variables[name] for host, variables in servers.items()}
        if not values:
            fleet[key] = check(Place([], ""), default)  # nobody to blame, nothing to back up
            continue
        common = max(values.values(), key=list(values.values()).count)
        chosen = next(host for host, value in values.items() if value == common)
        fleet[key] = check(Place(problems, chosen), common)
        spread_at = Place(problems, chosen) if name == "backup_spread" else spread_at
        for host, value in values.items():
            if value != common:
                Place(problems, host).wrong(name, shown(value), "policy_fleet", other=chosen)
    policy_fleet.check_spread(spread_at, fleet["spread_s"], fleet["cycles"])
    return fleet
