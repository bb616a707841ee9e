# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The repositories of one host: where they are, and how they are reached.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import ResticError
from ansible_collections.sicekat.backup.plugins.module_utils.transport import Transport
from ansible_collections.sicekat.backup.plugins.plugin_utils import policy_fleet, policy_values
from ansible_collections.sicekat.backup.plugins.plugin_utils.policy_problems import Place, hidden, shown

PASSWORD_LEAST = 12  # characters

REPOSITORIES = ("primary", "archive", "offsite")
TRANSPORTS = ("rest", "ssh")
SERVICE_USER = "sicekat-backup"

_COMMON = ("server", "url", "location", "password", "retention")
# Keys that make sense for one kind of repository alone.
_OF_KIND = {
    "server": ("transport",),
    "path": (),
    "rest": ("username", "access_password", "ca_certificate"),
    "s3": ("access_key", "secret_key", "ca_certificate"),
    "sftp": ("identity_file", "host_key"),
}
_KEYS = tuple(dict.fromkeys((*_COMMON, *(key for keys in _OF_KIND.values() for key in keys))))

_URL = re.compile(r"(rest|s3):https://[^/\s][^\s]*|sftp:\S+")
_USERINFO = re.compile(r"^((?:\w+:)?(?:\w+:)?(?://)?).*@", re.DOTALL)  # to the last "@", because a password may hold one
_PLAIN_HTTP = re.compile(r"(rest:|s3:)?http://", re.IGNORECASE)
_HOST_KEY = re.compile(r"([a-z0-9@.-]{1,64}) ([A-Za-z0-9+/]{16,}={0,2})( .*)?")

# On a repository server the inventory name is a directory and a user of rest-server.
_DIRECTORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
# rest-server takes these for the parts of a repository (its own list of object types).
_PARTS_OF_A_REPOSITORY = frozenset(("config", "data", "index", "keys", "locks", "snapshots"))


@dataclass(frozen=True)
class Inventory:
    """What a host's repositories need to know of the others.

    hosts: all variables by host. repository_servers: the resolved entries. taken: what is where, (host, repository) by place.
    """

    hosts: Mapping[str, Mapping[str, Any]]
    repository_servers: Mapping[str, Mapping]
    taken: dict[tuple, tuple[str, str]] = field(default_factory=dict)


def repositories(place: Place, host: str, value: object, inventory: Inventory) -> dict[str, dict]:
    """Returns the repositories of a host, each with `retention` as the inventory gives it for the repository itself."""
    given = policy_values.mapping(place, "backup_repositories", value, REPOSITORIES)
    if given is None:
        return {}
    if "primary" not in given:
        place.wrong("backup_repositories.primary", shown(None), "policy_repository_primary")
    found: dict[str, dict] = {}
    for name in REPOSITORIES:
        if name not in given:
            continue
        settings = policy_values.mapping(place, f"backup_repositories.{name}", given[name], _KEYS)
        if settings is not None:
            found[name] = _repository(place, host, name, settings, inventory)
    _places(place, host, given, found, inventory)
    if any(repository["server"] for repository in found.values()):
        _host_name(place, host)
    return found


def secret(place: Place, host: str, variables: Mapping[str, Any], found: Mapping[str, Mapping], inventory: Inventory) -> None:
    """Checks the secret that everything derives from which the inventory gives no password for."""
    given = variables.get("backup_repositories")
    settings = list(given.values()) if isinstance(given, Mapping) else []
    all_have_their_own = bool(settings) and all(isinstance(item, Mapping) and item.get("password") is not None for item in settings)
    keepers = dict.fromkeys(repository["server"] for repository in found.values() if repository["server"] in inventory.repository_servers)
    own = variables.get("backup_master_secret")
    if host not in inventory.repository_servers and (own is not None or keepers or not all_have_their_own):
        policy_values.secret(place, "backup_master_secret", own, policy_values.MASTER_SECRET_LEAST)
    for keeper in keepers:
        # The certificate authority comes from the repository server's secret, the host's passwords from its own.
        if None not in (own, other := inventory.hosts[keeper].get("backup_master_secret")) and own != other:
            place.wrong("backup_master_secret", hidden(own), "policy_secret_same", other=keeper)


def local_paths(found: Mapping[str, Mapping]) -> dict[str, str]:
    """Returns the repositories that are directories of the host itself."""
    if found.get("primary", {}).get("server"):
        return {}  # the copies are made on the repository server, which is where their paths are
    return {f"backup_repositories.{name}": url for name, repository in found.items() if (url := repository["url"]) and url.startswith("/")}


