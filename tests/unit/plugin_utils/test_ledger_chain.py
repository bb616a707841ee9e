# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the hash chain shows: tampering, two writers at once, a writer that is killed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from ansible_collections.sicekat.backup.plugins.plugin_utils import ledger_messages, ledger_schema
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger

GUARDS = ("never_update", "never_delete")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with five entries, closed."""
    path = tmp_path / "ledger.sqlite3"
    with Ledger.open(path, create=True) as ledger:
        for number in range(1, 6):
            ledger.append("note", {"number": number}, at="2026-11-22T00:00:00Z")
    return path


def tamper(path: Path, statement: str, values: tuple = ()) -> None:
    """Changes the file as somebody would who goes around the ledger, and puts its guards back afterwards."""
    connection = sqlite3.connect(path, isolation_level=None)
    for guard in GUARDS:
        connection.execute(f"DROP TRIGGER {guard}")
    connection.execute(statement, values)
    for guard in GUARDS:
        connection.execute(ledger_schema.STATEMENTS[guard])
    connection.close()


def found(path: Path) -> list[tuple[int, str]]:
    with Ledger.open(path) as ledger:
        return [(seq, what["code"]) for seq, what in ledger.verify()]


def rewritten(path: Path, entry: int, /, **changes: object) -> tuple[str, str]:
    """Returns the body and the right hash of an entry with some of its fields changed."""
    connection = sqlite3.connect(path)
    (body,) = connection.execute("SELECT body FROM entries WHERE seq = ?", (entry,)).fetchone()
    connection.close()
    body = json.dumps({**json.loads(body), **changes}, sort_keys=True, separators=(",", ":"))
    return body, hashlib.sha256(body.encode()).hexdigest()


def test_an_untouched_ledger_is_sound(path):
    assert found(path) == []


def test_an_empty_ledger_is_sound(tmp_path):
    Ledger.open(tmp_path / "empty.sqlite3", create=True).close()
    assert found(tmp_path / "empty.sqlite3") == []


def test_each_entry_names_the_hash_of_the_one_before(path):
    connection = sqlite3.connect(path)
    entries = connection.execute("SELECT body, hash FROM entries ORDER BY seq").fetchall()
    connection.close()
    assert [json.loads(body)["prev"] for body, _hash in entries] == ["0" * 64, *(digest for _body, digest in entries[:-1])]


def test_a_hash_is_the_sha256_of_the_stored_bytes(path):
    connection = sqlite3.connect(path)
    body, digest = connection.execute("SELECT CAST(body AS BLOB), hash FROM entries WHERE seq = 3").fetchone()
    connection.close()
    assert hashlib.sha256(body).hexdigest() == digest


def test_a_changed_body_is_found(path):
    tamper(path, """UPDATE entries SET body = replace(body, '"number":3', '"number":4') WHERE seq = 3""")
    assert found(path) == [(3, "ledger_entry_altered")]


def test_a_body_that_is_no_longer_json_is_found(path):
    path.write_bytes(path.read_bytes().replace(b'"number":3', b'"number"!3'))
    assert (3, "ledger_entry_altered") in found(path)


def test_a_body_that_was_changed_with_its_hash_is_found_at_the_next_entry(path):
    body, digest = rewritten(path, 3, data={"number": 4})
    tamper(path, "UPDATE entries SET body = ?, hash = ? WHERE seq = 3", (body, digest))
    assert found(path) == [(4, "ledger_entry_unlinked")]


def test_a_missing_entry_is_found(path):
    tamper(path, "DELETE FROM entries WHERE seq = 3")
    assert found(path) == [(4, "ledger_entry_missing")]


def test_missing_first_entries_are_found(path):
    tamper(path, "DELETE FROM entries WHERE seq < 3")
    with Ledger.open(path) as ledger:
        assert [ledger_messages.english(what) for _seq, what in ledger.verify()] == [
            "Entries 1 to 2 are missing. They were removed after they had been written."
        ]


def test_a_gap_that_was_closed_by_renumbering_is_found(path):
    tamper(path, "DELETE FROM entries WHERE seq = 4")
    body, digest = rewritten(path, 5, seq=4)
    tamper(path, "UPDATE entries SET seq = 4, body = ?, hash = ? WHERE seq = 5", (body, digest))
    assert found(path) == [(4, "ledger_entry_unlinked")]


def test_an_entry_that_is_not_in_canonical_form_is_found(path):
    body = json.dumps(json.loads(rewritten(path, 5)[0]))
    tamper(path, "UPDATE entries SET body = ?, hash = ? WHERE seq = 5", (body, hashlib.sha256(body.encode()).hexdigest()))
    assert found(path) == [(5, "ledger_entry_malformed")]


def test_an_entry_with_a_field_too_many_is_found(path):
    body, digest = rewritten(path, 5, note="x")
    tamper(path, "UPDATE entries SET body = ?, hash = ? WHERE seq = 5", (body, digest))
    assert found(path) == [(5, "ledger_entry_malformed")]


def test_a_guard_that_was_taken_away_is_found(path):
    connection = sqlite3.connect(path)
    connection.execute("DROP INDEX record_closed_once")
    connection.close()
    assert found(path) == [(0, "ledger_guard_missing")]


def test_a_damaged_file_is_found_or_refused_with_its_path(path):
    content = bytearray(path.read_bytes())
    content[5000:-4096] = b"\xff" * len(content[5000:-4096])
    path.write_bytes(content)
    with pytest.raises(Exception, match="damaged") as caught:
        found(path)
    assert str(path) in str(caught.value)


def start(path: Path, work: str, *arguments: str) -> subprocess.Popen:
    """Starts another process that does some work with the `ledger` at a path."""
    script = f"""
