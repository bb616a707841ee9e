# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for one host: its repositories, its data sets and how it is worked on.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.sicekat.backup.plugins.plugin_utils import policy_repositories, policy_values
from ansible_collections.sicekat.backup.plugins.plugin_utils.policy_problems import Place, hidden, shown
from ansible_collections.sicekat.backup.plugins.plugin_utils.policy_repositories import Inventory

_COMMON = ("name", "kind", "category", "personal_data")
_OF_KIND = {"files": ("paths", "exclude", "one_file_system", "sentinel", "allow_empty"), "sqlite": ("path",)}
_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]*")


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
    datasets = _datasets(place, variables["backup_datasets"], fleet["categories"], {name: path for name, path in stores.items() if path})
    return {
        "unit": policy_values.text(place, "backup_unit", variables.get("backup_unit")),
        "service": policy_values.text(place, "backup_service", variables.get("backup_service")),
        **means,
        "sample": policy_values.sample(place, "backup_sample", _or(variables.get("backup_sample"), 100)),
        "integrity_read": policy_values.integrity_read(place, "backup_integrity_read", _or(variables.get("backup_integrity_read"), "full")),
        "datasets": datasets,
        "repositories": policy_repositories.with_datasets(repositories, datasets, fleet["categories"]),
    }


def workplace(place: Place, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what holds for any host that restic runs on, also for a repository server without data sets."""
    limit = variables.get("backup_upload_limit")
    return {
        "server_dir": policy_values.path(place, "backup_server_dir", _or(variables.get("backup_server_dir"), "/var/lib/si-cekat-server")),
        "restic": policy_values.required_text(place, "backup_restic", _or(variables.get("backup_restic"), "restic")),
        "upload_limit_kib": None if limit is None else policy_values.whole(place, "backup_upload_limit", limit, "policy_upload_limit", 1),
        "max_runtime_s": policy_values.duration(place, "backup_max_runtime", _or(variables.get("backup_max_runtime"), "24h")),
    }


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _datasets(place: Place, value: object, categories: Collection[str], stores: Mapping[str, str]) -> list[dict]:
    if not isinstance(value, (list, tuple)):
        place.wrong("backup_datasets", hidden(value), "policy_datasets")
        return []
    datasets: list[dict] = []
    for number, settings in enumerate(value, start=1):
        if not isinstance(settings, Mapping):
            place.wrong(f"backup_datasets[{number - 1}]", hidden(settings), "policy_mapping")
            continue
        name = settings.get("name")
        at = place.of_dataset(name if isinstance(name, str) and name else f"#{number}")
        if not isinstance(name, str) or not _SLUG.fullmatch(name):
            at.wrong("name", shown(name), "policy_slug")
        elif any(dataset["name"] == name for dataset in datasets):
            at.wrong("name", shown(name), "policy_unique")
        datasets.append(_dataset(at, settings, categories, stores))
    return datasets


def _dataset(place: Place, settings: Mapping, categories: Collection[str], stores: Mapping[str, str]) -> dict:
    kind = policy_values.choice(place, "kind", settings.get("kind"), _OF_KIND)
    # Where the kind is a mistake, keys of every kind are let pass: one mistake, one problem.
    own = _OF_KIND.get(kind) if isinstance(kind, str) else None
    policy_values.known_keys(place, "", settings, _COMMON + (own or sum(_OF_KIND.values(), ())))
    dataset = {
        "name": settings.get("name"),
        "kind": kind,
        "category": policy_values.choice(place, "category", settings.get("category"), categories) if categories else None,
        "personal_data": policy_values.flag(place, "personal_data", settings.get("personal_data", False)),
    }
    if kind == "files":
        return {**dataset, **_files(place, settings, stores)}
    if kind == "sqlite":
        return {**dataset, "path": _source(place, "path", settings.get("path"), stores)}
    return dataset


def _files(place: Place, settings: Mapping, stores: Mapping[str, str]) -> dict:
    sentinel = settings.get("sentinel")
    return {
        "paths": _paths(place, settings.get("paths"), stores),
        "exclude": policy_values.texts(place, "exclude", settings.get("exclude", [])),
        "one_file_system": policy_values.flag(place, "one_file_system", settings.get("one_file_system", False)),
        "sentinel": None if sentinel is None else policy_values.path(place, "sentinel", sentinel),
        "allow_empty": policy_values.flag(place, "allow_empty", settings.get("allow_empty", False)),
    }


def _paths(place: Place, value: object, stores: Mapping[str, str]) -> list:
    if not isinstance(value, (list, tuple)) or not value:
        place.wrong("paths", shown(value or None), "policy_paths")
        return []
    paths: list = []
    for number, item in enumerate(value):
        path = _source(place, f"paths[{number}]", item, stores)
        if path is not None and path in paths:
            place.wrong(f"paths[{number}]", shown(path), "policy_path_twice")
        paths.append(path)
    return paths


def _source(place: Place, key: str, value: object, stores: Mapping[str, str]) -> str | None:
    """Returns the path of data to back up, which must not hold, nor lie in, a place where backups are kept."""
    path = policy_values.path(place, key, value)
    for name, store in stores.items():
        if path is not None and (policy_values.holds(path, store) or policy_values.holds(store, path)):
            place.wrong(key, shown(path), "policy_path_apart", name=name, path=store)
    return path
