# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The data sets of one host: the keys of each kind, and their checks.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ansible_collections.sicekat.backup.plugins.module_utils.bundle import CANARY
from ansible_collections.sicekat.backup.plugins.plugin_utils import policy_values
from ansible_collections.sicekat.backup.plugins.plugin_utils.policy_problems import Place, hidden, shown

_COMMON = ("name", "kind", "category", "personal_data", "hooks")
_ASKED = ("assertions", "newest_data")  # of kinds that can be asked questions
_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]*")
_LOCK_TIMEOUT = "5m"
_HOOK_TIMEOUT = "10m"
_COMMAND_TIMEOUT = "4h"
_QUERY_TIMEOUT = "1m"
HOOKS = ("before", "after", "on_failure")
SNAPSHOTS = ("btrfs", "lvm")


def datasets(place: Place, value: object, categories: Collection[str], stores: Mapping[str, str]) -> list[dict]:
    """Returns the data sets of a host. stores: variable -> path where backups are kept, which no source may hold or lie in."""
    if not isinstance(value, (list, tuple)):
        place.wrong("backup_datasets", hidden(value), "policy_datasets")
        return []
    found: list[dict] = []
    for number, settings in enumerate(value, start=1):
        if not isinstance(settings, Mapping):
            place.wrong(f"backup_datasets[{number - 1}]", hidden(settings), "policy_mapping")
            continue
        name = settings.get("name")
        at = place.of_dataset(name if isinstance(name, str) and name else f"#{number}")
        if not isinstance(name, str) or not _SLUG.fullmatch(name):
            at.wrong("name", shown(name), "policy_slug")
        elif any(dataset["name"] == name for dataset in found):
            at.wrong("name", shown(name), "policy_unique")
        found.append(_dataset(at, settings, categories, stores))
    return found


def _dataset(place: Place, settings: Mapping, categories: Collection[str], stores: Mapping[str, str]) -> dict:
    kind = policy_values.choice(place, "kind", settings.get("kind"), _OF_KIND)
    # Where the kind is a mistake, keys of every kind are let pass: one mistake, one problem.
    keys, read = _OF_KIND.get(kind, (None, None)) if isinstance(kind, str) else (None, None)
    policy_values.known_keys(place, "", settings, _COMMON + (keys or sum((keys for keys, _read in _OF_KIND.values()), ())))
    dataset = {
        "name": settings.get("name"),
        "kind": kind,
        "category": policy_values.choice(place, "category", settings.get("category"), categories) if categories else None,
        "personal_data": policy_values.flag(place, "personal_data", settings.get("personal_data", False)),
    }
    more = {"hooks": _hooks(place, settings.get("hooks"))}
    if keys and "assertions" in keys:
        more["assertions"] = _assertions(place, settings.get("assertions"))
    if keys and "newest_data" in keys:
        more["newest_data"] = policy_values.text(place, "newest_data", settings.get("newest_data"))
    # What is not given does not stand in the policy, so that a new version does not change the policy of those who use none of it.
    return {**dataset, **(read(place, settings, stores) if read else {}), **{key: one for key, one in more.items() if one}}


def _files(place: Place, settings: Mapping, stores: Mapping[str, str]) -> dict:
    sentinel, snapshot = settings.get("sentinel"), settings.get("snapshot")
    return {
        "paths": _paths(place, settings.get("paths"), stores),
        "exclude": policy_values.texts(place, "exclude", settings.get("exclude", [])),
        "one_file_system": policy_values.flag(place, "one_file_system", settings.get("one_file_system", False)),
        "sentinel": None if sentinel is None else policy_values.path(place, "sentinel", sentinel),
        "allow_empty": policy_values.flag(place, "allow_empty", settings.get("allow_empty", False)),
        **({} if snapshot is None else {"snapshot": policy_values.choice(place, "snapshot", snapshot, SNAPSHOTS)}),
    }


def _sqlite(place: Place, settings: Mapping, stores: Mapping[str, str]) -> dict:
    return {"path": _source(place, "path", settings.get("path"), stores)}


def _control_node(place: Place, settings: Mapping, stores: Mapping[str, str]) -> dict:
    return {"paths": _paths(place, settings.get("paths"), stores), "state_dir": stores["backup_state_dir"]}


def _postgresql(place: Place, settings: Mapping, _stores: Mapping[str, str]) -> dict:
    port = settings.get("port")
    return {
        **_database(place, settings),
        **_given(place, settings, host=policy_values.text, user=policy_values.text, password_file=policy_values.path),
        **({} if port is None else {"port": policy_values.whole(place, "port", port, "policy_port", 1, 65535)}),
    }


def _mariadb(place: Place, settings: Mapping, _stores: Mapping[str, str]) -> dict:
    return {**_database(place, settings), **_given(place, settings, socket=policy_values.path, credentials_file=policy_values.path)}


