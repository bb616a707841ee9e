#!/usr/bin/env bash
# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: demo.sh
# Makes a small office's data, runs every cycle on it on this machine, and says where the checklists lie.

source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

office=var/demo-office
state=$ROOT/var/demo

step() {
    printf '\n== %s\n' "$1"
}

play() {
    step "playbooks/$1.yml: $2"
    ansible-playbook --inventory inventories/demo/hosts.yml "playbooks/$1.yml"
}

step "The data of a small office"
python tests/fixtures/office.py make "$office"
python tests/fixtures/office.py write "$office" &
writer=$!
trap 'kill "$writer" 2>/dev/null || true' EXIT

play site "prepare the server and the repositories"
play daily "first backup"
step "A day's work on the data"
python tests/fixtures/office.py change "$office"
play daily "backup of what changed"
play weekly "full backup: every byte is read again"
play monthly "archive"
play restore_test "restore it, and prove that it is what was backed up"
kill -0 "$writer" || die "the program that writes to the database has ended early; the demo did not show a database in use"

# newest PREFIX: the newest PDF whose form number begins so.
newest() {
    find "$state/checklists" -name "$1-*.pdf" -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2-
}

step "Done. The database was written to all the time. Look at:"
cat <<END
the status and all checklists:  $state/reports/index.html
the newest checklist (F-01):    $(newest CB)
the restore test (F-02):        $(newest UP)
END
