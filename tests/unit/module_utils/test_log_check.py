# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of the automatic log check, with lines as restic 0.14.0 and 0.18.0 wrote them."""

from __future__ import annotations

import hashlib
import time

import pytest

from ansible_collections.sicekat.backup.plugins.module_utils import log_check, log_lines, messages, packing, record

SNAPSHOT = "8ab9d4ff1e64b18925e957f9348620b6f1b10f9840f4202a878a327ba4a7a2c5"
OLD = '{"message_type":"summary","files_new":3,"total_files_processed":3,"total_bytes_processed":6,"total_duration":0.21,"snapshot_id":"8ab9d4ff"}\n'
NEW = OLD.replace('"8ab9d4ff"', f'"{SNAPSHOT}"')
GIVEN = {
    "outcome": "success", "cause": None, "exit_code": 0, "error_count": 0, "snapshot_id": SNAPSHOT, "server": "srv", "dataset": "gaji",
    "dataset_kind": "files", "backup_type": "incremental", "rpo_s": 86400, "started_at": "2026-11-22T15:00:00Z",
    "files": {"total": 1000}, "data_size_bytes": 10**9, "duration_ms": 300_000, "newest_data_at": "2026-11-22T14:00:00Z", "log": {"sha256": "-"},
}  # fmt: skip
GOOD = {"backup_type": "incremental", "files": 1000, "bytes": 10**9, "rows": None, "duration_ms": 300_000, "newest_data_at": "2026-11-21T14:00:00Z"}


def judged(log=NEW, history=(), wants_newest=False, accepted_by=None, **given):
    verdict = log_check.judge({**GIVEN, **given}, log, history, wants_newest, accepted_by)
    assert all(messages.english(one) for one in verdict.messages) and (verdict.cause is None or verdict.cause in record.CAUSES)
    return verdict


def found(verdict, name):
    return next((one for one in verdict.log_check["checks"] if one["check"] == name), {"result": None})


@pytest.mark.parametrize("log", [OLD, NEW])
def test_a_clean_log_passes_and_names_its_rule_set(log):
    verdict = judged(log)
    assert (verdict.log_check["ruleset"], verdict.log_check["result"], verdict.outcome) == (log_check.RULESET, "passed", None)


def test_without_a_log_nothing_is_passed():
    verdict = judged(None)
    assert (verdict.log_check["result"], verdict.outcome, verdict.cause) == ("failed", "failed", "no_evidence")


@pytest.mark.parametrize("outcome", ["failed", "aborted"])
def test_a_failure_keeps_its_own_cause_and_is_never_passed_without_a_log(outcome):
    verdict = judged(None, outcome=outcome)
    assert (verdict.log_check["result"], verdict.outcome, verdict.messages) == ("failed", None, [])


def test_a_log_is_whole_only_with_the_digest_of_its_record():
    given = {"log": {"sha256": hashlib.sha256(NEW.encode()).hexdigest()}}
    assert log_lines.is_whole(NEW, given)
    assert not any(log_lines.is_whole(log, one) for log, one in ((NEW[:-1], given), (NEW + "\n", given), (None, given), (NEW, {"log": None}), (NEW, {})))


LINES = [
    ("partial", "Warning: at least one source file could not be read"),
    ("partial", '{"message_type":"exit_error","code":3,"message":"Warning: at least one source file could not be read"}'),
    ("item", '{"message_type":"error","error":{"Op":"open","Path":"src/bad","Err":3},"during":"archival","item":"/src/bad"}'),
    ("item", '{"message_type":"error","error":{"message":"/src/bad: open src/bad: no such process"},"during":"archival","item":"/src/bad"}'),
    ("error", "missing does not exist, skipping"),
    ("error", '{"message_type":"exit_error","code":1,"message":"Fatal: unable to save snapshot: failed to save /a.zip: Fatal: command failed"}'),
    ("error", "Fatal: wrong password or no key found"),
    ("error", "signal interrupt received, cleaning up"),
    ("error", "panic: runtime error: index out of range"),
    ("warning", "unable to open cache: mkdir /proc/x: no such file or directory"),
    ("warning", "subprocess sh: warn"),
    ("warning", "Load(<index/8a331fe4c0>, 0, 0) returned error, retrying after 1s: invalid data returned"),
    ("harmless", 'Save(<data/b1d4b0c934>) returned error, retrying after 552.330144ms: client.Post: Post "http://127.0.0.1:8555/repo/data/b1": refused'),
    ("harmless", "Save(<data/2f7e3706cf>) operation successful after 1 retries"),
    ("harmless", "repo already locked, waiting up to 5m0s for the lock"),
    ("harmless", '{"message_type":"status","percent_done":1}'),
    ("harmless", ""),
    ("summary", NEW[:-1]),
    ("unknown", "something that no version said before"),
    ("unknown", '{"message_type":"of_the_future"}'),
    ("unknown", '{"message_type":["error"]}'),
    ("unknown", "[" * 200_000),
    ("unknown", '{"a":' * 200_000),
]


