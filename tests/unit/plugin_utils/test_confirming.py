# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a repository server's listing makes of claims, and which facts maintenance is given."""

from __future__ import annotations

import datetime
import os

import pytest

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import confirming, processes, retention
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger

REPOSITORY = "e" * 64


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "ledger.sqlite3", create=True) as ledger:
        run = {"run_id": "r", "local_month": "2026-11", "process": processes.identify(os.getpid()), "expected": 1, "left_out": []}
        ledger.open_run(run, "CB")
        yield ledger


def ago(minutes: float) -> str:
    return record.to_text(record.utc_now() - datetime.timedelta(minutes=minutes))


OPENED = {"record_id": "r:1", "server": "srv", "dataset": "d", "dataset_kind": "files", "opened_at": ago(1)}


def snapshot(letter: str, record_id: str = "r:1", *tags: str) -> dict:
    return {"id": letter * 64, "time": ago(0), "hostname": "srv", "tags": ["sicekat", "dataset=d", f"record={record_id}", *tags]}


def claim(letter: str = "a", record_id: str = "r:1", outcome: str = "success") -> dict:
    check = {"result": "passed", "checks": [{"check": "exit_code", "result": "passed"}]}
    return {
        "record_id": record_id, "outcome": outcome, "cause": None, "messages": [], "snapshot_id": letter * 64, "repository_id": REPOSITORY,
        "verification": {"log_check": check}, "error_count": 0,
    }  # fmt: skip


def add(ledger: Ledger, number: int, closed: dict | None = None, kind: str = "backup", repository: str = "primary", server: str = "srv") -> str:
    record_id = f"r:{number}"
    ledger.open_record({"record_id": record_id, "run_id": "r", "kind": kind, "server": server, "dataset": "d", "repository": repository})
    if closed:
        ledger.close_record({**closed, "record_id": record_id})
    return record_id


def listing(*snapshots: dict) -> dict:
    return {"snapshots": list(snapshots), "problem": None, "repository_id": REPOSITORY, "clock": ago(0)}


def test_a_claim_counts_when_the_repository_server_lists_it():
    closed = confirming.confirmed(OPENED, claim(), listing(snapshot("a")))
    assert closed["outcome"] == "success" and "measured" not in closed
    assert closed["verification"]["log_check"]["checks"][-1] == {"check": "confirmed_by_repository_server", "result": "passed"}


@pytest.mark.parametrize("listed", [(), (snapshot("b"),), (snapshot("a", "r:2"),), (snapshot("a", "r:1", "record=r:2"),)])
def test_a_claim_that_is_not_listed_as_its_own_fails(listed):
    closed = confirming.confirmed(OPENED, claim(), listing(*listed))
    assert (closed["outcome"], closed["cause"], closed["error_count"]) == ("failed", "snapshot_not_listed", 1)
    assert closed["verification"]["log_check"]["result"] == "failed"


@pytest.mark.parametrize(
    "other",
    [
        {"hostname": "lain"}, {"hostname": None}, {"time": ago(12)}, {"time": ago(-11)}, {"time": "0001-01-01T00:00:00+07:00"}, {"time": "?"},
        {"tags": ["dataset=lain", "record=r:1"]}, {"tags": ["record=r:1"]}, {"tags": ["dataset=d", "dataset=lain", "record=r:1"]},
    ],
)  # fmt: skip
def test_a_claim_that_is_listed_with_another_server_data_set_or_time_fails(other):
    closed = confirming.confirmed(OPENED, claim(), listing({**snapshot("a"), **other}))
    assert (closed["outcome"], closed["cause"], closed["messages"][0]["code"]) == ("failed", "snapshot_not_listed", "snapshot_differs")


@pytest.mark.parametrize("minutes", [10.5, -9.5])
def test_the_clock_of_a_server_may_be_a_little_wrong(minutes):
    assert confirming.confirmed(OPENED, claim(), listing({**snapshot("a"), "time": ago(minutes)}))["outcome"] == "success"