def _repository(place: Place, host: str, name: str, settings: Mapping, inventory: Inventory) -> dict:
    key = f"backup_repositories.{name}"
    if settings.get("password") is not None:
        policy_values.secret(place, f"{key}.password", settings["password"], PASSWORD_LEAST)
    server, url = settings.get("server"), None
    kind: str | None
    if server is None:
        url, kind = _url(place, f"{key}.url", settings.get("url"))
    else:
        kind = "server"
        if settings.get("url") is not None:
            place.wrong(f"{key}.url", hidden(settings["url"]), "policy_url_or_server")
        server = _server(place, f"{key}.server", host, server, inventory)
    _keys_of_other_kinds(place, key, settings, kind)
    transport = _transport(place, f"{key}.transport", name, settings.get("transport")) if kind == "server" else "url"
    if server is not None:
        url = _served(host, inventory.repository_servers[server], transport)
    _credentials(place, key, settings, kind)
    return {
        "url": url,
        "location": policy_values.text(place, f"{key}.location", settings.get("location")),
        "server": server,
        "transport": transport,
        "retention": _retention(place, f"{key}.retention", name, settings.get("retention")),
        "ca_certificate": _if_given(policy_values.ca_certificate, place, key, "ca_certificate", settings),
        "identity_file": _if_given(policy_values.plain_path, place, key, "identity_file", settings),
        "host_key": _if_given(_host_key, place, key, "host_key", settings),
    }


def _url(place: Place, key: str, value: object) -> tuple[str | None, str | None]:
    """Returns a repository's address without user and password, and its kind; None for each after a mistake."""
    if not isinstance(value, str):
        place.wrong(key, hidden(value), "policy_url_or_server" if value is None else "policy_url")
        return None, None
    if value.startswith("/"):
        return policy_values.path(place, key, value), "path"
    redacted = _USERINFO.sub(r"\1***@", value)
    if _PLAIN_HTTP.match(value):
        place.wrong(key, shown(redacted), "policy_url_encrypted")
        return None, None
    if not _URL.fullmatch(value) or not _is_reachable(value):
        place.wrong(key, shown(redacted), "policy_url")
        return None, None
    return redacted, value.partition(":")[0]


def _is_reachable(url: str) -> bool:
    """Tells whether the module that will work with an address can read it."""
    try:
        Transport(url, {})
    except ResticError:
        return False
    return True


def _server(place: Place, key: str, host: str, value: object, inventory: Inventory) -> str | None:
    """Returns the name of the repository server that is meant, or None after a mistake."""
    choices = [name for name in inventory.repository_servers if name != host]
    if value == host:
        place.wrong(key, shown(value), "policy_server_other")
    elif isinstance(value, str) and value in inventory.repository_servers:
        return value if inventory.repository_servers[value] else None  # that entry is a mistake of its own
    elif isinstance(value, str) and value in inventory.hosts:
        place.wrong(key, shown(value), "policy_server_plain")
    elif choices:
        place.not_one_of(key, shown(value), value, choices)
    else:
        place.wrong(key, shown(value), "policy_server_none")
    return None


def _served(host: str, server: Mapping, transport: object) -> str:
    """Returns the address under which a repository server keeps a host's repository."""
    address = str(server["address"])
    address = f"[{address}]" if ":" in address else address
    return f"ssh://{SERVICE_USER}@{address}/{host}" if transport == "ssh" else f"rest:https://{address}:{server['port']}/{host}/"


def _transport(place: Place, key: str, name: str, value: object) -> Any:
    if value is None:
        return "rest"
    if value == "ssh" and name != "primary":
        place.wrong(key, shown(value), "policy_transport_primary")
    return policy_values.choice(place, key, value, TRANSPORTS)


def _keys_of_other_kinds(place: Place, key: str, settings: Mapping, kind: str | None) -> None:
    """Notes each key that the kind of the repository has no use for; none where the kind is a mistake."""
    for name, value in settings.items():
        kinds = [one for one, keys in _OF_KIND.items() if name in keys]
        if kind and kinds and kind not in kinds and value is not None:
            of = ", ".join(one if one == "server" else f"{one}:" for one in kinds)
            place.wrong(f"{key}.{name}", hidden(value), "policy_key_of_other_kind", kinds=of)


