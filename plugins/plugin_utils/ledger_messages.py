# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every text about the ledger, in English; the catalogue translates them by this text.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

LEDGER_MESSAGES: dict[str, str] = {
    # Opening
    "ledger_missing": "There is no ledger at {path}. No record can be read or written. Run site.yml, which creates it, or correct backup_state_dir.",
    "ledger_not_creatable": "The ledger at {path} could not be created: {detail}. Nothing was recorded. Check the directory's permissions and free space.",
    "ledger_not_a_ledger": "The file {path} is not a ledger. Nothing was read or written. Correct backup_state_dir, or restore the ledger from its backup.",
    "ledger_newer_schema": "The ledger at {path} has schema {found}; this version knows up to {known}. Nothing was used. Install a newer collection.",
    # Reading and writing
    "ledger_disk_full": "There is no space left for the ledger at {path}. The entry was not written; earlier entries are safe. Free space and run again.",
    "ledger_locked": "The ledger at {path} was locked by another process for {seconds} seconds. Nothing was written. Run again when it has ended.",
    "ledger_read_only": "The ledger at {path} is read-only. Nothing was written. Run as its owner, and check the permissions and the mount of its directory.",
    "ledger_damaged": "The ledger at {path} is damaged: {detail}. Do not rely on its records. Keep the file as evidence and restore it from its backup.",
    "ledger_failed": "The ledger at {path} could not be used: {detail}. Nothing was written. Check the disk and the permissions of its directory.",
    "ledger_forked": "The ledger at {path} was opened by another process. The entry was not written. Open it again in each process.",
    # Refused entries
    "ledger_unstorable": "An entry of kind {kind} cannot be stored in the ledger at {path}: {detail}. The entry was not written. Please report this defect.",
    "ledger_entry_unnamed": "An entry of kind {kind} for the ledger at {path} has no run_id or record_id. It was not written. Please report this defect.",
    "ledger_outcome_unknown": "Record {name} cannot be closed with outcome {outcome} in the ledger at {path}; allowed: {allowed}. It stays open.",
    "ledger_run_unknown": "Run {name} is not in the ledger at {path}. The entry of kind {kind} was not written. Open the run first.",
    "ledger_record_unknown": "Record {name} was never opened in the ledger at {path}. It was not closed. Open the record before the work starts.",
    "ledger_run_opened_twice": "Run {name} is already in the ledger at {path}. It was not opened again. Use a new run_id.",
    "ledger_run_closed_twice": "Run {name} is already closed in the ledger at {path}. Its first closing entry stands.",
    "ledger_record_opened_twice": "Record {name} is already in the ledger at {path}. It was not opened again. Use a new record_id.",
    "ledger_record_claimed_twice": "Record {name} already has a claim in the ledger at {path}. Its first claim stands.",
    "ledger_record_closed_twice": "Record {name} is already closed in the ledger at {path}. Its first closing entry stands.",
    # What a verification finds
    "ledger_entry_missing": "Entries {first} to {last} are missing. They were removed after they had been written.",
    "ledger_entry_altered": "The entry does not match its hash. It was changed after it had been written.",
    "ledger_entry_unlinked": "The entry does not follow the one before it. One of the two was replaced.",
    "ledger_entry_malformed": "The entry does not have the form in which entries are written.",
    "ledger_file_damaged": "SQLite finds the file damaged: {detail}.",
    "ledger_guard_missing": "The rule {name}, which protects entries, is missing from the file or was changed.",
}


def english(message: dict) -> str:
    """Returns a ledger message {"code", "params"} as English text."""
    return LEDGER_MESSAGES[message["code"]].format_map(message["params"])
