# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Questions to an SQLite database, at backup time and of a restored copy."""

from __future__ import annotations

import contextlib
import sqlite3
import time

import pytest

from ansible_collections.sicekat.backup.plugins.module_utils.sources import sqlite as sqlite_source
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import Copy, SourceError
from ansible_collections.sicekat.backup.plugins.module_utils.sources.kinds import source_for
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import Workspace

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


class Clock:
    def phase(self, _name):
        return contextlib.nullcontext()


@pytest.fixture
def made(tmp_path):
    """Gives a function that backs a small database up and returns (source, function that proves the copy with other keys)."""
    path = tmp_path / "arsip.sqlite3"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE surat (nomor TEXT, waktu TEXT)")
        connection.executemany("INSERT INTO surat VALUES (?, ?)", [("A-1", "2025-11-20T01:00:00Z"), ("A-2", "2025-11-22T08:26:40Z")])
    workspace = Workspace(str(tmp_path / "server"))
    workspace.make()

    def back_up(**keys):
        dataset = {"name": "arsip", "kind": "sqlite", "path": str(path)}
        source = source_for({**dataset, **keys}, workspace)
        source.prepare()

        def prove(evidence=None, **others):
            copy = Copy("", source.paths(), evidence or source.evidence(), None, Clock(), workspace)
            return source_for({**dataset, **others}, workspace).prove(copy)

        return source, prove

    return back_up


def asked(query, timeout_s=60, **wanted):
    return {"assertions": [{"name": "surat", "query": query, "timeout_s": timeout_s, **wanted}]}


def test_a_copy_is_sound_with_the_rows_of_backup_time(made):
    source, prove = made()
    finding = prove()
    assert (finding.state, finding.rows, finding.assertions) == ("sound", 2, [])
    assert source.evidence() == {"tables": {"surat": 2}, "rows": 2}
    assert prove({"tables": {"surat": 3}, "rows": 3}).state == "damaged"


@pytest.mark.parametrize(
    ("question", "found", "result"),
    [
        (asked("SELECT count(*) FROM surat", equals=2), "2", "passed"),
        (asked("SELECT count(*) FROM surat", min=3), "2", "failed"),
        (asked("SELECT nomor FROM surat ORDER BY nomor DESC", equals="A-2"), "A-2", "passed"),
        (asked("SELECT nomor FROM surat WHERE nomor = 'B'", equals="A-2"), "", "failed"),
        (asked("SELECT NULL", min=0), "", "failed"),
        (asked("SELECT * FROM tidak_ada", min=0), "no such table: tidak_ada", "failed"),
        (asked("DELETE FROM surat", min=0), "attempt to write a readonly database", "failed"),
        (asked("SELECT 1; SELECT 2", min=0), "You can only execute one statement at a time.", "failed"),
    ],
)
def test_a_question_passes_only_with_the_wanted_answer(made, question, found, result):
    _source, prove = made()
    finding = prove(**question)
    assert finding.state == "sound"
    assert [(one["found"], one["result"]) for one in finding.assertions] == [(found, result)]


def test_a_query_that_never_ends_is_ended(made):
    _source, prove = made()
    began = time.monotonic()
    finding = prove(**asked(ENDLESS, timeout_s=1, min=0))
    assert time.monotonic() - began < 5
    assert (finding.assertions[0]["found"], finding.assertions[0]["result"]) == ("no answer within 1 s", "failed")


def test_the_newest_data_are_what_the_query_says(made):
    assert made(newest_data="SELECT max(waktu) FROM surat")[0].newest_ns() == 1763800000 * 10**9
    assert made(newest_data="SELECT max(waktu) FROM surat WHERE 0")[0].newest_ns() is None
    assert made()[0].newest_ns() > 1763800000 * 10**9


@pytest.mark.parametrize("query", ["SELECT max(nomor) FROM surat", "SELECT max(waktu) FROM tidak_ada", ENDLESS])
def test_a_query_for_the_newest_data_that_gives_no_time_stops_the_backup(made, monkeypatch, query):
    monkeypatch.setattr(sqlite_source, "_QUERY_S", 1)
    with pytest.raises(SourceError) as refused:
        made(newest_data=query)
    assert (refused.value.cause, refused.value.message["code"]) == ("source_invalid", "database_query")