@pytest.mark.parametrize(("meaning", "line"), LINES, ids=lambda value: value[:30])
def test_each_line_has_a_meaning(meaning, line):
    assert [name for name, lines in log_lines.meanings(line).items() if lines] == [meaning]


@pytest.mark.parametrize(
    ("meaning", "result", "outcome", "cause"),
    [
        ("harmless", "passed", None, None),
        ("warning", "warning", None, None),
        ("unknown", "warning", None, None),
        ("item", "failed", "partial", "source_unreadable"),
        ("partial", "failed", "partial", "source_unreadable"),
        ("error", "failed", "failed", "no_evidence"),
    ],
)
def test_a_success_becomes_what_the_lines_of_its_log_say(meaning, result, outcome, cause):
    for line in (line for name, line in LINES if name == meaning):
        verdict = judged(NEW + line + "\n")
        assert (verdict.log_check["result"], verdict.outcome, verdict.cause) == (result, outcome, cause), line
        assert bool(verdict.warnings) == (meaning in ("warning", "unknown"))


@pytest.mark.parametrize(
    ("given", "outcome"), [({"exit_code": 1}, "failed"), ({"exit_code": None}, "failed"), ({"exit_code": 3}, "partial"), ({"error_count": 2}, "partial")]
)
def test_an_exit_code_or_errors_make_a_claimed_success_less(given, outcome):
    verdict = judged(**given)
    assert (verdict.log_check["result"], verdict.outcome) == ("failed", outcome)


def test_a_partial_backup_stays_one():
    verdict = judged(NEW + LINES[2][1] + "\n" + LINES[0][1], outcome="partial", cause="source_unreadable", exit_code=3, error_count=1)
    assert (verdict.log_check["result"], verdict.outcome, verdict.messages) == ("failed", None, [])


@pytest.mark.parametrize("log", ["", NEW + NEW, NEW.replace("8ab9d4ff", "9ab9d4ff"), NEW.replace(SNAPSHOT, ""), NEW.replace(SNAPSHOT, "8")])
def test_the_log_tells_of_exactly_the_snapshot_of_its_record(log):
    verdict = judged(log)
    assert (found(verdict, "summary")["result"], verdict.outcome, verdict.cause) == ("failed", "failed", "no_evidence")


def runs(count, **fields):
    return [{**GOOD, **{key: value(number) if callable(value) else value for key, value in fields.items()}} for number in range(count)]


def swinging(middle, by):
    """Values around a middle whose MAD is `by`."""
    return lambda number: middle + (-by, 0, by)[number % 3]


@pytest.mark.parametrize(
    ("history", "files", "result"),
    [
        # Without history nothing is compared, and with less than three good runs only a loss of half is remarkable.
        ([], 1000, "none"),
        (runs(2), 501, "passed"),
        (runs(2), 499, "warning"),
        (runs(1), 100_000, "passed"),
        # MAD 0: a tenth of the median.
        (runs(3), 1100, "passed"),
        (runs(3), 1101, "warning"),
        (runs(30), 899, "warning"),
        # Small numbers jump.
        (runs(5, files=20), 30, "passed"),
        (runs(5, files=20), 31, "warning"),
        (runs(5, files=20), 9, "warning"),
        # M13: six times 1.4826 * MAD, here 6 * 1.4826 * 50 = 444.78.
        (runs(30, files=swinging(1000, 50)), 1444, "passed"),
        (runs(30, files=swinging(1000, 50)), 1445, "warning"),
        (runs(30, files=swinging(1000, 50)), 555, "warning"),
        # Only the last 30 count.
        (runs(30, files=10) + runs(30), 1000, "passed"),
        (runs(3), None, "warning"),
    ],
)
def test_files_are_held_against_the_good_runs(history, files, result):
    verdict = judged(history=history, files={"total": files})
    assert found(verdict, "files")["result"] == result and verdict.outcome is None


def test_a_backup_of_files_that_shrinks_is_a_warning_and_no_failure():
    verdict = judged(history=runs(10), data_size_bytes=10, files={"total": 1})
    assert (verdict.log_check["result"], verdict.outcome, verdict.messages) == ("warning", None, [])
    assert found(verdict, "bytes") == {"check": "bytes", "result": "warning", "found": 10, "expected": 10**9}


def test_snapshots_of_another_type_serve_until_there_are_enough_of_the_same():
    assert found(judged(history=runs(5), backup_type="full", files={"total": 400}), "files")["result"] == "warning"
    both = [*runs(5), *runs(3, backup_type="full", files=400)]
    assert found(judged(history=both, backup_type="full", files={"total": 400}), "files")["result"] == "passed"


