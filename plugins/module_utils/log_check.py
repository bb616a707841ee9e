# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stage 1 of the verification: the automatic log check of a backup, by a versioned set of rules.

Pure: a record, its whole log and the good runs before it give a verdict. Whoever changes what a rule says raises RULESET, because
records name the rules that they were judged by.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import datetime
import statistics

from ansible_collections.sicekat.backup.plugins.module_utils import log_lines, record
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import EXIT_PARTIAL

RULESET = "1"

# Up to so many good runs are what is usual, and with fewer than the second number nothing is usual yet.
HISTORY_MOST = 30
HISTORY_LEAST = 3
# M13: a value is remarkable when it lies further from the median than so many times 1.4826 * MAD, which estimates a standard deviation.
_FAR = 6
_MAD_TO_SIGMA = 1.4826
# But never what differs by less than a tenth of the median, or by less than this: where nothing ever changed (MAD is 0), all would be far.
_NEVER_FAR = 10
_LITTLE = {"files": 10, "bytes": 2**20, "rows": 10, "duration_ms": 60_000}

# Kinds whose backup is one dump: less than half of the usual is a dump that was cut, or a database that was emptied.
DUMPS = ("sqlite", "postgresql", "mariadb", "mysql", "ldap", "command")

_SHOWN = 100


class Verdict:
    """What the log check comes to.

    log_check: {"ruleset", "result", "checks": [{"check", "result", "found", "expected", and where a person accepted it "accepted_by"}]}; found
    and expected are integers, text or None. outcome, cause: what the record becomes, None where it stays as it is. messages: of the record.
    warnings: lines of the log that a person has to read. warning_count: how many there are in all.
    """

    def __init__(self):
        self.log_check = {"ruleset": RULESET, "result": "failed", "checks": []}
        self.outcome = self.cause = None
        self.messages = []
        self.warnings = []
        self.warning_count = 0


class Case:
    """What the rules look at: the record, the lines of its log by meaning, and the good runs before it, oldest first."""

    def __init__(self, given, log, history, wants_newest):
        self.given = given
        self.lines = log_lines.meanings(log)
        self.history = list(history)[-HISTORY_MOST:]
        self.same = [one for one in history if one.get("backup_type") == given.get("backup_type")][-HISTORY_MOST:]
        self.wants_newest = wants_newest

    def usual(self, key):
        """Returns what earlier runs had of something, those of the same type if they are enough: snapshots of each type hold everything."""
        runs = self.same if len(self.same) >= HISTORY_LEAST else self.history
        return [one[key] for one in runs if one.get(key) is not None]


def judge(given, log, history=(), wants_newest=False, accepted_by=None):
    """Returns the Verdict on a backup.

    given: the merged record, as its host closed it. log: its whole log, with the digest that the record names, or None where there is none.
    history: good runs of the same data set before it, oldest first: dicts of backup_type, files, bytes, rows, duration_ms, newest_data_at.
    wants_newest: the data set has a query for its newest row. accepted_by: who accepted that this data set changed much, or None.
    """
    verdict = Verdict()
    if log is None:
        verdict.log_check["checks"] = [{"check": "log", "result": "failed", "found": None, "expected": (given.get("log") or {}).get("sha256")}]
        _settle(verdict, given, "failed", "no_evidence", record.message("no_evidence_log"))
        return verdict
    case = Case(given, log, history, wants_newest)
    checks = [{"check": "log", "result": "passed", "found": (given.get("log") or {}).get("sha256"), "expected": None}]
    for name, rule, is_change in RULES:
        for result, found, expected in rule(case):
            check = {"check": name, "result": result, "found": found, "expected": expected}
            if is_change and accepted_by and result in ("warning", "failed"):
                check.update(result="warning", accepted_by=accepted_by)
                verdict.messages.append(record.message("change_accepted", check=name, found=_known(found), usual=_known(expected), actor=accepted_by))
            checks.append(check)
    for check in checks:
        if check["result"] == "failed":
            _settle(verdict, given, *_REMEDIES.get(check["check"], _contradicted)(given, check))
    results = {check["result"] for check in checks}
    verdict.log_check.update(result=next((one for one in ("failed", "warning") if one in results), "passed"), checks=checks)
    verdict.warnings = [record.printable(line)[:500] for line in case.lines["warning"] + case.lines["unknown"]][:_SHOWN]
    verdict.warning_count = len(case.lines["warning"]) + len(case.lines["unknown"])
    return verdict


# The rules. Each yields (result, found, expected); one that has nothing to look at yields nothing, one without history "none".


def _exit_code(case):
    code = case.given.get("exit_code")
    yield "passed" if code == 0 else "failed", code, 0


def _streams(case):
    result = "failed" if case.lines["error"] else "warning" if case.lines["warning"] or case.lines["unknown"] else "passed"
    remarkable = case.lines["error"] + case.lines["warning"] + case.lines["unknown"]
    yield result, record.printable(remarkable[0])[:200] if remarkable else 0, 0


