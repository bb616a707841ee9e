# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each key of a record is called where people read it, in English; the catalogue translates it.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

LABELS: dict[str, dict[str, str]] = {
    "outcome": {
        "success": "Success",
        "partial": "Partial",
        "failed": "Failed",
        "aborted": "Aborted",
        "unreachable": "Unreachable",
        "missed": "Missed",
        "exempt": "Exempt",
        "open": "Not closed, no result",
        "not_covered": "No evidence",
    },
    "overall": {"success": "SUCCESS", "partial": "PARTIAL", "failed": "FAILED", "incomplete": "INCOMPLETE"},
    "cause": {
        "source_missing": "Source missing",
        "source_empty": "Source empty",
        "sentinel_missing": "Sentinel file missing",
        "source_unreadable": "Source not readable",
        "source_invalid": "Source not usable",
        "hook": "Hook failed",
        "repository_missing": "Repository missing",
        "repository_replaced": "Repository replaced",
        "repository_unpinned": "Repository not deployed",
        "repository_locked": "Repository locked",
        "repository_damaged": "Repository damaged",
        "wrong_password": "Wrong password",
        "certificate": "Certificate not accepted",
        "credential": "Credential refused",
        "no_space": "No space left",
        "network": "Network",
        "permission": "Permission refused",
        "engine_missing": "Backup engine missing",
        "engine_unsupported": "Backup engine not supported",
        "killed": "Killed by a signal",
        "timeout": "Time limit exceeded",
        "snapshot_not_listed": "Snapshot not listed by the repository",
        "snapshot_missing": "Snapshot missing",
        "nothing_restored": "Nothing restored",
        "restored_differs": "Restored data differ",
        "no_evidence": "No evidence",
        "implausible": "Implausibly small",
        "retention_refused": "Removal refused",
        "target_unusable": "Target not usable",
        "busy": "In use by another run",
        "interrupted": "Interrupted",
        "deadline": "Too late to begin",
        "unreachable": "Server unreachable",
        "internal": "Internal error",
        "other": "Other",
    },
    "cycle": {
        "daily": "Daily",
        "weekly": "Weekly",
        "monthly": "Monthly",
        "restore_test": "Restore test",
        "restore": "Restore",
        "drill": "Recovery drill",
    },
    "kind": {
        "backup": "Backup",
        "copy": "Copy",
        "integrity_check": "Integrity check",
        "retention": "Retention",
        "restore_test": "Restore test",
        "restore": "Restore",
    },
    "backup_type": {"incremental": "Incremental", "full": "Full", "archive": "Archive"},
    "dataset_kind": {
        "files": "Files",
        "sqlite": "SQLite database",
        "postgresql": "PostgreSQL database",
        "mariadb": "MariaDB database",
        "mysql": "MySQL database",
        "ldap": "LDAP directory",
        "command": "Output of a program",
        "control_node": "Control node",
    },
    "result": {"passed": "Passed", "warning": "Warning", "failed": "Failed", "none": "Not done"},
    "check": {
        "log": "The log is whole",
        "exit_code": "Exit code is 0",
        "streams": "Every line of the log is known and harmless",
        "summary": "Summary with a snapshot id",
        "source_errors": "Every item was read",
        "files": "Number of files is as usual",
        "bytes": "Size is as usual",
        "rows": "Number of rows is as usual",
        "newest_data": "Newest data are as new as they have to be",
        "duration": "Duration is as usual",
        "not_empty": "Not empty",
        "listed_in_repository": "Listed by the repository",
        "listed_in_archive": "Listed by the archive repository",
        "canary": "Canary file was backed up",
        "stream_whole": "Every program ended well",
        "source_warnings": "The source had nothing to warn of",
        "hooks": "Every hook ended well",
        "confirmed_by_repository_server": "Confirmed by the repository server",
        "read_back": "A sample was read back and is the same",
    },
    "hook": {"before": "Before", "after": "After", "on_failure": "On failure"},
    "repository": {"primary": "Primary", "offsite": "Off-site", "archive": "Archive"},
    "finding": {
        "unlisted": "Repository could not be asked",
        "vanished": "Snapshot is gone",
        "unclaimed": "Snapshot of nobody",
        "strange_key": "Key of nobody",
    },
    "canary": {"found": "Found", "missing": "Missing", "none": "Not used"},
    "database": {"sound": "Sound", "damaged": "Damaged", "none": "No database"},
    "pick": {"newest": "Newest", "random": "Drawn at random", "named": "Named by a person"},
    "owed": {
        "satisfied": "Satisfied",
        "late": "Late",
        "open": "Not closed, no result",
        "failed": "Failed",
        "missed": "Missed",
        "not_due": "Not due",
    },
    "state": {"green": "In order", "red": "Not in order", "unknown": "Unknown", "attention": "Needs attention"},
    "role": {
        "admin": "System Administrator",
        "operator": "Backup Operator",
        "coordinator": "IT Coordinator",
        "owner": "User Unit Representative",
    },
    "phase": {"prepare": "Prepare", "fetch": "Fetch", "prove": "Prove", "clean": "Clean up"},
}

# What the cycle's backup type means with a deduplicating engine, and what a test or a restore proves.
DEFINITIONS: dict[str, str] = {
    "daily": "Daily (incremental): only files that changed since the backup before are read; each snapshot is complete and can be restored without any other.",
    "weekly": "Weekly (full): every byte of the source is read again and compared with the repository; each snapshot is complete.",
    "monthly": "Monthly (archive): the snapshot is copied to the archive repository, which has its own key and its own retention.",
    "restore_test": "Restore test: a snapshot named by its id is restored into a fresh directory; counts, bytes, contents"
    " (SHA-256) and metadata are compared with what was recorded at backup time.",
    "drill": "Recovery drill: the newest proved snapshot of every data set is restored on an isolated host, opened and asked, service by"
    " service in the order of the recovery plan; the times reached are held against RTO and RPO.",
    "restore": "Restore: a snapshot named by its id is restored to the target that the requester named, and what it replaces is kept; counts,"
    " bytes, contents (SHA-256) and metadata are compared with what was recorded at backup time.",
}

# The units in which a duration is written, largest first: seconds in one, and its text.
DURATIONS: tuple[tuple[int, str], ...] = ((86_400, "{n} d"), (3600, "{n} h"), (60, "{n} min"), (1, "{n} s"))

# A mark beside each word, so that a state can be told without colour; all of them are in DejaVu Sans.
SYMBOLS: dict[str, str] = {
    "success": "✓", "passed": "✓", "satisfied": "✓", "green": "✓",
    "partial": "!", "warning": "!", "late": "!", "attention": "!", "incomplete": "?",
    "failed": "✗", "aborted": "✗", "unreachable": "✗", "missed": "✗", "red": "✗",
    "open": "?", "not_covered": "?", "unknown": "?", "none": "☐", "not_due": "–", "exempt": "–",
}  # fmt: skip

# The colour class of each state; what is not listed here is never shown in the colour of success.
TONES: dict[str, str] = {
    "success": "good", "passed": "good", "satisfied": "good", "green": "good",
    "partial": "warn", "warning": "warn", "late": "warn", "attention": "warn",
    "exempt": "calm", "none": "calm", "not_due": "calm",
}  # fmt: skip
