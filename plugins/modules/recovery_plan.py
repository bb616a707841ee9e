#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name; this file documents it.

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_plan
short_description: Render the recovery plan
version_added: 0.3.0
description:
  - Writes the runbook of an emergency as PDF, HTML and JSON below C(recovery-plan) in C(backup_state_dir), from the inventory and the ledger.
  - It names each service in order of its priority, with numbered steps, who takes them, how long they took in restore tests and how to check them.
  - It holds no secret.
options:
  path:
    description: Absolute path of another directory to write the same files to, for a copy outside the systems that the plan is for.
    type: str
    default: ""
  language:
    description: Language of the plan; that of the policy without it.
    type: str
    choices: [id, en]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: none
author:
  - SI CEKAT contributors (@sicekat)
extends_documentation_fragment:
  - sicekat.backup.attributes
"""

EXAMPLES = r"""
- name: Write it, and a copy on a removable disk
  sicekat.backup.recovery_plan:
    path: /media/cadangan/rencana
"""

RETURN = r"""
msg:
  description: Where the plan lies.
  returned: success
  type: str
paths:
  description: The files that were written.
  returned: success, and not in check mode
  type: list
  elements: str
"""
