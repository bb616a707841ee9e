# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prints the paper for the sealed envelope, after every repository was proved to open with its password."""

from __future__ import annotations

import getpass
import os
import platform
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import inventory, recovery, secrets
from ansible_collections.sicekat.backup.plugins.plugin_utils.access import maintenance_host
from ansible_collections.sicekat.backup.plugins.plugin_utils.deployment import DeployAction
from ansible_collections.sicekat.backup.plugins.plugin_utils.version import collection_version

_OF_THE_FLEET = ""  # the ledger's entry belongs to no single server


class ActionModule(DeployAction):
    """Stage `begin` says what is to be proved, stage `print` writes the PDF. Runs on the control node only."""

    _requires_connection = False

    SPEC: ClassVar[dict] = {
        "stage": {"type": "str", "required": True, "choices": ["begin", "print"]},
        "path": {"type": "str", "default": ""},
        "again": {"type": "bool", "default": False},
        "language": {"type": "str", "choices": ["id", "en"]},
        "kit": {"type": "dict", "default": {}},
    }

    def act(self, options: dict, task_vars: Any) -> dict:
        policy = options["kit"].get("policy") or inventory.resolve_policy(task_vars)
        with self._prepared(policy, task_vars):
            self._pairs = [(server, name) for server, settings in policy["servers"].items() for name in settings["repositories"]]
            if options["stage"] == "begin":
                return self._begin(options)
            return self._print(options, options["language"] or policy["language"])

    def _begin(self, options: dict) -> dict:
        if not self._pairs:
            raise AnsibleActionFail(self.say("run_no_servers"))
        if not options["path"].startswith("/"):
            raise AnsibleActionFail(self.say("kit_path_unnamed"))
        if os.path.lexists(options["path"]):
            raise AnsibleActionFail(self.say("kit_not_creatable", path=options["path"], detail=os.strerror(17)))
        before = self.ledger.newest("recovery_kit_printed", _OF_THE_FLEET) if self.ledger else None
        if before and not options["again"]:
            raise AnsibleActionFail(self.say("kit_printed_before", moment=before["at"], actor=before["actor"]))
        return {
            "changed": False, "policy": self.policy, "started_at": record.to_text(record.utc_now()), "servers": list(self.policy["servers"]),
            "hosts": list(dict.fromkeys(maintenance_host(self.policy, server, name) for server, name in self._pairs)),
        }  # fmt: skip

    def _print(self, options: dict, language: str) -> dict:
        if self._task.check_mode:
            return {"changed": True, "msg": self.say("kit_check_mode", count=len(self._pairs))}
        left = self._offboarded()
        rows = [*self._present(options["kit"]["started_at"]), *left]
        escrow_of = [(*pair, self.access.escrow_password(*pair)) for pair in self._pairs] + self._passwords_of(left)
        now = record.to_text(record.utc_now())
        kit = {
            "schema": "sicekat.recovery_kit/1", "language": language, **{key: self.policy[key] for key in ("timezone", "agency")},
            "printed_at": now, "actor": getpass.getuser(), "control_node": platform.node(), "collection_version": collection_version(),
            "ledger": self.ledger.head(), "passwords": recovery.passwords(escrow_of), "places": recovery.places(rows),
        }  # fmt: skip
        self._write(options["path"], kit, len(rows))
        return {"changed": True, "msg": self.say("kit_printed", count=len(rows), path=options["path"])}

    def _present(self, started_at: str) -> list[dict]:
        """Returns the repositories of the policy; raises AnsibleActionFail unless each was proved since this playbook began."""
        proofs = {pair: self.ledger.newest("escrow_proved", *pair) for pair in self._pairs}
        pins = {pair: self.ledger.pinned_repository(*pair) for pair in self._pairs}
        unproved = [
            f"{server}/{name}"
            for (server, name), proof in proofs.items()
            if not (proof and pins[server, name] and proof["at"] >= started_at and proof["repository_id"] == pins[server, name]["repository_id"])
        ]
        if unproved:
            raise AnsibleActionFail(self.say("kit_unproved", names=", ".join(unproved)))
        rows = []
        for (server, name), proof in proofs.items():
            given = self.variables_of(server)["backup_repositories"][name]
            rows.append(recovery.row(self.policy, server, name, given, bool(given.get("ca_certificate")), proof))
        return rows

    def _offboarded(self) -> list[dict]:
        """Returns the repositories of servers that were offboarded: they stay, and open as they did when that was last proved."""
        last: dict[str, dict] = {}
        for entry in self.ledger.policies():
            last.update(dict.fromkeys(entry.data["policy"]["servers"], entry.data["policy"]))
        rows = []
        for server, policy in last.items():
            left = self.ledger.newest("server_offboarded", server)
            if server in self.policy["servers"] or not left:
                continue
            for name, settings in policy["servers"][server]["repositories"].items():
                proof = self.ledger.newest("escrow_proved", server, name)
                if proof:
                    found = recovery.row(policy, server, name, {"url": settings["url"]}, False, proof)
                    rows.append({**found, "offboarded_at": left["offboarded_at"]})
        return rows

    def _passwords_of(self, left: list[dict]) -> list[tuple[str, str, str]]:
        """Returns (server, repository, password) of offboarded servers. Their master secret was that of the others; of several, each is named."""
        masters = dict.fromkeys(str(self.variables_of(server)["backup_master_secret"]) for server in self.policy["servers"])
        found = []
        for one in left:
            proof = self.ledger.newest("escrow_proved", one["server"], one["repository"])
            found += [(one["server"], one["repository"], secrets.escrow_password(master, proof.get("password_of", ""))) for master in masters]
        self.access.hidden += [password for *_names, password in found]
        return found

    def _write(self, path: str, kit: dict, count: int) -> None:
        """Writes the only copy. It is noted before it holds anything, so that there is none that the ledger does not know."""
        # Here, because only this needs it: WeasyPrint's neighbours take time to load.
        from ansible_collections.sicekat.backup.plugins.plugin_utils.documents import recovery_kit

        document = recovery_kit.render(kit)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise AnsibleActionFail(self.say("kit_not_creatable", path=path, detail=error.strerror)) from None
        with os.fdopen(descriptor, "wb") as file:
            printed = {"server": _OF_THE_FLEET, "path": path, "repositories": count}
            self.ledger.append("recovery_kit_printed", {**printed, **{key: kit[key] for key in ("printed_at", "actor", "control_node", "language")}})
            try:
                file.write(document)
                file.flush()
                os.fsync(file.fileno())
            except OSError as error:
                raise AnsibleActionFail(self.say("kit_not_written", path=path, detail=error.strerror)) from None
