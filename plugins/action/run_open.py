# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Opens a run: validates the whole inventory, sweeps up what died, and writes an OPEN record for every obligation."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from ansible import context
from ansible.errors import AnsibleActionFail, AnsiblePromptInterrupt, AnsiblePromptNoninteractive
from ansible.release import __version__ as ansible_version
from ansible.utils.display import Display
from ansible.utils.vars import load_extra_vars

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import (
    documentation,
    drill,
    inventory,
    log_checking,
    obligations,
    performers,
    performing,
    restore_choice,
    restore_request,
    retention,
    runs,
    turns,
)
from ansible_collections.sicekat.backup.plugins.plugin_utils.control import ControlAction, Speaker
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger
from ansible_collections.sicekat.backup.plugins.plugin_utils.version import collection_version

CYCLES = (*record.CYCLES, "restore", drill.CYCLE)


class ActionModule(ControlAction):
    """Runs on the control node only, without a connection to any host."""

    _requires_connection = False

    SPEC: ClassVar[dict] = {
        "cycle": {"type": "str", "required": True, "choices": list(CYCLES)},
        "restore": {"type": "dict", "options": {key: {"type": "str", "default": ""} for key in restore_request.FIELDS}},
        "restore_test_snapshot": {"type": "str", "default": ""},
        "drill_services": {"type": "str", "default": ""},
        "accept_change": {"type": "raw", "default": []},
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
            asked = _restore_subject(policy, servers, options["restore"], say)
            moment = record.utc_now()  # a person may have been asked, and taken his time
            extra["restore"] = {**asked, "stamp": f"{moment:%Y%m%dT%H%M%SZ}"}
            servers, owing = [asked["server"]], [(asked["server"], "restore", asked["dataset"], "primary")]
        elif cycle == "restore_test":
            chosen, snapshot = _tests(policy, servers, runs.slot_for(policy, cycle, moment).period, options["restore_test_snapshot"], say)
            owing = [(server, "restore_test", dataset, "primary") for server, dataset in chosen]
            extra["restore"] = {"snapshot": snapshot}
        elif cycle == drill.CYCLE:
            owing = _drilled(policy, servers, options["drill_services"], say)
            servers = list(dict.fromkeys(server for server, *_rest in owing))
            extra["restore"] = {"snapshot": restore_choice.NEWEST}
        else:
            period = runs.slot_for(policy, cycle, moment).period
            owing = [(server, *one) for server in servers for one in obligations.owed(policy, server, cycle, period)]
        if options["accept_change"]:
            extra["accept_change"] = _accepted(options["accept_change"], owing, load_extra_vars(self._loader), say)
        performers_of = _performers(policy, owing)
        absent = sorted({host for hosts in performers_of.values() for host in hosts} - in_play)
        if absent:
            raise AnsibleActionFail(say("run_host_left_out", names=", ".join(absent)))
        # Our worker's parent is the ansible-playbook process, which lives as long as the run does.
        run = runs.plan(policy, cycle, moment, servers, os.getppid(), extra)
        if cycle not in record.CYCLES:
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


def _tests(policy: dict, servers: list[str], period: str, asked: str, say: Speaker) -> tuple[list[tuple[str, str]], str]:
    """Returns the data sets (server, name) that a run of restore tests makes, and the snapshot that a person asks for."""
    if not restore_choice.is_askable(asked):
        raise AnsibleActionFail(say("restore_test_snapshot_wrong", found=asked))
    path = runs.ledger_path(policy["state_dir"])
    if not path.exists():
        return restore_choice.due(policy, servers, period, (), {}), asked
    with Ledger.open(path) as ledger:
        if asked not in ("", restore_choice.NEWEST, restore_choice.RANDOM):
            known = {(name, dataset["name"]) for name in servers for dataset in policy["servers"][name]["datasets"]}
            named = [one for one in restore_choice.named(ledger, servers, asked) if one[:2] in known]
            if len(named) != 1:
                raise AnsibleActionFail(say("restore_test_snapshot_unknown", found=asked, count=len(named)))
            return [named[0][:2]], named[0][2]
        return restore_choice.due(policy, servers, period, ledger.records(kind="restore_test"), documentation.pins(ledger, policy)), asked


def _drilled(policy: dict, servers: list[str], asked: str, say: Speaker) -> list[tuple[str, str, str, str]]:
    """Returns what a drill brings back, in its order; asked: names of services with commas between them."""
    try:
        return drill.owing(policy, servers, [name.strip() for name in asked.split(",") if name.strip()])
    except drill.ScopeError as error:
        raise AnsibleActionFail(say(error.code, **error.params)) from None


def _performers(policy: dict, owing: list[tuple[str, str, str, str]]) -> dict[str, list[str]]:
    """Returns for each step the hosts that have something to do in it, so that the others need not even look."""
    found: dict[str, set[str]] = {step: set() for step in (*performing.SUPPORTING, *record.KINDS)}
    for server, kind, _dataset, repository in owing:
        found[kind].add(performers.performed_on(policy, server, kind, repository))
        if kind == "backup" and performers.has_witness(policy, server):
            for step in ("measure", "confirm"):
                found[step].add(performers.maintenance_host(policy, server, "primary"))
    return {step: sorted(hosts) for step, hosts in found.items()}


def _accepted(given: object, owing: list[tuple[str, str, str, str]], from_command_line: dict, say: Speaker) -> list[str]:
    """Returns the data sets whose change a person accepts for this run."""
    if "backup_accept_change" not in from_command_line:
        raise AnsibleActionFail(say("accept_not_extra"))
    names, unknown, known = log_checking.accepted_changes(given, owing)
    if unknown:
        raise AnsibleActionFail(say("accept_unknown", names=", ".join(unknown), known=", ".join(known) or "-"))
    return names


def _selection() -> dict:
    """Returns the options that make a run less than the whole playbook."""
    options = context.CLIARGS
    return {
        "limit": options.get("subset"), "start_at_task": options.get("start_at_task"),
        "tags": [tag for tag in options.get("tags") or () if tag != "all"], "skip_tags": list(options.get("skip_tags") or ()),
    }  # fmt: skip


def _restore_subject(policy: dict, servers: list[str], given: dict, say: Speaker) -> dict:
    """Returns what a person wants restored, with the backup that it comes from; asks at the terminal for what is missing."""

    def ask(code: str, **params: str) -> str:
        try:
            return Display().prompt_until(say(code, **params)).decode("utf-8", "replace")
        except (AnsiblePromptNoninteractive, AnsiblePromptInterrupt):
            return ""

    path = runs.ledger_path(policy["state_dir"])
    try:
        request = restore_request.completed(policy, servers, given, ask)
        found = []
        if path.exists():
            with Ledger.open(path) as ledger:
                backups = ledger.records(server=request["server"], kind="backup")
                pinned = ledger.pinned_repository(request["server"], "primary") or {}
                gone = restore_request.gone(ledger.newest("repository_listed", request["server"], "primary"))
                gone |= retention.may_be_removed(request["server"], ledger)
                found = restore_request.candidates(backups, request["dataset"], pinned.get("repository_id"), gone)
        backup = restore_request.chosen(found, request["snapshot"], policy["timezone"], record.utc_now())
    except restore_request.RefusedError as refused:
        raise AnsibleActionFail(say.message(refused.message)) from None
    return {**request, "backup": backup["record_id"], "snapshot_id": backup["snapshot_id"]}
