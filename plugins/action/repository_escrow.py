# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gives repositories the second key, for the sealed envelope, and notes in the ledger that it opens them."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils.access import maintenance_host
from ansible_collections.sicekat.backup.plugins.plugin_utils.deployment import DeployAction


class ActionModule(DeployAction):
    """The task's host is a maintenance host, also by delegation; `host` is its inventory name."""

    SPEC: ClassVar[dict] = {
        "policy": {"type": "dict", "required": True},
        "host": {"type": "str", "required": True},
        "servers": {"type": "list", "elements": "str", "required": True},
        "again": {"type": "bool", "default": False},
    }

    def act(self, options: dict, task_vars: Any) -> dict:
        policy, host = options["policy"], options["host"]
        with self._prepared(policy, task_vars):
            due = [
                (server, name)
                for server in options["servers"]
                for name in policy["servers"][server]["repositories"]
                if maintenance_host(policy, server, name) == host and (options["again"] or not self._is_proved(server, name))
            ]
            without = sorted({server for server, _name in due if not self.variables_of(server).get("backup_master_secret")})
            if without and options["again"]:
                raise AnsibleActionFail(self.say("escrow_no_secret", servers=", ".join(without)))
            due = [one for one in due if one[0] not in without]
            if self._task.check_mode:
                return {"changed": bool(due) and not options["again"]}
            return self._prove(host, due) if due else {"changed": False}

    def _is_proved(self, server: str, name: str) -> bool:
        if not self.ledger:
            return False
        pinned, proved = self.ledger.pinned_repository(server, name), self.ledger.newest("escrow_proved", server, name)
        return bool(pinned and proved and proved["repository_id"] == pinned["repository_id"] and proved.get("key_id"))

    def _prove(self, host: str, due: list[tuple[str, str]]) -> dict:
        """Adds the key where it is missing; only a repository that it then opened, with the pinned identity, counts."""
        repositories = []
        for server, name in due:
            escrow = self.access.escrow_password(server, name)
            repositories.append({**self.access.endpoint(server, name, host), "server": server, "passwords": [escrow]})
        found = self._module("sicekat.backup.repository_keys", {"repositories": repositories, **self.access.host_arguments(host)})
        results = {(one["server"], one["repository_name"]): one for one in found["results"]}
        problems = []
        for server, name in due:
            one, pinned = results.get((server, name)), self.ledger.pinned_repository(server, name)
            if one and pinned and not one["problem"] and one["opened"] == 1 and one["repository_id"] == pinned["repository_id"]:
                note = {
                    "server": server,
                    "repository": name,
                    "repository_id": one["repository_id"],
                    "key_id": (one.get("key_ids") or [None])[0],
                    # Which password opened it, also for the paper after the server has left the inventory.
                    "password_of": server if host == server else "",
                    "host": host,
                    "proved_at": record.to_text(record.utc_now()),
                }
                self.ledger.append("escrow_proved", note)
                continue
            detail = self.say.message(one["problem"]) if one and one["problem"] else self.say("repository_unpinned") if not pinned else ""
            problems.append(self.say("escrow_unproved", server=server, repository=name, detail=detail))
        return {"changed": bool(found["changed"]) or len(problems) < len(due), "failed": bool(problems), "msg": "\n".join(problems)}
