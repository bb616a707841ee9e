# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hooks around a backup, as the inventory names them and as the records tell of them."""

from __future__ import annotations


def hooked(site, **stages: str) -> None:
    """Gives the site's data set one hook of shell text for each stage, each of which first says that it was there."""
    trace = site.root / "jejak"
    scripts = {stage: [["/bin/sh", "-c", f'echo "$SICEKAT_STAGE $SICEKAT_DATASET $SICEKAT_OUTCOME" >> {trace}; {text}']] for stage, text in stages.items()}
    site.dataset["hooks"] = {**scripts, "timeout": 2}


def trace(site) -> list[str]:
    return (site.root / "jejak").read_text(encoding="utf-8").splitlines()


def check(one: dict) -> str:
    return {check["check"]: check["result"] for check in one["verification"]["log_check"]["checks"]}["hooks"]


def test_hooks_frame_a_backup_and_the_record_keeps_what_they_said(any_site):
    hooked(any_site, before="echo layanan berhenti", after="echo layanan berjalan", on_failure="echo gagal")
    played = any_site.play("daily")
    assert played.code == 0, played.text
    backup = any_site.last()
    assert trace(any_site) == ["before dokumen ", "after dokumen success"]
    told = [(one["stage"], one["number"], one["exit_code"], one["output"], one["result"]) for one in backup["hooks"]]
    assert told == [("before", 1, 0, "layanan berhenti", "passed"), ("after", 1, 0, "layanan berjalan", "passed")]
    assert (backup["outcome"], check(backup)) == ("success", "passed")
    assert (backup["verification"]["log_check"]["result"]) == "passed"


def test_a_failed_hook_before_the_backup_stops_this_data_set_and_no_other(any_site):
    other = any_site.root / "lain"
    other.mkdir()
    (other / "surat").write_text("isi", encoding="utf-8")
    any_site.variables["backup_datasets"].append({"name": "lain", "kind": "files", "category": "penting", "paths": [str(other)]})
    hooked(any_site, before="echo tidak mau >&2; exit 7", after=":", on_failure="echo dilaporkan")
    played = any_site.play("daily")
    assert played.code != 0
    stopped, went_on = any_site.last(dataset="dokumen"), any_site.last(dataset="lain")
    assert (stopped["outcome"], stopped["cause"], stopped["snapshot_id"]) == ("failed", "hook", None)
    assert any_site.codes(stopped)[0] == "hook_before"
    assert trace(any_site) == ["before dokumen ", "after dokumen failed", "on_failure dokumen failed"]
    assert [(one["stage"], one["exit_code"], one["output"]) for one in stopped["hooks"]] == [
        ("before", 7, "tidak mau"), ("after", 0, ""), ("on_failure", 0, "dilaporkan"),
    ]  # fmt: skip
    assert went_on["outcome"] == "success"
    (page,) = [path.read_text(encoding="utf-8") for path in any_site.root.glob("state/checklists/*/*.html")]
    assert "tidak mau" in page and "Hook gagal" in page


def test_after_a_failed_backup_the_later_hooks_run(any_site):
    hooked(any_site, before=":", after=":", on_failure=":")
    any_site.dataset["sentinel"] = str(any_site.root / "tidak-terpasang")
    assert any_site.play("daily").code != 0
    assert any_site.last()["cause"] == "sentinel_missing"
    assert trace(any_site) == ["before dokumen ", "after dokumen failed", "on_failure dokumen failed"]


def test_a_failed_hook_after_a_good_backup_is_a_warning_that_nobody_overlooks(any_site):
    hooked(any_site, after="sleep 60")
    played = any_site.play("daily")
    assert played.code == 0, played.text
    backup = any_site.last()
    assert (backup["outcome"], any_site.codes(backup)) == ("success", ["hook_later_timeout"])
    assert (check(backup), backup["verification"]["log_check"]["result"]) == ("warning", "warning")
    assert [(one["exit_code"], one["result"]) for one in backup["hooks"]] == [(None, "failed")]
    (page,) = [path.read_text(encoding="utf-8") for path in any_site.root.glob("state/checklists/*/*.html")]
    assert "batas waktu terlampaui" in page
