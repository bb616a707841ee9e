#!/usr/bin/env bash
# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: hosts.sh
# Runs every Molecule scenario on real hosts, all at once, because most of their time is waiting. Prints what each wrote when it is over.
# Ends with exit code 77 where this machine cannot boot hosts.

source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

scripts/testbed.sh check
scripts/restic-binaries.sh "$CACHE/restic"
mkdir -p "$CACHE/molecule"
declare -A running=()
trap 'kill "${running[@]}" 2>/dev/null || true; wait' EXIT
trap 'exit 130' INT TERM
for file in molecule/*/molecule.yml; do
    scenario=$(basename "$(dirname "$file")")
    scripts/molecule.sh "$scenario" >"$CACHE/molecule/$scenario.log" 2>&1 &
    running[$scenario]=$!
done
failed=0
for scenario in "${!running[@]}"; do
    verdict=passed
    wait "${running[$scenario]}" || { verdict="FAILED (exit code $?)" failed=1; }
    printf '\n--- scenario %s: %s, after %d s\n' "$scenario" "$verdict" "$SECONDS"
    cat "$CACHE/molecule/$scenario.log"
done
exit "$failed"
