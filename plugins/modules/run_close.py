#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
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
    description: Can run in check mode and return changed status prediction without modifying the server.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check mode), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: none
    details:
      - Each call is an event of its own in the ledger.
extends_documentation_fragment:
  - sicekat.backup.repository.action
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
