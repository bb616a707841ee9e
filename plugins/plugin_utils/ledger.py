# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger: the append-only, hash-chained store of every run, record, pin and policy.

An entry's body is the canonical JSON of {"seq", "prev", "at", "kind", "data"}; its hash is the SHA-256 of these bytes,
and `prev` is the hash of the entry before it. A change in the middle shows in `verify()`. A cut tail does not: compare
`head()` with one that was noted elsewhere. Times are RFC 3339 text in UTC with whole seconds.

Every method raises LedgerError, whose text says what happened, what it means and what to do next.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import canonical, ledger_schema, ledger_verify
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger_schema import LedgerError

__all__ = ["Entry", "Ledger", "LedgerError"]

_PAGE = 500  # records or runs that are read at once

# "ORDER BY +seq" makes SQLite choose by a small index and sort, where it would else read the whole file in order of seq.

_RECORDS = """
SELECT opened.body, closed.body, run.form_number
FROM entries AS opened
JOIN entries AS run ON run.kind = 'run_opened' AND run.run_id = opened.run_id
LEFT JOIN entries AS closed ON closed.kind = 'record_closed' AND closed.record_id = opened.record_id"""

_RUNS = """
SELECT opened.seq, opened.body, closed.body
FROM entries AS opened
LEFT JOIN entries AS closed ON closed.kind = 'run_closed' AND closed.run_id = opened.run_id"""


@dataclass(frozen=True)
class Entry:
    """One entry of the ledger as it is stored; `at` is when it was written."""

    seq: int
    hash: str
    at: str
    kind: str
    data: dict


