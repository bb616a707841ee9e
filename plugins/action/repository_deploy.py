# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Creates a host's repositories at deployment and pins their identity in the ledger."""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar

from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import redact
from ansible_collections.sicekat.backup.plugins.plugin_utils import inventory, runs
from ansible_collections.sicekat.backup.plugins.plugin_utils.control import ControlAction, Speaker, module_failure, repository_arguments
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger


class ActionModule(ControlAction):
    """Passwords are derived here and go into the module's arguments only, never into the task's."""

    SPEC: ClassVar[dict] = {"policy": {"type": "dict", "required": True}}

    def act(self, options: dict, task_vars: Any) -> dict:
        host, policy = task_vars["inventory_hostname"], options["policy"]
        variables = inventory.backup_variables(task_vars["hostvars"][host], host)
        path = runs.ledger_path(policy["state_dir"])
        # In check mode on a new site there is no ledger yet.
        with contextlib.nullcontext() if self._task.check_mode and not path.exists() else Ledger.open(path) as ledger:
            return self._deploy(policy, variables, host, ledger, task_vars)

    def _deploy(self, policy: dict, variables: dict, host: str, ledger: Ledger | None, task_vars: dict) -> dict:
        server, say = policy["servers"][host], Speaker(policy["language"])
        changed, pinned_ids, primary = False, {}, None
        for name in sorted(server["repositories"], key=lambda one: one != "primary"):
            pinned = ledger.pinned_repository(host, name) if ledger else None
            replace = variables.get("backup_replace_repository") == name
            arguments = repository_arguments(variables, server, host, name, None if replace else pinned)
            if primary:
                arguments.update(chunker_repository=primary["repository"], chunker_password=primary["password"])
            module = {key: value for key, value in arguments.items() if key not in ("repository_name", "location")}
            found = self._execute_module(module_name="sicekat.backup.repository", module_args=module, task_vars=task_vars)
            if found.get("failed") or found.get("unreachable"):
                text = say.message(found["message"]) if found.get("message") else module_failure(found, [arguments["password"]])
                return {"failed": True, "unreachable": found.get("unreachable", False), "msg": f"{name}: {text}"}
            changed |= bool(found["changed"])
            pinned_ids[name] = found["repository_id"]
            if ledger and not self._task.check_mode and (pinned or {}).get("repository_id") != found["repository_id"]:
                reason = "replaced" if pinned else "created" if found["created"] else "adopted"
                url = redact(arguments["repository"], [arguments["password"]])
                ledger.pin_repository({"server": host, "repository": name, "repository_id": found["repository_id"], "url": url, "reason": reason})
                changed = True
            primary = primary or (arguments if found["repository_id"] else None)
        return {"changed": changed, "repositories": pinned_ids}
