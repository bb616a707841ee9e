# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Resolves the whole inventory into the policy, or names every mistake in it."""

from __future__ import annotations

import datetime
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import inventory, objectives, runs
from ansible_collections.sicekat.backup.plugins.plugin_utils.control import ControlAction, Speaker
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger

_LOOK_BACK = datetime.timedelta(days=40)  # long enough to see the last runs of every cycle


class ActionModule(ControlAction):
    """Runs on the control node only, without a connection to any host."""

    _requires_connection = False

    def act(self, options: dict, task_vars: Any) -> dict:
        policy = inventory.resolve_policy(task_vars)
        if not policy["servers"]:
            raise AnsibleActionFail(Speaker(policy["language"])("run_no_servers"))
        path = runs.ledger_path(policy["state_dir"])
        if self._task.check_mode and not path.exists():
            return {"changed": False, "policy": policy, "warnings": _promises(policy, None)}
        with Ledger.open(path, create=not self._task.check_mode) as ledger:
            before = ledger.head()
            if not self._task.check_mode:
                ledger.save_policy(policy)
            return {"changed": ledger.head() != before, "policy": policy, "warnings": _promises(policy, ledger)}


def _promises(policy: dict, ledger: Ledger | None) -> list[str]:
    """Returns a warning for each category whose RPO the schedule cannot keep."""
    moment = record.utc_now()
    backups = list(ledger.records(kind="backup", since=record.to_text(moment - _LOOK_BACK))) if ledger else []
    broken = [one for one in objectives.feasibility(policy, backups, moment) if not one["feasible"]]
    if not broken:
        return []
    from ansible_collections.sicekat.backup.plugins.plugin_utils import catalogue

    say, seconds = Speaker(policy["language"]), catalogue.Formatter(policy["language"], policy["timezone"]).seconds
    warnings = []
    for one in broken:
        told = {"category": one["category"], "rpo": seconds(one["rpo_s"]), "needed": seconds(one["needed_s"]), "gap": seconds(one["gap_s"])}
        if one["needed_s"] is None:
            warnings.append(say("rpo_without_schedule", **told))
        elif one["slowest"] is None:
            warnings.append(say("rpo_infeasible", **told))
        else:
            warnings.append(say("rpo_infeasible_measured", **told, duration=seconds(one["duration_s"]), slowest=" / ".join(one["slowest"])))
    return warnings
