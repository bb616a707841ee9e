#!/usr/bin/env bash
# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: molecule.sh SCENARIO [COMMAND...]
# Runs a Molecule scenario on real hosts: 'test' by default, from boot to removal, however it ends. 'converge', 'verify', 'destroy' and the
# others of Molecule leave the hosts as they are; 'pytest ARGUMENTS' runs single tests on hosts that are up. Needs root.

source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

(($# >= 1)) || die "usage: molecule.sh SCENARIO [COMMAND...]"
scenario=$1
shift
(($# >= 1)) || set -- test
[[ -f molecule/$scenario/molecule.yml ]] || die "no scenario '$scenario'; there are: $(cd molecule && dirname -- */molecule.yml | xargs)"

# Molecule's default would be the same for all checkouts whose directory has the same name.
export MOLECULE_GLOB='molecule/*/molecule.yml' MOLECULE_EPHEMERAL_DIRECTORY=$CACHE/molecule/$scenario
scripts/testbed.sh check

if [[ $1 == pytest ]]; then
    shift
    SCENARIO=$scenario exec pytest -p no:cacheprovider "$@"
fi
if [[ $1 == test ]]; then
    running=""
    # a killed run too leaves nothing behind
    trap 'kill "$running" 2>/dev/null || true; scripts/testbed.sh destroy "$CACHE/testbed/$scenario"' EXIT
    trap 'exit 130' INT TERM
    scripts/restic-binaries.sh "$CACHE/restic"
    molecule --base-config .config/molecule/config.yml "$1" --no-command-borders --scenario-name "$scenario" "${@:2}" &
    running=$!
    wait "$running"
    exit
fi
molecule --base-config .config/molecule/config.yml "$1" --scenario-name "$scenario" "${@:2}"
