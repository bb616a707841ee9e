# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Closes the records of a run in the ledger as each result arrives."""

from __future__ import annotations

DOCUMENTATION = r"""
name: checklist
type: notification
short_description: Record what became of every backup obligation
version_added: 0.1.0
description:
  - Closes the open records of a run in the ledger, one entry for each result of M(sicekat.backup.run_perform) as it
    arrives, and for hosts that could not be reached.
  - Takes nothing but the records that the task returned; task arguments, variables and output are never written.
  - Ansible ignores what a callback raises, so M(sicekat.backup.run_close) fails the play if a record was not closed.
requirements:
  - Enabled by its full name in C(callbacks_enabled) of C(ansible.cfg) or in the environment variable E(ANSIBLE_CALLBACKS_ENABLED).
"""

import functools
from typing import Any

from ansible.plugins.callback import CallbackBase

from ansible_collections.sicekat.backup.plugins.plugin_utils import pdf, runs
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger, LedgerError

_OPEN = "sicekat.backup.run_open"
_PERFORM = "sicekat.backup.run_perform"


class CallbackModule(CallbackBase):
    """The recorder: three hooks, one ledger entry for each record."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "sicekat.backup.checklist"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ledger: Ledger | None = None
        self._run_id: str | None = None

    def v2_runner_on_ok(self, result: Any) -> None:
        if result.task.action == _OPEN and result.result.get("run_id"):
            self._ledger = Ledger.open(runs.ledger_path(result.result["state_dir"]))
            self._run_id = result.result["run_id"]
            self._ledger.attach_recorder(self._run_id)
            pdf.warm_up()
        elif result.task.action == _PERFORM:
            self._write(result.result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        # A step fails only where it has no record to show: what it did is not known.
        if self._ledger is not None and result.task.action == _PERFORM:
            self._abandon(result, "failed", "internal", code="internal_no_result")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        if self._ledger is not None and result.task.action == _PERFORM:
            self._write(result.result)
            self._abandon(result, "unreachable", "unreachable")

    def _write(self, found: Any) -> None:
        if self._ledger is None:
            return
        entries = [functools.partial(self._ledger.append, kind, note) for kind, note in found.get("notes") or ()]
        entries += [functools.partial(self._ledger.claim_record, claimed) for claimed in found.get("claims") or ()]
        entries += [functools.partial(self._ledger.close_record, closed) for closed in found.get("records") or ()]
        refusals = []
        for write in entries:
            try:
                runs.unless_written(write)
            except LedgerError as error:  # one entry that is refused must not cost the others
                refusals.append(error)
        if refusals:
            raise refusals[0]

    def _abandon(self, result: Any, outcome: str, cause: str, **params: Any) -> None:
        """Closes what a host had to do in this step, but for what it may still be doing: the next run collects that."""
        opened = [one for one in self._ledger.open_records(self._run_id, result.host.name) if one["kind"] == result.task.args.get("step")]
        awaited = runs.awaited(self._ledger, opened)
        for one in opened:
            if one["record_id"] not in awaited:
                # What a server's restore host or repository server was to do does not say that the server is down.
                elsewhere = (
                    {"code": "unreachable_host", "host": one["performed_on"]} if outcome == "unreachable" and one["performed_on"] != one["server"] else {}
                )
                self._ledger.close_record(runs.abandoned(one["record_id"], outcome, cause, **params, **elsewhere))