@pytest.mark.parametrize("kind", log_check.DUMPS)
@pytest.mark.parametrize(("given", "code"), [({"data_size_bytes": 49_999}, "implausible_bytes"), ({"database": {"rows": 499}}, "implausible_rows")])
def test_a_dump_below_half_of_its_history_is_implausible(kind, given, code):
    history = runs(3, bytes=100_000, rows=1000)
    base = {"dataset_kind": kind, "data_size_bytes": 100_000, "database": {"rows": 1000}}
    assert judged(history=history, **base).log_check["result"] == "passed"
    verdict = judged(history=history, **{**base, **given})
    assert (verdict.log_check["result"], verdict.outcome, verdict.cause, [one["code"] for one in verdict.messages]) == (
        "failed",
        "failed",
        "implausible",
        [code],
    )
    assert "srv/gaji" in messages.english(verdict.messages[0])
    assert (judged(history=history[:2], **{**base, **given}).outcome, judged(history=history[:2], **{**base, **given}).log_check["result"]) == (None, "warning")


def test_an_implausible_dump_is_also_no_partial_one():
    assert judged(history=runs(3), outcome="partial", dataset_kind="command", data_size_bytes=1).cause == "implausible"


def test_a_dump_without_its_rows_is_a_warning():
    assert found(judged(history=runs(3, rows=5), dataset_kind="mysql"), "rows")["result"] == "warning"
    assert found(judged(history=runs(3)), "rows")["result"] is None


def test_an_accepted_change_is_a_warning_with_the_name_of_who_accepted_it():
    verdict = judged(history=runs(3), dataset_kind="mysql", data_size_bytes=1, accepted_by="sari")
    assert (verdict.log_check["result"], verdict.outcome) == ("warning", None)
    assert (found(verdict, "bytes")["result"], found(verdict, "bytes")["accepted_by"]) == ("warning", "sari")
    assert [one["code"] for one in verdict.messages] == ["change_accepted"] and "sari" in messages.english(verdict.messages[0])
    assert "accepted_by" not in found(verdict, "files")


@pytest.mark.parametrize(("log", "given"), [(None, {}), ("", {}), (NEW, {"exit_code": 1}), (NEW + "Fatal: x\n", {})])
def test_nobody_can_accept_missing_evidence(log, given):
    assert judged(log, history=runs(3), accepted_by="sari", **given).outcome == "failed"


@pytest.mark.parametrize(
    ("newest", "wants", "kind", "history", "result"),
    [
        ("2026-11-22T14:00:00Z", False, "files", [], "none"),
        ("2026-11-21T14:00:00Z", False, "files", runs(1), "passed"),
        ("2026-11-21T13:59:59Z", False, "files", runs(1), "warning"),
        (None, False, "files", runs(1), "warning"),
        (None, False, "files", [], None),
        (None, True, "mariadb", [], "warning"),
        ("2026-11-21T15:00:00Z", True, "mariadb", [], "passed"),
        ("2026-11-21T14:59:59Z", True, "mariadb", [], "warning"),
        ("2026-11-21T14:59:59Z", False, "mariadb", [], "none"),
        ("2026-11-21T14:59:59Z", True, "mariadb", runs(1), "warning"),
    ],
)
def test_newest_data_never_go_back_and_meet_the_objective(newest, wants, kind, history, result):
    verdict = judged(history=history, wants_newest=wants, newest_data_at=newest, dataset_kind=kind)
    assert found(verdict, "newest_data")["result"] == result


@pytest.mark.parametrize(
    ("history", "minutes", "result"),
    [
        (runs(2), 50, "none"),
        (runs(3, backup_type="full"), 50, "none"),
        (runs(3), 7.5, "passed"),
        (runs(3), 7.6, "warning"),
        (runs(3), 0.1, "passed"),
        # Up to a minute more is never remarkable.
        (runs(3, duration_ms=2000), 1, "passed"),
        (runs(3, duration_ms=2000), 1.1, "warning"),
        # Beyond half more, but within 6 * 1.4826 * 60 s.
        (runs(30, duration_ms=swinging(300_000, 60_000)), 13, "passed"),
        (runs(30, duration_ms=swinging(300_000, 60_000)), 14, "warning"),
    ],
)
def test_a_duration_is_remarkable_beyond_half_more_and_the_usual_spread(history, minutes, result):
    assert found(judged(history=history, duration_ms=int(minutes * 60_000)), "duration")["result"] == result


def test_a_packed_log_is_the_same_text_and_nothing_else_is_read():
    text = NEW + "caf\udce9 ☐\n"
    assert packing.unpack_text(packing.pack_text(text)) == text
    packed = packing.pack(b"x" * 1000)
    assert packing.unpack(packed, 1000) == b"x" * 1000
    for wrong, most in ((packed, 999), (packed[:-8], 1000), ("x", 1000), ("", 1000), ("é", 1000)):
        with pytest.raises(ValueError, match=r"."):
            packing.unpack(wrong, most)


def test_a_hostile_log_of_the_full_size_takes_no_noticeable_time():
    evil = ["Save(" * 800, "Load(x) returned error, retrying after " * 100, '{"message_type":"error","error":' + "[" * 900, "incomplete metadata for " * 160]
    log = NEW + "".join(line + "\n" for line in evil * 260)
    log = log[: packing.LOG_MOST]
    started = time.process_time()
    judged(log)
    assert time.process_time() - started < 2