class Ledger:
    """An open ledger. Use `Ledger.open`; threads may share one, processes may not."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._lock = threading.RLock()
        self._process = os.getpid()

    @classmethod
    def open(cls, path: Path | str, create: bool = False) -> Ledger:
        """Opens the ledger at `path`; with `create`, makes it first if there is none."""
        path = Path(path)
        if create:
            ledger_schema.create(path)
        return cls(ledger_schema.connect(path), path)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # Writing

    def append(self, kind: str, data: Mapping, at: str | None = None) -> Entry:
        """Writes one entry durably and returns it. `at` is RFC 3339 text and defaults to now."""
        with self._transaction():
            return self._insert(kind, data, at)

    def open_run(self, run: Mapping, form_prefix: str) -> dict:
        """Opens a run and gives its form the next number of the prefix and month ("CB/2026-11/000001").

        `run` has at least "run_id" and "local_month" ("YYYY-MM", in the agency's zone). Returns the run as stored, with "form_number".
        """
        with self._transaction():
            series = f"{form_prefix}/{run['local_month']}/"
            # All numbers of the series sort between "series/" and "series0", which is the character after "/".
            newest = self._row(
                "SELECT max(form_number) FROM entries WHERE kind = 'run_opened' AND form_number > ? AND form_number < ?",
                (series, series[:-1] + "0"),
            )
            number = int(newest[0][len(series) :]) + 1 if newest and newest[0] else 1
            return self._insert("run_opened", {**run, "form_number": f"{series}{number:06}"}).data

    def close_run(self, run_id: str, data: Mapping) -> Entry:
        """Closes a run, once."""
        return self.append("run_closed", {**data, "run_id": run_id})

    def open_record(self, opened: Mapping) -> Entry:
        """Opens a record of a run that was opened before."""
        return self.append("record_opened", opened)

    def close_record(self, closed: Mapping) -> Entry:
        """Closes a record, once, with one of `record.OUTCOMES`."""
        return self.append("record_closed", closed)

    def claim_record(self, closed: Mapping) -> Entry:
        """Notes, once, how a server says that a record ended, until its repository server has confirmed it."""
        return self.append("record_claimed", closed)

    def dispatch_job(self, run_id: str, job: str, host: str, record_ids: Sequence[str]) -> Entry:
        """Notes, before it starts, which job on which host closes which records of a run."""
        return self.append("job_dispatched", {"run_id": run_id, "job": job, "host": host, "record_ids": list(record_ids)})

    def pin_repository(self, data: Mapping) -> Entry:
        """Notes which repository belongs to a server: {"server", "repository", "repository_id", "key_id", "url", "reason"}."""
        return self.append("repository_pinned", data)

    def save_policy(self, policy: Mapping) -> str:
        """Stores a policy if it differs from the newest one and returns its digest (SHA-256, hexadecimal)."""
        digest = hashlib.sha256(self._canonical("policy", policy)).hexdigest()
        with self._transaction():
            newest = self._row("SELECT body FROM entries WHERE kind = 'policy' ORDER BY +seq DESC LIMIT 1")
            if newest is None or _data(newest[0])["digest"] != digest:
                self._insert("policy", {"digest": digest, "policy": policy})
        return digest

    # Reading

    def runs(self) -> list[dict]:
        """Returns all runs in order of opening, each with "seq" and "closed": the data of its closing entry or None."""
        return [_run(row) for row in self._rows(_RUNS, "kind = 'run_opened'", {})]

    def run(self, run_id: str) -> dict | None:
        """Returns one run as `runs` does, or None if it is unknown."""
        return next((_run(row) for row in self._rows(_RUNS, "kind = 'run_opened' AND run_id = :run_id", {"run_id": run_id})), None)

    def records(self, run_id: str | None = None, server: str | None = None, kind: str | None = None, since: str | None = None) -> Iterator[dict]:
        """Yields merged records in order of opening: those of a run, of a server, of a kind, opened at or after `since`.

        Each also has "form_number", "opened_at" and "recorded_at" (when it was closed, by our clock); a record that
        is still open has "outcome" None and no closed fields.
        """
        conditions = {"run_id": "run_id = :run_id", "server": "server = :server", "kind": "record_kind = :kind", "since": "at >= :since"}
        values = {"run_id": run_id, "server": server, "kind": kind, "since": since and _utc(since)}
        chosen = [conditions[name] for name, value in values.items() if value is not None]
        return map(_merged, self._rows(_RECORDS, " AND ".join(["kind = 'record_opened'", *chosen]), values))

    def record(self, record_id: str) -> dict | None:
        """Returns one record as `records` does, or None if it is unknown."""
        return next((_merged(row) for row in self._rows(_RECORDS, "kind = 'record_opened' AND record_id = :record_id", {"record_id": record_id})), None)

    def open_records(self, run_id: str | None = None, performed_on: str | None = None) -> list[dict]:
        """Returns the records, of one run or of all, of one host's work or of all, that were never closed."""
        where = """kind = 'record_opened' AND (:run_id IS NULL OR run_id = :run_id)
            AND (:performed_on IS NULL OR json_extract(body, '$.data.performed_on') = :performed_on) AND record_id IN (
            SELECT record_id FROM entries WHERE kind = 'record_opened'
            EXCEPT SELECT record_id FROM entries WHERE kind = 'record_closed')"""
        return [_merged(row) for row in self._rows(_RECORDS, where, {"run_id": run_id, "performed_on": performed_on})]

    def claims(self, opened: Iterable[Mapping]) -> dict[str, dict]:
        """Returns record id -> what was claimed of it, for those of some records that have a claim."""
        wanted = json.dumps([one["record_id"] for one in opened])
        query = "SELECT body FROM entries WHERE kind = 'record_claimed' AND record_id IN (SELECT value FROM json_each(?))"
        with self._reading():
            claimed = [_data(body) for (body,) in self._connection.execute(query, (wanted,))]
        return {one["record_id"]: one for one in claimed}

    def jobs(self, run_id: str) -> list[dict]:
        """Returns the jobs that a run dispatched: {"run_id", "job", "host", "record_ids"}, oldest first."""
        with self._reading():
            rows = self._connection.execute("SELECT body FROM entries WHERE kind = 'job_dispatched' AND run_id = ? ORDER BY +seq", (run_id,)).fetchall()
        return [_data(body) for (body,) in rows]

    def attach_recorder(self, run_id: str) -> Entry:
        """Notes that somebody listens to a run and writes down its results."""
        return self.append("recorder_attached", {"run_id": run_id})

    def has_recorder(self, run_id: str) -> bool:
        """Returns whether anybody listened to a run."""
        return self._row("SELECT 1 FROM entries WHERE kind = 'recorder_attached' AND run_id = ?", (run_id,)) is not None

    def newest(self, kind: str, server: str, repository: str | None = None) -> dict | None:
        """Returns the data of the newest entry of a kind about a server, or about one of its repositories, with "at"; None if there is none."""
        row = self._row(
            "SELECT body FROM entries WHERE kind = ? AND server = ? AND (? IS NULL OR repository = ?) ORDER BY seq DESC LIMIT 1",
            (kind, server, repository, repository),
        )
        return {**_data(row[0]), "at": json.loads(row[0])["at"]} if row else None

    def notes(self, kind: str, server: str | None = None, run_id: str | None = None) -> Iterator[dict]:
        """Yields the data of the entries of a kind, of one server or run or of all, oldest first, each with "at"."""
        where = "kind = :kind AND (:server IS NULL OR server = :server) AND (:run_id IS NULL OR run_id = :run_id)"
        for _seq, body, _digest in self._rows("SELECT seq, body, hash FROM entries AS opened", where, {"kind": kind, "server": server, "run_id": run_id}):
            yield {**_data(body), "at": json.loads(body)["at"]}

    def credential_version(self, server: str) -> int:
        """Returns which version of a server's derived credentials is in force; each rotation adds one."""
        rotated = self.newest("credentials_rotated", server)
        return rotated["version"] if rotated else 1

    def newest_before(self, moment_text: str) -> Iterator[dict]:
        """Yields, in order of opening, the record opened last before a moment for each server, kind, data set, cycle and repository."""
        where = """seq IN (SELECT max(seq) FROM entries WHERE kind = 'record_opened' AND at < :before
            GROUP BY server, record_kind, dataset, repository, json_extract(body, '$.data.cycle'))"""
        return map(_merged, self._rows(_RECORDS, where, {"before": _utc(moment_text)}))

    def pinned_repository(self, server: str, repository: str) -> dict | None:
        """Returns the newest pin of a server's repository, or None if it was never deployed."""
        row = self._row(
            "SELECT body FROM entries WHERE kind = 'repository_pinned' AND server = ? AND repository = ? ORDER BY seq DESC LIMIT 1", (server, repository)
        )
        return _data(row[0]) if row else None

    def policies(self) -> Iterator[Entry]:
        """Yields the policy entries in order; their data are {"digest", "policy"}."""
        for seq, body, digest in self._rows("SELECT seq, body, hash FROM entries AS opened", "kind = 'policy'", {}):
            entry = json.loads(body)
            yield Entry(seq, digest, entry["at"], entry["kind"], entry["data"])

    def head(self) -> dict:
        """Returns {"seq", "hash"} of the newest entry; seq is 0 in an empty ledger."""
        seq, digest = self._row("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1") or (0, ledger_verify.GENESIS)
        return {"seq": seq, "hash": digest}

    def verify(self) -> list[ledger_verify.Problem]:
        """Returns what is wrong with the chain as pairs (seq, message); an empty list means that it is sound."""
        with self._reading():
            rows = self._connection.execute("SELECT seq, CAST(body AS BLOB), hash FROM entries ORDER BY seq")
            return ledger_verify.file_problems(self._connection) + ledger_verify.chain_problems(rows)

    # Inside

    def _insert(self, kind: str, data: Mapping, at: str | None = None) -> Entry:
        """Writes one entry inside a transaction that was begun."""
        name = data.get("record_id") or data.get("run_id")
        if kind == "record_closed" and data.get("outcome") not in record.OUTCOMES:
            raise LedgerError("ledger_outcome_unknown", path=self._path, name=name, outcome=data.get("outcome"), allowed=", ".join(record.OUTCOMES))
        head = self.head()
        seq = head["seq"] + 1
        at = _utc(at) if at else record.to_text(record.utc_now())
        stored = dict(data)
        body = self._canonical(kind, {"seq": seq, "prev": head["hash"], "at": at, "kind": kind, "data": stored})
        digest = hashlib.sha256(body).hexdigest()
        try:
            self._connection.execute("INSERT INTO entries (seq, body, hash) VALUES (?, ?, ?)", (seq, body.decode(), digest))
        except sqlite3.IntegrityError as error:
            raise LedgerError(_refusal(error, kind), path=self._path, kind=kind, name=name) from error
        return Entry(seq, digest, at, kind, stored)

    def _canonical(self, kind: str, document: Mapping) -> bytes:
        try:
            return canonical.canonical_bytes(document)
        except ValueError as error:
            raise LedgerError("ledger_unstorable", path=self._path, kind=kind, detail=error) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._reading():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        if os.getpid() != self._process:
            # SQLite corrupts files through a connection that was carried over a fork.
            raise LedgerError("ledger_forked", path=self._path)
        with self._lock, ledger_schema.ledger_errors(self._path):
            yield

    def _row(self, query: str, values: Sequence | Mapping = ()) -> tuple | None:
        with self._reading():
            return self._connection.execute(query, values).fetchone()

    def _rows(self, query: str, where: str, values: dict) -> Iterator[tuple]:
        """Yields the rows of a query about the entries `opened` that a condition chooses, in order of opening.

        What to yield is fixed at the start. No read stays open between pages, so the caller may append while it iterates.
        """
        with self._reading():
            chosen = [seq for (seq,) in self._connection.execute(f"SELECT seq FROM entries WHERE {where} ORDER BY +seq", values)]
        for start in range(0, len(chosen), _PAGE):
            page = json.dumps(chosen[start : start + _PAGE])
            with self._reading():
                rows = self._connection.execute(f"{query} WHERE opened.seq IN (SELECT value FROM json_each(?)) ORDER BY opened.seq", (page,)).fetchall()
            yield from rows


def _refusal(error: sqlite3.IntegrityError, kind: str) -> str:
    """Returns the code for an entry that the database refused."""
    for code in ("run_unknown", "record_unknown", "entry_unnamed"):
        if code in str(error):
            return f"ledger_{code}"
    return f"ledger_{kind}_twice"


def _utc(moment_text: str) -> str:
    """Returns a time as it is stored, so that text comparison is comparison of time."""
    return record.to_text(record.from_text(moment_text))


def _data(body: str) -> dict:
    return json.loads(body)["data"]


def _run(row: tuple) -> dict:
    seq, opened, closed = row
    return {**_data(opened), "seq": seq, "closed": _data(closed) if closed else None}


def _merged(row: tuple) -> dict:
    opened, closed, form_number = row
    entry = json.loads(opened)
    closing = json.loads(closed) if closed else {"data": {"outcome": None}, "at": None}
    # What was fixed when a record was opened stays: no closing may tell of another server or kind.
    return {**closing["data"], **entry["data"], "form_number": form_number, "opened_at": entry["at"], "recorded_at": closing["at"]}
