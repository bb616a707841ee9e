# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Resolves the whole inventory into the policy, or names every mistake in it."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.sicekat.backup.plugins.plugin_utils import inventory, runs
from ansible_collections.sicekat.backup.plugins.plugin_utils.control import Speaker
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger, LedgerError


class ActionModule(ActionBase):
    """Runs on the control node only, without a connection to any host."""

    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict:
        result = super().run(tmp, task_vars)
        self.validate_argument_spec({})
        policy = inventory.resolve_policy(task_vars)
        if not policy["servers"]:
            raise AnsibleActionFail(Speaker(policy["language"])("run_no_servers"))
        result.update(changed=False, policy=policy)
        if self._task.check_mode:
            return result
        try:
            with Ledger.open(runs.ledger_path(policy["state_dir"]), create=True) as ledger:
                before = ledger.head()
                ledger.save_policy(policy)
                result["changed"] = ledger.head() != before
        except LedgerError as error:
            raise AnsibleActionFail(str(error)) from None
        return result
