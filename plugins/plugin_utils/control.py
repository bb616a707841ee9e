# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the action plugins share on the control node.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import redact
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger_schema import LedgerError


class Speaker:
    """Says messages of the catalogue in one language."""

    def __init__(self, language: str) -> None:
        self._language = language

    def __call__(self, code: str, **params: object) -> str:
        """Returns the message of a code with its parameters."""
        return self.message({"code": code, "params": params})

    def message(self, message: Mapping) -> str:
        """Returns a message {"code", "params"} as a sentence."""
        # Babel takes a tenth of a second to load, so only those who speak load it.
        from ansible_collections.sicekat.backup.plugins.plugin_utils import catalogue

        return catalogue.translator(self._language).message(message)


class ControlAction(ActionBase):
    """An action whose failures are one message and no traceback. Subclasses give SPEC and `act`."""

    SPEC: ClassVar[dict] = {}

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict:
        result = super().run(tmp, task_vars)
        _valid, options = self.validate_argument_spec(self.SPEC)
        try:
            return {**result, **self.act(options, task_vars)}
        except AnsibleConnectionFailure:
            raise  # a server that cannot be reached is not a failure of ours
        except LedgerError as error:
            return {**result, "failed": True, "msg": Speaker("id").message(error.message)}
        except AnsibleError as error:
            return {**result, "failed": True, "msg": error.message}

    def act(self, options: dict, task_vars: Mapping) -> dict:
        """Does the work and returns the result; raises AnsibleError or LedgerError."""
        raise NotImplementedError


def module_failure(result: Mapping, hidden: list[str]) -> str:
    """Returns what a module that crashed said, shortened and without secrets."""
    text = " ".join(str(result.get(key) or "") for key in ("msg", "exception", "module_stderr", "module_stdout"))
    return redact(" ".join(text.split()), hidden)[-800:]
