# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Sourced by the other scripts: the repository's root as current directory, its virtual environment first in PATH.

set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$ROOT"

CACHE=$ROOT/.cache
VENV=$ROOT/.venv
PATH=$VENV/bin:$PATH

# Ansible refuses to start without a UTF-8 locale, and a bare Debian has none set.
export LC_ALL=C.UTF-8 ANSIBLE_CONFIG=$ROOT/ansible.cfg PATH

# Says on standard error what is wrong and what to do about it, and stops.
die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}
