#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name; this file documents it.

from __future__ import annotations

DOCUMENTATION = r"""
module: run_perform
short_description: Take one step of a run on a host
version_added: 0.1.0
description:
  - Derives passwords on the control node, calls the modules that do the work, and returns what the callback writes into the
    ledger. Refuses to work without an open run.
  - What a server says of its own backup is a claim until its repository server has listed the snapshot (step V(confirm)).
  - The work goes on when the connection breaks. The server is tried again for C(backup_reconnect); after that the record stays
    open, and step V(collect) of the next run fetches the result.
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
    choices: [collect, measure, confirm, backup, copy, integrity_check, retention, restore_test, restore]
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
  description: Closed records of the work of this host.
  returned: not in check mode
  type: list
  elements: dict
claims:
  description: Closed records that a repository server has to confirm first.
  returned: not in check mode
  type: list
  elements: dict
notes:
  description: Further entries for the ledger, each a kind and its data, such as what a repository server lists and how much room it has.
  returned: by the steps V(measure) and V(confirm)
  type: list
  elements: list
"""
