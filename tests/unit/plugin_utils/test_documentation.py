# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents follow the ledger: also where a record was closed after its run was, and only then are they made again."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import documentation
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger

SERVER = {"datasets": [{"name": "dokumen", "category": "penting"}], "repositories": {"primary": {}}, "integrity_read": "full"}
POLICY = {
    "timezone": "UTC",
    "language": "id",
    "agency": {},
    "team": {},
    "categories": {"penting": {"rto_s": None, "rpo_s": None}},
    "cycles": dict.fromkeys(("daily", "weekly", "monthly", "restore_test")),
    "servers": {"srv": SERVER, "srv2": SERVER},
    "repository_servers": {},
}
NOW = record.utc_now()


def ago(days: int, hours: int = 0) -> str:
    return record.to_text(NOW - datetime.timedelta(days=days) + datetime.timedelta(hours=hours))


class Site:
    """A ledger in a state directory, and runs of two servers."""

    def __init__(self, ledger: Ledger, state_dir: Path) -> None:
        self.ledger = ledger
        self.state_dir = state_dir
        self.digest = ledger.save_policy(POLICY)

    def run(self, name: str, days_ago: int, period: str | None = None, left_out: tuple = (), **outcomes: str | None) -> None:
        """Writes a run with a record for each server, closed with its outcome."""
        times = dict.fromkeys(("scheduled_start", "window_start", "window_end", "due_at"), ago(days_ago))
        run = {
            "run_id": name, "cycle": "daily", "period": period or name, "opened_at": ago(days_ago), "local_month": "2026-11", "policy_digest": self.digest,
            "expected": len(outcomes), "left_out": left_out, "actor": "a", "control_node": "c", "collection_version": "0", "ansible_version": "2",
            "selection": {"limit": None, "tags": [], "skip_tags": [], "start_at_task": None}, **times,
        }  # fmt: skip
        self.ledger.open_run(run, "CB")
        for server in outcomes:
            opened = {
                "record_id": f"{name}:{server}", "run_id": name, "kind": "backup", "cycle": "daily", "period": run["period"], "server": server,
                "dataset": "dokumen", "repository": "primary", "category": "penting", **times,
            }  # fmt: skip
            self.ledger.append("record_opened", opened, at=ago(days_ago))
        for server, outcome in outcomes.items():
            if outcome:
                self.close(name, server, outcome, ago(days_ago, 1))
        counts = {"open": sum(outcome is None for outcome in outcomes.values()), "expected": len(outcomes), "not_covered": 0, "success": 1}
        closing = {"run_id": name, "closed_at": ago(days_ago, 2), "ledger": self.ledger.head(), "overall": "incomplete", "counts": counts}
        self.ledger.append("run_closed", closing, at=ago(days_ago, 2))

    def close(self, run: str, server: str, outcome: str, at: str, **fields: str) -> None:
        closed = {
            "record_id": f"{run}:{server}", "outcome": outcome, "started_at": at, "finished_at": at,
            "verification": {"log_check": {"result": "passed", "checks": []}}, **fields,
        }  # fmt: skip
        self.ledger.append("record_closed", closed, at=at)

    def index(self, complete: bool = False) -> dict[str, dict]:
        archive = documentation.Archive(self.ledger, self.state_dir, complete=complete)
        index, _path = archive.write_index(POLICY, self.digest, NOW)
        return {one["period"]: one for one in index["checklists"]}

    def checklist(self, name: str) -> dict:
        (path,) = (self.state_dir / "checklists" / name).glob("*.json")
        return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A site whose PDFs are empty: how they look is tested elsewhere, and each costs a second."""
    monkeypatch.setattr(documentation.documents.pdf, "render", lambda _html: b"%PDF-")
    with Ledger.open(tmp_path / "ledger.sqlite3", create=True) as ledger:
        yield Site(ledger, tmp_path)


def test_a_record_that_is_collected_the_next_day_renews_the_checklist_and_the_index(site):
    site.run("first", 2, srv="success", srv2=None)
    assert site.index()["first"]["overall"] == "incomplete"
    before = site.checklist("first")
    assert (before["counts"]["open"], before["overall"]) == (1, "incomplete")
    site.close("first", "srv2", "success", ago(1), collected_at=ago(1))
    site.run("second", 1, srv="success", srv2="success")
    listed = site.index()["first"]
    assert (listed["overall"], listed["counts"]["success"], listed["counts"]["open"]) == ("success", 2, 0)
    after = site.checklist("first")
    assert (after["overall"], after["counts"]) == (listed["overall"], listed["counts"])
    second = next(run for run in site.ledger.runs() if run["run_id"] == "second")
    assert after["ledger"] == second["closed"]["ledger"] != before["ledger"]
    html = next((site.state_dir / "checklists" / "first").glob("*.html")).read_text(encoding="utf-8")
    assert "diambil kemudian" in html and "Form ini dibuat ulang" in html


def test_a_checklist_is_made_again_only_where_the_ledger_says_something_new(site, monkeypatch):
    site.run("moved", 2, srv="success", srv2=None)
    site.run("settled", 1, srv="success", srv2="success")
    site.index()
    written = []
    monkeypatch.setattr(documentation.documents, "write_checklist", lambda checklist, _directory: written.append(checklist["period"]))
    site.index()
    assert written == []
    site.close("moved", "srv2", "failed", ago(0))
    site.index()
    assert written == ["moved"]


def test_report_and_gate_write_the_same_checklist(site):
    site.run("first", 3, srv="success", srv2=None)
    site.close("first", "srv2", "aborted", ago(2))
    site.run("second", 1, srv="success", srv2="success")
    site.index()
    gate = site.checklist("first")
    archive = documentation.Archive(site.ledger, site.state_dir, complete=True)
    assert archive.checklist(archive.runs[0]) == gate


def test_a_run_that_was_swept_is_listed_by_its_records_and_any_other_as_it_was_closed(site, monkeypatch):
    site.run("only", 2, srv="success", srv2="success")
    site.index()
    assert site.index()["only"]["overall"] == "incomplete"
    swept = [{**run, "closed": {**run["closed"], "swept": True}} for run in site.ledger.runs()]
    monkeypatch.setattr(site.ledger, "runs", lambda: swept)
    assert site.index()["only"]["overall"] == "success"


def test_a_run_older_than_what_the_gate_reads_is_counted_by_all_its_records_and_not_made_again(site):
    site.run("old", 200, srv="success", srv2=None)
    site.close("old", "srv2", "success", ago(199), collected_at=ago(199))
    site.run("new", 1, srv="success", srv2="success")
    listed = site.index()["old"]
    assert (listed["overall"], listed["counts"]["success"]) == ("success", 2)
    assert not (site.state_dir / "checklists" / "old").exists()
    assert site.index(complete=True)["old"] == listed
    assert site.checklist("old")["counts"] == listed["counts"]


def test_what_an_earlier_run_of_the_period_proved_is_not_without_evidence(site):
    site.run("first", 3, period="same", srv="success")
    site.run("second", 2, period="same", left_out=("srv", "srv2"), srv3="success")
    archive = documentation.Archive(site.ledger, site.state_dir, complete=True)
    assert archive.checklist(archive.runs[1])["not_covered"] == [{"server": "srv2", "dataset": "dokumen", "kind": "backup", "repository": "primary"}]


def test_listings_and_measurements_are_the_newest_of_what_is_in_the_policy(site):
    policy = {**POLICY, "repository_servers": {"vault": {}, "never": {}}}
    for count in (1, 2):
        site.ledger.append("repository_listed", {"server": "srv", "repository": "primary", "count": count})
        site.ledger.append("storage_measured", {"server": "vault", "free_bytes": count})
    site.ledger.append("repository_listed", {"server": "gone", "repository": "primary", "count": 3})
    site.ledger.append("repository_listed", {"server": "srv", "repository": "archive", "count": 3})
    site.ledger.append("storage_measured", {"server": "gone", "free_bytes": 3})
    assert [one["count"] for one in documentation.listings(site.ledger, policy)] == [2]
    assert [(one["free_bytes"], "at" in one) for one in documentation.measurements(site.ledger, policy)] == [(2, True)]
