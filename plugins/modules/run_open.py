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
    choices: [daily, weekly, monthly, restore_test, restore, drill]
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
        description:
          - Beginning of a snapshot id (at least 8 digits), or a time C(YYYY-MM-DD HH:MM[:SS]) in the agency's zone for the newest proved backup
            that was not begun after it. The newest proved backup if empty or V(newest).
        type: str
        default: ''
      target:
        description: Absolute path of a directory on the server, V(original), or V(database:NAME). Asked for at the terminal if empty.
        type: str
        default: ''
      requester:
        description: Who requests the restore. Asked for at the terminal if empty.
        type: str
        default: ''
      approver:
        description: Who approved it, another person than O(restore.requester). Asked for at the terminal if empty.
        type: str
        default: ''
      reason:
        description: Why the data are restored. Asked for at the terminal if empty.
        type: str
        default: ''
      overwrite:
        description: What is to be replaced, typed again - the directory, the name of the database, or SERVER/DATASET for the
          V(original) place of files.
        type: str
        default: ''
  restore_test_snapshot:
    description:
      - Which snapshots the tests of this run take, for O(cycle=restore_test), where it is not to be each data set's turn - V(newest), V(random),
        or the beginning of a snapshot id (at least 8 digits), which makes the run test that snapshot alone.
    type: str
    default: ''
  drill_services:
    description: Names of the services that a drill exercises, with commas between them, for O(cycle=drill); all if empty.
    type: str
    default: ''
  accept_change:
    description:
      - Data sets of which this run accepts that they changed much, each as SERVER/DATASET, in a list or in one text between commas or blanks.
      - Who starts the run stands in its records as the one who accepted it.
    type: raw
    default: []
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
