# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The control node's log check of what a host answers: the history that it is held against, and the verdict that replaces the host's."""

from __future__ import annotations

import hashlib
import stat

import pytest

from ansible_collections.sicekat.backup.plugins.module_utils import packing
from ansible_collections.sicekat.backup.plugins.plugin_utils import confirming, log_checking, runs
from ansible_collections.sicekat.backup.plugins.plugin_utils.documents import page, view

from . import sample_checklists as samples

LOG = '{"message_type":"summary","snapshot_id":"8ab9d4ff"}\n'
OPENED = {
    "record_id": "run:0002", "run_id": "run", "kind": "backup", "server": "srv", "dataset": "gaji", "dataset_kind": "sqlite", "backup_type": "incremental",
    "rpo_s": None, "opened_at": "2026-11-22T15:00:00Z", "outcome": None,
}  # fmt: skip
GOOD = {
    **OPENED, "record_id": "run:0001", "outcome": "success", "files": {"total": 1}, "data_size_bytes": 10**6, "duration_ms": 900,
    "newest_data_at": None, "database": {"tables": {"a": 100}, "rows": 100},
}  # fmt: skip


class Book:
    """A ledger of one run and some backups, opened in their order."""

    def __init__(self, *backups, **run):
        self.backups = backups
        self.reads = 0
        self._run = {"actor": "sari", **run}

    def run(self, _run_id):
        return self._run

    def records(self, **_filters):
        self.reads += 1
        return iter(self.backups)


def closed(log=LOG, result="passed", **fields):
    return {
        "record_id": "run:0002", "outcome": "success", "cause": None, "messages": [], "error_count": 0, "warning_count": 0, "exit_code": 0,
        "snapshot_id": "8ab9d4ff" + "0" * 56, "files": {"total": 1}, "data_size_bytes": 10**6, "duration_ms": 900, "newest_data_at": None,
        "database": {"tables": {"a": 100}, "rows": 100}, "log": {"sha256": hashlib.sha256(log.encode()).hexdigest(), "lines": 1, "excerpt": ""},
        "verification": {"log_check": {"result": result, "checks": [{"check": "canary", "result": "passed"}]}}, **fields,
    }  # fmt: skip


def checked(tmp_path, book, given, logs=None):
    logs = {"run:0002": packing.pack_text(LOG)} if logs is None else logs
    return log_checking.Checker(book, str(tmp_path), logs).checked(OPENED, given, False)


def test_the_verdict_replaces_the_hosts_and_the_log_is_kept_for_its_owner_alone(tmp_path):
    found = checked(tmp_path, Book(), closed(result="none"))
    check = found["verification"]["log_check"]
    assert (found["outcome"], check["ruleset"], check["result"]) == ("success", "1", "passed")
    assert check["checks"][-1] == {"check": "canary", "result": "passed"}
    path = runs.log_path(str(tmp_path), "run:0002")
    assert path.read_text() == LOG and stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "logs",
    [
        {},
        [],
        "x",
        7,
        {"run:0002": None},
        {"run:0002": 7},
        {"run:0002": "x"},
        {"run:0001": packing.pack_text(LOG)},
        {"run:0002": packing.pack_text(LOG[:-1])},
        {"run:0002": packing.pack_text("x" * (packing.LOG_MOST + 1))},
    ],
)
@pytest.mark.parametrize("outcome", ["success", "partial"])
def test_a_backup_without_its_whole_log_is_a_failure(tmp_path, logs, outcome):
    found = checked(tmp_path, Book(), closed(outcome=outcome), logs)
    assert (found["outcome"], found["cause"], found["error_count"], found["verification"]["log_check"]["result"]) == ("failed", "no_evidence", 1, "failed")
    assert not (tmp_path / "logs").exists()


def test_a_log_that_is_longer_than_is_read_proves_nothing_even_with_its_digest(tmp_path):
    long = LOG + "\n" * packing.LOG_MOST
    found = checked(tmp_path, Book(), closed(log=long), {"run:0002": packing.pack_text(long)})
    assert (found["outcome"], found["cause"]) == ("failed", "no_evidence")


