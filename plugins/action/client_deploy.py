# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gives a server what a person needs there to restore by hand: the way to its own primary repository, and nothing of any other."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.sicekat.backup.plugins.plugin_utils import by_hand
from ansible_collections.sicekat.backup.plugins.plugin_utils.access import CLIENT_DIR
from ansible_collections.sicekat.backup.plugins.plugin_utils.deployment import DeployAction


class ActionModule(DeployAction):
    """The task's host is the server, also by delegation; `host` is its inventory name."""

    SPEC: ClassVar[dict] = {"host": {"type": "str", "required": True}, "policy": {"type": "dict", "required": True}, "host_key": {"type": "str"}}

    def act(self, options: dict, task_vars: Any) -> dict:
        host, policy = options["host"], options["policy"]
        with self._prepared(policy, task_vars):
            files = by_hand.files(self.access.endpoint(host, "primary", host), policy["servers"][host]["restic"], CLIENT_DIR)
            known_hosts = {"path": f"{CLIENT_DIR}/known_hosts", "state": "absent"}
            if options["host_key"]:
                keeper = policy["servers"][host]["repositories"]["primary"]["server"]
                address = policy["repository_servers"][keeper]["address"]
                known_hosts = {"path": f"{CLIENT_DIR}/known_hosts", "content": f"{address} {options['host_key'].strip()}\n", "mode": "0644"}
            # known_hosts first: the other files use it.
            changed = self._write_files([known_hosts, *files])
        return {"changed": bool(changed), "changed_paths": changed}
