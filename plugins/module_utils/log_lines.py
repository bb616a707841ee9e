# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each line of the log of a backup means: known and harmless, a known warning, a known error, or unknown.

A part of the rule set of `log_check`: whoever changes a meaning raises its version. The log comes from a host and may hold anything.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import hashlib
import json
import re

from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import EXIT_PARTIAL, stderr_text

# What a line of restic 0.14 to 0.18 means that is not JSON. First match wins; a line that none matches is a warning too.
LINES = tuple(
    (meaning, re.compile(pattern))
    for meaning, pattern in (
        ("partial", r"Warning: at least one source file could not be read"),
        ("error", r"Fatal: |panic: |fatal error: |goroutine \d+ \[|signal \S+ received, cleaning up"),
        ("error", r".* does not exist, skipping$"),
        # An attempt that failed is made good by a later one, or restic ends with an error; but data that were read wrongly may be a dying disk.
        ("warning", r"\w+\([^)]*\) returned error, retrying after .*(invalid data|ciphertext|does not match)"),
        ("harmless", r"\w+\([^)]*\) (returned error, retrying after |operation successful after \d+ retries)"),
        ("harmless", r"(repo already locked, waiting up to |found \d+ old cache directories in |$)"),
        ("warning", r"(unable to (open cache|refresh lock)|incomplete metadata for .*|ignoring error for .*|Warning): "),
        ("warning", r"(subprocess [^ ]+|rclone): "),
    )
)

# Lines that are no JSON are shorter by far; what a host puts behind this is not looked at.
_LINE_MOST = 4000


def is_whole(log, given):
    """Returns True if a text is the log that a record names by its digest."""
    named = (given.get("log") or {}).get("sha256")
    return log is not None and hashlib.sha256(log.encode("utf-8", "surrogateescape")).hexdigest() == named


def meanings(log):
    """Returns the lines of a log by what they mean: dict of "harmless", "summary", "item", "error", "warning" and "unknown" to lists of text.

    A summary is restic's own JSON, an item is something of the source that could not be read, and "partial" is how restic ends then.
    All but a summary is shown as a person reads it.
    """
    found = {meaning: [] for meaning in ("harmless", "summary", "item", "partial", "error", "warning", "unknown")}
    for line in log.split("\n"):
        said = event(line)
        meaning = _meaning(line) if said is None else _EVENTS.get(str(said.get("message_type")), "unknown")
        if meaning == "error" and said is not None and said.get("code") == EXIT_PARTIAL:
            meaning = "partial"
        found[meaning].append(line if meaning == "summary" or said is None else stderr_text(line))
    return found


_EVENTS = {"status": "harmless", "verbose_status": "harmless", "summary": "summary", "error": "item", "exit_error": "error"}


def event(line):
    """Returns the JSON object of a line, or None."""
    try:
        found = json.loads(line) if line.startswith("{") else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _meaning(line):
    return next((meaning for meaning, pattern in LINES if pattern.match(line[:_LINE_MOST])), "unknown")
