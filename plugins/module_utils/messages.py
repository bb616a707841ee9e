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
    "program_missing": ("Program {program} is not installed on the host ({detail}). Nothing counts for this data set. Install its package and run again."),
    "program_user": (
        "Program {program} is to run as user {detail}, who does not exist on the host. Nothing counts for this data set. "
        "Run site.yml, or correct the inventory."
    ),
    "program_timeout": (
        "Program {program} did not end within {detail} and was ended. Nothing counts for this data set. Look at what it waits for and run again."
    ),
    "program_failed": ("Program {program} ended with exit code {exit_code}: {detail}. Nothing counts for this data set. Correct what it says and run again."),
    "source_ldap_suffix": ("The directory's configuration in {path} has no database for {suffix}. Nothing was backed up. Correct the suffix in the inventory."),
    "source_ldap_empty": "The directory gave no entry of {suffix} ({member}). Nothing was backed up. Look at the directory, and correct the inventory.",
    "source_ldap_cut": "What slapcat wrote into {member} does not end where an entry ends: {detail}. Nothing was backed up. Run the cycle again.",
    "source_ldap_no_server": (
        "The packages slapd and ldap-utils are not installed on the host that was to load the directory. Nothing is proved. Install them, or name "
        "another host for the restore test."
    ),
    "command_short": (
        "Program {program} printed {found} byte(s), and {least} are the least that is expected. Nothing counts for this data set. Examine the program."
    ),
    "command_cut": (
        'The last line that program {program} printed does not hold the end mark "{marker}". Nothing counts for this data set, because something is '
        "missing. Examine the program."
    ),
    "hook_before": (
        "Hook {program} (before, number {number}) ended with exit code {exit_code}. Nothing was backed up for this data set. See its output, and "
        "run the cycle again."
    ),
    "hook_before_timeout": (
        "Hook {program} (before, number {number}) did not end within {seconds} seconds and was ended. Nothing was backed up for this data set. See "
        "its output, and run the cycle again."
    ),
    "hook_later": (
        "Hook {program} ({stage}, number {number}) ended with exit code {exit_code}. The backup itself is not touched by this, but a service may not be "
        "running again. See its output, and look after the service."
    ),
    "hook_later_timeout": (
        "Hook {program} ({stage}, number {number}) did not end within {seconds} seconds and was ended. The backup itself is not touched by this, but a "
        "service may not be running again. See its output, and look after the service."
    ),
    "snapshot_btrfs": (
        "{path} is to be backed up from a Btrfs snapshot, but lies on {source} ({fstype}, mounted at {target}) outside of any Btrfs subvolume that is "
        "mounted there. Nothing was backed up. Correct snapshot in the inventory."
    ),
    "snapshot_lvm": (
        "{path} is to be backed up from an LVM snapshot, but lies on {source} ({fstype}, mounted at {target}), which is no logical volume that can be "
        "mounted twice. Nothing was backed up. Correct snapshot in the inventory."
    ),
    "snapshot_root": "The root directory itself cannot be backed up from a snapshot. Nothing was backed up. Name the directories below it.",
    "snapshot_apart": (
        "{path} lies in {found}, but {other} in {expected}, and one snapshot holds one volume. Nothing was backed up. Make two data sets of them."
    ),
    "snapshot_below": (
        "{found} is a volume of its own below {path} and would be empty in the snapshot. Nothing was backed up. Make a data set of it, and set "
        "one_file_system: true for this one."
    ),
    "snapshot_not_ours": "{name} has the name of our snapshot, but is none. Nothing was backed up. Find out whose it is, and rename it.",
    "snapshot_not_shown": "The snapshot could not be shown at {path}. Nothing was backed up. Run the cycle again.",
    "stream_unread": "The backup engine ended before it had read the whole data. Nothing was backed up for this data set. The engine's own message says why.",
    "stream_cut": (
        "The backup engine stored another number of bytes than the programs gave, so the backup is not whole and does not count. Run the cycle again."
    ),
    "no_evidence_questions": (
        "The restored data were not asked all that they were to be asked ({count} question(s) without an answer), so this test proves nothing. Run it again."
    ),
    "target_no_engine": (
        "Data set {dataset} of kind {kind} cannot be loaded into a database. Nothing was restored. Name a directory as target and load it by hand."
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
    "source_ledger_unsound": (
        "The ledger in {path} is not sound: {detail}. Nothing was backed up, because its records prove nothing. Keep the file as evidence and run report.yml."
    ),
    "database_silent": (
        "The {engine} server at {place} does not answer: {detail}. Nothing was backed up for this data set. Start the server, or correct the inventory."
    ),
    "database_refused": (
        "The {engine} server refused access to database {database}: {detail}. Nothing was done. Check the user, the password file and the server's "
        "own rules of access."
    ),
    "database_missing": (
        "The {engine} server has no database {database}, but {found}. Nothing was backed up for this data set. If it was renamed, correct the "
        "inventory; if it is lost, restore it."
    ),
    "database_empty": (
        "Database {database} of the {engine} server has no table. Nothing was backed up, because this is usually the wrong database or a lost one. "
        "Correct the inventory, or restore it."
    ),
    "database_unreadable": (
        "Database {database} of the {engine} server could not be read: {detail}. Nothing was backed up. Keep the server's files as they are, examine "
        "its disk and log, and restore the last proved backup if data are damaged."
    ),
    "database_locked": (
        "A table of database {database} of the {engine} server stayed locked for longer than {seconds} seconds: {detail}. Nothing was backed up. End "
        "the session that holds the lock, or choose another time or a longer lock_timeout."
    ),
    "database_session_lost": (
        "The session that held the state of database {database} of the {engine} server ended before the dump was whole: {detail}. The dump does not "
        "count. Look into the server's log and run the cycle again."
    ),
    "database_query": (
        "The query newest_data failed in database {database} of the {engine} server: {detail}. Nothing was backed up. Correct the query in the inventory."
    ),
    "database_client_older": (
        "The host's newest {program} is of version {found}, too old for a {engine} server of version {version}. Nothing was backed up. Install the "
        "client programs of that version."
    ),
    "database_other_engine": (
        "The server answers as {found}, which is not {engine}. Nothing was backed up for this data set. Correct its kind in the inventory."
    ),
    "target_database_left": (
        "Database {database} could neither be restored nor put back: {detail}. What was there before is kept in {kept}. Put it back by hand before "
        "anything else is done with it."
    ),
    "database_load_failed": (
        "The dump could not be loaded into the {engine} server as database {database}: {detail}. What was there before is unchanged. Remove the "
        "cause, or restore into a directory."
    ),
    "dump_cut": "The dump of {part} is not whole ({detail}). It does not count. Look into the database server's log and run the cycle again.",
    "engine_too_old": (
        "The dump is of {engine} {wanted}, and the newest version on this host is {found}, which may not understand it. Nothing was restored. "
        "Install that version, or name another restore host."
    ),
    "password_file": (
        "Password file {path} cannot be used ({detail}). Nothing was done. It has to be a file that belongs to root and that nobody else can read (mode 0600)."
    ),
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
    "no_evidence_log": "The log of the backup is missing, was cut or was altered. Without this evidence the run does not count. Run the cycle again.",
    "log_contradicts": (
        "The log of the backup contradicts its record ({check}: {found} instead of {expected}). Without this evidence the run does not count. "
        "Examine the server, and run the cycle again."
    ),
    "implausible_bytes": (
        "The dump of data set {dataset} holds {found} byte(s), less than half of the usual {usual}. It does not count, and no older snapshot is removed. "
        "Look at the source; if it is right, run the cycle again with -e backup_accept_change={server}/{dataset}"
    ),
    "implausible_rows": (
        "The dump of data set {dataset} holds {found} row(s), less than half of the usual {usual}. It does not count, and no older snapshot is removed. "
        "Look at the source; if it is right, run the cycle again with -e backup_accept_change={server}/{dataset}"
    ),
    "change_accepted": "{actor} accepted that this data set has changed ({check}: {found}, before {usual}). What is usual is counted anew from this backup on.",
    "no_evidence_canary": "The canary file of this backup is not in the snapshot. Without this evidence the run does not count. Make a new backup.",
    "no_evidence_sample": "No file of the sample could be compared. Without this evidence the run does not count. Make a new backup.",
    "no_evidence_check": "The integrity check read no data ({read_data}). Without this evidence the run does not count. Widen backup_integrity_read.",
    "target_not_empty": (
        "The target directory {path} is not empty. Nothing was restored. Choose an empty or a new directory, or have it replaced with -e "
        "restore_overwrite={path}: what is there now is then kept under another name."
    ),
    "target_not_absolute": "The target directory {path} is not an absolute path in its shortest form. Nothing was restored. Name another directory.",
    "target_inside": "The target directory {path} lies inside {place}. Nothing was restored. Name another directory.",
    "target_not_directory": "The target {path} is not a directory. Nothing was restored. Name another directory.",
    "target_directory_only": (
        "A data set of kind {dataset_kind} can only be restored into a directory. Nothing was restored. Name one with -e restore_target=/absolute/path."
    ),
    "target_no_database": ('A data set of kind {dataset_kind} cannot be restored into a database. Nothing was restored. Name a directory, or "original".'),
    "target_database_name": (
        "{database} cannot be the name of a database here: letters, digits and . _ $ - are allowed, at most 63. Nothing was restored. Choose another name."
    ),
    "target_exists": (
        "{path} exists. Nothing was restored. To have it replaced, add -e restore_overwrite={named}: what is there now is then kept under another name."
    ),
    "target_link": "{path} is a symbolic link and is not replaced. Nothing was restored. Name its target, or another directory.",
    "target_holds": ("{path} cannot be replaced, because {place} lies in it. Nothing was restored. Choose an empty or a new directory."),
    "target_mount": (
        "{path} cannot be replaced: a file system is mounted at {point}, and a mount point cannot be renamed. Nothing was restored. Restore into a "
        "new directory on that file system."
    ),
    "target_several_disks": (
        "The paths of this data set lie on several file systems ({paths}) and cannot be replaced all at once. Nothing was restored. Restore into a directory."
    ),
    "target_ledger_in_use": (
        "The ledger {path} is the one that a control node writes into, so it is not replaced. Nothing was restored. Restore into a directory."
    ),
    "target_origin_unknown": (
        "The snapshot holds {path}, which the data set does not name any more, so it is not known where it belongs. Nothing was restored. Restore "
        "into a directory."
    ),
    "swap_failed": (
        "What was restored and proved could not take the place of what is there: {detail}. Everything was put back as it was. Remove the cause, or "
        "restore into a directory."
    ),
    "swap_put_back": ("An earlier restore was interrupted while it replaced data. What was there was put back, and nothing was removed: {paths}."),
    "swap_changed": (
        "An earlier restore was interrupted while it replaced data, and somebody has worked there since, so nothing was put back. Examine {paths}."
    ),
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
    "unreachable_host": (
        "{host}, which was to do this, could not be reached, or the connection to it was lost, so what was done on it is not known. Check the connection "
        "and run the cycle again."
    ),
    "restore_other_snapshot": (
        "The host tells of snapshot {found} and not of {expected}, which it was to restore, so nothing is proved. Examine the host, then run the test again."
    ),
    "backup_unproved": (
        "What the server tells of the backup of data set {dataset} does not show that its data are in it ({detail}), so it does not count. "
        "Examine the server, then back up again."
    ),
    "snapshot_other_size": (
        "The repository server measures {found} byte(s) in snapshot {snapshot}, not the {claimed} byte(s) that the server reported. "
        "The backup does not count. Examine the server, and make a new backup."
    ),
    "restore_unproved": (
        "What the host tells of the restore does not show that it did all that it was to do ({detail}), so nothing is proved. "
        "Examine the host, then restore again."
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
