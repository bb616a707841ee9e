# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for one host: its repositories, its data sets and how it is worked on.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.sicekat.backup.plugins.plugin_utils import policy_values
from ansible_collections.sicekat.backup.plugins.plugin_utils.policy_problems import Place, hidden, shown

MASTER_SECRET_LEAST = 24  # characters
PASSWORD_LEAST = 12  # characters

REPOSITORIES = ("primary", "archive", "offsite")

_COMMON = ("name", "kind", "category", "personal_data")
_OF_KIND = {"files": ("paths", "exclude", "one_file_system", "sentinel", "allow_empty"), "sqlite": ("path",)}
_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]*")
_URL = re.compile(r"(rest|s3):https://[^/\s][^\s]*|sftp:\S+")
_USERINFO = re.compile(r"^((?:\w+:)?(?:\w+:)?(?://)?).*@", re.DOTALL)  # to the last "@", because a password may hold one
_PLAIN_HTTP = re.compile(r"(rest:|s3:)?http://", re.IGNORECASE)


def server(place: Place, variables: Mapping[str, Any], fleet: Mapping[str, Any]) -> dict:
    """Returns a host's part of the policy; `fleet` is the part that holds for all hosts."""

    def given(name: str, default: object = None) -> Any:
        value = variables.get(name)
        return default if value is None else value

    server_dir = policy_values.path(place, "backup_server_dir", given("backup_server_dir", "/var/lib/si-cekat-server"))
    repositories = _repositories(place, given("backup_repositories"))
    _master_secret(place, given("backup_master_secret"), given("backup_repositories"))
    stores = {"backup_server_dir": server_dir, "backup_state_dir": fleet["state_dir"]}
    stores |= {f"backup_repositories.{name}": repository["url"] for name, repository in repositories.items()}
    local = {name: path for name, path in stores.items() if isinstance(path, str) and path.startswith("/")}
    return {
        "unit": policy_values.text(place, "backup_unit", given("backup_unit")),
        "service": policy_values.text(place, "backup_service", given("backup_service")),
        "server_dir": server_dir,
        "restic": policy_values.required_text(place, "backup_restic", given("backup_restic", "restic")),
        "sample": policy_values.sample(place, "backup_sample", given("backup_sample", 100)),
        "integrity_read": policy_values.integrity_read(place, "backup_integrity_read", given("backup_integrity_read", "full")),
        "datasets": _datasets(place, variables["backup_datasets"], fleet["categories"], local),
        "repositories": repositories,
    }


def _repositories(place: Place, value: object) -> dict:
    given = policy_values.mapping(place, "backup_repositories", value, REPOSITORIES)
    if given is None:
        return {}
    if "primary" not in given:
        place.wrong("backup_repositories.primary", shown(None), "policy_repository_primary")
    repositories: dict[str, dict] = {}
    taken: dict[str, str] = {}
    for name in REPOSITORIES:
        if name not in given:
            continue
        key = f"backup_repositories.{name}"
        settings = policy_values.mapping(place, key, given[name], ("url", "location", "password"))
        if settings is None:
            continue
        if settings.get("password") is not None:
            policy_values.secret(place, f"{key}.password", settings["password"], PASSWORD_LEAST)
        url = _url(place, f"{key}.url", settings.get("url"))
        if url is not None:
            other = taken.setdefault(settings["url"].rstrip("/"), name)
            if other != name:
                place.wrong(f"{key}.url", shown(url), "policy_url_twice", name=other)
        repositories[name] = {"url": url, "location": policy_values.text(place, f"{key}.location", settings.get("location"))}
    return repositories


def _url(place: Place, key: str, value: object) -> str | None:
    """Returns a repository's address without user and password, or None after a mistake."""
    if not isinstance(value, str):
        place.wrong(key, hidden(value), "policy_url")
        return None
    if value.startswith("/"):
        return policy_values.path(place, key, value)
    redacted = _USERINFO.sub(r"\1***@", value)
    if _PLAIN_HTTP.match(value):
        place.wrong(key, shown(redacted), "policy_url_encrypted")
    elif not _URL.fullmatch(value):
        place.wrong(key, shown(redacted), "policy_url")
    return redacted


def _master_secret(place: Place, value: object, repositories: object) -> None:
    """Checks the secret that repositories without a password of their own derive theirs from."""
    settings = list(repositories.values()) if isinstance(repositories, Mapping) else []
    all_have_their_own = bool(settings) and all(isinstance(item, Mapping) and item.get("password") is not None for item in settings)
    if value is not None or not all_have_their_own:
        policy_values.secret(place, "backup_master_secret", value, MASTER_SECRET_LEAST)


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
        if path is not None and (_holds(path, store) or _holds(store, path)):
            place.wrong(key, shown(path), "policy_path_apart", name=name, path=store)
    return path


def _holds(directory: str, path: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")
