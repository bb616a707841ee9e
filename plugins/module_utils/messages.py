# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every message that a server can put into a record, in English; the catalogue translates them by this text.

A message says what happened, what it means for the data and what to do next. Records carry the code and the
parameters, so that a checklist can be printed in either language years later.

Note that this module util is private to the collection.
"""

from __future__ import annotations

MESSAGES = {
    "source_missing": (
        "Source path {path} does not exist on the server. Nothing was backed up for this data set. Mount or restore the path, or correct the inventory."
    ),
    "source_empty": (
        "Source {path} holds no file. Nothing was backed up, because an empty source is usually a disk that is not mounted. Set "
        "allow_empty: true if it may be empty."
    ),
    "sentinel_missing": (
        "Sentinel file {path} does not exist, so the disk is probably not mounted. Nothing was backed up. Mount the disk and run the cycle again."
    ),
    "source_unreadable": (
        "{count} item(s) could not be read and are missing from the backup. See the list of errors, correct the permissions or "
        "the disk, and run the cycle again."
    ),
    "source_symlink": "Source {path} is a symbolic link, and only the link would be backed up. Nothing was backed up. Name its target in the inventory.",
    "source_not_file": "Source {path} is not a file. Nothing was backed up for this data set. Correct the inventory.",
    "source_database": "The database {path} could not be copied: {detail}. Nothing was backed up. Examine the database.",
    "source_database_damaged": "The database {path} is damaged: {detail}. Nothing was backed up. Repair it, or restore the last proved backup.",
    "source_database_empty": "The database {path} has no table. Nothing was backed up, because this is usually the wrong file. Correct the inventory.",
    "source_no_sqlite": "The server's Python has no sqlite3 module, so {path} cannot be read. Nothing was backed up. Install the module.",
    "repository_missing": (
        "There is no repository at {repository}. Nothing was backed up. A cycle never creates one: find out where the storage went, then run site.yml."
    ),
    "repository_replaced": (
        "The repository at {repository} has the identity {found}, but {expected} was pinned at deployment. Nothing was written. "
        "Find out who replaced the storage."
    ),
    "repository_unpinned": "No repository was deployed for this server. Run site.yml first.",
    "repository_locked": ("The repository is locked by {holder}. Nothing was done. Wait for that process to end, or examine it, and run again."),
    "repository_damaged": ("The repository is damaged: {detail}. Data may not be restorable. Keep the storage as it is and make a new backup elsewhere."),
    "wrong_password": (
        "The password does not open the repository at {repository}. Nothing was done. Check backup_master_secret and the keys of the repository."
    ),
    "no_space": "There is no space left where {place} lies. The backup is incomplete and does not count. Free or add space and run again.",
    "network": "The repository could not be reached: {detail}. Nothing was stored. Check the network and the repository server.",
    "permission": "Access was refused: {detail}. Nothing was done. Check the user that runs the backup.",
    "engine_missing": "restic was not found at {path}. Nothing was backed up. Run site.yml, or install restic.",
    "engine_unsupported": "restic {found} is not supported; {wanted} is. Nothing was backed up.",
    "killed": "restic was ended by signal {signal} before it was finished. The data of this run do not count. Run the cycle again.",
    "timeout": "restic was stopped after {seconds} seconds without an end. The data of this run do not count.",
    "snapshot_not_listed": "The repository does not list snapshot {snapshot} that the backup reported. The backup does not count.",
    "snapshot_missing": "Snapshot {snapshot} is not in the repository. Nothing was restored.",
    "no_snapshot": "There is no successful backup of this data set to restore. Run a backup cycle first.",
    "kind_changed": "Data set {dataset} is now of kind {found}, but was backed up as {expected}. Make a new backup, then test that one.",
    "busy": "Another run (process {holder}) still works on this data set. Nothing was done. Wait until it has ended and run again.",
    "canary_excluded": "The exclude patterns of this data set also leave out our own canary file, without which no restore can be proved. Narrow them.",
    "scratch_left": "The scratch directory {path} could not be removed and holds restored data. Remove it by hand.",
    "nothing_restored": "The restore brought back no file at all. The backup is not proved.",
    "restored_differs": ("{count} item(s) that were restored differ from what was backed up. See the list of errors. Do not rely on this snapshot."),
    "no_evidence_snapshot": "restic reported no snapshot. Without this evidence the run does not count. Run the cycle again.",
    "no_evidence_manifest": "The manifest of the backup is missing or was altered. Without this evidence the run does not count. Make a new backup.",
    "no_evidence_canary": "The canary file of this backup is not in the snapshot. Without this evidence the run does not count. Make a new backup.",
    "no_evidence_sample": "No file of the sample could be compared. Without this evidence the run does not count. Make a new backup.",
    "no_evidence_check": "The integrity check read no data ({read_data}). Without this evidence the run does not count. Widen backup_integrity_read.",
    "target_not_empty": "The target directory {path} is not empty. Nothing was restored. Choose an empty or a new directory.",
    "target_not_absolute": "The target directory {path} is not an absolute path in its shortest form. Nothing was restored. Name another directory.",
    "target_inside": "The target directory {path} lies inside {place}. Nothing was restored. Name another directory.",
    "target_not_directory": "The target {path} is not a directory. Nothing was restored. Name another directory.",
    "interrupted": "The run ended before this record was closed, so it is not known what was backed up. Run the cycle again.",
    "unreachable": (
        "The server could not be reached, or the connection to it was lost, so what was done on it is not known. Check the connection and run the cycle again."
    ),
    "internal": "The work ended with an internal error: {detail}. What was backed up is not known.",
    "internal_no_result": "The step ended without a result. What was backed up is not known. See the output of the playbook.",
    "other": "restic ended with exit code {exit_code}: {detail}",
    "lock_cleared": "A stale lock of a process of ours that no longer runs ({holder}) was removed once.",
    "scratch_removed": "{count} scratch directory(ies) that an interrupted run left behind were removed.",
    "integrity_failed": (
        "The integrity check found {count} error(s) in the repository. Data may not be restorable. Keep the storage as it is and make a new backup elsewhere."
    ),
    "changed_during_backup": "{count} file(s) of the sample changed while they were backed up and could not be compared.",
    "proof_failed": "The restored database is not sound: {detail}. Do not rely on this snapshot.",
}


def english(message):
    """Returns a record's message as one English sentence; unknown codes are shown as they are."""
    template = MESSAGES.get(message["code"])
    return template.format_map(message["params"]) if template else "%(code)s %(params)s" % message
