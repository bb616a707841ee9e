#!/usr/bin/env bash
# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: test.sh
# Every check, the quick ones first. Goes on after a failed stage, so that one run shows all that is wrong, and fails at the end.

source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

results=()
failed=0
running=""

# A stage runs in a process group of its own, which Ctrl-C does not reach.
trap 'kill "$running" 2>/dev/null; exit 130' INT TERM

# stage NAME SECONDS COMMAND...: runs one stage under a time limit and notes how it ended.
stage() {
    local name=$1 limit=$2 begin=$SECONDS verdict=passed code=0
    shift 2
    printf '\n=== %s\n' "$name"
    timeout --kill-after=10 "$limit" "$@" &
    running=$!
    wait "$running" || code=$?
    ((code == 0)) || verdict="FAILED (exit code $code)"
    ((code != 124)) || verdict="FAILED (over its limit of $limit s)"
    ((code != 77)) || verdict="FAILED (not run: this machine cannot boot hosts, see above)"
    ((code == 0)) || failed=$((failed + 1))
    results+=("$(printf '%-22s %4d s  %s' "$name" $((SECONDS - begin)) "$verdict")")
}

stage "lint" 120 scripts/lint.sh quick
stage "unit tests" 300 pytest -q tests/unit
stage "ansible-lint" 300 scripts/lint.sh ansible
stage "restic binaries" 300 scripts/restic-binaries.sh "$CACHE/restic"
stage "integration tests" 1800 pytest -q --numprocesses 2 --dist worksteal tests/integration
stage "real hosts" 2700 scripts/hosts.sh
stage "ansible-test sanity" 1200 scripts/sanity.sh

printf '\n=== Stages\n'
printf '%s\n' "${results[@]}"
printf '\n%d passed, %d failed\n' $((${#results[@]} - failed)) "$failed"
((failed == 0))