def test_a_record_that_names_no_log_is_a_failure(tmp_path):
    assert checked(tmp_path, Book(), closed(log=LOG) | {"log": None})["cause"] == "no_evidence"


def test_what_a_host_says_failed_stays_failed(tmp_path):
    found = checked(tmp_path, Book(), closed(result="failed"))
    assert (found["outcome"], found["cause"], found["verification"]["log_check"]["result"]) == ("failed", "no_evidence", "failed")
    failed = closed(outcome="failed", cause="source_missing")
    assert (checked(tmp_path, Book(), failed)["cause"], checked(tmp_path, Book(), failed, {})["cause"]) == ("source_missing", "source_missing")
    refused = closed(outcome="failed", cause="network", result="passed") | {"log": None}
    assert checked(tmp_path, Book(), refused)["verification"]["log_check"]["result"] == "failed"
    assert checked(tmp_path, Book(), {**refused, "verification": {"log_check": {"result": "none", "checks": []}}})["cause"] == "network"


def test_a_host_does_not_say_what_only_the_repository_server_can(tmp_path):
    told = {
        "log_check": {"result": "passed", "checks": [{"check": "confirmed_by_repository_server", "result": "passed"}, {"check": "bytes", "result": "passed"}]}
    }
    names = [one["check"] for one in checked(tmp_path, Book(), closed(verification=told))["verification"]["log_check"]["checks"]]
    assert "confirmed_by_repository_server" not in names and names.count("bytes") == 1


@pytest.mark.parametrize(("hostname", "result"), [("srv", "passed"), ("lain", "failed")])
def test_the_word_of_the_repository_server_is_added_to_the_verdict(tmp_path, hostname, result):
    claim = checked(tmp_path, Book(), closed())
    snapshot = {"id": claim["snapshot_id"], "hostname": hostname, "time": "2026-11-22T15:00:01Z", "tags": ["dataset=gaji", "record=run:0002"]}
    opened = {**OPENED, "recorded_at": "2026-11-22T15:05:00Z"}
    check = confirming.confirmed(opened, claim, {"snapshots": [snapshot]})["verification"]["log_check"]
    assert (check["ruleset"], check["result"]) == ("1", result)
    assert check["checks"] == [*claim["verification"]["log_check"]["checks"], {"check": "confirmed_by_repository_server", "result": result}]


def test_the_ledger_is_read_once_for_all_records_of_a_host(tmp_path):
    book = Book(GOOD)
    checker = log_checking.Checker(book, str(tmp_path), {})
    for _count in range(3):
        checker.checked(OPENED, closed(), False)
    assert book.reads == 1


def test_only_the_newest_logs_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(log_checking, "_LOGS_KEPT", 2)
    for number in range(4):
        log_checking._keep(str(tmp_path), f"2026112{number}T000000Z-a:0001", LOG)
    (tmp_path / "logs" / ".new-x").touch()  # another process is writing it
    log_checking._keep(str(tmp_path), "20261124T000000Z-a:0001", LOG)
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == [".new-x", "20261123T000000Z-a-0001.log", "20261124T000000Z-a-0001.log"]


def history(*backups):
    return [one["files"] for one in log_checking.history([*backups], OPENED)]


def numbered(number, **fields):
    return {**GOOD, "record_id": f"run:1{number}", "files": {"total": number}, **fields}


def test_history_is_of_the_good_backups_of_the_same_data_set_before_it():
    others = [numbered(2, dataset="x"), numbered(3, outcome="failed"), numbered(4, outcome=None), numbered(5, outcome="partial")]
    assert history(numbered(1), *others, numbered(6), {**OPENED}, numbered(7)) == [1, 6]


def test_an_accepted_change_or_another_kind_of_data_begins_a_new_history():
    accepted = {"log_check": {"result": "warning", "checks": [{"check": "bytes", "result": "warning", "accepted_by": "sari"}]}}
    assert history(numbered(1), numbered(2, verification=accepted), numbered(3)) == [2, 3]
    assert history(numbered(1), numbered(2, dataset_kind="files"), numbered(3)) == [3]