@pytest.mark.parametrize(
    ("claimed", "sizes", "measured", "outcome"),
    [
        (5, {"a" * 64: {"files": 5, "bytes": 0}}, {"files": 5, "bytes": 0}, "success"),
        (5, {"a" * 64: {"files": 4, "bytes": 9}}, {"files": 4, "bytes": 9}, "failed"),
        (5, {"a" * 64: None}, None, "success"),
        (5, {"b" * 64: {"files": 9, "bytes": 9}}, "absent", "success"),
        (5, None, "absent", "success"),
    ],
)
def test_what_the_repository_server_measures_is_kept_and_bounds_the_claim(claimed, sizes, measured, outcome):
    said = {**claim(), "files": {"total": claimed}, "measured": {"files": 10**6, "bytes": 10**9}}
    closed = confirming.confirmed(OPENED, said, {**listing(snapshot("a")), "sizes": sizes})
    assert (closed["outcome"], closed.get("measured", "absent")) == (outcome, measured)
    if outcome == "failed":
        assert closed["cause"] == "no_evidence" and closed["verification"]["log_check"]["result"] == "failed"
        assert closed["messages"] == [record.message("snapshot_smaller", snapshot="a" * 64, found=4, claimed=5)]


@pytest.mark.parametrize(
    ("kind", "found", "outcome"), [("postgresql", 350, "failed"), ("command", 4001, "failed"), ("ldap", 4000, "success"), ("files", 9, "success")]
)
def test_a_bundle_has_the_very_bytes_that_the_repository_server_measures(kind, found, outcome):
    said = {**claim(), "files": {"total": 1}, "data_size_bytes": 4000}
    closed = confirming.confirmed({**OPENED, "dataset_kind": kind}, said, {**listing(snapshot("a")), "sizes": {"a" * 64: {"files": 1, "bytes": found}}})
    assert closed["outcome"] == outcome
    if outcome == "failed":
        assert closed["messages"] == [record.message("snapshot_other_size", snapshot="a" * 64, found=found, claimed=4000)]


def test_a_partial_backup_stays_partial_when_it_is_listed():
    assert confirming.confirmed(OPENED, claim(outcome="partial"), listing(snapshot("a")))["outcome"] == "partial"


def test_snapshots_without_a_record_of_this_server_are_unclaimed(ledger):
    add(ledger, 1, claim("a"))
    add(ledger, 2, claim("b"), server="lain")
    planted = [snapshot("c", "tidak-ada"), snapshot("d", "r:1"), snapshot("b", "r:2"), {**snapshot("f"), "tags": None}]
    note = confirming.listed("srv", listing(snapshot("a"), *planted), ledger, [], None)
    assert [one["snapshot_id"][0] for one in note["unclaimed"]] == ["c", "d", "b", "f"] and note["explained"] == [] and note["vanished"] == []


def test_the_snapshot_of_an_interrupted_run_is_explained_and_an_open_claim_is_claimed(ledger):
    add(ledger, 1, {"outcome": "aborted", "cause": "interrupted", "messages": []})
    add(ledger, 2)
    note = confirming.listed("srv", listing(snapshot("a", "r:1"), snapshot("b", "r:2")), ledger, [claim("b", "r:2")], None)
    assert note["unclaimed"] == [] and note["explained"] == [{"snapshot_id": "a" * 64, "record_id": "r:1"}]


def test_one_snapshot_of_a_record_is_explained_and_all_others_are_unclaimed(ledger):
    add(ledger, 1, {"outcome": "aborted", "cause": "interrupted", "messages": []})
    planted = [snapshot(letter, "r:1") for letter in "abc"]
    note = confirming.listed("srv", listing(*planted), ledger, [], None)
    assert [one["snapshot_id"][0] for one in note["explained"]] == ["a"] and [one["snapshot_id"][0] for one in note["unclaimed"]] == ["b", "c"]


@pytest.mark.parametrize(
    "other", [{"hostname": "lain"}, {"tags": ["dataset=lain", "record=r:1"]}, {"tags": ["record=r:1"]}, {"time": ago(11)}, {"time": ago(-11)}, {"time": ""}]
)
def test_only_what_a_record_could_have_made_is_explained(ledger, other):
    add(ledger, 1, {"outcome": "aborted", "cause": "interrupted", "messages": []})
    note = confirming.listed("srv", listing({**snapshot("a"), **other}), ledger, [], None)
    assert note["explained"] == [] and len(note["unclaimed"]) == 1


def test_records_of_other_kinds_explain_nothing(ledger):
    add(ledger, 1, {"outcome": "failed", "cause": "other", "messages": []}, kind="integrity_check")
    note = confirming.listed("srv", listing(snapshot("a")), ledger, [], None)
    assert note["explained"] == [] and len(note["unclaimed"]) == 1


