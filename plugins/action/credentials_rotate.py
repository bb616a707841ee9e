# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes the derived credentials of one server, stage by stage, so that a rotation that was cut off is finished by the next one.

The ledger says which version is in force. A new key opens every repository before the ledger names its version, and the old
key is removed only when nothing uses it any more; so there is no moment at which nobody can open a repository.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import inventory, keeping, secrets
from ansible_collections.sicekat.backup.plugins.plugin_utils.access import maintenance_host
from ansible_collections.sicekat.backup.plugins.plugin_utils.deployment import DeployAction

STAGES = ("begin", "add_keys", "switch", "prove_transport", "remove_keys", "finish")


class ActionModule(DeployAction):
    """Stages that touch a repository run at the task's host, by delegation; `host` is its inventory name."""

    SPEC: ClassVar[dict] = {
        "stage": {"type": "str", "required": True, "choices": list(STAGES)},
        "server": {"type": "str", "required": True},
        "host": {"type": "str"},
        "rotation": {"type": "dict", "default": {}},
        "added": {"type": "list", "elements": "dict", "default": []},
        "public_key": {"type": "str", "default": ""},
    }

    def act(self, options: dict, task_vars: Any) -> dict:
        self._added, self._public_key = options["added"], options["public_key"]
        self._server, self._host, self._rotation = options["server"], options["host"], options["rotation"]
        policy = self._rotation.get("policy") or inventory.resolve_policy(task_vars)
        with self._prepared(policy, task_vars):
            return getattr(self, f"_{options['stage']}")()

    def _begin(self) -> dict:
        """Says which version is to be put in force, and where its keys go."""
        servers = self.policy["servers"]
        if self._server not in servers:
            raise AnsibleActionFail(self.say("rotate_unknown_server", server=self._server, known=", ".join(servers)))
        repositories = servers[self._server]["repositories"]
        own = [name for name in repositories if self.variables_of(self._server)["backup_repositories"][name].get("password")]
        if own:
            raise AnsibleActionFail(self.say("rotate_own_password", server=self._server, repositories=", ".join(own)))
        if self._task.check_mode:
            return {"changed": True, "skipped": True, "msg": self.say("rotate_check_mode", server=self._server)}
        unpinned = [name for name in repositories if not self.ledger.pinned_repository(self._server, name)]
        if unpinned:
            raise AnsibleActionFail(self.say("rotate_unpinned", server=self._server, repositories=", ".join(unpinned)))
        newest = self.ledger.newest("credentials_rotated", self._server)
        # A rotation that was begun is finished first, so that its old keys are not forgotten.
        version = newest["version"] if newest and not newest["finished"] else self.ledger.credential_version(self._server) + 1
        primary = repositories["primary"]
        return {
            "changed": False, "policy": self.policy, "server": self._server, "version": version,
            "hosts": list(dict.fromkeys(maintenance_host(self.policy, self._server, name) for name in repositories)),
            "keepers": list(dict.fromkeys(one["server"] for one in repositories.values() if one["server"])),
            "files_left": self.say("rotate_files_left", server=self._server),
            "transport": primary["transport"], "has_files": bool(primary["server"] or not primary["url"].startswith("/")),
        }  # fmt: skip

    def _add_keys(self) -> dict:
        """Adds the key of the new version to the repositories that the task's host maintains, and has it open them."""
        new, old = self._rotation["version"], self.ledger.credential_version(self._server)
        found = self._change_keys(password_version=old, wanted_version=new, removed_version=None)
        return {"changed": bool(found["changed"]), "key_ids": {one["repository_name"]: one["key_ids"][0] for one in found["results"]}}

    def _switch(self) -> dict:
        """Puts the new version in force: from here on everything uses it."""
        version = self._rotation["version"]
        if self.ledger.credential_version(self._server) == version:
            return {"changed": False}
        names = self.policy["servers"][self._server]["repositories"]
        new = {name: key for one in self._added for name, key in one["key_ids"].items()}
        old = {name: key for name in names if (key := self.access.key_hint(self._server, name))}
        self._note(finished=False, key_ids=new, old_key_ids=old)
        return {"changed": True}

    def _prove_transport(self) -> dict:
        """Asks the repository server, at itself, whether it takes the new credential and refuses the old one."""
        for name, repository in self.policy["servers"][self._server]["repositories"].items():
            if repository["server"] != self._host:
                continue
            if repository["transport"] == "ssh":
                key = keeping.public_key(self._public_key)
                if not keeping.lets_in_only(self._slurped(keeping.AUTHORIZED_KEYS) or "", self._server, key):
                    raise AnsibleActionFail(self.say("rotate_key_open", server=self._server, host=self._host, path=keeping.AUTHORIZED_KEYS))
                continue
            port = self.policy["repository_servers"][self._host]["port"]
            for version, wanted in ((self._rotation["version"], 200), (self._rotation["version"] - 1, 401)):
                password = secrets.transport_password(self.variables_of(self._server), self._server, name, version)
                self.access.hidden.append(password)
                # The names in the certificate are for the servers' way here; nothing leaves this host.
                arguments = {
                    "url": f"https://127.0.0.1:{port}/{self._server}/config", "method": "HEAD", "validate_certs": False,
                    "url_username": self._server, "url_password": password, "force_basic_auth": True, "status_code": [200, 401, 403, 404],
                }  # fmt: skip
                status = self._module("ansible.builtin.uri", arguments)["status"]
                if status != wanted:
                    problem = "rotate_transport_refused" if wanted == 200 else "rotate_transport_open"
                    raise AnsibleActionFail(self.say(problem, server=self._server, host=self._host, status=status))
        return {"changed": False}

    def _remove_keys(self) -> dict:
        """Removes the key of the version before; opened with the new one, so the last key that is left can never be removed."""
        new = self._rotation["version"]
        found = self._change_keys(password_version=new, wanted_version=new, removed_version=new - 1)
        strange = [
            self.say("rotate_strange_keys", server=self._server, repository=one["repository_name"], names=", ".join(names) or "-")
            for one in found["results"]
            if (names := sorted(set(one["present"]) ^ set(one["key_ids"])))
        ]
        if strange:
            raise AnsibleActionFail("\n".join(strange))
        return {"changed": bool(found["changed"])}

    def _finish(self) -> dict:
        begun = self.ledger.newest("credentials_rotated", self._server)
        self._note(finished=True, key_ids=begun.get("key_ids", {}))
        return {"changed": True, "msg": self.say("rotate_finished", server=self._server, version=self._rotation["version"])}

    def _note(self, finished: bool, **keys: dict) -> None:
        data = {"server": self._server, "version": self._rotation["version"], "finished": finished, "rotated_at": record.to_text(record.utc_now())}
        self.ledger.append("credentials_rotated", {**data, **keys})

    def _change_keys(self, password_version: int, wanted_version: int, removed_version: int | None) -> dict:
        """Adds and removes keys of the server's repositories at the task's host; raises AnsibleActionFail unless every one opens as wanted."""
        repositories = []
        variables = self.variables_of(self._server)
        for name in self.policy["servers"][self._server]["repositories"]:
            if maintenance_host(self.policy, self._server, name) != self._host:
                continue
            password, wanted = (secrets.repository_password(variables, self._server, name, version) for version in (password_version, wanted_version))
            removed = [] if removed_version is None else [secrets.repository_password(variables, self._server, name, removed_version)]
            endpoint = {**self.access.endpoint(self._server, name, self._host), "password": password}
            self.access.hidden += [password, wanted, *removed]
            # Whoever else has a key is found only if all others are known, so the sealed envelope's is proved again.
            passwords = [wanted, self.access.escrow_password(self._server, name)] if removed else [wanted]
            repositories.append({**endpoint, "server": self._server, "passwords": passwords, "remove": removed})
        found = self._module("sicekat.backup.repository_keys", {"repositories": repositories, **self.access.host_arguments(self._host)})
        problems = [self.say.message(one["problem"]) for one in found["results"] if one["problem"]]
        opened = [one for one, asked in zip(found["results"], repositories, strict=True) if not one["problem"] and one["opened"] == len(asked["passwords"])]
        if problems or len(opened) != len(repositories):
            raise AnsibleActionFail("\n".join(problems) or self.say("rotate_unproved", server=self._server, host=self._host))
        return found