import sys
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger
with Ledger.open(sys.argv[1], create=True) as ledger:
{textwrap.indent(work, "    ")}
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(ledger_messages.__file__).parents[5])}
    return subprocess.Popen([sys.executable, "-c", script, str(path), *arguments], stdout=subprocess.PIPE, text=True, env=environment)


def finish(processes: list[subprocess.Popen]) -> list[int]:
    for process in processes:
        process.communicate(timeout=60)
    return [process.returncode for process in processes]


def test_processes_that_append_at_once_keep_one_chain(path):
    work = "for number in range(60): ledger.append('note', {'number': number})"
    codes = finish([start(path, work) for _count in range(3)])
    with Ledger.open(path) as ledger:
        assert (codes, ledger.head()["seq"], ledger.verify()) == ([0, 0, 0], 185, [])


def test_processes_that_create_a_ledger_and_open_runs_at_once_share_no_form_number(tmp_path):
    path = tmp_path / "new" / "ledger.sqlite3"
    work = "for number in range(20): ledger.open_run({'run_id': f'{sys.argv[2]}-{number}', 'local_month': '2026-11'}, 'CB')"
    finish([start(path, work, name) for name in ("a", "b", "c")])
    with Ledger.open(path) as ledger:
        assert [run["form_number"] for run in ledger.runs()] == [f"CB/2026-11/{number:06}" for number in range(1, 61)]


def test_only_one_of_several_processes_closes_a_record(path):
    with Ledger.open(path) as ledger:
        ledger.open_run({"run_id": "run-1", "local_month": "2026-11"}, "CB")
        ledger.open_record({"record_id": "record-1", "run_id": "run-1"})
    codes = finish([start(path, "ledger.close_record({'record_id': 'record-1', 'outcome': 'success'})") for _count in range(3)])
    assert sorted(codes) == [0, 1, 1]


@pytest.mark.parametrize("delay", [0, 0.003, 0.01, 0.03, 0.1])
def test_a_writer_that_is_killed_leaves_a_sound_chain_with_all_it_had_confirmed(path, delay):
    with start(path, "while True: print(ledger.append('note', {'text': 'x' * 5000}).seq, flush=True)") as writer:
        first = writer.stdout.readline()  # it has begun
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        confirmed = [first, *(line for line in writer.stdout if line.endswith("\n"))]
    with Ledger.open(path) as ledger:
        assert ledger.verify() == []
        assert ledger.head()["seq"] >= int(confirmed[-1])


def test_a_writer_that_is_killed_before_its_commit_leaves_the_chain_as_it_was(path):
    # The cache is so small that SQLite has written most of the entry to the disk by then.
    work = """
import os, signal
ledger._connection.execute("PRAGMA cache_size = 1")
with ledger._transaction():
    ledger._insert("note", {"text": "x" * 1_000_000})
    os.kill(os.getpid(), signal.SIGKILL)
"""
    codes = finish([start(path, work)])
    with Ledger.open(path) as ledger:
        assert (codes, ledger.head()["seq"], ledger.verify()) == ([-signal.SIGKILL], 5, [])
