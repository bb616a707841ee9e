# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Resolves the whole inventory into the policy, or names every mistake in it."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.sicekat.backup.plugins.plugin_utils import inventory, runs
from ansible_collections.sicekat.backup.plugins.plugin_utils.control import ControlAction, Speaker
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger


class ActionModule(ControlAction):
    """Runs on the control node only, without a connection to any host."""

    _requires_connection = False

    def act(self, options: dict, task_vars: Any) -> dict:
        policy = inventory.resolve_policy(task_vars)
        if not policy["servers"]:
            raise AnsibleActionFail(Speaker(policy["language"])("run_no_servers"))
        if self._task.check_mode:
            return {"changed": False, "policy": policy}
        with Ledger.open(runs.ledger_path(policy["state_dir"]), create=True) as ledger:
            before = ledger.head()
            ledger.save_policy(policy)
            return {"changed": ledger.head() != before, "policy": policy}
