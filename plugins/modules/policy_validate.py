#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name; this file documents it.

from __future__ import annotations

DOCUMENTATION = r"""
module: policy_validate
short_description: Resolve the whole inventory into the policy
version_added: 0.1.0
description:
  - Looks at every variable of every host, names every mistake at once, and keeps the resolved policy in the ledger.
  - Runs on the control node; it is a part of the playbooks of this collection and not meant to be used alone.
options: {}
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying the server.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check mode), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
extends_documentation_fragment:
  - sicekat.backup.repository.action
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
