# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes one step of a run on one host: calls the modules and hands what they say to the callback, which writes it down."""

from __future__ import annotations

import functools
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.utils.display import Display

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import replace_file
from ansible_collections.sicekat.backup.plugins.plugin_utils import (
    answers,
    assessment,
    backup_evidence,
    confirming,
    inventory,
    log_checking,
    obligations,
    performers,
    performing,
    restore_plan,
    runs,
    turns,
)
from ansible_collections.sicekat.backup.plugins.plugin_utils.access import Access
from ansible_collections.sicekat.backup.plugins.plugin_utils.control import ControlAction, Speaker, module_failure
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger
from ansible_collections.sicekat.backup.plugins.plugin_utils.progress import Watch

STEPS = (*performing.SUPPORTING, "backup", "copy", "integrity_check", "retention", "restore_test", "restore")
_RETRY_S = 15  # between two attempts to reach a server whose connection broke


class ActionModule(ControlAction):
    """Secrets are put together here and go into the module's arguments only, never into the task's."""

    SPEC: ClassVar[dict] = {"run": {"type": "dict", "required": True}, "step": {"type": "str", "required": True, "choices": list(STEPS)}}

    def act(self, options: dict, task_vars: Any) -> dict:
        run, step, host = options["run"], options["step"], task_vars["inventory_hostname"]
        if host not in run.get("performers", {}).get(step, [host]):
            return {"skipped": True}
        if "owing" in run:
            return self._rehearse(run, step, host, task_vars)
        if not run.get("run_id"):
            raise AnsibleActionFail(Speaker("id")("run_not_opened"))
        self._task_vars, self._host, self._say = task_vars, host, Speaker(run["language"])
        with Ledger.open(runs.ledger_path(run["state_dir"])) as self._ledger:
            self._run = self._ledger.run(run["run_id"])
            self._policies = {entry.data["digest"]: entry.data["policy"] for entry in self._ledger.policies()}
            self._policy = self._policies[self._run["policy_digest"]]
            self._access = Access(self._policy, functools.cache(self._variables_of), self._ledger)
            found = {"collect": self._collect, "measure": self._measure, "confirm": self._confirm}.get(step, functools.partial(self._work, step))(run)
        return found if found.get("skipped") else self._told(found)

    def _variables_of(self, host: str) -> dict:
        return inventory.backup_variables(self._task_vars["hostvars"][host], host)

    # The steps

    def _work(self, step: str, run: Mapping) -> dict:
        """Takes a step that closes records of this run."""
        opened = [one for one in self._ledger.open_records(run["run_id"], self._host) if one["kind"] == step]
        if not opened:
            return {"skipped": True}
        if step == "backup":
            return self._in_turn(opened)
        return self._make_calls(step, opened)

    def _make_calls(self, step: str, opened: Sequence[Mapping]) -> dict:
        subject = performing.Subject(self._host, self._policy, self._access, self._run.get("restore") or {})
        found: dict[str, Any] = {"records": [], "claims": [], "changed": False}
        for number, call in enumerate(performing.calls(step, subject, opened, self._ledger)):
            if isinstance(call, dict):
                found["records"].append(call)
                continue
            job = f"{self._run['run_id']}-{hashlib.sha256(f'{self._host} {step} {number}'.encode()).hexdigest()[:12]}"
            try:
                self._low_level_execute_command("true", sudoable=False)  # a server that is down from the beginning was given no job
                arguments, failure = self._planned(call) if call.module == "retention" else (call.arguments, None)
                if failure:
                    self._settle(found, call.opened, failure)
                    continue
                if call.module == "restore":
                    Display().display(restore_plan.shown(self._run["restore"], self._policy, self._ledger, self._looked(call), record.utc_now()))
                if call.note:
                    self._ledger.append(*call.note)
                self._ledger.dispatch_job(self._run["run_id"], job, self._host, [one["record_id"] for one in call.opened])
                outcome = self._heard_out(self._call_until_reached(call.module, {**arguments, "job": job}), job)
            except AnsibleConnectionFailure as error:
                return {**found, "unreachable": True, "msg": str(error)}
            if outcome is None:
                found.setdefault("problems", []).append(self._say("job_runs_on", server=self._host, run=self._run["run_id"]))
                continue
            found["changed"] |= bool(outcome.get("changed"))
            self._settle(found, call.opened, outcome)
        return found

    def _planned(self, call: performing.Call) -> tuple[dict, dict | None]:
        """Returns the arguments of a removal that allow only what the ledger was told before: what is gone later was not stolen.

        Where nothing could be planned, it also returns what the module said: a retention that was not allowed anything is no success.
        """
        plan = self._looked(call)
        if "removals" not in plan:
            return call.arguments, plan
        allowed = [one["snapshot_id"] for one in plan["removals"]]
        if allowed:
            where = {key: call.opened[0][key] for key in ("server", "repository", "run_id")}
            self._ledger.append("retention_planned", {**where, "snapshots": allowed})
        return {**call.arguments, "allowed": allowed}, None

    def _looked(self, call: performing.Call) -> dict:
        """Returns what a module says in check mode."""
        check_mode, self._task.check_mode = self._task.check_mode, True
        try:
            return self._execute_module(module_name=f"sicekat.backup.{call.module}", module_args=call.arguments, task_vars=self._task_vars)
        finally:
            self._task.check_mode = check_mode

    def _heard_out(self, outcome: dict, job: str) -> dict | None:
        """Returns what a module said, or its job left where the module itself was ended; None while the job goes on."""
        if any(key in outcome for key in ("records", "record", "lost")):
            return outcome
        arguments = {"jobs": [job], "server_dir": self._access.host_arguments(self._host)["server_dir"]}
        answer = (self._asked("job_collect", arguments).get("jobs") or {}).get(job) or {"state": "unknown"}
        return None if answer["state"] == "running" else answer["result"] if answer["state"] in ("done", "lost") else outcome

    def _in_turn(self, opened: Sequence[Mapping]) -> dict:
        """Backs up when the server's turn has come, if its repository server has room for it and a place becomes free in time."""
        window_start = record.from_text(opened[0]["window_start"])
        cycle, keeper = opened[0]["cycle"], performers.maintenance_host(self._policy, self._host, "primary")
        begin = window_start + turns.offset(self._host, self._policy.get("spread_s"))
        deadline = turns.start_by(self._policy, cycle, window_start)
        if begin > record.utc_now():
            Display().display(self._say("turn_waits", server=self._host, moment=runs.local_text(self._policy, begin)))
            turns.wait_until(begin)
        witness = keeper if keeper != self._host else None
        places = self._policy["repository_servers"][keeper]["max_parallel"] if witness else 0
        with turns.place(self._policy["state_dir"], witness, places, deadline) as granted:
            if not granted:
                missed = [
                    runs.abandoned(one["record_id"], "missed", "deadline", code="start_by_passed", moment=runs.local_text(self._policy, deadline))
                    for one in opened
                ]
                return {"records": missed, "changed": False}
            low = self._too_little_room(witness)
            if low:
                return {"records": [runs.abandoned(one["record_id"], "failed", "no_space", code="storage_low", **low) for one in opened], "changed": False}
            return self._make_calls("backup", opened)

    def _too_little_room(self, keeper: str | None) -> dict | None:
        """Returns what the repository server last measured, if it is less than its policy allows."""
        measured = self._ledger.newest("storage_measured", keeper) if keeper else None
        if not measured or measured["free_bytes"] is None:
            return None  # a server that does not even tell this will not confirm anything either
        least = self._policy["repository_servers"][keeper]["free_least_bytes"]
        if measured["free_bytes"] >= least:
            return None
        return {"server": keeper, "path": measured["path"], "free": measured["free_bytes"] // 2**20, "least": least // 2**20}

    def _measure(self, run: Mapping) -> dict:
        """Asks a repository server how much room it has and what time it is."""
        place = self._policy["repository_servers"][self._host]
        arguments = {"repositories": [], "path": place["path"], **self._access.host_arguments(self._host)}
        unknown = {"server": self._host, "run_id": run["run_id"], "path": place["path"], "free_bytes": None, "total_bytes": None, "clock_skew_s": None}
        outcome = self._asked("repository_listing", arguments)
        if "problem" in outcome:
            return {"unreachable": outcome["unreachable"], "problems": [self._say.message(outcome["problem"])], "notes": [["storage_measured", unknown]]}
        skew = int((record.from_text(outcome["clock"]) - record.utc_now()).total_seconds())
        measured = {key: outcome[key] for key in ("free_bytes", "total_bytes")}
        return {"notes": [["storage_measured", {"server": self._host, "run_id": run["run_id"], "path": place["path"], **measured, "clock_skew_s": skew}]]}

    def _collect(self, run: Mapping) -> dict:
        """Fetches the results of jobs that went on while the control node could not see them."""
        jobs = [job for job in run["outstanding"] if job["host"] == self._host]
        arguments = {"jobs": [job["job"] for job in jobs], **self._access.host_arguments(self._host)}
        arguments.pop("restic")
        told = self._asked("job_collect", arguments)
        if "problem" in told:
            return {"unreachable": told["unreachable"], "problems": [self._say.message(told["problem"])]}
        found: dict[str, Any] = {"records": [], "claims": [], "problems": [], "changed": False}
        for job in jobs:
            answer = told["jobs"][job["job"]]
            opened = [one for record_id in job["record_ids"] if (one := self._ledger.record(record_id)) and one["outcome"] is None]
            if answer["state"] == "running":
                found["problems"].append(self._say("job_runs_on", server=self._host, run=job["run_id"]))
                continue
            if answer["state"] == "unknown":
                found["records"] += [runs.abandoned(one["record_id"], "aborted", "interrupted") for one in opened]
            else:
                self._settle(found, opened, answer["result"], collected_at=record.to_text(record.utc_now()))
        return found

    def _confirm(self, run: Mapping) -> dict:
        """Asks a repository server what it holds, closes what servers claimed, and notes what nobody claims and what is gone."""
        every = [one for one in self._ledger.open_records() if one["kind"] == "backup" and one["server"] in self._policy["servers"]]
        mine = [one for one in every if performers.maintenance_host(self._policy, one["server"], "primary") == self._host]
        mine = [one for one in mine if one["run_id"] == run["run_id"] or one["run_id"] in run["ended_runs"]]
        claims = self._ledger.claims(mine)
        servers = {one["server"] for one in mine if one["record_id"] in claims}
        servers |= {one["server"] for one in self._ledger.records(run_id=run["run_id"], kind="backup")}
        asked = sorted(one for one in servers if performers.maintenance_host(self._policy, one, "primary") == self._host)
        if not asked:
            return {"skipped": True}
        repositories = [
            {
                "server": server, **self._access.endpoint(server, "primary", self._host), "known_keys": self._access.known_keys(server, "primary"),
                "measure": [claims[one["record_id"]]["snapshot_id"] for one in mine if one["server"] == server and _has_snapshot(claims.get(one["record_id"]))],
            }
            for server in asked
        ]  # fmt: skip
        arguments = {"repositories": repositories, "path": self._policy["repository_servers"][self._host]["path"], **self._access.host_arguments(self._host)}
        outcome = self._asked("repository_listing", arguments)
        if "problem" in outcome:
            notes = [confirming.unanswered(server, outcome["problem"], self._ledger) for server in asked]
            notes = [["repository_listed", {**note, "run_id": run["run_id"], "host": self._host}] for note in notes]
            return {"unreachable": outcome["unreachable"], "problems": [self._say.message(outcome["problem"])], "notes": notes}
        found: dict[str, Any] = {"records": [], "notes": [], "problems": [], "changed": True}
        # A daily run looks at what the documents look at; the longer cycles at everything that was ever claimed.
        since = record.to_text(record.utc_now() - assessment.look_back([("", self._policy)])) if self._run["cycle"] == "daily" else None
        for server in asked:
            listing = next((one for one in outcome["listings"] if one["server"] == server), {"snapshots": [], "problem": record.message("no_listing")})
            listing = {**listing, "clock": outcome["clock"]}
            own = [one for one in mine if one["server"] == server and one["record_id"] in claims]
            note = confirming.listed(server, listing, self._ledger, [claims[one["record_id"]] for one in own], since)
            found["notes"].append(["repository_listed", {**note, "run_id": run["run_id"], "host": self._host}])
            if note["problem"]:
                found["problems"].append(f"{server}: {self._say.message(note['problem'])}")
            else:
                found["records"] += [confirming.confirmed(one, claims[one["record_id"]], listing) for one in own]
            for kind in ("unclaimed", "vanished", "strange_keys"):
                if note[kind]:
                    names = confirming.names(note[kind])
                    found["problems"].append(self._say(f"listing_{kind}", server=server, count=len(note[kind]), names=names))
        return found

    # What they share

    def _asked(self, module: str, arguments: dict) -> dict:
        """Returns the result of a module that only looks, or {"problem": message, "unreachable": bool} where it gave none."""
        try:
            outcome = self._execute_module(module_name=f"sicekat.backup.{module}", module_args=arguments, task_vars=self._task_vars)
        except AnsibleConnectionFailure as error:
            return {"problem": record.message("host_silent", server=self._host, detail=str(error)), "unreachable": True}
        if outcome.get("unreachable") or outcome.get("failed"):
            problem = record.message("host_silent", server=self._host, detail=module_failure(outcome, self._access.hidden))
            return {"problem": problem, "unreachable": bool(outcome.get("unreachable"))}
        return outcome

    def _call_until_reached(self, module: str, arguments: dict) -> dict:
        """Calls a module whose job goes on when the connection breaks: the same call then finds the job, and waits for it."""
        if self._connection.transport == "local" and module in ("backup", "restore", "restore_test"):
            arguments["progress"] = f"{arguments['server_dir']}/progress-{arguments['job']}.json"
        give_up = None
        while True:
            try:
                with Watch(self._host, arguments.get("progress")):
                    return self._execute_module(module_name=f"sicekat.backup.{module}", module_args=arguments, task_vars=self._task_vars)
            except AnsibleConnectionFailure:
                give_up = give_up or time.monotonic() + (self._policy.get("reconnect_s") or 0)
                if time.monotonic() > give_up:
                    raise
            Display().display(self._say("connection_broke", server=self._host, seconds=_RETRY_S))
            time.sleep(_RETRY_S)
            self._connection.close()

    def _settle(self, found: dict, opened: Sequence[Mapping], outcome: Mapping, **extra: str) -> None:
        """Sorts the closed records of a module call into `found`: what its repository server has to confirm first is a claim.

        Only the records that were asked for are looked at, whatever else the host says.
        """
        moment, hidden = record.utc_now(), self._access.hidden
        given = {one.get("record_id"): one for one in _list(outcome.get("records")) if isinstance(one, dict) and isinstance(one.get("record_id"), str)}
        if "record" in outcome and opened:
            given = {opened[0]["record_id"]: outcome["record"]}
        checker = log_checking.Checker(self._ledger, self._policy["state_dir"], outcome.get("logs"))
        for one in opened:
            policy = self._policies[self._ledger.run(one["run_id"])["policy_digest"]]
            if one["record_id"] in given:
                closed = {**performing.close(one, given[one["record_id"]], moment, hidden), **extra}
                closed = performing.as_chosen(self._ledger, policy, one, closed, moment)
                closed = self._with_manifest(one, closed, outcome.get("manifests"))
                if one["kind"] == "backup":
                    dataset = obligations.dataset_of(policy["servers"][one["server"]], one["dataset"])
                    closed = checker.checked(one, closed, bool(dataset.get("newest_data")))
            elif outcome.get("lost"):
                closed = runs.abandoned(one["record_id"], "aborted", "interrupted", code="job_lost")
            else:
                closed = runs.abandoned(one["record_id"], "failed", "internal", detail=module_failure(outcome, hidden))
            good = closed["outcome"] in ("success", "partial")
            claimed = one["kind"] == "backup" and (good or closed.get("snapshot_id")) and performers.has_witness(policy, one["server"])
            found["claims" if claimed else "records"].append(closed)

    def _with_manifest(self, opened: Mapping, closed: dict, packed: Any) -> dict:
        """Keeps the manifest of a backup on the control node, and returns its closed record.

        A backup whose manifest is not the one that its record names, or does not show what it has to, is not proved.
        """
        if not closed.get("manifest"):
            return closed
        try:
            path = runs.manifest_path(self._policy["state_dir"], closed["record_id"])
            content = answers.manifest((packed or {}).get(closed["record_id"]), closed["manifest"]["sha256"])
        except (ValueError, AttributeError):
            message = record.message("no_evidence_manifest")
            return {
                **closed,
                "outcome": "failed",
                "cause": "no_evidence",
                "messages": [*closed["messages"], message],
                "error_count": max(1, closed["error_count"]),
            }
        path.parent.mkdir(mode=0o700, exist_ok=True)
        replace_file(str(path), json.dumps(content, sort_keys=True))
        return backup_evidence.held(opened, closed, content) if opened["kind"] == "backup" else closed

    def _told(self, found: dict) -> dict:
        """Adds to what a step found whether all of it is green, and a line for each thing that is not."""
        lines = list(found.pop("problems", ()))
        for one in [*found.get("records", ()), *found.get("claims", ())]:
            if one["outcome"] != "success":
                opened = self._opened(one["record_id"])
                detail = " ".join(map(self._say.message, one["messages"]))
                subject = runs.subject(opened)
                lines.append(self._say("gate_row", server=opened["server"], subject=subject, kind=opened["kind"], outcome=one["outcome"], detail=detail))
        if found.get("msg"):
            lines.append(found["msg"])
        return {"changed": False, **found, "green": not lines, "msg": "\n".join(lines)}

    def _opened(self, record_id: str) -> dict:
        with Ledger.open(runs.ledger_path(self._policy["state_dir"])) as ledger:
            return ledger.record(record_id)

    def _rehearse(self, run: Mapping, step: str, host: str, task_vars: Any) -> dict:
        """Check mode: lets the modules look at sources and repositories, and writes nothing."""
        opened = [
            {"record_id": "check", "cycle": run["cycle"], "server": server, "dataset": dataset, "repository": repository, "kind": kind}
            | {"rto_s": None, "rpo_s": None}
            for server, kind, dataset, repository in run["owing"]
            if kind == step and performers.performed_on(run["policy"], server, kind, repository) == host
        ]
        if not opened:
            return {"skipped": True}
        self._task_vars = task_vars
        path = runs.ledger_path(run["state_dir"])
        ledger = Ledger.open(path) if path.exists() else None
        try:
            access = Access(run["policy"], functools.cache(self._variables_of), ledger)
            subject = performing.Subject(host, run["policy"], access, run["run"].get("restore") or {})
            say = Speaker(run["language"])
            problems, changed = [], False
            for call in performing.calls(step, subject, opened, ledger):
                if isinstance(call, dict):
                    problems += [say.message(text) for text in call["messages"]]
                    continue
                outcome = self._execute_module(module_name=f"sicekat.backup.{call.module}", module_args=call.arguments, task_vars=task_vars)
                if outcome.get("unreachable"):
                    return outcome
                if call.module == "restore":
                    Display().display(restore_plan.shown(run["run"]["restore"], run["policy"], ledger, outcome, record.utc_now()))
                changed |= bool(outcome.get("changed"))
                problems += [say.message(text) for text in outcome["problems"]] if "problems" in outcome else [module_failure(outcome, access.hidden)]
        finally:
            if ledger:
                ledger.close()
        return {"changed": changed, "problems": problems, "green": not problems, "msg": " ".join(problems)}


def _has_snapshot(claim: Mapping | None) -> bool:
    return bool(claim and claim.get("snapshot_id"))


def _list(value: Any) -> list:
    """Returns a list as it is, and anything else as an empty one."""
    return value if isinstance(value, list) else []
