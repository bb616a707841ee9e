# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every text about a mistake in the inventory, in English; the catalogue translates them by this text.

A problem is one line that is put together of a place, what was found and what is allowed.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

POLICY_MESSAGES: dict[str, str] = {
    # The line and its parts
    "policy_host": "host {host}",
    "policy_dataset": "host {host}, data set '{dataset}'",
    "policy_problem": "{place}: {key}: found {found}; allowed: {allowed}",
    "policy_problem_suggestion": "{place}: {key}: found {found}; allowed: {allowed} (did you mean {suggestion}?)",
    "policy_problems": "{count} mistake(s) in the inventory. Nothing was done. Correct them and run again.",
    # What was found
    "policy_found": "{value}",
    "policy_found_nothing": "nothing",
    "policy_found_list": "a list",
    "policy_found_mapping": "a mapping",
    "policy_found_characters": "{count} characters",
    "policy_found_other": "a value that is not text",
    "policy_found_unknown": "a name that is not known",
    # What is allowed
    "policy_choice": "{choices}",
    "policy_flag": "true, false",
    "policy_text": "text; numbers and dates in quotes",
    "policy_texts": "a list of texts that are not empty",
    "policy_mapping": "a mapping",
    "policy_datasets": "a list of data sets",
    "policy_slug": "small letters, digits, dot, underscore and hyphen, beginning with a letter or digit",
    "policy_unique": "a name that no other data set of the host has",
    "policy_categories": "a mapping of at least one category",
    "policy_path": "an absolute path without '..'",
    "policy_paths": "a list of at least one absolute path",
    "policy_path_twice": "each path once",
    "policy_path_apart": "a path that neither holds nor lies in {name} ({path}), where backups are kept",
    "policy_duration": "a duration above zero such as 30m, 4h or 7d, or whole seconds",
    "policy_duration_or_null": "a duration above zero such as 30m, 4h or 7d, or whole seconds; null while it is not set",
    "policy_clock": 'a time such as "22:00"',
    "policy_clock_quoted": 'a time in quotes such as "22:00", because YAML reads 23:00 without quotes as the number 1380',
    "policy_clock_differs": "another time than start",
    "policy_day_of_month": "a day of the month from 1 to 31",
    "policy_timezone": "an IANA time zone such as Asia/Jakarta, Asia/Makassar or Asia/Jayapura",
    "policy_sample": "full, or a number of files from 1",
    "policy_integrity_read": "full, or 1/t with 2 <= t <= 256, to read one of t parts each time",
    "policy_url": "an absolute path, rest:https://…, sftp:… or s3:https://…",
    "policy_url_encrypted": "an encrypted connection, with https:// in place of http://",
    "policy_url_twice": "another place than repository {name} has",
    "policy_repository_primary": "a repository named primary",
    "policy_secret": "at least {least} characters, kept in Ansible Vault",
    "policy_fleet": "the same value as host {other} has, because it holds for all hosts",
    "policy_size": "a size above zero such as 500GiB or 10GB, or whole bytes",
    "policy_positive": "a whole number from 1",
    "policy_upload_limit": "a whole number of KiB per second from 1",
    "policy_start_by": "a time after start ({start}) and not after end ({end})",
    "policy_spread": "at most {most}, so that every server can begin in the window of the cycle {cycle}, before its start_by",
    "policy_retention": "at least one number above zero of last, daily, weekly, monthly and yearly; without retention nothing is ever removed",
    "policy_retention_number": "a whole number of snapshots, from 0",
    "policy_retention_primary": "no retention here, because that of primary stands in backup_categories.<category>.retention",
    "policy_url_or_server": "exactly one of url (an absolute path, rest:https://…, sftp:… or s3:https://…) and server (a repository server)",
    "policy_url_other_host": "another place than repository {name} of host {other} has, because each server has repositories of its own",
    "policy_key_of_other_kind": "nothing, because this key belongs to a repository with {kinds}",
    "policy_server_none": "a host with backup_repository_server, which no other host of the inventory has",
    "policy_server_plain": "a host with backup_repository_server; this one has none",
    "policy_server_other": "another host, because a backup on the machine that it protects is lost with it",
    "policy_transport_primary": "rest; ssh is for the repository primary alone",
    "policy_username": "text that is not empty and has no colon",
    "policy_username_once": "a user in one place alone: here or in url",
    "policy_ca_certificate": "an existing file of the control node that holds certificates in PEM format",
    "policy_host_key": "the server's public key as text, such as 'ssh-ed25519 AAAA…' (one line of ssh-keyscan without the name)",
    "policy_host_name": "an inventory name of letters, digits, dot, underscore and hyphen, beginning with a letter or digit: a directory is named after it",
    "policy_host_name_taken": "another inventory name, because each repository has a part of this name",
    "policy_secret_same": "the same secret as host {other} has, which keeps this host's repository",
    "policy_path_plain": "an absolute path of letters, digits and the characters . _ + @ - /",
    "policy_path_own": "a directory of its own such as /srv/backup, because it will belong to the service alone",
    "policy_address": "a name or an IP address, without a port",
    "policy_address_twice": "another address or port than repository server {other} has",
    "policy_port": "a port from 1 to 65535",
    "policy_networks": "a list of networks such as 10.0.0.0/24",
    "policy_network": "a network such as 10.0.0.0/24, or one address",
    "policy_binary": "an existing file of the control node, or an https:// address without a user",
    "policy_sha256": "the SHA-256 of the file, 64 hexadecimal digits",
}
