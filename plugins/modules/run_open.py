#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name; this file documents it.

from __future__ import annotations

DOCUMENTATION = r"""
module: run_open
short_description: Open a run and a record for each obligation before any work
version_added: 0.1.0
description:
  - Validates the whole inventory, closes what dead runs left open as V(aborted), and writes the policy, the run and an OPEN
    record for each obligation into the ledger.
  - Runs on the control node; it is a part of the playbooks of this collection and not meant to be used alone.
options:
  cycle:
    description: Cycle to run.
    type: str
    required: true
    choices: [daily, weekly, monthly, restore_test, restore]
  restore:
    description: What to restore, for O(cycle=restore).
    type: dict
    suboptions:
      server:
        description: Server; may be left out if the play has only one.
        type: str
        default: ''
      dataset:
        description: Data set; may be left out if the server has only one.
        type: str
        default: ''
      snapshot:
        description: Beginning of a snapshot id; the newest proved backup if empty.
        type: str
        default: ''
      target:
        description: Absolute path of an empty or new directory on the server.
        type: str
        default: ''
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Each call is an event of its own in the ledger.
author:
  - SI CEKAT contributors (@sicekat)
extends_documentation_fragment:
  - sicekat.backup.attributes
"""

EXAMPLES = r"""
- name: Open a run and a record for each obligation before any work
  sicekat.backup.run_open:
    cycle: daily
"""

RETURN = r"""
run_id:
  description: Name of the run; empty in check mode.
  returned: success
  type: str
expected:
  description: Number of records that the run owes.
  returned: success
  type: int
swept:
  description: Number of records of dead runs that were closed as V(aborted).
  returned: not in check mode
  type: int
"""
