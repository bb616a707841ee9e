# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gate: reads the ledger, writes the documents, and fails the play unless every record is a proved success.

It is a task and not a callback, because Ansible ignores what a callback raises.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import confirming, drill, log_checking, performers, runs
from ansible_collections.sicekat.backup.plugins.plugin_utils.control import ControlAction, Speaker
from ansible_collections.sicekat.backup.plugins.plugin_utils.documentation import Archive, not_green
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger


class ActionModule(ControlAction):
    """Runs on the control node only, without a connection to any host."""

    _requires_connection = False

    SPEC: ClassVar[dict] = {"run": {"type": "dict", "required": True}}

    def act(self, options: dict, task_vars: Any) -> dict:
        run = options["run"]
        if "owing" in run:
            return {"changed": False, "msg": Speaker(run["language"])("gate_check_mode", expected=run["expected"])}
        if not run.get("run_id"):
            raise AnsibleActionFail(Speaker("id")("run_not_opened"))
        say = Speaker(run["language"])
        with Ledger.open(runs.ledger_path(run["state_dir"])) as ledger:
            checklist, files, trouble = self._settle(ledger, run, say)
            rows = self._lines(ledger, checklist, say)
            policy = next(entry.data["policy"] for entry in ledger.policies() if entry.data["digest"] == ledger.run(run["run_id"])["policy_digest"])
            if names := runs.dropped(ledger, policy):
                rows.append(say("gate_dropped", names=", ".join(names)))
        counts = checklist["counts"]
        green = not trouble and counts["expected"] > 0 and counts["success"] == counts["expected"] == run["expected"]
        overall = "incomplete" if trouble and checklist["overall"] == "success" else checklist["overall"]
        params = {"form_number": run["form_number"], "expected": counts["expected"], "success": counts["success"], "overall": overall}
        head = say("gate_passed" if green else "gate_failed", path=files.get("html", run["state_dir"]), **params)
        lines = [head, *rows, *trouble]
        if green:
            # A task that ends well shows nothing of its result; what --limit left out must be read all the same.
            Display().display("\n".join(lines), color=C.COLOR_OK if len(lines) == 1 else C.COLOR_WARN)
        shown = {kind: str(path) for kind, path in files.items()}
        return {"changed": True, "failed": not green, "overall": overall, "files": shown, "msg": "\n".join(lines)}

    def _settle(self, ledger: Ledger, run: dict, say: Speaker) -> tuple[dict, dict[str, Path], list[str]]:
        """Closes the run and writes its documents; returns (checklist, files, what went wrong with them)."""
        moment = record.utc_now()
        archive = Archive(ledger, Path(run["state_dir"]), complete=False)
        stored = {**ledger.run(run["run_id"]), "closed": {"closed_at": record.to_text(moment), "ledger": ledger.head()}}
        checklist = archive.checklist(stored)
        ledger.close_run(run["run_id"], {**stored["closed"], "overall": checklist["overall"], "counts": checklist["counts"]})
        archive.runs = ledger.runs()
        policy = archive.policy(stored["policy_digest"])
        files: dict[str, Path] = {}
        trouble = list(self._findings(ledger, run["run_id"], policy, say))
        short = drill.shortfalls(checklist["drill"]) if "drill" in checklist else []
        trouble += [say("drill_short", names=", ".join(short))] if short else []
        if len(checklist["rows"]) != stored["expected"]:
            trouble.append(say("gate_not_recorded", expected=stored["expected"], found=len(checklist["rows"])))
        try:
            files = archive.write_checklist(checklist)
            index, _path = archive.write_index(policy, stored["policy_digest"], moment)
            trouble += [say("report_ledger_unsound", detail=say.message(problem.what)) for problem in index["ledger"]["problems"]]
        except (OSError, ImportError) as error:
            trouble.append(say("gate_documents", form_number=stored["form_number"], detail=str(error)))
        return checklist, files, trouble

    def _findings(self, ledger: Ledger, run_id: str, policy: dict, say: Speaker) -> Iterator[str]:
        """Yields what the repository servers told in this run that no record can hold, and that one told nothing."""
        told = {note["server"]: note for note in ledger.notes("repository_listed", run_id=run_id)}
        asked = {one["server"] for one in ledger.records(run_id=run_id, kind="backup") if performers.has_witness(policy, one["server"])}
        for server in sorted(asked - set(told)):
            yield say("listing_problem", server=server, detail=say("no_listing"))
        for server, note in sorted(told.items()):
            if note["problem"]:
                yield say("listing_problem", server=server, detail=say.message(note["problem"]))
            for kind in ("unclaimed", "vanished", "strange_keys"):
                if note[kind]:
                    yield say(f"listing_{kind}", server=server, count=len(note[kind]), names=confirming.names(note[kind]))

    def _lines(self, ledger: Ledger, checklist: dict, say: Speaker) -> list[str]:
        """Returns a line for each record that is not green, and for what the run could not know."""
        lines = []
        for row in not_green(checklist):
            outcome = row.get("outcome") or "open"
            detail = " ".join(say.message(text) for text in row.get("messages") or ())
            lines.append(say("gate_row", server=row["server"], subject=runs.subject(row), kind=row["kind"], outcome=outcome, detail=detail))
        for row in checklist["rows"]:
            lines += [say("gate_attention", server=row["server"], subject=runs.subject(row), **doubt) for doubt in log_checking.doubts(row)]
        left = [row for row in checklist["rows"] if row.get("outcome") is None]
        awaited = collections.Counter(runs.awaited(ledger, left).values() if ledger.has_recorder(checklist["run"]["run_id"]) else ())
        waiting = {"gate_pending": awaited["job"], "gate_unconfirmed": awaited["claim"], "gate_recorder": len(left) - awaited.total()}
        lines += [say(code, count=count) for code, count in waiting.items() if count]
        if checklist["not_covered"]:
            names = sorted({one["server"] for one in checklist["not_covered"]})
            lines.append(say("gate_left_out", count=len(checklist["not_covered"]), names=", ".join(names)))
        return lines
