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
    "policy_integrity_read": "full, or n/t with 1 <= n <= t <= 256",
    "policy_url": "an absolute path, rest:https://…, sftp:… or s3:https://…",
    "policy_url_encrypted": "an encrypted connection, with https:// in place of http://",
    "policy_url_twice": "another place than repository {name} has",
    "policy_repository_primary": "a repository named primary",
    "policy_secret": "at least {least} characters, kept in Ansible Vault",
    "policy_fleet": "the same value as host {other} has, because it holds for all hosts",
}
