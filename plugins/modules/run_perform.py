#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name; this file documents it.

from __future__ import annotations

DOCUMENTATION = r"""
module: run_perform
short_description: Do one step of a run on a server
version_added: 0.1.0
description:
  - Derives the password of the repository on the control node, calls the module that does the work, and returns its closed
    records, which the callback writes into the ledger. Refuses to work without an open run.
  - Runs on the control node; it is a part of the playbooks of this collection and not meant to be used alone.
options:
  run:
    description: Result of M(sicekat.backup.run_open).
    type: dict
    required: true
  step:
    description: What to do.
    type: str
    required: true
    choices: [backup, integrity_check, restore_test, restore]
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
- name: Do one step of a run on a server
  sicekat.backup.run_perform:
    run: "{{ opened }}"
    step: backup
"""

RETURN = r"""
green:
  description: Whether every record of this host and step is a proved success.
  returned: unless the step has nothing to do on this host
  type: bool
records:
  description: Closed records of this host.
  returned: not in check mode
  type: list
  elements: dict
"""
