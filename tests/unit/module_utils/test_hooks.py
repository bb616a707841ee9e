# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

from ansible_collections.sicekat.backup.plugins.module_utils import hooks
from ansible_collections.sicekat.backup.plugins.module_utils.messages import english


def run(stage, *commands, outcome="", timeout_s=10):
    argv = [["/bin/sh", "-c", command] for command in commands]
    return hooks.run({"name": "arsip", "hooks": {stage: argv, "timeout_s": timeout_s}}, stage, outcome)


def test_a_data_set_without_hooks_has_none_to_run():
    assert hooks.run({"name": "arsip"}, "before") == ([], None)
    assert hooks.run({"name": "arsip", "hooks": {"after": [["/bin/false"]], "timeout_s": 5}}, "before") == ([], None)


def test_hooks_run_in_their_order_and_are_told_what_they_run_for(tmp_path):
    entries, problem = run(
        "after", f"echo satu >> {tmp_path}/urutan", f'echo "$SICEKAT_DATASET $SICEKAT_STAGE $SICEKAT_OUTCOME" >> {tmp_path}/urutan', outcome="failed"
    )
    assert problem is None
    assert [(one["number"], one["exit_code"], one["result"]) for one in entries] == [(1, 0, "passed"), (2, 0, "passed")]
    assert (tmp_path / "urutan").read_text() == "satu\narsip after failed\n"


def test_an_argument_that_no_process_can_have_is_a_failed_hook():
    entries, problem = run("before", "echo a\0b")
    assert [(one["exit_code"], one["output"]) for one in entries] == [(126, "embedded null byte")] and problem["code"] == "hook_before"


def test_the_first_failed_hook_before_a_backup_is_the_last_one(tmp_path):
    entries, problem = run("before", "echo layanan tidak berhenti >&2; exit 3", f"touch {tmp_path}/kedua")
    assert [one["exit_code"] for one in entries] == [3]
    assert entries[0]["output"] == "layanan tidak berhenti"
    assert not (tmp_path / "kedua").exists()
    assert problem["code"] == "hook_before"
    assert "exit code 3" in english(problem)


def test_after_a_backup_each_hook_has_its_turn_and_the_first_failure_is_told(tmp_path):
    entries, problem = run("after", "exit 4", f"touch {tmp_path}/kedua", "exit 5")
    assert [one["exit_code"] for one in entries] == [4, 0, 5]
    assert (tmp_path / "kedua").exists()
    assert problem["code"] == "hook_later"
    assert (problem["params"]["number"], problem["params"]["exit_code"]) == (1, 4)


def test_a_hook_that_never_ends_is_ended_with_its_children(tmp_path):
    began = time.monotonic()
    entries, problem = run("before", f"echo mulai; (sleep 3; touch {tmp_path}/anak) & sleep 60", timeout_s=1)
    assert time.monotonic() - began < 10
    assert (entries[0]["exit_code"], entries[0]["result"], entries[0]["output"]) == (None, "failed", "mulai")
    assert problem["code"] == "hook_before_timeout"
    assert "1 seconds" in english(problem)
    time.sleep(3)
    assert not (tmp_path / "anak").exists()


def test_a_service_that_a_hook_starts_lives_on_and_is_not_waited_for(tmp_path):
    began = time.monotonic()
    entries, problem = run("after", f"(sleep 2; touch {tmp_path}/layanan) & exit 0", timeout_s=30)
    assert (entries[0]["exit_code"], problem) == (0, None)
    assert time.monotonic() - began < 1.5
    time.sleep(3)
    assert (tmp_path / "layanan").exists()


def test_a_program_that_is_not_there_has_failed():
    entries, problem = hooks.run({"name": "arsip", "hooks": {"before": [["/tidak/ada"]], "timeout_s": 5}}, "before")
    assert (entries[0]["exit_code"], entries[0]["result"]) == (127, "failed")
    assert problem["code"] == "hook_before"


def test_the_record_keeps_the_printable_end_and_no_argument():
    entries, _problem = run("before", "head -c 100000 /dev/zero | tr '\\0' x; printf '\\033[31m\\377\\nselesai\\n'; : rahasia")
    output = entries[0]["output"]
    assert len(output) == 2000
    assert output.endswith("\nselesai")
    assert "\x1b" not in output
    assert "rahasia" not in str(entries)
