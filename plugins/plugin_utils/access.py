# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a host reaches a repository: the only place that puts module arguments with secrets together.

A server reaches its primary repository alone, and so does its restore host, for the time of a test. A repository server works on its own
disk, as its service user.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.sicekat.backup.plugins.plugin_utils import pki, secrets
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger
from ansible_collections.sicekat.backup.plugins.plugin_utils.performers import maintenance_host
from ansible_collections.sicekat.backup.plugins.plugin_utils.policy_repositories import SERVICE_USER

CLIENT_DIR = "/etc/si-cekat"
DEFAULT_SERVER_DIR = "/var/lib/si-cekat-server"

__all__ = ["CLIENT_DIR", "SERVICE_USER", "Access", "maintenance_host"]


class Access:
    """Puts module arguments together; every secret that it hands out is noted in `hidden`, so that no message repeats it.

    variables_of: host -> its backup_* variables and ansible_host, templated. ledger: None where nothing was deployed yet.
    """

    def __init__(self, policy: Mapping, variables_of: Callable[[str], Mapping], ledger: Ledger | None) -> None:
        self.policy = policy
        self.hidden: list[str] = []
        self._variables_of = variables_of
        self._ledger = ledger

    def module_arguments(self, server: str, repository: str, at_host: str, as_server: bool = False) -> dict:
        """Returns the arguments of a module that works on one repository at one host; as_server: see `endpoint`."""
        settings = self.policy["servers"][server]
        return {
            **self.endpoint(server, repository, at_host, as_server), **self.host_arguments(at_host),
            "upload_limit": (self.policy["servers"].get(at_host) or settings).get("upload_limit_kib"),
            "max_runtime": settings.get("max_runtime_s") or 24 * 3600,
        }  # fmt: skip

    def host_arguments(self, at_host: str) -> dict:
        """Returns what each module needs to know of the host that it runs on."""
        variables = self._variables_of(at_host)
        return {"restic": variables.get("backup_restic") or "restic", "server_dir": variables.get("backup_server_dir") or DEFAULT_SERVER_DIR}

    def endpoint(self, server: str, repository: str, at_host: str, as_server: bool = False) -> dict:
        """Returns how one host reaches a server's repository: location, secrets, pinned identity, and the user to work as.

        as_server: by the way that the server itself goes, and as root, which a restore has to be; also where the host keeps the repository.
        """
        settings = self.policy["servers"][server]["repositories"][repository]
        version = self._ledger.credential_version(server) if self._ledger else 1
        pinned = self._ledger.pinned_repository(server, repository) if self._ledger else None
        keeper = settings.get("server")
        location, access = self._through(server, repository, settings, server if as_server else at_host, version)
        # What a repository server's own service wrote stays its own; copies from there are made by the same user.
        run_as = SERVICE_USER if at_host != server and not as_server and at_host in self.policy["repository_servers"] else None
        password = secrets.repository_password(self._variables_of(server), server, repository, version)
        self.hidden += [password, *(str(access[key]) for key in ("password", "access_key", "secret_key") if access.get(key))]
        return {
            "repository": location, "password": password, "repository_id": pinned["repository_id"] if pinned else None,
            "key_hint": self.key_hint(server, repository),
            "repository_name": repository, "location": settings["location"] or keeper or "", "access": access, "run_as": run_as,
        }  # fmt: skip

    def key_hint(self, server: str, repository: str) -> str | None:
        """Returns the id of the key that the server's password opens, as it was noted last; None if none was."""
        pinned = self._ledger.newest("repository_pinned", server, repository) if self._ledger else None
        if not pinned:
            return None
        rotated = self._ledger.newest("credentials_rotated", server)
        # A repository that was replaced after a rotation has keys of its own.
        noted = rotated["key_ids"].get(repository) if rotated and rotated.get("key_ids") and rotated["at"] >= pinned["at"] else None
        return noted or pinned.get("key_id")

    def escrow_password(self, server: str, repository: str) -> str:
        """Returns the password of the sealed envelope for a repository; a host in foreign hands must not get that of other servers' repositories."""
        own = server if maintenance_host(self.policy, server, repository) == server else ""
        password = secrets.escrow_password(str(self._variables_of(server)["backup_master_secret"]), own)
        self.hidden.append(password)
        return password

    def known_keys(self, server: str, repository: str) -> list[str] | None:
        """Returns the ids of all keys that a repository is to have, for module repository_listing; None where not all were noted."""
        current = self.key_hint(server, repository)
        pinned, proved = (self._ledger.newest(kind, server, repository) if self._ledger else None for kind in ("repository_pinned", "escrow_proved"))
        known = [current]
        if proved and proved["repository_id"] == pinned["repository_id"]:
            known.append(proved.get("key_id"))
        rotated = self._ledger.newest("credentials_rotated", server) if self._ledger else None
        if rotated and not rotated["finished"]:
            known.append(rotated.get("old_key_ids", {}).get(repository))
        return known if all(known) else None

    def _through(self, server: str, repository: str, settings: Mapping, at_host: str, version: int) -> tuple[str, dict[str, Any]]:
        keeper = settings.get("server")
        variables = self._variables_of(server)
        given = variables["backup_repositories"][repository]
        if not keeper:
            access = {key: given.get(key) for key in ("username", "access_key", "secret_key") if given.get(key)}
            access |= {"password": given["access_password"]} if given.get("access_password") else {}
            access |= {key: settings[key] for key in ("identity_file", "host_key") if settings.get(key)}
            access |= {"ca_certificate": pki.read_certificates(settings["ca_certificate"])} if settings.get("ca_certificate") else {}
            return str(given["url"]), access
        place = self.policy["repository_servers"][keeper]
        if keeper == at_host:
            return f"{place['path'].rstrip('/')}/{server}", {}
        if settings["transport"] == "ssh":
            access = {"identity_file": f"{CLIENT_DIR}/id_ed25519", "known_hosts": f"{CLIENT_DIR}/known_hosts"}
            return settings["url"], access
        authority = pki.certificate_authority(str(self._variables_of(keeper)["backup_master_secret"]))
        password = secrets.transport_password(variables, server, repository, version)
        return settings["url"], {"username": server, "password": password, "ca_certificate": authority}
