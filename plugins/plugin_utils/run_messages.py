# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the control node says about runs and about the status of data sets, in English; the catalogue translates it.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

RUN_MESSAGES: dict[str, str] = {
    # Before anything runs
    "run_no_servers": (
        "No server with backup_datasets takes part in this run, so nothing would be backed up and nothing proved. Check the inventory and --limit."
    ),
    "run_cycle_disabled": "The cycle {cycle} is switched off in backup_cycles. Nothing was done.",
    "run_not_opened": (
        "No run was opened before this task, so its result could not be recorded. Nothing was done. Run the playbook from its "
        "beginning, without --start-at-task."
    ),
    "run_variable_unreadable": "Host {host}: {variable} cannot be read: {detail}",
    "restore_unknown_server": ("Server {server} is not in the inventory or has no backup_datasets; known: {known}. Name it with -e restore_server=NAME."),
    "restore_unknown_dataset": "Server {server} has no data set {dataset}; known: {known}. Name it with -e restore_dataset=NAME.",
    "restore_server_unnamed": "Several servers take part in this restore: {known}. Name one with -e restore_server=NAME.",
    "restore_dataset_unnamed": "Server {server} has several data sets: {known}. Name one with -e restore_dataset=NAME.",
    "restore_target_unnamed": "No target was given. Name an empty or new directory on the server with -e restore_target=/absolute/path.",
    # The gate
    "gate_passed": "{form_number}: every one of the {expected} record(s) is a proved success.",
    "gate_failed": ("{form_number} is not green ({overall}): {success} of {expected} record(s) are proved successes. The details stand in {path}"),
    "gate_row": "{server} / {subject} [{kind}]: {outcome}. {detail}",
    "gate_recorder": (
        "{count} record(s) are still open: the recorder (callback sicekat.backup.checklist) was not loaded, or its work was "
        "interrupted. Check callbacks_enabled and ANSIBLE_CALLBACKS_ENABLED. The next run closes them as aborted."
    ),
    "gate_left_out": "{count} record(s) of servers that --limit left out have no evidence in this period: {names}",
    "gate_check_mode": "Check mode: nothing was backed up and nothing recorded. {expected} record(s) would be opened.",
    "gate_documents": (
        "The documents of {form_number} could not be written: {detail}. The records are safe in the ledger. Remove the cause and run report.yml."
    ),
    "gate_not_recorded": "Of {expected} record(s) that this run owes, the ledger holds {found}.",
    "report_written": ("Status: {green} green, {red} red, {unknown} without complete evidence; {missed} obligation(s) missed or failed. See {path}"),
    "report_ledger_unsound": "The ledger is not sound: {detail}. Its records cannot be relied on. Keep the file as evidence.",
    # Reasons of a status
    "status_backup": "The newest {cycle} backup is not a success: {outcome}.",
    "status_integrity": "An integrity check of the repository {repository} was no success ({outcome}), and no later one has read the same data with success.",
    "status_restore_test": "The newest restore test is not a success: {outcome}.",
    "status_missed": "The {cycle} cycle of {period} was missed.",
    "status_no_backup": "There is no proved backup in the present repository.",
    "status_no_restore_test": "No restore test from the present repository has been made.",
    "status_no_integrity_check": "No integrity check of the present repository {repository} was a success.",
    "status_ledger": "The ledger is not sound, so its records prove nothing.",
    "status_clock": "The ledger holds entries dated after now; the clock of the control node was wrong.",
}
