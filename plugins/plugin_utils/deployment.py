# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the actions share that set up hosts: how they see the inventory and the ledger, and how they call modules.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import redact
from ansible_collections.sicekat.backup.plugins.plugin_utils import inventory, runs
from ansible_collections.sicekat.backup.plugins.plugin_utils.access import Access
from ansible_collections.sicekat.backup.plugins.plugin_utils.control import ControlAction, Speaker, module_failure
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger


class DeployAction(ControlAction):
    """An action that puts secrets together and hands them to module arguments only, never to the task's."""

    @contextlib.contextmanager
    def _prepared(self, policy: Mapping, task_vars: Mapping) -> Iterator[None]:
        """Sets policy, say, ledger (None where there is none yet in check mode), variables_of(host) and access for the time of an act."""
        self.policy, self.say, self._task_vars = policy, Speaker(policy["language"]), task_vars
        self.variables_of = functools.cache(lambda host: inventory.backup_variables(task_vars["hostvars"][host], host))
        path = runs.ledger_path(policy["state_dir"])
        with contextlib.nullcontext() if self._task.check_mode and not path.exists() else Ledger.open(path) as self.ledger:
            self.access = Access(policy, self.variables_of, self.ledger)
            yield

    def _module(self, name: str, arguments: Mapping[str, Any], hidden: Sequence[str] = ()) -> dict:
        """Runs a module at the task's host and returns its result; raises AnsibleActionFail with what it said, without secrets."""
        result = self._execute_module(module_name=name, module_args=dict(arguments), task_vars=self._task_vars)
        if result.get("failed") or result.get("unreachable"):
            raise AnsibleActionFail(self._reason(result, hidden))
        return result

    def _write_files(self, files: Sequence[Mapping[str, str]], hidden: Sequence[str] = ()) -> list[str]:
        """Writes files at the task's host, each a dict of module protected_files with its "content"; returns the paths that changed."""
        arguments = {
            "files": [{key: value for key, value in file.items() if key != "content"} for file in files],
            "contents": {file["path"]: file["content"] for file in files if "content" in file},
        }
        return self._module("sicekat.backup.protected_files", arguments, hidden)["changed_paths"]

    def _reason(self, result: Mapping, hidden: Sequence[str] = ()) -> str:
        """Returns why a module failed: the message of our own modules in the reader's language, else what it said."""
        if result.get("message"):
            return self.say.message(result["message"])
        if result.get("msg") and not result.get("module_stdout"):
            return redact(str(result["msg"]), [*self.access.hidden, *hidden])
        return module_failure(result, [*self.access.hidden, *hidden])

    def _slurped(self, path: str) -> str | None:
        """Returns the text of a small file at the task's host, or None if there is none; raises AnsibleActionFail if it cannot be read."""
        found = self._module("ansible.builtin.stat", {"path": path, "get_checksum": False, "get_mime": False, "get_attributes": False})
        if not found["stat"]["exists"]:
            return None
        import base64

        content = self._module("ansible.builtin.slurp", {"src": path})["content"]
        return base64.b64decode(content).decode("utf-8", "replace")