def test_a_record_with_an_open_claim_explains_nothing_else(ledger):
    add(ledger, 1)
    both = listing(snapshot("b"), snapshot("a"))
    note = confirming.listed("srv", both, ledger, [claim("a")], None)
    assert note["explained"] == [] and [one["snapshot_id"][0] for one in note["unclaimed"]] == ["b"]
    # The claim of a run that still goes on stands in the ledger only.
    ledger.claim_record(claim("a"))
    assert confirming.listed("srv", both, ledger, [], None)["unclaimed"] == note["unclaimed"]


def test_what_a_lost_retention_was_sent_to_remove_has_not_vanished(ledger):
    add(ledger, 1, claim("a"))
    add(ledger, 2, claim("b"))
    for server, repository, letter in (("srv", "primary", "a"), ("srv", "offsite", "b"), ("lain", "primary", "b")):
        ledger.append("retention_planned", {"server": server, "repository": repository, "run_id": "r", "snapshots": [letter * 64]})
    assert confirming.listed("srv", listing(), ledger, [], None)["vanished"] == [{"snapshot_id": "b" * 64, "record_id": "r:2"}]


def test_a_proved_backup_that_is_gone_has_vanished_unless_retention_removed_it(ledger):
    add(ledger, 1, claim("a"))
    add(ledger, 2, claim("b"))
    add(ledger, 3, {"outcome": "success", "retention": {"removed": [{"snapshot_id": "b" * 64}]}}, kind="retention")
    note = confirming.listed("srv", listing(), ledger, [], None)
    assert note["vanished"] == [{"snapshot_id": "a" * 64, "record_id": "r:1"}]


def test_a_key_of_nobody_is_noted_and_silence_does_not_clear_it(ledger):
    note = confirming.listed("srv", {**listing(), "strange_keys": ["k" * 64]}, ledger, [], None)
    ledger.append("repository_listed", note)
    assert note["strange_keys"] == ["k" * 64] and confirming.names(note["strange_keys"]) == "k" * 12
    assert confirming.unanswered("srv", {"code": "no_listing", "params": {}}, ledger)["strange_keys"] == ["k" * 64]
    assert confirming.listed("srv", listing(), ledger, [], None)["strange_keys"] == []


def test_a_listing_that_failed_proves_nothing_and_accuses_nobody(ledger):
    add(ledger, 1, claim("a"))
    problem = {"code": "network", "params": {"detail": "x"}}
    note = confirming.listed("srv", {"snapshots": [], "problem": problem}, ledger, [], None)
    assert note["problem"] == problem and note["vanished"] == []


def test_what_vanished_long_ago_stays_missing_until_it_is_listed_again(ledger):
    add(ledger, 1, claim("a"))
    far = "2099-01-01T00:00:00Z"
    assert confirming.listed("srv", listing(), ledger, [], far)["vanished"] == [], "nothing was looked at so far back"
    note = confirming.listed("srv", listing(), ledger, [], None)
    ledger.append("repository_listed", note)
    assert confirming.listed("srv", listing(), ledger, [], far)["vanished"] == note["vanished"] != []
    silent = confirming.unanswered("srv", {"code": "no_listing", "params": {}}, ledger)
    assert silent["vanished"] == note["vanished"], "silence clears nothing"
    ledger.append("repository_listed", silent)
    assert confirming.listed("srv", listing(), ledger, [], far)["vanished"] == note["vanished"]
    assert confirming.listed("srv", listing(snapshot("a")), ledger, [], far)["vanished"] == []
    assert confirming.listed("srv", {**listing(), "repository_id": "f" * 64}, ledger, [], far)["vanished"] == [], "another repository"


def check(part: str, outcome: str = "success") -> dict:
    return {"outcome": outcome, "integrity": {"read_data": part}}


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        ([], "1/4"),
        ([check("1/4")], "2/4"),
        ([check("1/4"), check("2/4", "failed"), check("3/4")], "2/4"),
        ([check("1/4", "failed"), check("1/4")], "2/4"),
        ([check("1/4"), check("2/4"), check("3/4"), check("4/4")], "1/4"),
        ([check("2/4"), check("1/4"), check("3/4"), check("4/4")], "2/4"),
        ([check("1/8"), check("full")], "1/4"),
        ([{"outcome": "success", "integrity": {"read_data": "2/4", "empty": ["1/4"]}}], "3/4"),
        ([{"outcome": "unreachable", "integrity": None}], "1/4"),
    ],
)
def test_the_part_that_is_read_next(checks, expected):
    assert retention.next_part("1/4", checks) == expected
    assert retention.next_part("full", checks) == "full"


