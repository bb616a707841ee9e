#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name; this file documents it.

from __future__ import annotations

DOCUMENTATION = r"""
module: server_offboard
short_description: Take a server out of the policy
version_added: 0.2.0
description:
  - Notes in the ledger that a server is offboarded, with a policy without it, so that it owes no backups from that day. Nothing that was
    stored or recorded is removed.
  - Part of the playbooks of this collection and not meant to be used alone.
options:
  stage:
    description: V(begin) says what is to be done, V(finish) notes that it was.
    type: str
    choices: [begin, finish]
    required: true
  server:
    description: Inventory name of the server; one that has left the inventory is known from the ledger.
    type: str
    required: true
  offboarding:
    description: What the stage V(begin) returned.
    type: dict
    default: {}
  cleaned:
    description: Whether the server's own files were removed.
    type: bool
    default: false
attributes:
  check_mode:
    support: partial
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
- name: See what is to be done
  sicekat.backup.server_offboard:
    stage: begin
    server: srv-arsip
  register: offboarding
"""

RETURN = r"""
policy:
  description: The policy without the server.
  returned: O(stage=begin)
  type: dict
keepers:
  description: Repository servers that keep something for the server.
  returned: O(stage=begin)
  type: list
  elements: str
"""
