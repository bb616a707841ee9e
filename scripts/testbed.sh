#!/usr/bin/env bash
# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: testbed.sh create|destroy|list|run|ssh|cut|heal|power-off|power-on|reinstall|slow|add BED ...
# Boots real hosts for tests on this machine, in the directory BED; 'testbed.sh --help' and '... COMMAND --help' say more. Needs root.

here=$PWD
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
cd "$here"

PYTHONPATH=$ROOT/molecule/shared PYTHONDONTWRITEBYTECODE=1 exec python3 -m testbed "$@"