def test_an_accepted_change_is_one_that_was_named_in_the_run_of_the_record(tmp_path):
    past = [{**GOOD, "record_id": f"run:1{number}"} for number in range(3)]
    small = closed(data_size_bytes=10)
    assert checked(tmp_path, Book(*past), small)["cause"] == "implausible"
    assert checked(tmp_path, Book(*past, accept_change=["srv/other"]), small)["cause"] == "implausible"
    found = checked(tmp_path, Book(*past, accept_change=["srv/gaji"]), small)
    assert (found["outcome"], found["verification"]["log_check"]["result"], found["messages"][0]["params"]["actor"]) == ("success", "warning", "sari")


OWING = [("srv", "backup", "gaji", "primary"), ("srv", "backup", "surat", "primary"), ("srv", "copy", "arsip", "offsite")]


@pytest.mark.parametrize(
    ("given", "names", "unknown"),
    [
        ("srv/gaji", ["srv/gaji"], []),
        (" srv/gaji, srv/surat\n", ["srv/gaji", "srv/surat"], []),
        (["srv/surat", "srv/surat"], ["srv/surat"], []),
        ("srv/arsip", ["srv/arsip"], ["srv/arsip"]),
        (["srv/gaji", 7], ["7", "srv/gaji"], ["7"]),
        ({"srv": "gaji"}, ["{'srv': 'gaji'}"], ["{'srv': 'gaji'}"]),
        (True, ["True"], ["True"]),
    ],
)
def test_accepted_names_are_backups_of_this_run(given, names, unknown):
    assert log_checking.accepted_changes(given, OWING) == (names, unknown, ["srv/gaji", "srv/surat"])


def test_a_warning_stands_in_the_row_and_in_the_details(tmp_path):
    past = [{**GOOD, "record_id": f"run:1{number}"} for number in range(3)]
    found = checked(tmp_path, Book(*past, accept_change=["srv/gaji"]), closed(data_size_bytes=10, messages=[]))
    doubts = log_checking.doubts({**OPENED, **found})
    assert doubts == [{"check": "bytes", "found": 10, "expected": 10**6}]
    row = samples.closed(verification={**samples.closed()["verification"], **found["verification"]}, messages=[], errors=[], warnings=[])
    html = page.checklist(samples.checklist([row], "success", drill=None))
    assert "Perlu perhatian" in html and "976,6 KiB" in html and "diterima oleh sari" in html and "kumpulan aturan 1" in html


def test_a_data_set_in_doubt_lets_the_index_need_attention():
    assert view.index_state(samples.green_index(status=[samples.status("srv-a", "d", "green"), samples.status("srv-b", "d", "attention")])) == "attention"
    unknown = [samples.status("srv-a", "d", "unknown"), samples.status("srv-b", "d", "attention")]
    assert view.index_state(samples.green_index(status=unknown)) == "unknown"
    assert "Perlu perhatian" in page.index(samples.green_index(status=unknown))


def test_what_the_programs_of_a_source_said_stays_and_a_person_has_to_look(tmp_path):
    said = {"result": "warning", "checks": [{"check": "source_warnings", "result": "warning"}]}
    log = LOG + "aneh\n"
    given = closed(log, warnings=["pg_dump: hati-hati", "aneh"], verification={"log_check": said})
    found = checked(tmp_path, Book(), given, {"run:0002": packing.pack_text(log)})
    assert (found["outcome"], found["warnings"]) == ("success", ["aneh", "pg_dump: hati-hati"])
    plain = checked(tmp_path, Book(), closed(warnings=["pg_dump: hati-hati"], verification={"log_check": said}))
    assert plain["verification"]["log_check"]["result"] == "warning" and plain["warnings"] == ["pg_dump: hati-hati"]
    assert {"check": "source_warnings", "found": "-", "expected": "-"} in log_checking.doubts({**OPENED, **plain})
