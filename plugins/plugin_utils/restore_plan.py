# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person is shown before a restore begins: the snapshot, what is newest in it, where it goes, and what it replaces.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.sicekat.backup.plugins.module_utils import record, restore_place
from ansible_collections.sicekat.backup.plugins.plugin_utils import answers, obligations
from ansible_collections.sicekat.backup.plugins.plugin_utils.control import Speaker
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger


def shown(request: Mapping, policy: Mapping, ledger: Ledger, looked: Mapping, moment: datetime.datetime) -> str:
    """Returns the plan of a restore as lines of the policy's language.

    request: what the run keeps (restore_request). looked: what the module `restore` said in check mode, of any form.
    """
    from ansible_collections.sicekat.backup.plugins.plugin_utils import catalogue  # Babel takes a tenth of a second to load

    say, write = Speaker(policy["language"]), catalogue.Formatter(policy["language"], policy["timezone"])
    server, name = request["server"], request["dataset"]
    dataset = obligations.dataset_of(policy["servers"][server], name)
    backup = ledger.record(request["backup"]) or {}
    tests = [one for one in ledger.records(server=server, kind="restore_test") if one["dataset"] == name and one["outcome"]]
    rto_s = (policy["categories"].get(dataset["category"]) or {}).get("rto_s")
    head = say(
        "restore_plan", dataset=name, server=server, snapshot=request["snapshot_id"][:12], begun=write.moment(backup["started_at"]),
        age=write.seconds(max(0, int((moment - record.from_text(backup["started_at"])).total_seconds()))),
        newest=write.moment(backup.get("newest_data_at")), size=write.size(backup.get("data_size_bytes")),
        files=write.number((backup.get("files") or {}).get("total")), target=request["target"],
        rto=say("restore_plan_no_rto") if rto_s is None else write.seconds(rto_s), test=_test(tests[-1] if tests else None, say, write),
        requester=request["requester"], approver=request["approver"], reason=request["reason"],
    )  # fmt: skip
    return "\n".join([head, *_at_target(request, dataset, looked, say)])


def _test(test: Mapping | None, say: Speaker, write: Any) -> str:
    if test is None:
        return say("restore_plan_no_test")
    return say("restore_plan_test", outcome=test["outcome"], moment=write.moment(test.get("finished_at")), number=test["form_number"])


def _at_target(request: Mapping, dataset: Mapping, looked: Mapping, say: Speaker) -> Iterator[str]:
    """Yields what will be replaced, and where that will be kept, as the server sees it now."""
    replaced, problems = looked.get("replaced"), looked.get("problems")
    if not answers.REPLACED(replaced) or not answers.PROBLEMS(problems):
        yield say("restore_plan_unknown")
        return
    database = restore_place.database_of(request["target"], dataset)
    if database:
        yield say("restore_plan_database", database=database, typed=request["to_type"])
    elif not replaced:
        yield say("restore_plan_nothing")
    for one in replaced:
        yield say("restore_plan_replaced", path=one["path"], kept=one["kept_as"])
    if request["target"] == restore_place.ORIGINAL and dataset["kind"] == "sqlite":
        yield say("restore_plan_sqlite", path=dataset["path"])
    for problem in problems:
        yield say("restore_plan_problem", detail=say.message(problem))
