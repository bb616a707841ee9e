# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one home of a record: its kinds, outcomes, fields and units.

A record tells what became of one obligation (a data set of a server in one cycle and period). It is opened on the
control node before any work starts and closed exactly once. Field names are English; readers see translated labels.
Times are RFC 3339 strings in UTC, sizes are bytes, durations are milliseconds unless the name says seconds, and every
number is an integer, so that the canonical bytes of a ledger entry are stable (domain reference, section b).

Note that this module util is private to the collection.
"""

from __future__ import annotations

import datetime
import re

SCHEMA = 1

# What a record can be about.
KINDS = ("backup", "copy", "integrity_check", "retention", "restore_test", "restore")

# How an obligation ended. Only "success" satisfies it; an open record has no outcome yet.
OUTCOMES = ("success", "partial", "failed", "aborted", "unreachable", "missed", "exempt")

CYCLES = ("daily", "weekly", "monthly", "restore_test")

# P2.1-P2.3 of the guideline: the type that each cycle must produce.
BACKUP_TYPES = {"daily": "incremental", "weekly": "full", "monthly": "archive"}

# Why a record is not green. The catalogue translates each; an adapter that finds no cause says "other".
CAUSES = (
    "source_missing",
    "source_empty",
    "sentinel_missing",
    "source_unreadable",
    "source_invalid",
    "hook",
    "repository_missing",
    "repository_replaced",
    "repository_unpinned",
    "repository_locked",
    "repository_damaged",
    "wrong_password",
    "certificate",
    "credential",
    "no_space",
    "network",
    "permission",
    "engine_missing",
    "engine_unsupported",
    "killed",
    "timeout",
    "snapshot_not_listed",
    "snapshot_missing",
    "nothing_restored",
    "restored_differs",
    "no_evidence",
    "implausible",
    "retention_refused",
    "target_unusable",
    "busy",
    "interrupted",
    "deadline",
    "unreachable",
    "internal",
    "other",
)

# Fields that are fixed when the record is opened, in the order in which documents show them.
OPENED_FIELDS = (
    "record_id", "run_id", "kind", "cycle", "period", "backup_type",
    "server", "unit", "service", "dataset", "dataset_kind", "category", "personal_data", "sources",
    "scheduled_start", "window_start", "window_end", "due_at", "rto_s", "rpo_s", "repository", "performed_on",
)  # fmt: skip

# Fields that the closing entry adds.
CLOSED_FIELDS = (
    "record_id", "outcome", "cause", "messages",
    "started_at", "finished_at", "duration_ms", "inside_window", "outside_window_s",
    "files", "directories", "data_size_bytes", "data_added_bytes", "measured", "newest_data_at",
    "snapshot_id", "parent_snapshot_id", "repository_id", "engine", "encrypted",
    "exit_code", "error_count", "warning_count", "errors", "warnings", "log",
    "storage_locations", "verification", "manifest", "canary_sha256", "database", "hooks",
    "restore", "integrity", "copy", "retention", "free_bytes", "collected_at",
)  # fmt: skip

PARAMETER_MOST = 4000  # characters of a message's parameter

_TIME = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$")


def utc_now():
    """Returns the current time as an aware datetime in UTC."""
    return datetime.datetime.now(datetime.timezone.utc)


def to_text(moment):
    """Returns an aware datetime as an RFC 3339 string in UTC with whole seconds."""
    return moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_text(text):
    """Returns an RFC 3339 string as an aware datetime in UTC.

    Nanoseconds, which restic writes, are cut to microseconds. Raises ValueError on anything else.
    """
    match = _TIME.match(text)
    if not match:
        raise ValueError("not an RFC 3339 time: %r" % (text,))
    whole, fraction, zone = match.groups()
    moment = datetime.datetime.strptime(whole + "+0000", "%Y-%m-%dT%H:%M:%S%z")
    moment = moment.replace(microsecond=int((fraction or "0")[:6].ljust(6, "0")))
    offset = datetime.timedelta()
    if zone != "Z":
        sign = -1 if zone[0] == "-" else 1
        offset = sign * datetime.timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
    return moment - offset


def message(code, **params):
    """Returns one message of a record: a code of `messages.MESSAGES` and its printable parameters, of at most PARAMETER_MOST characters."""
    values = {key: printable(value) for key, value in params.items()}
    return {"code": code, "params": {key: one[:PARAMETER_MOST] if isinstance(one, str) else one for key, one in values.items()}}


def printable(value):
    """Returns a value as text that is safe on one line of a terminal, in HTML after escaping, and in a PDF.

    Control characters (newline and escape among them), bidirectional overrides and bytes that are not UTF-8 become
    visible `\\xNN` or `\\uNNNN` escapes; everything else stays. Integers stay integers.
    """
    if isinstance(value, (bool, int)):
        return value
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    return "".join(_visible(char) for char in str(value))


def _visible(char):
    point = ord(char)
    if 0xDC80 <= point <= 0xDCFF:
        return "\\x%02x" % (point - 0xDC00)
    if point < 0x20 or 0x7F <= point < 0xA0:
        return "\\x%02x" % point
    if 0x200B <= point <= 0x200F or 0x2028 <= point <= 0x202E or 0x2060 <= point <= 0x206F or 0xD800 <= point <= 0xDFFF or point == 0xFEFF:
        return "\\u%04x" % point
    return char


def from_nanoseconds(nanoseconds):
    """Returns nanoseconds since 1970 as an aware datetime in UTC."""
    return datetime.datetime.fromtimestamp(nanoseconds // 10**9, datetime.timezone.utc)
