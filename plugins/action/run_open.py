# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Opens a run: validates the whole inventory, sweeps up what died, and writes an OPEN record for every obligation."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from ansible import context
from ansible.errors import AnsibleActionFail
from ansible.release import __version__ as ansible_version

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import inventory, obligations, performers, performing, runs, turns
from ansible_collections.sicekat.backup.plugins.plugin_utils.control import ControlAction, Speaker
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger
from ansible_collections.sicekat.backup.plugins.plugin_utils.version import collection_version

CYCLES = (*record.CYCLES, "restore")


class ActionModule(ControlAction):
    """Runs on the control node only, without a connection to any host."""

    _requires_connection = False

    SPEC: ClassVar[dict] = {
        "cycle": {"type": "str", "required": True, "choices": list(CYCLES)},
        "restore": {"type": "dict", "options": {key: {"type": "str", "default": ""} for key in ("server", "dataset", "snapshot", "target")}},
    }

    def act(self, options: dict, task_vars: Any) -> dict:
        cycle = options["cycle"]
        policy = inventory.resolve_policy(task_vars)
        say = Speaker(policy["language"])
        if policy["cycles"].get(cycle, {}) is None:
            raise AnsibleActionFail(say("run_cycle_disabled", cycle=cycle))
        in_play = set(task_vars["ansible_play_hosts_all"])
        servers = [name for name in policy["servers"] if name in in_play]
        if not servers:
            raise AnsibleActionFail(say("run_no_servers"))
        moment = record.utc_now()
        extra = {"collection_version": collection_version(), "ansible_version": ansible_version, "selection": _selection()}
        if cycle == "restore":
            server, dataset = _restore_subject(policy, servers, options["restore"], say)
            servers, owing = [server], [(server, "restore", dataset, "primary")]
            extra["restore"] = {**options["restore"], "server": server, "dataset": dataset}
        else:
            owing = [(server, *one) for server in servers for one in obligations.owed(policy["servers"][server], cycle)]
        performers_of = _performers(policy, owing)
        absent = sorted({host for hosts in performers_of.values() for host in hosts} - in_play)
        if absent:
            raise AnsibleActionFail(say("run_host_left_out", names=", ".join(absent)))
        # Our worker's parent is the ansible-playbook process, which lives as long as the run does.
        run = runs.plan(policy, cycle, moment, servers, os.getppid(), extra)
        if cycle == "restore":
            run["left_out"] = []
        common = {
            "changed": True, "cycle": cycle, "state_dir": policy["state_dir"], "language": policy["language"], "expected": len(owing),
            "performers": performers_of, "order": turns.in_order(sorted(in_play), policy["spread_s"]) if policy["spread_s"] else ["all"],
        }  # fmt: skip
        if self._task.check_mode:
            return {**common, "run_id": None, "policy": policy, "owing": [list(one) for one in owing], "run": run}
        with Ledger.open(runs.ledger_path(policy["state_dir"]), create=True) as ledger:
            swept = runs.sweep(ledger, moment)
            left = runs.outstanding(ledger, in_play, moment)
            waiting = {one["run_id"] for one in ledger.open_records()}
            ended = [one["run_id"] for one in ledger.runs() if one["run_id"] in waiting and (one["closed"] or runs.is_over(one, moment))]
            stored = runs.open_run(ledger, policy, run, owing)
        performers_of["collect"] = sorted({job["host"] for job in left})
        # Claims of an earlier run can only be confirmed by a repository server that takes part.
        performers_of["confirm"] = sorted({*performers_of["confirm"], *(set(policy["repository_servers"]) & in_play if ended else ())})
        mine = {key: stored[key] for key in ("run_id", "form_number", "period")}
        return {**common, "swept": swept, "outstanding": left, "ended_runs": ended, **mine}


def _performers(policy: dict, owing: list[tuple[str, str, str, str]]) -> dict[str, list[str]]:
    """Returns for each step the hosts that have something to do in it, so that the others need not even look."""
    found: dict[str, set[str]] = {step: set() for step in (*performing.SUPPORTING, *record.KINDS)}
    for server, kind, _dataset, repository in owing:
        found[kind].add(performers.performed_on(policy, server, kind, repository))
        if kind == "backup" and performers.has_witness(policy, server):
            for step in ("measure", "confirm"):
                found[step].add(performers.maintenance_host(policy, server, "primary"))
    return {step: sorted(hosts) for step, hosts in found.items()}


def _selection() -> dict:
    """Returns the options that make a run less than the whole playbook."""
    options = context.CLIARGS
    return {
        "limit": options.get("subset"), "start_at_task": options.get("start_at_task"),
        "tags": [tag for tag in options.get("tags") or () if tag != "all"], "skip_tags": list(options.get("skip_tags") or ()),
    }  # fmt: skip


def _restore_subject(policy: dict, servers: list[str], restore: dict, say: Speaker) -> tuple[str, str]:
    """Returns (server, data set) of a restore; a single candidate need not be named."""
    if not restore["target"]:
        raise AnsibleActionFail(say("restore_target_unnamed"))
    server = restore["server"] or (servers[0] if len(servers) == 1 else "")
    if not server:
        raise AnsibleActionFail(say("restore_server_unnamed", known=", ".join(servers)))
    if server not in servers:
        raise AnsibleActionFail(say("restore_unknown_server", server=server, known=", ".join(servers)))
    known = [dataset["name"] for dataset in policy["servers"][server]["datasets"]]
    dataset = restore["dataset"] or (known[0] if len(known) == 1 else "")
    if not dataset:
        raise AnsibleActionFail(say("restore_dataset_unnamed", server=server, known=", ".join(known)))
    if dataset not in known:
        raise AnsibleActionFail(say("restore_unknown_dataset", server=server, dataset=dataset, known=", ".join(known)))
    return server, dataset
