# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes a server out of the policy: what it is owed ends today, what was stored and recorded stays."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import inventory
from ansible_collections.sicekat.backup.plugins.plugin_utils.deployment import DeployAction


class ActionModule(DeployAction):
    """Stage `begin` says what is to be done, stage `finish` notes it. Runs on the control node only."""

    _requires_connection = False

    SPEC: ClassVar[dict] = {
        "stage": {"type": "str", "required": True, "choices": ["begin", "finish"]},
        "server": {"type": "str", "required": True},
        "offboarding": {"type": "dict", "default": {}},
        "cleaned": {"type": "bool", "default": False},
    }

    def act(self, options: dict, task_vars: Any) -> dict:
        self._server, self._offboarding = options["server"], options["offboarding"]
        policy = self._offboarding.get("policy") or inventory.resolve_policy(task_vars)
        with self._prepared(policy, task_vars):
            return self._begin() if options["stage"] == "begin" else self._finish(options["cleaned"])

    def _begin(self) -> dict:
        """Returns the policy without the server; one that has left the inventory already is known from the ledger."""
        settings = self.policy["servers"].get(self._server) or self._last_settings()
        if settings is None:
            raise AnsibleActionFail(self.say("offboard_unknown_server", server=self._server, known=", ".join(self.policy["servers"])))
        repositories = settings["repositories"]
        rest = {name: one for name, one in self.policy["servers"].items() if name != self._server}
        keepers = {one["server"] for one in repositories.values() if one["server"]} & set(self.policy["repository_servers"])
        # What lies where the server had its own way to stays open to who holds its credentials; only its owner can close that.
        foreign = [one["url"] for one in repositories.values() if not one["server"] and not one["url"].startswith("/")]
        return {
            "changed": self._task.check_mode, "policy": {**self.policy, "servers": rest}, "keepers": sorted(keepers), "foreign": foreign,
            "in_inventory": self._server in self._task_vars["hostvars"],
        }  # fmt: skip

    def _last_settings(self) -> dict | None:
        found = None
        for entry in self.ledger.policies() if self.ledger else ():
            found = entry.data["policy"]["servers"].get(self._server) or found
        return found

    def _finish(self, cleaned: bool) -> dict:
        self.ledger.save_policy(self.policy)
        now = record.to_text(record.utc_now())
        self.ledger.append("server_offboarded", {"server": self._server, "offboarded_at": now, "client_cleaned": cleaned})
        lines = [self.say("offboard_finished", server=self._server)]
        if not cleaned:
            lines.append(self.say("offboard_not_cleaned", server=self._server))
        if self._offboarding["foreign"]:
            lines.append(self.say("offboard_foreign", server=self._server, places=", ".join(self._offboarding["foreign"])))
        return {"changed": True, "msg": "\n".join(lines)}
