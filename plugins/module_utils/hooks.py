# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hooks: an admin's own programs around the backup of a data set, such as those that stop a service and start it again.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import os
import tempfile
import time

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.programs import Program, ProgramError

_OUTPUT_KEPT = 2000  # characters of the end
_NOT_RUN, _NOT_FOUND = 126, 127  # as a shell says it


def run(dataset, stage, outcome=""):
    """Runs the hooks of a stage and returns (list of entries for the record, message of what went wrong first or None).

    dataset: dict of the policy. stage: "before", "after" or "on_failure". outcome: of the record so far, "" before there is one. What comes
    before the backup stops at the first failure; afterwards each hook has its turn, for it may start a service.
    """
    given = dataset.get("hooks") or {}
    entries, problem = [], None
    for number, argv in enumerate(given.get(stage, ()), start=1):
        entry = _run_one(dataset["name"], stage, outcome, number, argv, given["timeout_s"])
        entries.append(entry)
        if entry["result"] == "failed":
            problem = problem or _problem(entry, given["timeout_s"])
            if stage == "before":
                break
    return entries, problem


def _run_one(name, stage, outcome, number, argv, limit_s):
    environment = {"SICEKAT_DATASET": name, "SICEKAT_STAGE": stage, "SICEKAT_OUTCOME": outcome}
    began = time.monotonic()
    try:
        exit_code, output = _run_program(Program(argv, environment=environment), limit_s)
    except (OSError, ValueError) as error:  # no room for its output, no process to be had, an argument that no process can have
        exit_code, output = _NOT_RUN, record.printable(error)[:_OUTPUT_KEPT]
    # Only the program's name: an argument may be what no record should hold.
    return {
        "stage": stage, "number": number, "program": record.printable(argv[0])[:500], "exit_code": exit_code,
        "duration_ms": int((time.monotonic() - began) * 1000), "output": output, "result": "passed" if exit_code == 0 else "failed",
    }  # fmt: skip


def _run_program(program, limit_s):
    """Returns (exit code or None where time was up, output)."""
    with tempfile.TemporaryFile() as file:
        try:
            exit_code = program.run_into(file, limit_s)
        except ProgramError as error:
            exit_code = None if error.reason == "timeout" else _NOT_FOUND
        return exit_code, _end_of(file)


def _end_of(file):
    """Returns the printable end of what a hook said, in lines."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 4 * _OUTPUT_KEPT))
    lines = file.read().decode("utf-8", "replace").splitlines()
    return "\n".join(record.printable(line) for line in lines)[-_OUTPUT_KEPT:]


def _problem(entry, limit_s):
    code = "hook_before" if entry["stage"] == "before" else "hook_later"
    shown = {key: entry[key] for key in ("program", "stage", "number")}
    if entry["exit_code"] is None:
        return record.message(code + "_timeout", seconds=limit_s, **shown)
    return record.message(code, exit_code=entry["exit_code"], **shown)
