#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name; this file documents it.

from __future__ import annotations

DOCUMENTATION = r"""
module: run_close
short_description: Close a run, write its documents, and fail unless all is proved
version_added: 0.1.0
description:
  - Reads the ledger, writes checklist and index, and fails if a record is missing, open or not a success.
  - Runs on the control node; it is a part of the playbooks of this collection and not meant to be used alone.
options:
  run:
    description: Result of M(sicekat.backup.run_open).
    type: dict
    required: true
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
- name: Close a run, write its documents, and fail unless all is proved
  sicekat.backup.run_close:
    run: "{{ opened }}"
"""

RETURN = r"""
overall:
  description: Outcome of the whole run.
  returned: not in check mode
  type: str
files:
  description: Paths of the checklist by format.
  returned: not in check mode
  type: dict
"""
