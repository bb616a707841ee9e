# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Does one step of a run on one host: calls the module and hands its closed records to the callback."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ansible_collections.sicekat.backup.plugins.module_utils.manifest import unpack
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import replace_file
from ansible_collections.sicekat.backup.plugins.plugin_utils import inventory, performing, runs
from ansible_collections.sicekat.backup.plugins.plugin_utils.control import ControlAction, Speaker, module_failure, repository_arguments
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger
from ansible_collections.sicekat.backup.plugins.plugin_utils.progress import Watch

STEPS = ("backup", "integrity_check", "restore_test", "restore")


class ActionModule(ControlAction):
    """The password of a repository is derived here and goes into the module's arguments only, never into the task's."""

    SPEC: ClassVar[dict] = {"run": {"type": "dict", "required": True}, "step": {"type": "str", "required": True, "choices": list(STEPS)}}

    def act(self, options: dict, task_vars: Any) -> dict:
        run, step, host = options["run"], options["step"], task_vars["inventory_hostname"]
        if "owing" in run:
            return self._rehearse(run, step, host, task_vars)
        if not run.get("run_id"):
            raise AnsibleActionFail(Speaker("id")("run_not_opened"))
        with Ledger.open(runs.ledger_path(run["state_dir"])) as ledger:
            opened = [one for one in ledger.open_records(run["run_id"]) if one["server"] == host and one["kind"] == step]
            if not opened:
                return {"skipped": True}
            stored = ledger.run(run["run_id"])
            policy = next(entry.data["policy"] for entry in ledger.policies() if entry.data["digest"] == stored["policy_digest"])
            subject, hidden = self._subject(policy, host, task_vars, ledger, stored.get("restore") or {})
            plan = list(performing.calls(step, subject, opened, ledger))
        closed, changed = [], False
        for call in plan:
            if isinstance(call, dict):
                closed.append(call)
                continue
            outcome = self._call(call, subject, task_vars, run["run_id"])
            if outcome.get("unreachable"):
                return {**outcome, "records": closed}
            changed |= bool(outcome.get("changed"))
            closed += self._close(call, outcome, hidden, subject.state_dir)
        bad = [one for one in closed if one["outcome"] != "success"]
        say = Speaker(run["language"])
        names = {one["record_id"]: one["dataset"] or one["repository"] for one in opened}
        lines = [
            say("gate_row", server=host, subject=names[one["record_id"]], kind=step, outcome=one["outcome"], detail=" ".join(map(say.message, one["messages"])))
            for one in bad
        ]
        return {"changed": changed, "green": not bad, "records": closed, "msg": "\n".join(lines)}

    def _subject(self, policy: dict, host: str, task_vars: dict, ledger: Ledger | None, restore: dict) -> tuple[performing.Subject, list[str]]:
        """Returns the Subject of a host, and the secrets that no message may hold."""
        variables = inventory.backup_variables(task_vars["hostvars"][host], host)
        server = policy["servers"][host]
        hidden: list[str] = []

        def repository(name: str) -> dict:
            arguments = repository_arguments(variables, server, host, name, ledger.pinned_repository(host, name) if ledger else None)
            hidden.append(arguments["password"])
            return arguments

        return performing.Subject(host, policy["state_dir"], server, repository, restore), hidden

    def _call(self, call: performing.Call, subject: performing.Subject, task_vars: dict, run_id: str) -> dict:
        arguments = dict(call.arguments)
        if call.module != "integrity_check" and self._connection.transport == "local":
            arguments["progress"] = f"{subject.server['server_dir']}/progress-{run_id}-{subject.host}.json"
        with Watch(subject.host, arguments.get("progress")):
            return self._execute_module(module_name=f"sicekat.backup.{call.module}", module_args=arguments, task_vars=task_vars)

    def _close(self, call: performing.Call, outcome: dict, hidden: list[str], state_dir: str) -> list[dict]:
        """Returns the closed records of a module call; what the module left out is closed as an internal failure."""
        given = {one["record_id"]: one for one in outcome.get("records") or ()}
        if "record" in outcome:
            given = {call.opened[0]["record_id"]: outcome["record"]}
        for record_id, manifest in (outcome.get("manifests") or {}).items():
            path = runs.manifest_path(state_dir, record_id)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            replace_file(str(path), json.dumps(unpack(manifest), sort_keys=True))
        crashed = runs.abandoned("", "failed", "internal", detail=module_failure(outcome, hidden))
        return [performing.close(one, given.get(one["record_id"], crashed)) for one in call.opened]

    def _rehearse(self, run: dict, step: str, host: str, task_vars: dict) -> dict:
        """Check mode: lets the modules look at sources and repositories, and writes nothing."""
        opened = [
            {"record_id": "check", "cycle": run["cycle"], "dataset": dataset, "repository": repository, "rto_s": None}
            for server, kind, dataset, repository in run["owing"]
            if (server, kind) == (host, step)
        ]
        if not opened:
            return {"skipped": True}
        path = runs.ledger_path(run["state_dir"])
        ledger = Ledger.open(path) if path.exists() else None
        try:
            subject, hidden = self._subject(run["policy"], host, task_vars, ledger, run["run"].get("restore") or {})
            say = Speaker(run["language"])
            problems, changed = [], False
            for call in performing.calls(step, subject, opened, ledger):
                if isinstance(call, dict):
                    problems += [say.message(text) for text in call["messages"]]
                    continue
                outcome = self._execute_module(module_name=f"sicekat.backup.{call.module}", module_args=call.arguments, task_vars=task_vars)
                if outcome.get("unreachable"):
                    return outcome
                changed |= bool(outcome.get("changed"))
                problems += [say.message(text) for text in outcome["problems"]] if "problems" in outcome else [module_failure(outcome, hidden)]
        finally:
            if ledger:
                ledger.close()
        return {"changed": changed, "problems": problems, "green": not problems, "msg": " ".join(problems)}
