# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the ledger stores, refuses and answers."""

from __future__ import annotations

import itertools
import multiprocessing
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from ansible_collections.sicekat.backup.plugins.plugin_utils import ledger_schema
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger, LedgerError

RUN = {"run_id": "run-1", "local_month": "2026-11"}


def opened(number: int = 1, **fields: object) -> dict:
    return {"record_id": f"run-1:{number:04}", "run_id": "run-1", "kind": "backup", "server": "srv-a", "dataset": "dokumen", **fields}


def closed(number: int = 1, **fields: object) -> dict:
    return {"record_id": f"run-1:{number:04}", "outcome": "success", **fields}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.sqlite3"


@pytest.fixture
def ledger(path: Path):
    with Ledger.open(path, create=True) as ledger:
        ledger.open_run(RUN, "CB")
        yield ledger


# Creating and opening


def test_a_new_ledger_and_its_directory_are_for_the_owner_only(ledger, path):
    modes = [stat.S_IMODE(item.stat().st_mode) for item in (path.parent, *path.parent.iterdir())]
    assert modes == [0o700, 0o600, 0o600, 0o600]


def test_creating_leaves_nothing_but_the_ledger(path):
    Ledger.open(path, create=True).close()
    assert [item.name for item in path.parent.iterdir()] == ["ledger.sqlite3"]


def test_creating_an_existing_ledger_keeps_its_entries(ledger, path):
    with Ledger.open(path, create=True) as again:
        assert again.head() == ledger.head()


def test_a_missing_ledger_is_not_created_by_opening_it(path):
    with pytest.raises(LedgerError, match="There is no ledger at"):
        Ledger.open(path)
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0 but not really" * 100, b"text"])
def test_a_file_that_is_not_a_ledger_is_refused(tmp_path, content):
    file = tmp_path / "ledger.sqlite3"
    file.write_bytes(content)
    with pytest.raises(LedgerError, match="is not a ledger"):
        Ledger.open(file)


def test_a_ledger_of_a_newer_schema_is_refused(ledger, path):
    tamper(path, f"PRAGMA user_version = {ledger_schema.SCHEMA + 1}")
    with pytest.raises(LedgerError, match=f"has schema {ledger_schema.SCHEMA + 1}; this version knows up to {ledger_schema.SCHEMA}"):
        Ledger.open(path)


def test_a_ledger_where_a_directory_should_be_cannot_be_created(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="could not be created"):
        Ledger.open(tmp_path / "file" / "ledger.sqlite3", create=True)


# Runs and form numbers


def test_form_numbers_count_on_within_a_prefix_and_month(ledger):
    assert ledger.open_run({**RUN, "run_id": "run-2"}, "CB")["form_number"] == "CB/2026-11/000002"


@pytest.mark.parametrize(("prefix", "month"), [("CB", "2026-12"), ("UP", "2026-11"), ("CB2", "2026-11")])
def test_form_numbers_start_anew_in_another_month_or_prefix(ledger, prefix, month):
    assert ledger.open_run({"run_id": "run-2", "local_month": month}, prefix)["form_number"] == f"{prefix}/{month}/000001"


def test_a_run_is_opened_once(ledger):
    with pytest.raises(LedgerError, match="Run run-1 is already in the ledger"):
        ledger.open_run(RUN, "CB")


def test_a_refused_run_takes_no_form_number(ledger):
    with pytest.raises(LedgerError):
        ledger.open_run(RUN, "CB")
    assert ledger.open_run({**RUN, "run_id": "run-2"}, "CB")["form_number"] == "CB/2026-11/000002"


def test_a_run_is_closed_once(ledger):
    ledger.close_run("run-1", {})
    with pytest.raises(LedgerError, match="Run run-1 is already closed"):
        ledger.close_run("run-1", {})


def test_an_unknown_run_cannot_be_closed(ledger):
    with pytest.raises(LedgerError, match="Run run-9 is not in the ledger"):
        ledger.close_run("run-9", {})


def test_a_run_carries_the_data_of_its_closing(ledger):
    ledger.close_run("run-1", {"overall": "success"})
    assert ledger.run("run-1") == {**RUN, "form_number": "CB/2026-11/000001", "seq": 1, "closed": {"run_id": "run-1", "overall": "success"}}


