# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The automatic log check: what the control node makes of the log and the figures that a server gives."""

from __future__ import annotations

import base64
import contextlib
import getpass
import json
import shutil
import sqlite3
import stat
import zlib

import pytest

from tests.integration.test_modules import call


def checks(one: dict) -> dict[str, dict]:
    return {check["check"]: check for check in one["verification"]["log_check"]["checks"]}


def played(site, *arguments: str, playbook: str = "daily", code: int = 0):
    done = site.play(playbook, *arguments)
    assert (done.code != 0) == bool(code), done.text
    return done


def html(site) -> str:
    return max(site.root.glob("state/checklists/*/*.html"), key=lambda path: path.stat().st_mtime_ns).read_text(encoding="utf-8")


def test_a_backup_is_judged_by_the_rule_set_and_its_log_is_kept(site):
    played(site)
    one = site.last()
    check = one["verification"]["log_check"]
    assert (check["ruleset"], check["result"]) == ("1", "passed")
    assert {name: found["result"] for name, found in checks(one).items()} == {
        **dict.fromkeys(
            ("log", "exit_code", "streams", "summary", "source_errors", "source_warnings", "not_empty", "canary", "listed_in_repository"), "passed"
        ),
        **dict.fromkeys(("files", "bytes", "newest_data", "duration"), "none"),
    }
    (log,) = site.root.glob("state/logs/*.log")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600 and '"message_type":"summary"' in log.read_text(encoding="utf-8")
    record = {key: one[key] for key in ("outcome", "exit_code", "error_count", "snapshot_id", "log", "files", "data_size_bytes", "duration_ms")}
    alone = call("log_check", record=record, log=log.read_text(encoding="utf-8"))
    assert (alone["log_check"]["result"], alone["outcome"], alone["messages"]) == ("passed", None, [])
    assert call("log_check", record=record, log=log.read_text(encoding="utf-8") + "\n")["cause"] == "no_evidence"


def left_on_the_server(site):
    """Backs up without a recorder, so that the next run collects the result; returns the path of this result."""
    done = site.play("daily", ANSIBLE_CALLBACKS_ENABLED="ansible.posix.timer")
    assert done.code != 0 and site.last()["outcome"] is None, done.text
    (stored,) = (site.root / "server" / "jobs").glob("*.json")
    return stored


def text_of(packed: str) -> str:
    return zlib.decompress(base64.b64decode(packed)).decode()


def packed(text: str) -> str:
    return base64.b64encode(zlib.compress(text.encode())).decode()


def test_a_log_that_is_missing_cut_or_altered_is_no_evidence_also_where_it_is_collected_later(any_site):
    stored = left_on_the_server(any_site)
    answer, ledger = stored.read_text(encoding="utf-8"), any_site.root / "state" / "ledger.sqlite3"
    kept = shutil.copy(ledger, any_site.root / "kept")
    (record_id,) = json.loads(answer)["result"]["logs"]
    for tamper, outcome in (
        (lambda log: log, "success"),
        (lambda log: packed(text_of(log)[:-2]), "failed"),
        (lambda log: packed(text_of(log).replace('"dirs_changed":0', '"dirs_changed":1')), "failed"),
        (lambda _log: None, "failed"),
    ):
        shutil.copy(kept, ledger)
        shutil.rmtree(any_site.root / "state" / "logs", ignore_errors=True)
        changed = json.loads(answer)
        changed["result"]["logs"][record_id] = tamper(changed["result"]["logs"][record_id])
        stored.write_text(json.dumps(changed), encoding="utf-8")
        played(any_site)
        collected, own = any_site.records()
        assert (collected["record_id"], collected["outcome"], own["outcome"]) == (record_id, outcome, "success") and collected["collected_at"]
        is_kept = (any_site.root / "state" / "logs" / f"{record_id.replace(':', '-')}.log").exists()
        if outcome == "failed":
            assert (collected["cause"], any_site.codes(collected)) == ("no_evidence", ["no_evidence_log"]) and not is_kept
            assert collected["verification"]["log_check"]["result"] == checks(collected)["log"]["result"] == "failed"
        else:
            assert collected["verification"]["log_check"]["result"] == "passed" and is_kept


