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
    "location_unusable": "The location {repository} cannot be used: {detail}. Nothing was done. Correct backup_repositories in the inventory.",
    "copy_impossible": (
        "restic cannot copy from {source} to {target}: it takes only one set of {kind} credentials for both. Nothing "
        "was copied. Keep one of the two repositories on another kind of storage."
    ),
    "run_as_impossible": "restic cannot run as the user {user} on this host. Nothing was done. Run site.yml, and connect to this host as root or with become.",
    "removal_refused": (
        "The repository at {repository} refused to remove data. What was to be removed is still there, and nothing was lost. Only the "
        "maintenance host may remove snapshots."
    ),
    "network_refused": "Nothing answers at {address} ({detail}). Nothing was stored. Start the repository server, and check its port and the firewall.",
    "network_name": "The name of {address} could not be resolved. Nothing was stored. Correct the address, or check the name service.",
    "network_silent": "{address} gave no answer within {seconds} seconds. Nothing was stored. Check the network and the repository server.",
    "certificate_expired": (
        "The certificate of {address} is not valid at this time ({detail}). Nothing was stored. Run site.yml to renew it, and check the clocks."
    ),
    "certificate_name": (
        "The certificate of {address} was made for another name ({detail}). Nothing was stored. It may be another server: check the address, then run site.yml."
    ),
    "certificate_unknown": (
        "The certificate of {address} was not issued by an authority that is trusted here ({detail}). Nothing was "
        "stored. It may be another server: check the address and the CA certificate."
    ),
    "host_key_refused": (
        "The host key of {repository} is not the one that is known here. Nothing was done. It may be another "
        "server: find out who changed it before host_key is corrected."
    ),
    "credential_refused": (
        "The credential was refused by {address} ({detail}). Nothing was done. Run site.yml if it was rotated, or correct the credential in the inventory."
    ),
    "permission": "Access was refused: {detail}. Nothing was done. Check the user that runs the backup.",
    "engine_missing": "restic was not found at {path}. Nothing was backed up. Run site.yml, or install restic.",
    "engine_unsupported": "restic {found} is not supported; {wanted} is. Nothing was backed up.",
    "killed": "restic was ended by signal {signal} before it was finished. The data of this run do not count. Run the cycle again.",
    "timeout": "restic was stopped after {seconds} seconds without an end. The data of this run do not count.",
    "snapshot_not_listed": "The repository does not list snapshot {snapshot} that the backup reported. The backup does not count.",
    "snapshot_differs": (
        "The repository lists snapshot {snapshot} with another server, data set or time than its backup has: {listed}. The backup does not count. "
        "Compare the server's clock with ours; if it is right, somebody else wrote the snapshot: examine the server."
    ),
    "snapshot_smaller": (
        "The repository server counts {found} item(s) in snapshot {snapshot}, fewer than the {claimed} file(s) that the server reported. "
        "The backup does not count. Examine the server, and make a new backup."
    ),
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
    "never_collected": "The server could not be reached for a week, so the result of its work was never collected. It is not known what was backed up.",
    "never_confirmed": "For a week the repository server did not confirm the snapshot that the server claims. Without this evidence the run does not count.",
    "job_lost": "The server was restarted or the work was killed before it ended. The data of this run do not count. Run the cycle again.",
    "start_by_passed": (
        "The server's turn did not come before {moment}, the latest time to begin (start_by). Nothing was backed up. Run the cycle in its next window."
    ),
    "storage_low": (
        "Repository server {server} has {free} MiB free at {path}, less than the {least} MiB that must stay free (free_least). Nothing was "
        "backed up. Free or add space and run again."
    ),
    "answer_unusable": (
        "The answer of the host is not of the form that our modules give ({detail}), so nothing of it was believed. Examine the host: its programs may "
        "have been changed."
    ),
    "host_silent": "{server} gave no answer: {detail}. Nothing is known of it. Check the connection to it.",
    "no_listing": "The repository server gave no listing of this repository.",
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
    "copy_source_missing": (
        "Snapshot {snapshot} is not in the repository that it was to be copied from. Nothing was copied. Find out who removed it, and make a new backup."
    ),
    "copy_not_listed": (
        "The repository does not list a copy of snapshot {snapshot}. The copy does not count. Check the storage of the copies and run the cycle again."
    ),
    "copy_differs": (
        "{count} file(s) that were read back from the copy differ from what was backed up. The copy does not count. See the list of errors, keep the "
        "original, and examine the storage of the copies."
    ),
    "retention_clock": (
        "The clock of the host that was to remove old snapshots differs by {seconds} seconds from that of the control node. Nothing was removed. "
        "Correct the clock and run the cycle again."
    ),
    "retention_unclaimed": (
        "Snapshot {snapshot} of {time} belongs to no record. Nothing was removed from this repository. Find out who made it: a server may have been taken over."
    ),
    "retention_misdated": (
        "Snapshot {snapshot} carries the time {time}, but by its record it was made between {start} and {end}. Nothing was removed from this repository. "
        "Find out who dated it: the clock of the server is wrong, or the server was taken over."
    ),
    "retention_group": (
        "The repository holds snapshots of {found} data set(s), but {expected} are known; {dataset} is not among them. Nothing was removed from this "
        "repository. Find out who made them."
    ),
    "retention_more": "The same holds for {count} more. Nothing was removed. The list of the repository names them all.",
    "retention_no_success": (
        "The newest backup of data set {dataset} is no success ({outcome}). None of its snapshots was removed. Make a successful backup first."
    ),
    "retention_newest_gone": (
        "The newest successful backup of data set {dataset}, snapshot {snapshot}, is not in the repository any more. None of its snapshots was removed. "
        "Find out who removed it, and make a new backup."
    ),
    "retention_shrunk_files": (
        "The newest backup of data set {dataset} holds {found} file(s), less than half of the usual {usual}. None of its snapshots was removed. "
        "Look at the source; if it is right, removal goes on after some more backups."
    ),
    "retention_shrunk_bytes": (
        "The newest backup of data set {dataset} holds {found} byte(s), less than half of the usual {usual}. None of its snapshots was removed. "
        "Look at the source; if it is right, removal goes on after some more backups."
    ),
    "retention_too_many": (
        "{count} of {total} snapshots of data set {dataset} would go at once. None of them was removed. Look at the retention in the inventory; if it is "
        "right, lower it in smaller steps."
    ),
    "retention_lost_others": (
        "{count} snapshot(s) that were to stay are gone from the repository. See the list of errors. Keep the storage as it is and find out who removed them."
    ),
}


def english(message):
    """Returns a record's message as one English sentence; unknown codes are shown as they are."""
    template = MESSAGES.get(message["code"])
    return template.format_map(message["params"]) if template else "%(code)s %(params)s" % message
