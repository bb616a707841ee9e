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
    "run_host_left_out": (
        "The work of this run also needs {names}, which --limit leaves out: a repository server confirms what the servers claim. Nothing was done. "
        "Add it to --limit."
    ),
    # Deployment
    "repository_server_not_ready": (
        "The repository server {server} is not set up: {detail}. No server can be let in there. Run site.yml without --limit, or with {server} in it."
    ),
    "public_key_unusable": (
        "What server {server} gave as its public key is not an ed25519 key of its own. It is not let in, so it cannot back up; all other servers "
        "are. Examine the server, remove /etc/si-cekat/id_ed25519 there and run site.yml."
    ),
    "repository_answer_unusable": (
        "Server {server}, repository {repository}: what was given as the identity of the repository or of its key is none (64 hexadecimal digits). "
        "Nothing was pinned. Examine the host that the repository is made at, and run site.yml."
    ),
    "escrow_unproved": (
        "Server {server}, repository {repository}: the key of the sealed envelope was not proved to open it. {detail} Without that key the master "
        "secret alone can. Remove the cause and run again."
    ),
    "escrow_no_secret": (
        "Without backup_master_secret there is no key for the sealed envelope: {servers}. Nothing was printed. Set it in the inventory and run site.yml."
    ),
    "rotate_unknown_server": (
        "Server {server} is not in the inventory or has no backup_datasets; known: {known}. Nothing was changed. Name it with -e rotate_server=NAME."
    ),
    "rotate_own_password": (
        "Server {server}: the inventory gives repositories a password of their own ({repositories}), which only the inventory can change. Nothing was"
        " changed. Take the password out after adding the derived one with restic, or leave it."
    ),
    "rotate_unpinned": "Server {server}: no repository was deployed for {repositories}. Nothing was changed. Run site.yml first.",
    "rotate_check_mode": "Check mode: the credentials of server {server} would be rotated. Nothing was changed.",
    "rotate_unproved": (
        "Server {server}: on {host} not every repository opens with the new key. The old key was not removed; backups go on with the version that the"
        " ledger names. Run rotate.yml again."
    ),
    "rotate_transport_refused": (
        "The repository server {host} does not take the new credential of server {server} (HTTP status {status}). Its backups would fail; the old "
        "keys were not removed. Examine the service there and run rotate.yml again."
    ),
    "rotate_transport_open": (
        "The repository server {host} still takes the old credential of server {server} (HTTP status {status}). The old keys were not removed. "
        "Examine the service there and run rotate.yml again."
    ),
    "rotate_key_open": (
        "The repository server {host} does not let in server {server} with exactly its new SSH key. The old keys of its repositories were not "
        "removed. Examine {path} there, and run site.yml and then rotate.yml."
    ),
    "rotate_strange_keys": (
        "Server {server}, repository {repository}: besides our keys and that of the sealed envelope it has others: {names}. Who planted them may still "
        "open it. Examine the server, remove these files from its directory keys, and run rotate.yml again."
    ),
    "rotate_files_left": (
        "The credentials of server {server} are rotated, but it was not reached: its files in /etc/si-cekat hold the old ones, which open nothing any"
        " more. Run site.yml when it is back."
    ),
    "rotate_finished": (
        "Server {server}: version {version} of its credentials is in force, and the keys of the version before are removed. No snapshot was touched."
    ),
    "offboard_unknown_server": (
        "Server {server} is neither in the inventory nor in the ledger; known: {known}. Nothing was changed. Name it with -e offboard_server=NAME."
    ),
    "offboard_finished": (
        "Server {server} is offboarded: it owes no backups from today, and no repository server lets it in. Its repositories and its history stay. "
        "Take it out of the inventory now, or the next run owes it backups again."
    ),
    "offboard_not_cleaned": (
        "Server {server} was not reached, so its own files stay on it (/etc/si-cekat). What they hold is no longer let in by any repository server. "
        "Destroy its disk, or remove them when it is back."
    ),
    "offboard_foreign": (
        "Server {server} also knows the way to places that no repository server of the inventory keeps: {places}. Withdraw its access there yourself."
    ),
    "kit_path_unnamed": "No file was named for the recovery kit. Nothing was printed. Name it with -e recovery_kit_path=/absolute/path/kit.pdf.",
    "kit_printed_before": (
        "The recovery kit was printed on {moment} by {actor}; a second paper is a second risk. Nothing was printed. If the first one was destroyed or"
        " opened, add -e recovery_kit_again=true."
    ),
    "kit_unproved": "Not proved in this run that the key of the sealed envelope opens: {names}. Nothing was printed. Remove the cause and run again.",
    "kit_not_written": (
        "The recovery kit could not be written to {path}: {detail}. It counts as printed. Remove what is there and run again with -e recovery_kit_again=true."
    ),
    "kit_not_creatable": "The file {path} could not be made: {detail}. Nothing was printed. Name a new file in a directory that you may write to.",
    "kit_check_mode": "Check mode: the recovery kit would be printed for {count} repository(s). Nothing was printed.",
    "kit_printed": (
        "The recovery kit for {count} repository(s) is in {path}. Print it, put it into a sealed envelope, and then remove the file: shred --remove {path}"
    ),
    # While a run goes on
    "turn_waits": "{server}: its turn comes at {moment} (backup_spread)",
    "connection_broke": "{server}: the connection broke. The work goes on there; trying again in {seconds} s",
    "job_runs_on": "{server}: the work of run {run} still goes on. The next run collects its result.",
    "listing_problem": "{server}: its repository server could not say which snapshots there are: {detail}",
    "listing_unclaimed": (
        "{server}: {count} snapshot(s) in its repository belong to no record: {names}. Somebody else wrote them, or the server is compromised. Examine them "
        "before retention runs."
    ),
    "listing_strange_keys": (
        "{server}: its repository holds {count} key(s) that we did not make: {names}. Somebody else can open it, or wants to keep us out. Examine the "
        "server, and remove the files of these names from the directory keys of its repository."
    ),
    "listing_vanished": (
        "{server}: {count} proved backup(s) are no longer in its repository, and retention did not remove them: {names}. Examine the repository server."
    ),
    # The gate
    "gate_passed": "{form_number}: every one of the {expected} record(s) is a proved success.",
    "gate_failed": ("{form_number} is not green ({overall}): {success} of {expected} record(s) are proved successes. The details stand in {path}"),
    "gate_row": "{server} / {subject} [{kind}]: {outcome}. {detail}",
    "gate_recorder": (
        "{count} record(s) are still open: the recorder (callback sicekat.backup.checklist) was not loaded, or its work was "
        "interrupted. Check callbacks_enabled and ANSIBLE_CALLBACKS_ENABLED. The next run closes them as aborted."
    ),
    "gate_pending": (
        "{count} record(s) wait for a server whose connection broke while it worked. The work goes on there, and the next run that "
        "reaches it collects the result."
    ),
    "gate_unconfirmed": "{count} record(s) wait until their repository server confirms what the server claims. The next run asks it again.",
    "gate_dropped": (
        "{names} left the inventory without offboard.yml: nobody reports on them any more, and their access may still be open. Run offboard.yml for each, or "
        "put them back."
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
    "status_copy": "The newest copy to the repository {repository} is not a success: {outcome}.",
    "status_no_copy": "There is no proved copy in the present repository {repository}.",
    "status_retention": (
        "The newest retention of the repository {repository} is not a success: {outcome}. Its checklist says why; until it succeeds, the storage fills up."
    ),
    "status_missed_kind": "{kind} (repository {repository}) in the {cycle} cycle of {period} was missed.",
    "status_unlisted": "It could not be asked what the repository {repository} holds, so nobody confirms its backups. See the findings.",
    "status_no_listing": "The repository server has never been asked what the repository {repository} holds.",
    "status_unclaimed": "The repository {repository} holds {count} snapshot(s) that no record accounts for. See the findings.",
    "status_strange_keys": "The repository {repository} holds {count} key(s) that we did not make. See the findings.",
    "status_vanished": (
        "{count} proved snapshot(s) are gone from the repository {repository}, though retention did not remove them. They prove nothing any more. "
        "See the findings."
    ),
    "status_ledger": "The ledger is not sound, so its records prove nothing.",
    "status_clock": "The ledger holds entries dated after now; the clock of the control node was wrong.",
}
