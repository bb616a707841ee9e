# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for a repository server: where it keeps the servers' repositories, and under which address they reach it.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.sicekat.backup.plugins.plugin_utils import policy_values
from ansible_collections.sicekat.backup.plugins.plugin_utils.policy_problems import Place, Problem, hidden, shown

VARIABLE = "backup_repository_server"

_KEYS = ("path", "address", "port", "quota", "free_least", "allow_from", "rest_server")
_PORT = 8000
_FREE_LEAST = "1GiB"
_MAX_PARALLEL = 4

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_BINARY = re.compile(r"https://[^/\s@]+/\S+")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
# The whole directory comes to belong to the service, which must not happen to one that others use.
_OF_THE_SYSTEM = frozenset((
    "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/media", "/mnt", "/opt", "/proc", "/root", "/run", "/sbin", "/srv", "/sys",
    "/tmp", "/usr", "/var", "/var/lib", "/var/tmp",
))  # fmt: skip


def repository_servers(problems: list[Problem], hosts: Mapping[str, Mapping[str, Any]]) -> dict[str, dict]:
    """Returns the entry of each host of the inventory that is a repository server."""
    found: dict[str, dict] = {}
    taken: dict[tuple, str] = {}
    for host, variables in hosts.items():
        if variables.get(VARIABLE) is None:
            continue
        place = Place(problems, host)
        policy_values.secret(place, "backup_master_secret", variables.get("backup_master_secret"), policy_values.MASTER_SECRET_LEAST)
        found[host] = entry = _entry(place, host, variables)
        at = (entry.get("address"), entry.get("port"))
        other = taken.setdefault(at, host)
        if None not in at and other != host:
            place.wrong(f"{VARIABLE}.address", shown(f"{at[0]}:{at[1]}"), "policy_address_twice", other=other)
    return found


def _entry(place: Place, host: str, variables: Mapping[str, Any]) -> dict:
    given = policy_values.mapping(place, VARIABLE, variables[VARIABLE], _KEYS)
    if given is None:
        return {}

    def value(name: str, default: object) -> Any:
        return default if given.get(name) is None else given[name]

    path = policy_values.plain_path(place, f"{VARIABLE}.path", given.get("path"))
    if path in _OF_THE_SYSTEM:
        place.wrong(f"{VARIABLE}.path", shown(path), "policy_path_own")
    quota = given.get("quota")
    return {
        "path": path,
        "address": _address(place, value("address", variables.get("ansible_host") or host)),
        "port": policy_values.whole(place, f"{VARIABLE}.port", value("port", _PORT), "policy_port", 1, 65535),
        "quota_bytes": None if quota is None else policy_values.size(place, f"{VARIABLE}.quota", quota),
        "free_least_bytes": policy_values.size(place, f"{VARIABLE}.free_least", value("free_least", _FREE_LEAST)),
        "allow_from": _networks(place, f"{VARIABLE}.allow_from", value("allow_from", [])),
        "rest_server": _binary(place, f"{VARIABLE}.rest_server", given.get("rest_server")),
        "max_parallel": policy_values.whole(
            place, "backup_max_parallel", _MAX_PARALLEL if (most := variables.get("backup_max_parallel")) is None else most, "policy_positive", 1
        ),
    }


def _address(place: Place, value: object) -> Any:
    if not isinstance(value, str) or not (_NAME.fullmatch(value) or (":" in value and _is_ip_address(value))):
        place.wrong(f"{VARIABLE}.address", shown(value), "policy_address")
        return None
    return value


def _is_ip_address(value: str) -> bool:
    try:
        return bool(ipaddress.ip_address(value))
    except ValueError:
        return False


def _networks(place: Place, key: str, value: object) -> list[str]:
    if not isinstance(value, (list, tuple)):
        place.wrong(key, shown(value), "policy_networks")
        return []
    networks = []
    for number, item in enumerate(value):
        try:
            network = ipaddress.ip_network(item if isinstance(item, str) else "", strict=False)
        except ValueError:
            place.wrong(f"{key}[{number}]", shown(item), "policy_network")
            continue
        # Bits of a host in it: an address was meant, or a network; only the admin knows which.
        if "/" in item and str(network.network_address) != item.partition("/")[0].lower():
            place.wrong(f"{key}[{number}]", shown(item), "policy_network", suggestion=str(network))
        networks.append(str(network))
    return networks


def _binary(place: Place, key: str, value: object) -> dict | None:
    """Returns a given rest-server: its source on the control node or at an https address, and its checksum."""
    if value is None:
        return None
    given = policy_values.mapping(place, key, value, ("source", "sha256"))
    if given is None:
        return None
    source, sha256 = given.get("source"), given.get("sha256")
    if not isinstance(source, str) or not (_BINARY.fullmatch(source) or (source.startswith("/") and Path(source).is_file())):
        # An address may hold a password.
        place.wrong(f"{key}.source", shown(source) if isinstance(source, str) and source.startswith("/") else hidden(source), "policy_binary")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        place.wrong(f"{key}.sha256", shown(sha256), "policy_sha256")
    return {"source": source, "sha256": str(sha256).lower()}