def test_a_run_that_is_not_closed_says_so(ledger):
    assert [run["closed"] for run in ledger.runs()] == [None]


def test_an_unknown_run_is_none(ledger):
    assert ledger.run("run-9") is None


# Records


def test_a_record_cannot_be_closed_twice(ledger):
    ledger.open_record(opened())
    ledger.close_record(closed(outcome="failed"))
    with pytest.raises(LedgerError, match="already closed"):
        ledger.close_record(closed())


def test_the_first_closing_of_a_record_stands(ledger):
    ledger.open_record(opened())
    ledger.close_record(closed(outcome="failed"))
    with pytest.raises(LedgerError):
        ledger.close_record(closed())
    assert [record["outcome"] for record in ledger.records()] == ["failed"]


def test_the_database_itself_refuses_a_second_closing(ledger, path):
    ledger.open_record(opened())
    ledger.close_record(closed())
    with pytest.raises(sqlite3.IntegrityError):
        tamper(path, "INSERT INTO entries (seq, body, hash) SELECT 99, body, hash FROM entries WHERE kind = 'record_closed'")


def test_an_unknown_record_cannot_be_closed(ledger):
    with pytest.raises(LedgerError, match="was never opened"):
        ledger.close_record(closed())


def test_a_record_is_opened_once(ledger):
    ledger.open_record(opened())
    with pytest.raises(LedgerError, match="is already in the ledger"):
        ledger.open_record(opened())


def test_a_record_of_an_unknown_run_cannot_be_opened(ledger):
    with pytest.raises(LedgerError, match="not in the ledger"):
        ledger.open_record(opened(run_id="run-9"))


def test_a_record_without_a_name_is_refused(ledger):
    with pytest.raises(LedgerError, match="no run_id or record_id"):
        ledger.open_record({"run_id": "run-1"})


@pytest.mark.parametrize("outcome", ["green", "", None])
def test_an_outcome_that_is_not_known_is_refused(ledger, outcome):
    ledger.open_record(opened())
    with pytest.raises(LedgerError, match="allowed: success, partial"):
        ledger.close_record(closed(outcome=outcome))


def test_a_refused_entry_leaves_the_chain_as_it_was(ledger):
    before = ledger.head()
    with pytest.raises(LedgerError):
        ledger.close_record(closed())
    assert ledger.head() == before


def test_a_ledger_of_the_first_schema_gets_what_the_second_has_on_top_and_nothing_else(ledger, path):
    ledger.close()
    tamper(path, *(f"DROP {'TRIGGER' if name == 'claim_known' else 'INDEX'} {name}" for name in ledger_schema._SINCE_2), "DROP TRIGGER never_update")
    tamper(path, "PRAGMA user_version = 1")
    with Ledger.open(path) as upgraded:
        (problem,) = upgraded.verify()
        assert (problem.what["code"], problem.what["params"]) == ("ledger_guard_missing", {"name": "never_update"})
        upgraded.open_record(opened())
        upgraded.claim_record(closed())


def test_a_claim_is_made_once_and_of_a_known_record_only(ledger):
    with pytest.raises(LedgerError, match="was never opened"):
        ledger.claim_record(closed())
    ledger.open_record(opened())
    ledger.claim_record(closed(snapshot_id="a"))
    with pytest.raises(LedgerError, match="already has a claim"):
        ledger.claim_record(closed())
    assert ledger.claims(ledger.open_records())["run-1:0001"]["snapshot_id"] == "a"
    assert ledger.record("run-1:0001")["outcome"] is None, "a claim closes nothing"
    assert ledger.claims([]) == {} and ledger.record("tidak-ada") is None


def test_the_newest_note_about_a_repository_is_found(ledger):
    for number, repository in enumerate(("primary", "offsite", "primary")):
        ledger.append("repository_listed", {"server": "srv-a", "repository": repository, "number": number})
    assert ledger.newest("repository_listed", "srv-a", "primary")["number"] == 2 and ledger.newest("repository_listed", "srv-a", "offsite")["number"] == 1
    assert ledger.newest("repository_listed", "srv-b") is None and ledger.newest("storage_measured", "srv-a") is None
    assert ledger.credential_version("srv-a") == 1
    ledger.append("credentials_rotated", {"server": "srv-a", "version": 2})
    assert (ledger.credential_version("srv-a"), ledger.credential_version("srv-b")) == (2, 1)


