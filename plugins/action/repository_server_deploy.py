# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gives a repository server its certificate and the credentials of the servers that it keeps repositories for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import inventory, keeping, pki, secrets
from ansible_collections.sicekat.backup.plugins.plugin_utils.access import SERVICE_USER
from ansible_collections.sicekat.backup.plugins.plugin_utils.deployment import DeployAction

SERVICE = "sicekat-rest-server.service"
_TLS = f"{keeping.CONFIG_DIR}/tls.pem"
_CERTIFICATE = f"{keeping.CONFIG_DIR}/server.pem"
_HTPASSWD = f"{keeping.CONFIG_DIR}/htpasswd"
_OF_SERVICE = {"group": SERVICE_USER, "mode": "0640"}


class ActionModule(DeployAction):
    """The task's host is the repository server, also by delegation; `host` is its inventory name."""

    SPEC: ClassVar[dict] = {
        "host": {"type": "str", "required": True},
        "policy": {"type": "dict"},
        "public_keys": {"type": "dict", "default": {}},
        "certificate_only": {"type": "bool", "default": False},
    }

    def act(self, options: dict, task_vars: Any) -> dict:
        self._refused: list[str] = []
        policy, self._host, self._keys = options["policy"] or inventory.resolve_policy(task_vars), options["host"], options["public_keys"]
        with self._prepared(policy, task_vars):
            self._place = policy["repository_servers"][self._host]
            self._master = str(self.variables_of(self._host)["backup_master_secret"])
            files = [] if options["certificate_only"] else self._who_may_come_in()
            reason, certificate, key = self._new_certificate()
            if reason:
                # Certificate and key in one file never part.
                files.append({"path": _TLS, "content": certificate + key, **_OF_SERVICE})
            changed = self._write(files, hidden=[key]) if files else []
            self._make_known(changed)
            if reason:
                # The next look finds this one, so it comes after the service has got it.
                changed += self._write([{"path": _CERTIFICATE, "content": certificate, "mode": "0644"}])
        # One server's bad key keeps no other one out, so it is told in the end.
        told = {"failed": True, "msg": "\n".join(self.say("public_key_unusable", server=one) for one in self._refused)} if self._refused else {}
        return {"changed": bool(changed), "changed_paths": changed, "certificate": reason or "unchanged", **told}

    def _who_may_come_in(self) -> list[dict]:
        """Returns the files with the credentials of the servers."""
        files = [
            {"path": f"{keeping.CONFIG_DIR}/ca.pem", "content": pki.certificate_authority(self._master), "mode": "0644"},
            {"path": _HTPASSWD, "content": keeping.password_file(self.policy, self._host, self._transport_password, self._master), **_OF_SERVICE},
        ]
        if any(transport == "ssh" for _server, _name, transport in keeping.kept(self.policy, self._host)):
            return [*files, {"path": keeping.AUTHORIZED_KEYS, "content": self._authorized_keys(), **_OF_SERVICE}]
        return [*files, {"path": keeping.AUTHORIZED_KEYS, "state": "absent"}]

    def _new_certificate(self) -> tuple[str | None, str, str]:
        """Returns (why the present certificate does not do, a new one, its key), or (None, "", "")."""
        now, names = record.utc_now(), [self._place["address"]]
        reason = pki.needs_renewal(self._slurped(_CERTIFICATE), self._master, self._host, names, now)
        return (reason, *pki.server_certificate(self._master, self._host, names, now)) if reason else (None, "", "")

    def _make_known(self, changed: list[str]) -> None:
        """Lets the service use what was written."""
        state = "restarted" if _TLS in changed else "reloaded" if _HTPASSWD in changed else None
        # It would look at the password file by itself, but only every 30 seconds: a new server would be refused until then.
        if state and not self._task.check_mode:
            self._module("ansible.builtin.systemd_service", {"name": SERVICE, "state": state})

    def _transport_password(self, server: str, repository: str) -> str:
        version = self.ledger.credential_version(server) if self.ledger else 1
        password = secrets.transport_password(self.variables_of(server), server, repository, version)
        self.access.hidden.append(password)
        return password

    def _authorized_keys(self) -> str:
        """Returns the file with the keys that were given, those that role client has read from servers, and the present ones of all others."""
        hostvars: Mapping = self._task_vars["hostvars"]
        servers = [server for server, _name, transport in keeping.kept(self.policy, self._host) if transport == "ssh"]
        read = {server: str(hostvars[server]["client_public_key"]) for server in servers if "client_public_key" in hostvars[server]}
        current = self._slurped(keeping.AUTHORIZED_KEYS) or ""
        text, self._refused = keeping.authorized_keys(self.policy, self._host, current, {**read, **self._keys})
        return text

    def _write(self, files: list[dict], hidden: list[str] | None = None) -> list[str]:
        try:
            return self._write_files(files, hidden or ())
        except AnsibleActionFail as error:
            raise AnsibleActionFail(self.say("repository_server_not_ready", server=self._host, detail=error.message)) from None
