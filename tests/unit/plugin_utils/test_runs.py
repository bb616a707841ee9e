# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sweeping up after runs: what is dead is closed as aborted, once, and what lives is left alone."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys

import pytest

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import processes, runs
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger, LedgerError

NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "ledger.sqlite3", create=True) as ledger:
        yield ledger


def open_run(ledger: Ledger, name: str, process: dict) -> None:
    ledger.open_run({"run_id": name, "local_month": "2026-11", "process": process, "expected": 1, "left_out": [], "opened_at": record.to_text(NOW)}, "CB")
    ledger.open_record({"record_id": f"{name}:1", "run_id": name, "kind": "backup", "server": "srv", "dataset": "d"})


def ended_process() -> dict:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        identity = processes.identify(child.pid)
        assert not processes.is_dead(identity)
    return identity


def test_a_dead_run_is_closed_as_aborted_and_a_living_one_is_left_alone(ledger):
    open_run(ledger, "mati", ended_process())
    open_run(ledger, "hidup", processes.identify(os.getpid()))
    assert runs.sweep(ledger, NOW) == 1
    assert {one["record_id"]: one["outcome"] for one in ledger.records()} == {"mati:1": "aborted", "hidup:1": None}
    assert [run["run_id"] for run in ledger.runs() if run["closed"]] == ["mati"] and runs.sweep(ledger, NOW) == 0


def test_a_run_of_another_control_node_is_not_called_dead():
    assert not processes.is_dead({**ended_process(), "node": "mesin-lain"})


def test_a_process_id_that_was_given_away_again_does_not_keep_a_run_alive():
    assert processes.is_dead({**processes.identify(os.getpid()), "start": 1})


def test_another_sweep_that_was_quicker_is_no_failure(ledger, monkeypatch):
    open_run(ledger, "mati", ended_process())
    seen = ledger.open_records()
    assert runs.sweep(ledger, NOW) == 1
    monkeypatch.setattr(ledger, "open_records", lambda: seen)  # what a second playbook had read before
    assert runs.sweep(ledger, NOW) == 0


def test_what_a_server_may_still_be_doing_is_left_open_for_a_week(ledger):
    open_run(ledger, "mati", ended_process())
    ledger.dispatch_job("mati", "pekerjaan", "srv", ["mati:1"])
    assert runs.sweep(ledger, NOW) == 0 and runs.awaited(ledger, ledger.open_records()) == {"mati:1": "job"}
    assert [one["job"] for one in runs.outstanding(ledger, {"srv"}, NOW)] == ["pekerjaan"] and runs.outstanding(ledger, {"lain"}, NOW) == []
    assert runs.sweep(ledger, NOW + runs.PATIENCE + datetime.timedelta(hours=1)) == 1
    assert (ledger.record("mati:1")["outcome"], ledger.record("mati:1")["messages"][0]["code"]) == ("unreachable", "never_collected")
    assert runs.outstanding(ledger, {"srv"}, NOW) == []


def test_a_claim_waits_for_its_repository_server_and_never_becomes_a_success_by_itself(ledger):
    open_run(ledger, "mati", ended_process())
    ledger.dispatch_job("mati", "pekerjaan", "srv", ["mati:1"])
    ledger.claim_record({"record_id": "mati:1", "outcome": "success", "snapshot_id": "a" * 64})
    assert runs.sweep(ledger, NOW) == 0 and runs.awaited(ledger, ledger.open_records()) == {"mati:1": "claim"}
    assert runs.outstanding(ledger, {"srv"}, NOW) == []
    runs.sweep(ledger, NOW + runs.PATIENCE + datetime.timedelta(hours=1))
    assert (ledger.record("mati:1")["outcome"], ledger.record("mati:1")["cause"]) == ("failed", "no_evidence")


def test_a_run_of_a_control_node_that_is_gone_is_swept_when_it_is_older_than_any_run(ledger):
    open_run(ledger, "asing", {**ended_process(), "node": "wadah-lama"})
    assert runs.sweep(ledger, NOW + datetime.timedelta(hours=19)) == 0
    assert runs.sweep(ledger, NOW + datetime.timedelta(hours=21)) == 1 and ledger.record("asing:1")["outcome"] == "aborted"


@pytest.mark.parametrize("record_id", ["../../x:1", "/etc/x:1", "a:b", "a:1/../b", "a", "", "a:1\n"])
def test_no_manifest_is_kept_outside_its_directory(record_id):
    with pytest.raises(ValueError, match=r".*"):
        runs.manifest_path("/state", record_id)


def test_the_jobs_of_a_living_run_are_its_own(ledger):
    open_run(ledger, "hidup", processes.identify(os.getpid()))
    ledger.dispatch_job("hidup", "pekerjaan", "srv", ["hidup:1"])
    assert runs.outstanding(ledger, {"srv"}, NOW) == []


def test_any_other_refusal_of_the_ledger_is_told(ledger):
    with pytest.raises(LedgerError):
        runs.unless_written(ledger.close_record, runs.abandoned("tak-dikenal:1", "aborted", "interrupted"))
