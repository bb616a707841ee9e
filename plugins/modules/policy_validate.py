#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name; this file documents it.

from __future__ import annotations

DOCUMENTATION = r"""
module: policy_validate
short_description: Resolve the whole inventory into the policy
version_added: 0.1.0
description:
  - Looks at every variable of every host, names every mistake at once, and keeps the resolved policy in the ledger.
  - Warns of each category with an RPO that the schedule cannot keep.
  - Runs on the control node; it is a part of the playbooks of this collection and not meant to be used alone.
options: {}
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
author:
  - SI CEKAT contributors (@sicekat)
extends_documentation_fragment:
  - sicekat.backup.attributes
"""

EXAMPLES = r"""
- name: Resolve the whole inventory into the policy
  sicekat.backup.policy_validate: {}
"""

RETURN = r"""
policy:
  description: The resolved policy; it holds no secret.
  returned: success
  type: dict
"""
