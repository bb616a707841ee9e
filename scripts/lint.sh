#!/usr/bin/env bash
# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: lint.sh [quick|ansible]
# 'quick' runs what takes a second, 'ansible' runs ansible-lint; without either, both. All findings are shown before it fails.

source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

what=${1:-quick ansible}
failed=0

# Runs one check and remembers that it failed.
check() {
    "$@" || failed=1
}

if [[ $what == *quick* ]]; then
    check ruff check .
    check ruff format --check .
    check yamllint --strict .
    check env ANSIBLE_COLLECTIONS_PATH="$ROOT/collections" antsibull-changelog lint
    for script in scripts/*.sh .ci/run; do check bash -n "$script"; done
fi
if [[ $what == *ansible* ]]; then
    # not in the home of the user, where another version of this collection may be installed
    check env ANSIBLE_HOME="$CACHE/ansible" ansible-lint --strict --nocolor
fi
exit "$failed"