def _summary(case):
    """The log must tell of exactly the snapshot that the record names."""
    named = case.given.get("snapshot_id") or ""
    told = [str((log_lines.event(line) or {}).get("snapshot_id") or "") for line in case.lines["summary"]]
    is_same = len(told) == 1 and len(told[0]) >= 8 and named.startswith(told[0])
    yield "passed" if is_same else "failed", record.printable(told[0])[:64] if told else None, named or None


def _source_errors(case):
    count = max(len(case.lines["item"]), len(case.lines["partial"]), case.given.get("error_count") or 0)
    yield "failed" if count else "passed", count, 0


def _files(case):
    yield from _amount(case, "files", (case.given.get("files") or {}).get("total"))


def _bytes(case):
    yield from _amount(case, "bytes", case.given.get("data_size_bytes"))


def _rows(case):
    yield from _amount(case, "rows", (case.given.get("database") or {}).get("rows"))


def _amount(case, key, found):
    """M13 where enough good runs are known; before that, less than half of what they had is a warning. A dump that is cut to half fails."""
    usual = case.usual(key)
    if not usual:
        if found is not None:
            yield "none", found, None
        return
    median = int(statistics.median(usual))
    is_dump = key != "files" and case.given.get("dataset_kind") in DUMPS
    if found is None:
        result = "warning"
    elif is_dump and found * 2 < median:
        result = "failed" if len(usual) >= HISTORY_LEAST else "warning"
    elif abs(found - median) <= _LITTLE[key]:
        result = "passed"
    elif len(usual) < HISTORY_LEAST:
        result = "warning" if found * 2 < median else "passed"
    else:
        result = "warning" if abs(found - median) > max(_spread(usual, median), median / _NEVER_FAR) else "passed"
    yield result, found, median


def _spread(usual, median):
    """Returns how far from the median a value may lie (M13)."""
    return _FAR * _MAD_TO_SIGMA * statistics.median(abs(one - median) for one in usual)


def _newest_data(case):
    """The newest data inside never go back, and a database whose newest row is asked for is not older than its objective allows."""
    found = case.given.get("newest_data_at")
    before = [one["newest_data_at"] for one in case.history if one.get("newest_data_at")]
    if found is None:
        if before or case.wants_newest:
            yield "warning", None, before[-1] if before else None
        return
    earliest = record.from_text(before[-1]) if before else None
    if case.wants_newest and case.given.get("dataset_kind") in DUMPS and case.given.get("rpo_s") and case.given.get("started_at"):
        allowed = record.from_text(case.given["started_at"]) - datetime.timedelta(seconds=case.given["rpo_s"])
        earliest = max(earliest or allowed, allowed)
    result = "none" if earliest is None else "warning" if record.from_text(found) < earliest else "passed"
    yield result, found, record.to_text(earliest) if earliest else None


def _duration(case):
    """Only runs of the same type took the same way: a full one reads every byte again."""
    found = case.given.get("duration_ms")
    usual = [one["duration_ms"] for one in case.same if one.get("duration_ms") is not None]
    if found is None:
        return
    if len(usual) < HISTORY_LEAST:
        yield "none", found, None
        return
    median = int(statistics.median(usual))
    is_long = found > median * 1.5 and found - median > max(_spread(usual, median), _LITTLE["duration_ms"])
    yield "warning" if is_long else "passed", found, median


# (check, rule, whether a person may accept what it finds as a change that was meant)
RULES = (
    ("exit_code", _exit_code, False),
    ("streams", _streams, False),
    ("summary", _summary, False),
    ("source_errors", _source_errors, False),
    ("files", _files, True),
    ("bytes", _bytes, True),
    ("rows", _rows, True),
    ("newest_data", _newest_data, True),
    ("duration", _duration, True),
)


# What becomes of a record whose check failed: (outcome, cause, message).


def _ended_badly(given, check):
    return _unread(given, {"found": given.get("error_count") or 1}) if check["found"] == EXIT_PARTIAL else _contradicted(given, check)


def _contradicted(given, check):
    found = _known(check["found"])
    return "failed", "no_evidence", record.message("log_contradicts", check=check["check"], found=found, expected=_known(check["expected"]))


def _unread(given, check):
    return "partial", "source_unreadable", record.message("source_unreadable", count=check["found"])


def _implausible(given, check):
    subject = {key: given.get(key) or "?" for key in ("server", "dataset")}
    return "failed", "implausible", record.message("implausible_" + check["check"], found=check["found"], usual=check["expected"], **subject)


_REMEDIES = {"exit_code": _ended_badly, "source_errors": _unread, "bytes": _implausible, "rows": _implausible}
_WORSE = ("success", "partial", "failed")


def _settle(verdict, given, outcome, cause, message):
    """Makes a record what a failed check says, unless it is that or worse already: its own cause then tells more."""
    if given.get("outcome") not in _WORSE[: _WORSE.index(outcome)]:
        return
    verdict.messages.append(message)
    if verdict.outcome is None or _WORSE.index(outcome) > _WORSE.index(verdict.outcome):
        verdict.outcome, verdict.cause = outcome, cause


def _known(value):
    return "-" if value is None else value
