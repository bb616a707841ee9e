# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.sicekat.backup.plugins.module_utils import assertions


def judged(found, **wanted):
    return assertions.judge({"name": "pegawai", "query": "SELECT count(*) FROM pegawai", **wanted}, found)


@pytest.mark.parametrize(
    ("wanted", "found", "result"),
    [
        ({"equals": 5}, "5", "passed"),
        ({"equals": 5}, "5.00", "passed"),
        ({"equals": 5}, "50", "failed"),
        ({"equals": 5}, "lima", "failed"),
        ({"equals": "aktif"}, "aktif", "passed"),
        ({"equals": "aktif"}, "aktif ", "failed"),
        ({"equals": "5"}, "5.0", "failed"),
        ({"equals": ""}, "", "passed"),
        ({"equals": ""}, None, "failed"),
        ({"equals": 0}, None, "failed"),
        ({"min": 3000}, "3000", "passed"),
        ({"min": 3000}, "2999.999", "failed"),
        ({"min": 1, "max": 10}, "10", "passed"),
        ({"min": 1, "max": 10}, "11", "failed"),
        ({"max": 0}, "-1", "passed"),
        ({"max": 0}, "", "failed"),
        ({"min": 0}, None, "failed"),
        ({"min": 0}, "NaN", "failed"),
        ({"min": 0}, "Infinity", "failed"),
        ({"min": 0}, "1e400000000", "failed"),
        ({"min": 0}, "\u0663", "failed"),
        ({"min": 9007199254740993}, "9007199254740992", "failed"),
        ({}, "5", "failed"),
    ],
)  # fmt: skip
def test_only_a_found_value_that_is_wanted_passes(wanted, found, result):
    assert judged(found, **wanted)["result"] == result


def test_an_entry_names_the_question_what_was_wanted_and_what_was_found():
    assert judged("4", min=5, max=7) == {
        "name": "pegawai", "query": "SELECT count(*) FROM pegawai", "wanted": ">= 5, <= 7", "found": "4", "result": "failed",
    }  # fmt: skip
    assert judged("4", equals=4)["wanted"] == "= 4"


def test_a_query_without_an_answer_has_failed_and_says_why():
    entry = assertions.failed({"name": "n", "query": "q", "max": 9}, "no answer within 60 s")
    assert (entry["found"], entry["result"]) == ("no answer within 60 s", "failed")


@given(st.text(), st.text())
def test_an_entry_is_printable_and_bounded(name, found):
    entry = assertions.judge({"name": name * 50, "query": name, "equals": found}, found * 50)
    assert all(len(value) <= 500 for value in entry.values())
    assert "\n" not in "".join(entry.values()) and "\x1b" not in "".join(entry.values())


def test_two_long_texts_that_differ_at_their_ends_are_not_equal():
    assert judged("x" * 1000 + "a", equals="x" * 1000 + "b")["result"] == "failed"


def test_the_failed_ones_are_named_in_one_text():
    assert assertions.problem([judged("5", equals=5)]) == ""
    assert assertions.problem([judged("5", equals=5), judged("4", equals=5), judged("", min=1)]) == 'pegawai: 4, wanted = 5; pegawai: "", wanted >= 1'


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1763800000", 1763800000 * 10**9),
        ("1763800000.5\n", 1763800000 * 10**9 + 5 * 10**8),
        ("2025-11-22 08:26:40+00", 1763800000 * 10**9),
        ("2025-11-22 15:26:40.123456+07:00", 1763800000 * 10**9 + 123456000),
        ("2025-11-22T08:26:40Z", 1763800000 * 10**9),
        ("2025-11-22 13:56:40.25+0530", 1763800000 * 10**9 + 25 * 10**7),
    ],
)
def test_the_time_of_the_newest_data_is_read_in_each_usual_form(text, nanoseconds):
    assert assertions.moment_ns(text) == nanoseconds


def test_a_time_without_zone_is_the_servers_own(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Jakarta")
    time.tzset()
    try:
        assert assertions.moment_ns("2025-11-22 15:26:40") == 1763800000 * 10**9
        assert assertions.moment_ns("2025-11-22") == (1763800000 - 15 * 3600 - 26 * 60 - 40) * 10**9
    finally:
        monkeypatch.undo()
        os.environ.pop("TZ", None)
        time.tzset()


@pytest.mark.parametrize("text", ["", "NULL", "kemarin", "2025-13-01", "-5", "2025-11-22 25:00:00", "22/11/2025"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match=r"not a time|does not match|must be in"):
        assertions.moment_ns(text)
