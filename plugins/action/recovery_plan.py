# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Renders the recovery plan from the policy and the ledger, beside the ledger and, where one is named, at a place outside."""

from __future__ import annotations

import getpass
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ansible import context
from ansible.errors import AnsibleActionFail

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import inventory, recovery_plan, recovery_steps, retention, runs
from ansible_collections.sicekat.backup.plugins.plugin_utils import policy as policies
from ansible_collections.sicekat.backup.plugins.plugin_utils.control import ControlAction, Speaker
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger
from ansible_collections.sicekat.backup.plugins.plugin_utils.version import collection_version


class ActionModule(ControlAction):
    """Runs on the control node only, without a connection to any host."""

    _requires_connection = False

    SPEC: ClassVar[dict] = {"path": {"type": "str", "default": ""}, "language": {"type": "str", "choices": ["id", "en"]}}

    def act(self, options: dict, task_vars: Any) -> dict:
        # Here, because only this needs it: WeasyPrint's neighbours take time to load.
        from ansible_collections.sicekat.backup.plugins.plugin_utils.documents import recovery_plan as document

        policy = inventory.resolve_policy(task_vars)
        say = Speaker(policy["language"])
        if not policy["servers"]:
            raise AnsibleActionFail(say("run_no_servers"))
        if options["path"] and not options["path"].startswith("/"):
            raise AnsibleActionFail(say("plan_path_relative", path=options["path"]))
        if self._task.check_mode:
            return {"changed": True}
        with Ledger.open(runs.ledger_path(policy["state_dir"])) as ledger:
            unsound = ledger.verify()
            if unsound:
                raise AnsibleActionFail(say("report_ledger_unsound", detail=say.message(unsound[0].what)))
            known = {server: _known(ledger, server, settings) for server, settings in policy["servers"].items()}
            facts = {
                "language": options["language"] or policy["language"], "actor": getpass.getuser(), "control_node_name": platform.node(),
                "collection_version": collection_version(), "policy_digest": policies.digest(policy), "ledger": ledger.head(),
            }  # fmt: skip
        made = document.contents(recovery_plan.plan(policy, known, _typed(), record.utc_now(), facts))
        directories = [Path(policy["state_dir"]) / document.NAME, *([Path(options["path"])] if options["path"] else [])]
        try:
            written = [path for directory in directories for path in document.write(made, directory)]
        except OSError as error:
            raise AnsibleActionFail(say("plan_not_written", path=error.filename or options["path"], detail=error.strerror)) from None
        return {"changed": True, "paths": [str(path) for path in written], "msg": say("plan_written", path=", ".join(map(str, directories)))}


def _known(ledger: Ledger, server: str, settings: Mapping) -> recovery_plan.Known:
    proofs = {}
    for name in settings["repositories"]:
        pin, proof = ledger.pinned_repository(server, name), ledger.newest("escrow_proved", server, name)
        if pin:
            # Of a repository that was replaced since, nothing is proved.
            is_of_it = proof is not None and proof["repository_id"] == pin["repository_id"]
            proofs[name] = proof if is_of_it else {"repository_id": pin["repository_id"], "proved_at": None}
    gone = retention.may_be_removed(server, ledger)
    gone |= {one["snapshot_id"] for one in (ledger.newest("repository_listed", server, "primary") or {}).get("vanished") or ()}
    backups, copies, tests = (list(ledger.records(server=server, kind=kind)) for kind in ("backup", "copy", "restore_test"))
    return recovery_plan.Known(backups, copies, tests, frozenset(gone), proofs)


def _typed() -> recovery_steps.Typed:
    """Returns how this very playbook was started, for that is how the others are started too."""
    project = Path(__file__).resolve().parents[2]
    given = context.CLIARGS
    options = [word for path in given.get("inventory") or () for word in ("-i", path)]
    options += ["--ask-vault-pass"] if given.get("ask_vault_pass") else []
    options += [word for path in given.get("vault_password_files") or () for word in ("--vault-password-file", path)]
    return recovery_steps.Typed(str(project), (project / "ansible.cfg").is_file(), collection_version(), options)