def test_every_part_is_read_within_as_many_successful_checks():
    checks: list = []
    for _turn in range(7):
        checks.append(check(retention.next_part("1/7", checks)))
    assert {one["integrity"]["read_data"] for one in checks} == {f"{part}/7" for part in range(1, 8)}


def test_retention_is_told_of_every_snapshot_that_a_record_accounts_for(ledger):
    add(ledger, 1, {**claim("a"), "files": {"total": 5}, "data_size_bytes": 50})
    add(ledger, 2, {**claim("b", outcome="partial")})
    add(ledger, 3, {"outcome": "aborted", "cause": "interrupted", "messages": []})
    ledger.append("repository_listed", {"server": "srv", "repository": "primary", "explained": [{"snapshot_id": "c" * 64, "record_id": "r:3"}]})
    policy = {
        "keep_least": 3,
        "servers": {"srv": {"datasets": [{"name": "baru"}], "repositories": {"primary": {"retention": {"baru": {"daily": 7}}}}}},
    }
    given = retention.arguments(policy, {"server": "srv", "repository": "primary"}, ledger)
    new, old = given["groups"]
    assert (new["dataset"], new["keep"], new["known"], new["least"]) == ("baru", {"daily": 7}, [], 3)
    assert (old["dataset"], old["keep"]) == ("d", {}), "a data set that left the policy keeps all that it has"
    assert [(one["snapshot_id"][0], one["outcome"], one["files"]) for one in old["known"]] == [("a", "success", 5), ("b", "partial", 0), ("c", "aborted", 0)]


def test_a_copy_has_the_time_of_its_original(ledger):
    add(ledger, 1, claim("a"))
    add(ledger, 2, {**claim("z"), "copy": {"source_snapshot_id": "a" * 64}}, kind="copy", repository="offsite")
    policy = {"keep_least": 1, "servers": {"srv": {"datasets": [{"name": "d"}], "repositories": {"offsite": {"retention": {"d": {"last": 1}}}}}}}
    (group,) = retention.arguments(policy, {"server": "srv", "repository": "offsite"}, ledger)["groups"]
    (known,) = group["known"]
    source = ledger.record("r:1")
    assert known["snapshot_id"] == "z" * 64 and (known["not_before"], known["not_after"]) == (source["opened_at"], source["recorded_at"])
    assert group["originals"] == [{"snapshot_id": "a" * 64, "record_id": "r:1", "not_before": source["opened_at"], "not_after": source["recorded_at"]}]


def test_retention_is_told_of_backups_whose_copies_no_record_names(ledger):
    add(ledger, 1, claim("a"))
    add(ledger, 2, {"outcome": "aborted", "cause": "interrupted", "messages": []}, kind="copy", repository="offsite")
    policy = {"keep_least": 1, "servers": {"srv": {"datasets": [], "repositories": {name: {"retention": {}} for name in ("primary", "offsite")}}}}
    (group,) = retention.arguments(policy, {"server": "srv", "repository": "offsite"}, ledger)["groups"]
    assert group["known"] == [] and [one["snapshot_id"][0] for one in group["originals"]] == ["a"]
    (group,) = retention.arguments(policy, {"server": "srv", "repository": "primary"}, ledger)["groups"]
    assert group["originals"] == []


def test_retention_is_told_what_the_repository_server_measured(ledger):
    reported = {"files": {"total": 5}, "data_size_bytes": 50}
    for number, (letter, more) in enumerate({"a": {}, "b": {"measured": {"files": 7, "bytes": 45}}, "c": {"measured": None}}.items()):
        add(ledger, number, {**claim(letter), **reported, **more})
    add(ledger, 9, {**claim("z"), "copy": {"source_snapshot_id": "c" * 64}}, kind="copy", repository="offsite")
    policy = {"keep_least": 1, "servers": {"srv": {"datasets": [], "repositories": {name: {"retention": {}} for name in ("primary", "offsite")}}}}
    (group,) = retention.arguments(policy, {"server": "srv", "repository": "primary"}, ledger)["groups"]
    assert [(one["files"], one["bytes"], one["outcome"]) for one in group["known"]] == [(5, 50, "success"), (7, 45, "success"), (5, 50, "unmeasured")]
    (group,) = retention.arguments(policy, {"server": "srv", "repository": "offsite"}, ledger)["groups"]
    assert [one["outcome"] for one in group["known"]] == ["unmeasured"]
