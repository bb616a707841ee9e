#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name; this file documents it.

from __future__ import annotations

DOCUMENTATION = r"""
module: report_write
short_description: Render all checklists and the index again from the ledger
version_added: 0.1.0
description:
  - Writes every document anew from the ledger alone, and fails if the ledger is not sound.
  - Runs on the control node; it is a part of the playbooks of this collection and not meant to be used alone.
options: {}
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
- name: Render all checklists and the index again from the ledger
  sicekat.backup.report_write: {}
"""

RETURN = r"""
path:
  description: Path of the index.
  returned: not in check mode
  type: str
"""
