# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cycles as they should go, with both engines."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PERSONS = ("-e", "restore_requester=Sri", "-e", "restore_approver=Budi", "-e", "restore_reason=latihan")


def test_an_office_is_backed_up_by_every_cycle_and_proved_by_a_restore_test(site, office):
    made = site.root / "kantor"
    office.make(made, files=300)
    database = made / "basisdata" / "arsip.sqlite3"
    site.variables["backup_repositories"]["archive"] = {"url": str(site.root / "repositories" / "archive"), "location": "Brankas"}
    site.variables["backup_datasets"] = [
        {"name": "dokumen", "kind": "files", "category": "penting", "paths": [str(made / "dokumen")]},
        {"name": "arsip", "kind": "sqlite", "category": "penting", "path": str(database)},
    ]
    site.deployed()
    assert "changed=0" in site.play("site").text
    with subprocess.Popen([sys.executable, str(ROOT / "tests/fixtures/office.py"), "write", str(made), "--seconds", "60"]) as writer:
        try:
            for cycle in ("daily", "weekly", "monthly", "restore_test"):
                done = site.play(cycle)
                assert done.code == 0, done.text
        finally:
            writer.kill()
    records = site.records()
    assert [one["outcome"] for one in records] == ["success"] * len(records)
    assert [one["kind"] for one in records] == ["backup"] * 2 + ["backup"] * 2 + ["integrity_check"] + ["backup"] * 2 + ["copy"] * 2 + ["integrity_check"] + [
        "restore_test"
    ] * 2
    daily, monthly, tested, database_tested = records[0], records[5], records[-2], records[-1]
    assert daily["files"]["total"] >= 300 and daily["data_size_bytes"] > 0 and daily["newest_data_at"] and len(daily["snapshot_id"]) == 64
    copied = site.last(kind="copy", dataset="dokumen")
    assert [place["repository"] for one in (monthly, copied) for place in one["storage_locations"]] == ["primary", "archive"]
    assert copied["copy"]["source_snapshot_id"] == monthly["snapshot_id"] and copied["copy"]["verified"]["canary"] == "found"
    assert tested["restore"]["files"]["restored"] == tested["restore"]["files"]["expected"] > 300
    assert tested["restore"]["canary"] == "found" and tested["restore"]["sample"]["equal"] == 100 and tested["restore"]["rto_met"] is True
    assert database_tested["restore"]["database"] == "sound" and monthly["verification"]["log_check"]["result"] == "passed"
    assert not list((site.root / "server" / "scratch").iterdir())
    assert site.status()["dokumen"]["state"] == "green"
    for checklist in site.checklists():
        assert checklist["overall"] == "success" and checklist["counts"]["success"] == checklist["counts"]["expected"] > 0
    assert len(list(site.root.glob("state/checklists/*/*.pdf"))) == 4
    assert (site.root / "state/reports/index.html").is_file()


def test_a_second_daily_run_adds_only_what_changed(any_site):
    assert any_site.play("daily").code == 0
    (any_site.data / "baru.txt").write_text("baru", encoding="utf-8")
    assert any_site.play("daily").code == 0
    first, second = any_site.records()
    assert (second["files"]["new"], second["files"]["changed"], second["files"]["total"]) == (1, 0, 21)
    assert second["parent_snapshot_id"] == first["snapshot_id"]


def test_a_weekly_run_reads_every_file_again(any_site):
    assert any_site.play("daily").code == 0
    assert any_site.play("weekly").code == 0
    weekly = any_site.last(cycle="weekly", kind="backup")
    assert weekly["files"]["unmodified"] == 0 and weekly["files"]["total"] == 20
    assert any_site.last(kind="integrity_check")["integrity"]["packs_read"] > 0


def test_a_restore_brings_the_files_back_and_refuses_a_directory_that_is_not_empty(site):
    assert site.play("daily").code == 0
    target = site.root / "pemulihan"
    done = site.play("restore", *PERSONS, "-e", f"restore_target={target}")
    assert done.code == 0, done.text
    assert (target / str(site.data).lstrip("/") / "surat 07.txt").read_bytes() == (site.data / "surat 07.txt").read_bytes()
    again = site.play("restore", *PERSONS, "-e", f"restore_target={target}")
    assert again.code != 0 and site.codes(site.last(kind="restore")) == ["target_not_empty"]


def test_a_restore_of_an_older_snapshot_takes_that_one(any_site):
    assert any_site.play("daily").code == 0
    first = any_site.last()
    (any_site.data / "surat 00.txt").write_text("ditimpa", encoding="utf-8")
    assert any_site.play("daily").code == 0
    target = any_site.root / "pemulihan"
    assert any_site.play("restore", *PERSONS, "-e", f"restore_target={target}", "-e", f"restore_snapshot={first['snapshot_id'][:12]}").code == 0
    assert (target / str(any_site.data).lstrip("/") / "surat 00.txt").read_text(encoding="utf-8") == "isi surat 0\n"


def test_check_mode_changes_nothing_and_finds_a_missing_source(bare_site, any_site):
    done = bare_site.play("site", "--check")
    assert done.code == 0 and not bare_site.primary.exists() and not (bare_site.root / "state").exists(), done.text
    assert any_site.play("daily", "--check").code == 0 and any_site.records() == []
    any_site.dataset["paths"] = [str(any_site.root / "tidak-ada")]
    done = any_site.play("daily", "--check")
    assert "tidak-ada" in done.text and done.code != 0 and any_site.records() == []


def test_documents_are_rendered_again_from_the_ledger_alone(any_site):
    assert any_site.play("daily").code == 0
    (path,) = any_site.root.glob("state/checklists/*/*.json")
    before = json.loads(path.read_text(encoding="utf-8"))
    for name in ("json", "html", "pdf"):
        path.with_suffix(f".{name}").unlink()
    assert any_site.play("report").code == 0
    assert json.loads(path.read_text(encoding="utf-8")) == before and path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")


def test_english_documents_on_request(any_site):
    any_site.variables["backup_language"] = "en"
    assert any_site.play("daily").code == 0
    (path,) = any_site.root.glob("state/checklists/*/*.html")
    assert "Server name" in path.read_text(encoding="utf-8")


def test_a_database_is_copied_whole_while_it_is_written_to(any_site):
    path = any_site.root / "arsip.sqlite3"
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("CREATE TABLE surat (nomor INTEGER PRIMARY KEY, perihal TEXT)")
    writer.executemany("INSERT INTO surat (perihal) VALUES (?)", [("undangan",)] * 500)
    any_site.variables["backup_datasets"] = [{"name": "arsip", "kind": "sqlite", "category": "penting", "path": str(path)}]
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO surat (perihal) VALUES ('belum selesai')")
    assert any_site.play("daily").code == 0
    writer.execute("COMMIT")
    writer.close()
    assert any_site.last()["database"] == {"tables": {"surat": 500}, "rows": 500}
    assert any_site.play("restore_test").code == 0 and any_site.last()["restore"]["database"] == "sound"
