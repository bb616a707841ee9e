# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.sicekat.backup.plugins.module_utils import manifest, proof, record


@given(st.binary())
def test_what_is_printable_has_no_control_character_and_is_text(name):
    shown = record.printable(name)
    shown.encode("utf-8")
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]", shown)


@given(st.text(st.characters(codec="utf-8")))
def test_what_go_shows_of_valid_text_is_that_text(name):
    assert manifest.engine_text(name.encode()) == name


def test_each_byte_that_is_not_utf8_is_shown_as_one_replacement_character():
    assert manifest.engine_text(b"a\xff\xfe\xe9b") == "a\ufffd\ufffd\ufffdb"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T07:00:00.000000001+07:00", 1),
        ("1970-01-01T00:00:00.5Z", 500_000_000),
        ("1969-12-31T19:00:00.013756479-05:00", 13_756_479),
    ],
)
def test_restic_times_are_read_to_the_nanosecond(text, expected):
    assert proof.nanoseconds(text) == expected


@given(st.datetimes(timezones=st.just(datetime.UTC)))
def test_times_survive_being_written(moment):
    whole = moment.replace(year=2000 + moment.year % 100, day=1, microsecond=0)
    assert record.from_text(record.to_text(whole)) == whole


def test_a_text_that_is_no_time_is_refused():
    with pytest.raises(ValueError, match="not an RFC 3339 time"):
        record.from_text("2026-11-22 10:00")
