# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for one host: its repositories, its data sets and how it is worked on.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.sicekat.backup.plugins.plugin_utils import policy_datasets, policy_repositories, policy_values, restore_choice
from ansible_collections.sicekat.backup.plugins.plugin_utils.policy_problems import Place, shown
from ansible_collections.sicekat.backup.plugins.plugin_utils.policy_repositories import Inventory


def server(place: Place, host: str, fleet: Mapping[str, Any], inventory: Inventory) -> dict[str, Any]:
    """Returns a host's part of the policy; `fleet` is the part that holds for all hosts."""
    variables = inventory.hosts[host]
    repositories = policy_repositories.repositories(place, host, variables.get("backup_repositories"), inventory)
    policy_repositories.secret(place, host, variables, repositories, inventory)
    means = workplace(place, variables)
    stores = {
        "backup_server_dir": means["server_dir"],
        "backup_state_dir": fleet["state_dir"],
        "backup_repository_server.path": inventory.repository_servers.get(host, {}).get("path"),
        **policy_repositories.local_paths(repositories),
    }
    datasets = policy_datasets.datasets(place, variables["backup_datasets"], fleet["categories"], {name: path for name, path in stores.items() if path})
    return {
        "unit": policy_values.text(place, "backup_unit", variables.get("backup_unit")),
        "service": policy_values.text(place, "backup_service", variables.get("backup_service")),
        **means,
        "sample": policy_values.sample(place, "backup_sample", _or(variables.get("backup_sample"), 100)),
        "integrity_read": policy_values.integrity_read(place, "backup_integrity_read", _or(variables.get("backup_integrity_read"), "full")),
        "datasets": datasets,
        "restore_host": _restore_host(place, host, variables.get("backup_restore_host"), repositories.get("primary"), inventory),
        "restore_test_pick": policy_values.choice(
            place, "backup_restore_test_pick", _or(variables.get("backup_restore_test_pick"), "alternate"), restore_choice.PICKS
        ),
        "repositories": policy_repositories.with_datasets(repositories, datasets, fleet["categories"]),
    }


def _restore_host(place: Place, host: str, value: object, primary: Mapping | None, inventory: Inventory) -> Any:
    """Returns the host on which restore tests are done, or None where that is the server itself."""
    if value is None:
        return None
    if not isinstance(value, str) or value == host:
        place.wrong("backup_restore_host", shown(value), "policy_restore_host")
    elif value not in inventory.hosts:
        place.not_one_of("backup_restore_host", shown(value), value, [name for name in inventory.hosts if name != host])
    # What is wrong with the repository itself is told there.
    elif primary and primary["url"] and not primary["url"].startswith(("rest:", "s3:")):
        place.wrong("backup_restore_host", shown(value), "policy_restore_host_way")
    return value


def workplace(place: Place, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what holds for any host that restic runs on, also for a repository server or a restore host without data sets."""
    limit = variables.get("backup_upload_limit")
    return {
        "server_dir": policy_values.path(place, "backup_server_dir", _or(variables.get("backup_server_dir"), "/var/lib/si-cekat-server")),
        "restic": policy_values.required_text(place, "backup_restic", _or(variables.get("backup_restic"), "restic")),
        "upload_limit_kib": None if limit is None else policy_values.whole(place, "backup_upload_limit", limit, "policy_upload_limit", 1),
        "max_runtime_s": policy_values.duration(place, "backup_max_runtime", _or(variables.get("backup_max_runtime"), "24h")),
    }


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value
