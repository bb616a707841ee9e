# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the recorder costs for each result: the real callback and the real ledger with records of a real run, without a play."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import tools
from ansible.plugins.loader import callback_loader, init_plugin_loader

RESULTS = 1000


def _result(action: str, **values: object) -> SimpleNamespace:
    return SimpleNamespace(task=SimpleNamespace(action=f"sicekat.backup.{action}", args={}), result=values, host=SimpleNamespace(name="srv-bench"))


def measure(model: Path, scratch: Path) -> dict[str, float]:
    """Returns milliseconds per result. model: a state directory with a finished backup, whose record is what gets written."""
    init_plugin_loader([str(tools.ROOT / "collections")])
    from ansible_collections.sicekat.backup.plugins.module_utils import record
    from ansible_collections.sicekat.backup.plugins.plugin_utils import runs
    from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger

    with Ledger.open(runs.ledger_path(model)) as ledger:
        known = next(one for one in ledger.records(kind="backup") if one["outcome"] == "success")
        run = ledger.run(known["run_id"])
    opened = {field: known[field] for field in record.OPENED_FIELDS if field in known}
    closed = {field: known[field] for field in record.CLOSED_FIELDS if field in known}
    names = [f"{known['run_id']}:{number:04}" for number in range(RESULTS)]
    scratch.mkdir(mode=0o700)
    with Ledger.open(runs.ledger_path(scratch), create=True) as ledger:
        ledger.open_run({key: run[key] for key in run if key not in ("form_number", "closed", "seq")}, "CB")
        for name in names:
            ledger.open_record({**opened, "record_id": name})

    callback = callback_loader.get("sicekat.backup.checklist")
    callback.v2_runner_on_ok(_result("run_open", run_id=known["run_id"], state_dir=str(scratch)))
    ordinary = [_result("anything_else", changed=False, stdout="x" * 1000) for _name in names]
    recorded = [_result("run_perform", records=[{**closed, "record_id": name}]) for name in names]
    measured = {}
    for what, results in (("ordinary", ordinary), ("record", recorded)):
        cpu, wall = time.process_time(), time.perf_counter()
        for result in results:
            callback.v2_runner_on_ok(result)
        measured[f"{what}_cpu_ms"] = (time.process_time() - cpu) * 1000 / RESULTS
        measured[f"{what}_ms"] = (time.perf_counter() - wall) * 1000 / RESULTS
    with Ledger.open(runs.ledger_path(scratch)) as ledger:
        left = len(ledger.open_records())
    if left:
        raise tools.BenchError(f"the recorder left {left} of {RESULTS} records open; what it took proves nothing")
    return measured
