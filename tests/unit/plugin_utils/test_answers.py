# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a compromised host can say, and that none of it is believed."""

from __future__ import annotations

import copy
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.sicekat.backup.plugins.module_utils import manifest as manifests
from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import answers, performing

OPENED_AT = datetime.datetime(2026, 11, 22, 15, 0, tzinfo=datetime.UTC)
NOW = OPENED_AT + datetime.timedelta(hours=1)
ID = "a" * 64


def opened(kind: str = "backup") -> dict:
    times = {name: record.to_text(OPENED_AT) for name in ("opened_at", "window_start")}
    later = {name: record.to_text(NOW + datetime.timedelta(hours=1)) for name in ("window_end", "due_at")}
    return {"record_id": "r:0001", "kind": kind, "server": "srv", "cycle": "daily", "period": "2026-11-22", **times, **later}


def backup(**fields: object) -> dict:
    place = {"repository": "primary", "location": "", "url": "x", "snapshot_id": ID, "repository_id": ID, "listed_at": record.to_text(OPENED_AT)}
    return {
        "record_id": "r:0001", "outcome": "success", "cause": None, "messages": [{"code": "lock_cleared", "params": {"holder": "PID 1"}}],
        "started_at": "2026-11-22T15:10:00Z", "finished_at": "2026-11-22T15:20:00Z", "duration_ms": 5, "error_count": 0, "warning_count": 0,
        "files": {"total": 3, "new": 1, "changed": None}, "data_size_bytes": 5, "snapshot_id": ID, "repository_id": ID, "storage_locations": [place],
        "manifest": {"sha256": ID, "entries": 1}, "verification": {"log_check": {"result": "passed", "checks": [{"check": "x", "result": "passed"}]}}, **fields,
    }  # fmt: skip


def closed(given_record: object, kind: str = "backup") -> dict:
    return performing.close(opened(kind), given_record, NOW, [])


def test_what_our_module_says_is_taken_as_it_is():
    assert closed(backup()) == {**backup(), "inside_window": True, "outside_window_s": 0}


@pytest.mark.parametrize(
    "lie",
    [
        {"server": "lain"}, {"kind": "restore_test"}, {"dataset": "lain"}, {"cycle": "monthly"}, {"run_id": "x"}, {"collected_at": "2026-11-22T15:00:00Z"},
        {"inside_window": True}, {"outcome": "exempt"}, {"outcome": "missed"}, {"outcome": ["success"]}, {"cause": "tidak-ada"}, {"files": "x"},
        {"files": {"total": "3"}}, {"files": {"total": True}}, {"verification": 5}, {"messages": ["x"]}, {"messages": [{"code": "x", "params": {}}]},
        {"messages": [{"code": "lock_cleared", "params": {}}]}, {"messages": [{"code": "lock_cleared", "params": {"holder": [1]}}]},
        {"data_size_bytes": "x"}, {"snapshot_id": {"a": 1}}, {"snapshot_id": ID.upper()}, {"started_at": 5}, {"finished_at": "kemarin"},
        {"storage_locations": [{"repository": "primary", "url": ["x"]}]}, {"errors": ["x" * 5000]}, {"errors": [{}]}, {"log": {"excerpt": "x" * 50_000}},
        {"exit_code": 1.5}, {"data_size_bytes": 2**70}, {"restore": []}, {"tidak_ada": 1},
    ],
)  # fmt: skip
def test_an_answer_of_another_form_is_a_failure_and_nothing_of_it_is_kept(lie):
    found = closed(backup(**lie))
    assert (found["outcome"], found["cause"], found["messages"][0]["code"]) == ("failed", "no_evidence", "answer_unusable")
    assert all(found.get(name) != value for name, value in lie.items())


@pytest.mark.parametrize(
    "missing", ["snapshot_id", "manifest", "storage_locations", "files", "data_size_bytes", "verification", "finished_at", "repository_id"]
)
@pytest.mark.parametrize("how", ["none", "absent"])
def test_a_success_without_its_evidence_is_none(missing, how):
    given_record = backup(**{missing: None})
    if how == "absent":
        del given_record[missing]
    assert closed(given_record)["outcome"] == "failed"


def test_a_short_snapshot_id_is_no_evidence_and_a_success_has_no_cause():
    assert closed(backup(snapshot_id="abcdef01"))["outcome"] == "failed"
    assert closed(backup(cause="network"))["outcome"] == "failed"
    assert closed(backup(outcome="failed", cause="network", snapshot_id="abcdef01"))["cause"] == "network"


@pytest.mark.parametrize(
    ("kind", "evidence", "poor"),
    [
        ("integrity_check", {"integrity": {"read_data": "full", "packs_read": 3, "errors": 0, "empty": []}}, {"integrity": {"packs_read": 0}}),
        ("retention", {"retention": {"listed": 1, "kept": 1, "removed": [], "unconfirmed": [], "refusals": [], "groups": []}}, {"retention": {}}),
        ("restore_test", {"restore": {"files": {"expected": 2, "restored": 2}}}, {"restore": {"files": {"expected": 2, "restored": 0}}}),
        ("restore_test", {"restore": {"files": {"expected": 0, "restored": 0}, "canary": "found"}}, {"restore": {"canary": "found"}}),
        ("copy", {"copy": {"source_snapshot_id": ID, "verified": {"canary": "found", "compared": 2, "equal": 2}}}, {"copy": {"verified": {"canary": "none"}}}),
        (
            "copy",
            {"copy": {"verified": {"canary": "found", "compared": 0, "equal": 0}}},
            {"copy": {"verified": {"canary": "found", "compared": 2, "equal": 1}}},
        ),
    ],
)
def test_each_kind_has_evidence_of_its_own(kind, evidence, poor):
    assert closed({**backup(), **evidence}, kind)["outcome"] == "success"
    assert closed({**backup(), **poor}, kind)["outcome"] == "failed" and closed(backup(), kind)["outcome"] == "failed"


def test_a_clock_that_is_wrong_makes_no_late_run_punctual():
    found = closed(backup(started_at="2020-01-01T00:00:00Z", finished_at="2099-01-01T00:00:00Z"))
    assert (found["started_at"], found["finished_at"]) == ("2026-11-22T14:50:00Z", record.to_text(NOW))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(answers.SHAPES)), _json)
def test_nonsense_in_any_field_never_raises_and_is_never_a_success_with_less(field, nonsense):
    given_record = copy.deepcopy(backup())
    given_record[field] = nonsense
    assert closed(given_record)["outcome"] in answers.OUTCOMES


@given(_json)
def test_nonsense_in_place_of_a_record_is_a_failure(nonsense):
    assert closed(nonsense)["outcome"] == "failed"


def test_a_manifest_is_the_one_that_the_record_names():
    content = {"files": [], "nonce": "x"}
    packed, digest = manifests.pack(content), manifests.digest(content)
    assert answers.manifest(packed, digest) == content
    for text, name in ((packed, "b" * 64), (None, digest), (5, digest), ("x", digest), (packed[:-8], digest)):
        with pytest.raises(ValueError, match=r".*"):
            answers.manifest(text, name)