def test_open_records_are_found_by_the_host_that_has_to_do_the_work(ledger):
    ledger.open_record(opened(1, performed_on="srv-a"))
    ledger.open_record(opened(2, performed_on="cadangan"))
    assert [one["record_id"] for one in ledger.open_records("run-1", "cadangan")] == ["run-1:0002"]
    assert len(ledger.open_records()) == 2


def test_an_open_record_has_no_outcome(ledger):
    ledger.open_record(opened())
    (record,) = ledger.records()
    assert record == {**opened(), "outcome": None, "form_number": "CB/2026-11/000001", "opened_at": record["opened_at"], "recorded_at": None}


def test_a_closed_record_holds_the_fields_of_both_entries(ledger):
    ledger.open_record(opened())
    ledger.close_record(closed(exit_code=0))
    (record,) = ledger.records()
    times = {name: record[name] for name in ("opened_at", "recorded_at")}
    assert record == {**opened(), **closed(exit_code=0), "form_number": "CB/2026-11/000001", **times} and record["recorded_at"] >= record["opened_at"]


def test_records_come_in_the_order_of_opening(ledger):
    for number in (3, 1, 2):
        ledger.open_record(opened(number))
    ledger.close_record(closed(2))
    assert [record["record_id"][-1] for record in ledger.records()] == ["3", "1", "2"]


@pytest.mark.parametrize(
    ("filters", "numbers"),
    [
        ({"run_id": "run-2"}, [3]),
        ({"server": "srv-b"}, [2, 3]),
        ({"kind": "restore_test"}, [3]),
        ({"server": "srv-b", "kind": "backup"}, [2]),
        ({"since": "2026-11-22T00:00:00Z"}, [2, 3]),
        ({"since": "2026-11-22T07:00:00+07:00"}, [2, 3]),
        ({"server": "srv-c"}, []),
    ],
)
def test_records_are_chosen_by_run_server_kind_and_time(ledger, filters, numbers):
    ledger.open_run({**RUN, "run_id": "run-2"}, "CB")
    ledger.append("record_opened", opened(1), at="2026-11-21T23:59:59Z")
    ledger.append("record_opened", opened(2, server="srv-b"), at="2026-11-22T00:00:00Z")
    ledger.append("record_opened", opened(3, server="srv-b", run_id="run-2", kind="restore_test"), at="2026-11-23T00:00:00Z")
    assert [int(record["record_id"][-4:]) for record in ledger.records(**filters)] == numbers


def test_more_records_than_a_page_are_all_found(ledger, monkeypatch):
    monkeypatch.setattr("ansible_collections.sicekat.backup.plugins.plugin_utils.ledger._PAGE", 2)
    for number in range(5):
        ledger.open_record(opened(number))
    assert [record["record_id"][-1] for record in ledger.records()] == ["0", "1", "2", "3", "4"]


def test_records_can_be_closed_while_they_are_listed(ledger, monkeypatch):
    monkeypatch.setattr("ansible_collections.sicekat.backup.plugins.plugin_utils.ledger._PAGE", 1)
    for number in range(3):
        ledger.open_record(opened(number))
    for record in ledger.records():
        ledger.close_record({"record_id": record["record_id"], "outcome": "aborted"})
    assert ledger.open_records() == []


def test_open_records_are_those_without_a_closing(ledger):
    for number in (1, 2):
        ledger.open_record(opened(number))
    ledger.close_record(closed(1))
    assert [record["record_id"] for record in ledger.open_records()] == ["run-1:0002"]


def test_open_records_of_another_run_are_left_out(ledger):
    ledger.open_run({**RUN, "run_id": "run-2"}, "CB")
    ledger.open_record(opened(1))
    assert ledger.open_records("run-2") == []


# Pins and policies


def test_the_newest_pin_of_a_repository_wins(ledger):
    for identity in ("old", "new"):
        ledger.pin_repository({"server": "srv-a", "repository": "primary", "repository_id": identity, "url": "/srv/repo", "reason": "deployed"})
    assert ledger.pinned_repository("srv-a", "primary")["repository_id"] == "new"


def test_a_repository_that_was_never_deployed_has_no_pin(ledger):
    ledger.pin_repository({"server": "srv-a", "repository": "archive", "repository_id": "x", "url": "/srv/repo", "reason": "deployed"})
    assert ledger.pinned_repository("srv-a", "primary") is None


