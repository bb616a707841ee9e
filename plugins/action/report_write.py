# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Renders every checklist and the index again from the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import inventory, runs
from ansible_collections.sicekat.backup.plugins.plugin_utils import policy as policies
from ansible_collections.sicekat.backup.plugins.plugin_utils.control import ControlAction, Speaker
from ansible_collections.sicekat.backup.plugins.plugin_utils.documentation import Archive
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger


class ActionModule(ControlAction):
    """Runs on the control node only, without a connection to any host."""

    _requires_connection = False

    def act(self, options: dict, task_vars: Any) -> dict:
        policy = inventory.resolve_policy(task_vars)
        say = Speaker(policy["language"])
        if not policy["servers"]:
            raise AnsibleActionFail(say("run_no_servers"))
        if self._task.check_mode:
            return {"changed": True}
        with Ledger.open(runs.ledger_path(policy["state_dir"])) as ledger:
            runs.sweep(ledger, record.utc_now())
            archive = Archive(ledger, Path(policy["state_dir"]), complete=True)
            for run in archive.runs:
                archive.write_checklist(archive.checklist(run))
            index, path = archive.write_index(policy, policies.digest(policy), record.utc_now())
        states = [one["state"] for one in index["status"]]
        missed = sum(one["state"] in ("missed", "failed") for one in index["owed"])
        lines = [say("report_written", path=path, missed=missed, **{state: states.count(state) for state in ("green", "attention", "red", "unknown")})]
        lines += [
            f"{one['server']} / {one['dataset']}: " + " ".join(say.message(text) for text in one["reasons"])
            for one in index["status"]
            if one["state"] != "green"
        ]
        lines += [say("report_ledger_unsound", detail=say.message(problem.what)) for problem in index["ledger"]["problems"]]
        return {"changed": True, "failed": bool(index["ledger"]["problems"]), "path": str(path), "msg": "\n".join(lines)}