def _credentials(place: Place, key: str, settings: Mapping, kind: str | None) -> None:
    """Checks what a repository is opened with over the network: both parts or neither."""
    user, password = settings.get("username"), settings.get("access_password")
    if kind == "rest" and (user is not None or password is not None):
        if not isinstance(user, str) or not user or ":" in user:
            place.wrong(f"{key}.username", hidden(user), "policy_username")
        policy_values.secret(place, f"{key}.access_password", password, 1)
        if _USERINFO.match(settings["url"]):
            place.wrong(f"{key}.username", hidden(user), "policy_username_once")
    if kind == "s3" and any(settings.get(name) is not None for name in ("access_key", "secret_key")):
        for name in ("access_key", "secret_key"):
            policy_values.secret(place, f"{key}.{name}", settings.get(name), 1)


def _retention(place: Place, key: str, name: str, value: object) -> Any:
    if value is not None and name == "primary":
        place.wrong(key, hidden(value), "policy_retention_primary")
        return None
    return policy_fleet.retention(place, key, value)


def _host_key(place: Place, key: str, value: object) -> Any:
    """Returns "type base64" of an OpenSSH public key (RFC 4253, section 6.6: its data begin with its type)."""
    match = _HOST_KEY.fullmatch(value.strip()) if isinstance(value, str) else None
    try:
        data = base64.b64decode(match[2], validate=True) if match else b""
    except ValueError:
        data = b""
    if match is None or data[4 : 4 + int.from_bytes(data[:4], "big")] != match[1].encode():
        place.wrong(key, shown(value), "policy_host_key")
        return None
    return f"{match[1]} {match[2]}"


def _if_given(check: Any, place: Place, key: str, name: str, settings: Mapping) -> Any:
    return None if settings.get(name) is None else check(place, f"{key}.{name}", settings[name])


def _places(place: Place, host: str, given: Mapping, found: Mapping[str, Mapping], inventory: Inventory) -> None:
    """Notes a repository in the place of another one, of this host or of another, or inside a repository server's directory."""
    keeper = found.get("primary", {}).get("server")
    for name, repository in found.items():
        url = repository["url"]
        key = f"backup_repositories.{name}.{'server' if repository['server'] else 'url'}"
        if url is None:
            continue
        if repository["server"]:
            at: tuple = ("server", repository["server"], host)
        elif url.startswith("/"):
            at = ("path", keeper or host, url)
            _apart(place, key, url, inventory.repository_servers.get(keeper or host))
        else:
            # Two users of SFTP have two homes; any other address is one place, whoever asks.
            at = ("url", str(given[name]["url"]).rstrip("/") if url.startswith("sftp:") else url.replace("***@", "").rstrip("/"))
        other_host, other_name = inventory.taken.setdefault(at, (host, name))
        if other_host != host:
            place.wrong(key, shown(url), "policy_url_other_host", name=other_name, other=other_host)
        elif other_name != name:
            place.wrong(key, shown(url), "policy_url_twice", name=other_name)


def _apart(place: Place, key: str, url: str, server: Mapping | None) -> None:
    path = (server or {}).get("path")
    if path and (policy_values.holds(path, url) or policy_values.holds(url, path)):
        place.wrong(key, shown(url), "policy_path_apart", name="backup_repository_server.path", path=path)


def _host_name(place: Place, host: str) -> None:
    if not _DIRECTORY.fullmatch(host):
        place.wrong("inventory_hostname", shown(host), "policy_host_name")
    elif host in _PARTS_OF_A_REPOSITORY:
        place.wrong("inventory_hostname", shown(host), "policy_host_name_taken")


def with_datasets(found: Mapping[str, Mapping], datasets: Collection[Mapping], categories: Mapping[str, Mapping]) -> dict[str, dict]:
    """Returns the repositories with `retention` as it holds for each data set: {data set: {last, daily, weekly, monthly, yearly}}, or None.

    That of primary comes from the data set's category; a data set without one is not in it and keeps everything.
    """
    # After a mistake a name or a category may be anything.
    sound = [dataset for dataset in datasets if isinstance(dataset["name"], str) and isinstance(dataset["category"], str)]
    of_category = {dataset["name"]: categories.get(dataset["category"], {}).get("retention") for dataset in sound}
    result = {}
    for name, repository in found.items():
        keep = of_category if name == "primary" else dict.fromkeys(of_category, repository["retention"])
        result[name] = {**repository, "retention": {dataset: one for dataset, one in keep.items() if one} or None}
    return result
