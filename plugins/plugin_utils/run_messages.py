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
    "drill_unknown_service": "drill_services: found {names}; allowed: {known}. Nothing was done.",
    "drill_not_isolated": (
        "These servers have no isolated host, so a drill would only show what a disaster does not leave: {names}. Nothing was done. Give them a "
        "backup_restore_host, or name the services to be exercised with -e \"drill_services='SERVICE, SERVICE'\"."
    ),
    "drill_short": "These services did not come back whole, or missed their RTO or RPO: {names}. The report says by how much.",
    "restore_unknown_server": ("Server {server} is not in the inventory or has no backup_datasets; known: {known}. Name it with -e restore_server=NAME."),
    "restore_unknown_dataset": "Server {server} has no data set {dataset}; known: {known}. Name it with -e restore_dataset=NAME.",
    "restore_server_unnamed": "Several servers take part in this restore: {known}. Name one with -e restore_server=NAME.",
    "restore_dataset_unnamed": "Server {server} has several data sets: {known}. Name one with -e restore_dataset=NAME.",
    "restore_target_unnamed": ('No target was given. Nothing was done. Name it with -e restore_target=/absolute/path, or "original" or database:NAME.'),
    "restore_ask_server": "Which server is to be restored ({known})?",
    "restore_ask_dataset": "Which data set of {server} ({known})?",
    "restore_ask_target": 'Where to (/absolute/path, "original" or database:NAME)?',
    "restore_ask_requester": "Who requests this restore?",
    "restore_ask_approver": "Who approved it (another person)?",
    "restore_ask_reason": "For what reason?",
    "restore_requester_unnamed": ("It was not said who requests this restore. Nothing was done. Name the person with -e restore_requester='NAME'."),
    "restore_approver_unnamed": "It was not said who approved this restore. Nothing was done. Name the person with -e restore_approver='NAME'.",
    "restore_reason_unnamed": "No reason was given for this restore. Nothing was done. Give it with -e restore_reason='TEXT'.",
    "restore_same_person": ("A restore needs four eyes, but {requester} and {approver} are the same person. Nothing was done. Have somebody else approve it."),
    "restore_overwrite_other": (
        "restore_overwrite: found '{given}', but for this target it has to be '{wanted}'. Nothing was done. Type again what is to be replaced, or leave it out."
    ),
    "restore_too_long": "{variable} is longer than {most} characters. Nothing was done. Shorten it.",
    "restore_no_snapshot": (
        "There is no proved backup of this data set in its present repository. Nothing was done. What can be named with restore_snapshot: {known}"
    ),
    "restore_snapshot_form": (
        "restore_snapshot: found '{snapshot}'; allowed: newest, the beginning of a snapshot id of at least 8 digits and letters from a to f, or a "
        "local time YYYY-MM-DD HH:MM[:SS]. Nothing was done."
    ),
    "restore_snapshot_ambiguous": ("Several snapshots of this data set begin with {snapshot}: {known}. Nothing was done. Name more of the one that is meant."),
    "restore_snapshot_unknown": ("No snapshot of this data set in its present repository begins with {snapshot}. Nothing was done. There are: {known}"),
    "restore_time_future": ("restore_snapshot: {moment} lies in the future; it is {now} now. Nothing was done. Name a time that has passed, or newest."),
    "restore_time_early": "No proved backup of this data set was begun at {moment} or before. Nothing was done. There are: {known}",
    "restore_plan": (
        "Restore of data set {dataset} of server {server}\n"
        "  snapshot: {snapshot}, begun {begun}, {age} old\n"
        "  newest data inside: {newest}\n"
        "  size: {size}, {files} file(s)\n"
        "  target: {target}\n"
        "  RTO: {rto}\n"
        "  last restore test of this data set: {test}\n"
        "  requested by {requester}, approved by {approver}: {reason}"
    ),
    "restore_plan_replaced": "  {path} is replaced; what is there now is kept as {kept}",
    "restore_plan_database": ("  database {database} is created; if it exists, it is replaced only with restore_overwrite={typed}, and kept"),
    "restore_plan_nothing": "  nothing that is there now is replaced",
    "restore_plan_sqlite": "  end every service that holds {path} open first: it would go on writing into what is kept",
    "restore_plan_unknown": "  what is at the target is not known: the server gave no answer",
    "restore_plan_problem": "  this will be refused: {detail}",
    "restore_plan_test": "{outcome}, {moment} ({number})",
    "restore_plan_no_test": "none was made",
    "restore_plan_no_rto": "not set",
    "accept_unknown": (
        "backup_accept_change names {names}, which this run does not back up; it backs up: {known}. Nothing was done. Name SERVER/DATASET, or a list of these."
    ),
    "accept_not_extra": (
        "backup_accept_change stands in the inventory, where it would accept every change for ever. Nothing was done. Take it out, and give it with -e to the "
        "one run that it is meant for."
    ),
    "run_host_left_out": (
        "The work of this run also needs {names}, which --limit leaves out: a repository server confirms what the servers claim, and a restore host does "
        "their restore tests. Nothing was done. Add it to --limit."
    ),
    "restore_test_snapshot_wrong": (
        "restore_test_snapshot: found '{found}'; allowed: newest, random, or the beginning of a snapshot id of at least 8 digits and letters from a to f. "
        "Nothing was done."
    ),
    "restore_test_snapshot_unknown": (
        "restore_test_snapshot: {count} backup(s) of the servers of this run, in the repositories of today, have a snapshot whose id begins with {found}; "
        "it has to be one. Nothing was done. The checklists and records.csv show the ids."
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
    "rpo_infeasible": (
        "backup_categories.{category}.rpo: found {rpo}; allowed with this schedule: from {needed}, because up to {gap} pass between two scheduled "
        "backups. The RPO promises what the schedule cannot keep. Nothing is stopped; make the RPO longer, or the backups more frequent."
    ),
    "rpo_infeasible_measured": (
        "backup_categories.{category}.rpo: found {rpo}; allowed with this schedule: from {needed}, because up to {gap} pass between two scheduled "
        "backups, and that of {slowest} takes {duration} (95 of 100 of its last runs took no longer). The RPO promises what the schedule cannot keep. "
        "Nothing is stopped; make the RPO longer, or the backups more frequent."
    ),
    "rpo_without_schedule": (
        "backup_categories.{category}.rpo: found {rpo}; allowed with this schedule: none, because every cycle of backups is switched off. Nothing is "
        "stopped; switch one on."
    ),
    # The recovery plan: each step has what is done, and how a person sees that it worked
    "plan_path_relative": "plan_path is {path}. Nothing was written. Name an absolute directory, such as one on a removable disk.",
    "plan_not_written": "The recovery plan could not be written to {path}: {detail}. Remove the cause and run again.",
    "plan_written": "The recovery plan is in {path} (PDF, HTML and JSON). Print it, and keep a copy outside the systems that it is for.",
    "plan_host": (
        "Prepare a Debian host that takes the place of {server}, or repair the old one. Its name in the inventory stays; correct ansible_host and "
        "the known host key where they changed. Leave out this step and the next if only data were lost."
    ),
    "plan_host_seen": "The command answers for {server}: pong.",
    "plan_site": "Let {server} be set up: restic, credentials, and access to its repository.",
    "plan_site_seen": "In PLAY RECAP the line of {server} says unreachable=0 and failed=0.",
    "plan_engine": "Install the engine on {server} and start it empty: {dataset_kind}, version {version} as at the backup, or newer.",
    "plan_engine_seen": "The engine on {server} answers, and its version is {version} or newer.",
    "plan_no_backup": (
        "There is no proved backup of {server} / {dataset}. Nothing can be restored. Decide together with the owner of the data what is done without it."
    ),
    "plan_no_backup_seen": "The decision on {dataset} is written down and signed.",
    "plan_restore": (
        "Bring data set {dataset} of {server} back (target: {target}). Put in who asks, who approves (another person) and why. For an older state "
        'put in a snapshot\'s id or a time such as "2026-11-22 07:00" for newest. What lies there already is replaced only if restore_overwrite is '
        "added and types {overwrite} again; it is kept under another name."
    ),
    "plan_restore_seen": "The playbook ends without an error, and form F-02 of {server} / {dataset} says Success.",
    "plan_load": "After restore.yml nothing is to be done here: {dataset} is in its place. After a restore by hand, bring /pulih to {server} and type there:",
    "plan_load_by_hand": (
        "restore.yml only puts {dataset} into {target} on {server}; what follows is done by hand. With {target} in place of /pulih, on {server}:"
    ),
    "plan_load_seen": "No command on {server} ends with an error.",
    "plan_check": "Ask the restored {dataset} on {server} these questions:",
    "plan_check_unset": "No questions (assertions) are set for {dataset} of {server}. Look at its newest entries together with the user.",
    "plan_check_seen": "Every answer on {dataset} is as expected; the newest data reach to the time of the snapshot.",
    "plan_start": "Start the service {service}: {start}",
    "plan_start_unset": "Start the service {service}. How is not written down (start in backup_services).",
    "plan_start_seen": "{service} runs, and its log shows no error.",
    "plan_service": "See that {service} works: {check}",
    "plan_service_unset": "See that {service} works. How is not written down (check in backup_services).",
    "plan_service_seen": "{service} works as before; what does not is written down.",
    "plan_hand_over": "Hand {service} over to its user ({owner}, {contact}), and say up to which time the data reach.",
    "plan_hand_over_seen": "{owner} confirms on form F-02, with name and time.",
    "plan_control_machine": "Prepare one machine with Debian 12 or 13 for the control node, log in as root and install the programs.",
    "plan_control_machine_seen": "restic version says 0.14 or newer.",
    "plan_control_fetch": (
        "Open the envelope and note that on its last page. On the new machine, restore the newest backup by its ID with the password of the recovery "
        "kit; keys of the place stand there too."
    ),
    "plan_control_fetch_keeper": (
        "Open the envelope and note that on its last page. Log in on {host} as root, or put its disk into another Debian machine (section 3 of the "
        "recovery kit). There, restore the newest backup by its ID with the password of the recovery kit."
    ),
    "plan_control_fetch_seen": 'restic ends with "restoring" and no error; ls /pulih on {host} shows directories.',
    "plan_control_carry": (
        "Bring /pulih from {host} to the new machine, over the network or on a disk; CONTROL-NODE stands for its address. Then remove it on {host}: "
        "it holds the vault password."
    ),
    "plan_control_carry_seen": "On the new machine find /pulih | wc -l says the same as on {host} before; /pulih is gone there.",
    "plan_control_project": "Put SI CEKAT, version {version}, at {path} on the new machine: from your copy of it or with git clone.",
    "plan_control_project_seen": "ls {path} shows galaxy.yml with version {version}.",
    "plan_control_paths": "Put inventory, vault password and keys back where they were.",
    "plan_control_paths_seen": "ls -l shows each of them with its old owner and mode.",
    "plan_control_ledger": "Put the ledger and the manifests back to {path}, before any playbook runs there.",
    "plan_control_ledger_seen": "ls {path} shows ledger.sqlite3 and manifests.",
    "plan_control_setup": "Install what the program needs.",
    "plan_control_setup_seen": "make setup ends without an error.",
    "plan_control_report": "Let the ledger be verified and all documents be made again.",
    "plan_control_report_seen": "The playbook ends without an error and does not say that the ledger is unsound.",
    "plan_control_site": "Set up the new control node and see that every host is reached.",
    "plan_control_site_seen": "PLAY RECAP says unreachable=0 and failed=0 for every host.",
    "plan_control_daily": "Run the daily cycle, and schedule all cycles again.",
    "plan_control_daily_seen": "The last task says that every record is a proved success.",
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
    "gate_attention": "{server} / {subject}: needs attention. Log check, {check}: found {found}, expected {expected}.",
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
    "report_written": (
        "Status: {green} green, {attention} in need of attention, {red} red, {unknown} without complete evidence; {missed} obligation(s) missed or failed. "
        "See {path}"
    ),
    "report_ledger_unsound": "The ledger is not sound: {detail}. Its records cannot be relied on. Keep the file as evidence.",
    # Reasons of a status
    "status_backup": "The newest {cycle} backup is not a success: {outcome}.",
    "status_log_check": "The log check of the newest backup gave a warning. Look at its checklist, find out why, and write it down there.",
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