def test_what_restic_never_said_before_needs_attention(any_site):
    wrapper = any_site.root / "restic"
    wrapper.write_text(f'#!/bin/sh\ncase "$*" in *" backup "*) echo "aneh <sekali>" >&2;; esac\nexec {any_site.variables["backup_restic"]} "$@"\n')
    wrapper.chmod(0o755)
    any_site.variables["backup_restic"] = str(wrapper)
    done = played(any_site)
    one = any_site.last()
    assert (one["outcome"], one["verification"]["log_check"]["result"], checks(one)["streams"]["found"]) == ("success", "warning", "aneh <sekali>")
    assert one["warnings"] == ["aneh <sekali>"] and "perlu perhatian" in done.text and "aneh &lt;sekali&gt;" in html(any_site)


def test_files_that_shrink_need_attention_until_a_run_is_as_usual(any_site):
    for number in range(80):
        (any_site.data / f"lama {number}.txt").write_text("isi", encoding="utf-8")
    for _count in range(3):
        played(any_site)
    assert any_site.last()["verification"]["log_check"]["result"] == "passed"
    played(any_site, playbook="restore_test")
    for path in any_site.data.glob("lama*"):
        path.unlink()
    done = played(any_site)
    one = any_site.last()
    assert (one["outcome"], one["verification"]["log_check"]["result"]) == ("success", "warning")
    assert checks(one)["files"] == {"check": "files", "result": "warning", "found": 20, "expected": 100} and "perlu perhatian" in done.text
    page = html(any_site)
    assert "Perlu perhatian" in page and "ditemukan: 20" in page and "kumpulan aturan 1" in page
    found = any_site.status()["dokumen"]
    assert "status_log_check" in [reason["code"] for reason in found["reasons"]] and found["state"] != "green"


def fill(path, rows: int) -> None:
    path.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE pegawai (nama TEXT)")
        connection.executemany("INSERT INTO pegawai VALUES (?)", ((f"pegawai {number}" * 20,) for number in range(rows)))
        connection.commit()


@pytest.fixture
def payroll(any_site):
    """A site whose data set is a database with three good backups of 1000 rows, and with retention."""
    database = any_site.root / "gaji.db"
    any_site.variables["backup_datasets"] = [{"name": "gaji", "kind": "sqlite", "category": "penting", "path": str(database)}]
    any_site.variables["backup_categories"]["penting"]["retention"] = {"daily": 2}
    fill(database, 1000)
    for _count in range(3):
        played(any_site)
    return any_site, database


def test_a_dump_that_shrinks_is_no_success_keeps_retention_away_and_can_be_accepted_by_a_person(payroll):
    site, database = payroll
    fill(database, 400)
    played(site, playbook="weekly", code=1)
    shrunk, retention = site.last(kind="backup"), site.last(kind="retention")
    assert (shrunk["outcome"], shrunk["cause"], shrunk["verification"]["log_check"]["result"]) == ("failed", "implausible", "failed")
    assert site.codes(shrunk) == ["implausible_bytes", "implausible_rows"] and checks(shrunk)["rows"]["found"] == 400
    assert (retention["cause"], site.codes(retention), retention["retention"]["removed"]) == ("retention_refused", ["retention_no_success"], [])
    assert site.status()["gaji"]["state"] == "red"

    before = len(site.records())
    for wrong in ("gaji", '{"backup_accept_change": ["srv-satu/gaji", "srv-dua/gaji"]}'):
        done = played(site, "-e", wrong if wrong.startswith("{") else f"backup_accept_change={wrong}", code=1)
        assert "backup_accept_change" in done.text and "srv-satu/gaji" in done.text and len(site.records()) == before
    site.variables["backup_accept_change"] = "srv-satu/gaji"
    played(site, code=1)
    assert len(site.records()) == before
    del site.variables["backup_accept_change"]

    played(site, "-e", "backup_accept_change=srv-satu/gaji", playbook="weekly", code=1)  # retention still looks at the size by itself
    accepted = site.last(kind="backup")
    assert (accepted["outcome"], accepted["verification"]["log_check"]["result"]) == ("success", "warning")
    assert checks(accepted)["rows"] == {"check": "rows", "result": "warning", "found": 400, "expected": 1000, "accepted_by": getpass.getuser()}
    assert site.codes(accepted) == ["change_accepted", "change_accepted"] and f"diterima oleh {getpass.getuser()}" in html(site)
    assert site.codes(site.last(kind="retention")) == ["retention_shrunk_bytes"]
    with site.ledger() as ledger:
        assert ledger.run(accepted["run_id"])["accept_change"] == ["srv-satu/gaji"]
    played(site)
    assert site.last(kind="backup")["verification"]["log_check"]["result"] == "passed"
