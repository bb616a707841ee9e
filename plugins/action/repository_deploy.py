# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Creates one repository of a server at deployment and pins its identity in the ledger."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import redact
from ansible_collections.sicekat.backup.plugins.plugin_utils.access import maintenance_host
from ansible_collections.sicekat.backup.plugins.plugin_utils.deployment import DeployAction

_ID = re.compile(r"[0-9a-f]{64}")


class ActionModule(DeployAction):
    """The server makes its primary repository itself, by the way that backups go; copies are made where the primary one is maintained.

    The second is the task's host by delegation.
    """

    SPEC: ClassVar[dict] = {"policy": {"type": "dict", "required": True}, "repository": {"type": "str", "required": True}}

    def act(self, options: dict, task_vars: Any) -> dict:
        with self._prepared(options["policy"], task_vars):
            return self._deploy(task_vars["inventory_hostname"], options["repository"])

    def _deploy(self, server: str, name: str) -> dict:
        at_host = server if name == "primary" else maintenance_host(self.policy, server, "primary")
        arguments = self.access.module_arguments(server, name, at_host)
        pinned = self.ledger.pinned_repository(server, name) if self.ledger else None
        replaced = self.variables_of(server).get("backup_replace_repository") == name
        if replaced:
            arguments["repository_id"] = None
        if name != "primary":
            primary = self.access.endpoint(server, "primary", at_host)
            if self._task.check_mode and not primary["repository_id"]:
                return {"changed": True, "repository_id": ""}  # nothing to share parameters with yet
            arguments.update(chunker_repository=primary["repository"], chunker_password=primary["password"], chunker_access=primary["access"])
            arguments["chunker_key_hint"] = primary["key_hint"]
        if pinned is None:
            self._make_place(arguments)
        found = self._execute_module(module_name="sicekat.backup.repository", module_args=arguments, task_vars=self._task_vars)
        if found.get("failed") and self._task.check_mode and pinned is None:
            # Not even the programs may be there, nor the repository server; what is told is what stands in the way now.
            return {"changed": True, "repository_id": "", "msg": f"{name}: {self._reason(found)}"}
        if found.get("failed") or found.get("unreachable"):
            return {"failed": True, "unreachable": found.get("unreachable", False), "msg": f"{name}: {self._reason(found)}"}
        changed = bool(found["changed"])
        if self.ledger and not self._task.check_mode:
            changed |= self._pin(server, name, found, None if replaced else pinned, redact(arguments["repository"], self.access.hidden))
        return {"changed": changed, "repository_id": found["repository_id"]}

    def _pin(self, server: str, name: str, found: dict, pinned: dict | None, url: str) -> bool:
        """Pins what the host says, once: it may be in foreign hands, so nothing that was pinned gives way to its word alone."""
        identity, key = found["repository_id"], found["key_id"]
        if not all(isinstance(one, str) and _ID.fullmatch(one) for one in (identity, key)):
            raise AnsibleActionFail(self.say("repository_answer_unusable", server=server, repository=name))
        if pinned and pinned["repository_id"] != identity:
            raise AnsibleActionFail(f"{name}: " + self.say("repository_replaced", repository=url, found=identity[:16], expected=pinned["repository_id"][:16]))
        before = self.ledger.pinned_repository(server, name)
        same = before and before["repository_id"] == identity
        if same and (before.get("key_id") == key or (pinned and before.get("key_id"))):
            return False
        reason = before["reason"] if same else "replaced" if before else "created" if found["created"] else "adopted"
        self.ledger.pin_repository({"server": server, "repository": name, "repository_id": identity, "key_id": key, "url": url, "reason": reason})
        return True

    def _make_place(self, arguments: dict) -> None:
        """Makes the directory of a new repository, where the user that restic works as may not make it himself."""
        if arguments["run_as"] and arguments["repository"].startswith("/") and not self._task.check_mode:
            directory = {"path": arguments["repository"], "state": "directory", "owner": arguments["run_as"], "group": arguments["run_as"], "mode": "0700"}
            self._module("ansible.builtin.file", directory)