def test_an_unchanged_policy_is_stored_once(ledger):
    assert ledger.save_policy({"schema": 1}) == ledger.save_policy({"schema": 1})
    assert len(list(ledger.policies())) == 1


def test_a_policy_that_returns_to_an_earlier_one_is_stored_again(ledger):
    for language in ("id", "en", "id"):
        ledger.save_policy({"language": language})
    assert [entry.data["policy"]["language"] for entry in ledger.policies()] == ["id", "en", "id"]


# Entries that cannot be stored


@pytest.mark.parametrize("value", [1.5, float("nan"), float("inf"), "\udc80", {1: "a"}, b"bytes", {"deep": [{"er": 0.0}]}])
def test_what_has_no_canonical_form_is_refused(ledger, value):
    with pytest.raises(LedgerError, match="cannot be stored"):
        ledger.append("note", {"value": value})


def test_a_policy_without_canonical_form_is_refused(ledger):
    with pytest.raises(LedgerError, match=r"grace: 1\.5 is a float"):
        ledger.save_policy({"grace": 1.5})


def test_entries_cannot_be_changed(ledger, path):
    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        tamper(path, "UPDATE entries SET hash = 'x'")


def test_entries_cannot_be_removed(ledger, path):
    with pytest.raises(sqlite3.IntegrityError, match="never removed"):
        tamper(path, "DELETE FROM entries")


# Trouble


def test_a_full_disk_is_named_and_loses_nothing_that_was_written(ledger):
    before = ledger.head()
    pages = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
    ledger._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerError, match="no space left"):
        ledger.append("note", {"text": "x" * 100_000})
    assert (ledger.head(), ledger.verify()) == (before, [])


def test_a_ledger_that_stays_locked_is_named(path, monkeypatch):
    monkeypatch.setattr(ledger_schema, "BUSY_TIMEOUT_S", 0)
    with Ledger.open(path, create=True) as holder, Ledger.open(path) as other, holder._transaction(), pytest.raises(LedgerError, match="was locked by another"):
        other.append("note", {})


def test_a_read_only_ledger_is_named(ledger):
    ledger._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(LedgerError, match="is read-only"):
        ledger.append("note", {})


def test_another_thread_can_append(ledger):
    thread = threading.Thread(target=ledger.append, args=("note", {}))
    thread.start()
    thread.join()
    assert ledger.head()["seq"] == 2


def test_threads_that_append_at_once_keep_one_chain(ledger):
    threads = [threading.Thread(target=lambda: [ledger.append("note", {}) for _count in range(20)]) for _count in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (ledger.head()["seq"], ledger.verify()) == (81, [])


def _append_in_a_fork(ledger: Ledger, answers: multiprocessing.Queue) -> None:
    try:
        ledger.append("note", {})
    except LedgerError as error:
        answers.put(str(error))


def test_a_ledger_refuses_to_be_used_across_a_fork(ledger):
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=_append_in_a_fork, args=(ledger, answers))
    child.start()
    assert "opened by another process" in answers.get(timeout=20)
    child.join(timeout=20)


def test_every_refusal_of_the_database_has_a_text(path):
    codes = {f"ledger_{kind}_{verb}_twice" for kind, verb in itertools.product(("run", "record"), ("opened", "closed"))}
    assert codes <= ledger_schema.ledger_messages.LEDGER_MESSAGES.keys()


def tamper(path: Path, *statements: str) -> None:
    """Runs SQL on the file as somebody would who goes around the ledger."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for statement in statements:
            connection.execute(statement)
    finally:
        connection.close()


def test_the_newest_before_a_moment_is_given_for_each_cycle_apart(ledger):
    ledger.open_run({**RUN, "run_id": "lama"}, "CB")
    for number, cycle in enumerate(("daily", "weekly", "daily")):
        ledger.open_record(
            {"record_id": f"lama:{number}", "run_id": "lama", "kind": "backup", "server": "s", "dataset": "d", "cycle": cycle, "repository": "primary"}
        )
    assert [one["record_id"] for one in ledger.newest_before("2100-01-01T00:00:00Z")] == ["lama:1", "lama:2"]
    assert list(ledger.newest_before("2000-01-01T00:00:00Z")) == []