def _database(place: Place, settings: Mapping) -> dict:
    return {
        "database": policy_values.required_text(place, "database", settings.get("database")),
        "lock_timeout_s": policy_values.duration(place, "lock_timeout", settings.get("lock_timeout", _LOCK_TIMEOUT)),
    }


def _ldap(place: Place, settings: Mapping, _stores: Mapping[str, str]) -> dict:
    return {
        "suffix": policy_values.required_text(place, "suffix", settings.get("suffix")),
        "config_dir": policy_values.path(place, "config_dir", settings.get("config_dir", "/etc/ldap/slapd.d")),
    }


def _command(place: Place, settings: Mapping, _stores: Mapping[str, str]) -> dict:
    name = settings.get("file_name")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", name) or name == CANARY:
        place.wrong("file_name", shown(name), "policy_file_name")
    return {
        "command": _argv(place, "command", settings.get("command")),
        "file_name": name,
        "timeout_s": policy_values.duration(place, "timeout", settings.get("timeout", _COMMAND_TIMEOUT)),
        "minimum_bytes": policy_values.size(place, "minimum_bytes", settings.get("minimum_bytes", 1)),
        **_given(place, settings, user=policy_values.text, end_marker=policy_values.text),
    }


# Kind -> its own keys, and what reads them.
_OF_KIND: dict[str, tuple[tuple[str, ...], Callable[[Place, Mapping, Mapping[str, str]], dict]]] = {
    "files": (("paths", "exclude", "one_file_system", "sentinel", "allow_empty", "snapshot"), _files),
    "sqlite": (("path", *_ASKED), _sqlite),
    "postgresql": (("database", "host", "port", "user", "password_file", "lock_timeout", *_ASKED), _postgresql),
    "mariadb": (("database", "socket", "credentials_file", "lock_timeout", *_ASKED), _mariadb),
    "mysql": (("database", "socket", "credentials_file", "lock_timeout", *_ASKED), _mariadb),
    "ldap": (("suffix", "config_dir", "assertions"), _ldap),
    "command": (("command", "file_name", "user", "end_marker", "minimum_bytes", "timeout"), _command),
    "control_node": (("paths",), _control_node),
}


def _given(place: Place, settings: Mapping, **checks: Callable[[Place, str, object], Any]) -> dict:
    """Returns the optional keys that are given, each after its check."""
    return {key: check(place, key, settings[key]) for key, check in checks.items() if settings.get(key) is not None}


def _argv(place: Place, key: str, value: object) -> list:
    """Returns a program with its arguments: a list, because no shell reads it, and by its full path, because cron's PATH is another one."""
    is_list = isinstance(value, (list, tuple)) and all(isinstance(one, str) and one for one in value)
    if not is_list or not value or not value[0].startswith("/"):
        place.wrong(key, shown(value[0] if is_list and value else value or None), "policy_argv")
        return []
    return list(value)


def _hooks(place: Place, value: object) -> dict | None:
    if value is None:
        return None
    given = policy_values.mapping(place, "hooks", value, (*HOOKS, "timeout")) or {}
    found: dict = {}
    for stage in HOOKS:
        commands = given.get(stage, [])
        if not isinstance(commands, (list, tuple)) or not all(isinstance(one, (list, tuple)) for one in commands):
            place.wrong(f"hooks.{stage}", hidden(commands), "policy_commands")
            continue
        found[stage] = [_argv(place, f"hooks.{stage}[{number}]", one) for number, one in enumerate(commands)]
    return {**found, "timeout_s": policy_values.duration(place, "hooks.timeout", given.get("timeout", _HOOK_TIMEOUT))}


def _assertions(place: Place, value: object) -> list[dict]:
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        place.wrong("assertions", hidden(value), "policy_assertions")
        return []
    return [one for number, given in enumerate(value) if (one := _assertion(place, f"assertions[{number}]", given)) is not None]


def _assertion(place: Place, key: str, value: object) -> dict | None:
    given = policy_values.mapping(place, key, value, ("name", "query", "equals", "min", "max", "timeout"))
    if given is None:
        return None
    wanted = {name: given[name] for name in ("equals", "min", "max") if given.get(name) is not None}
    if not wanted or ("equals" in wanted and len(wanted) > 1):
        place.wrong(key, shown(", ".join(wanted) or None), "policy_assertion")
    for name, one in wanted.items():
        if isinstance(one, bool) or not isinstance(one, (int, str) if name == "equals" else int):
            place.wrong(f"{key}.{name}", shown(one), "policy_assertion_value" if name == "equals" else "policy_assertion_number")
    return {
        "name": policy_values.required_text(place, f"{key}.name", given.get("name")),
        "query": policy_values.required_text(place, f"{key}.query", given.get("query")),
        **wanted,
        "timeout_s": policy_values.duration(place, f"{key}.timeout", given.get("timeout", _QUERY_TIMEOUT)),
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
