#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name; this file documents it.

from __future__ import annotations

DOCUMENTATION = r"""
module: repository_escrow
short_description: Give repositories the key of the sealed envelope and prove it
version_added: 0.2.0
description:
  - Adds a second key to repositories with M(sicekat.backup.repository_keys) and notes in the ledger that it opens the pinned one.
  - A repository for which that is noted is left alone, unless O(again=true).
  - Part of the playbooks of this collection and not meant to be used alone.
options:
  policy:
    description: The policy as M(sicekat.backup.policy_validate) returns it.
    type: dict
    required: true
  host:
    description: Inventory name of the host that maintains the repositories, which the task runs at, also by delegation.
    type: str
    required: true
  servers:
    description: Servers whose repositories are meant.
    type: list
    elements: str
    required: true
  again:
    description: Prove it also where that was done before.
    type: bool
    default: false
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
- name: Give every repository the key of the sealed envelope
  sicekat.backup.repository_escrow:
    policy: "{{ validated.policy }}"
    host: "{{ inventory_hostname }}"
    servers: ["{{ inventory_hostname }}"]
"""

RETURN = r"""
msg:
  description: What was not proved.
  returned: failure
  type: str
"""
