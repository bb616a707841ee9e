#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name; this file documents it.

from __future__ import annotations

DOCUMENTATION = r"""
module: credentials_rotate
short_description: Rotate the credentials of a server, stage by stage
version_added: 0.2.0
description:
  - Takes one stage of C(rotate.yml). The ledger notes which version is in force, so a rotation that was cut off is finished by the next one.
  - Part of the playbooks of this collection and not meant to be used alone.
options:
  stage:
    description: Which stage.
    type: str
    choices: [begin, add_keys, switch, prove_transport, remove_keys, finish]
    required: true
  server:
    description: Inventory name of the server.
    type: str
    required: true
  host:
    description: Inventory name of the host that the task runs at by delegation, in the stages that work there.
    type: str
  rotation:
    description: What the stage V(begin) returned.
    type: dict
    default: {}
  added:
    description: What the stage V(add_keys) returned at each host.
    type: list
    elements: dict
    default: []
  public_key:
    description: The server's new public key for the way by SSH, in the stage V(prove_transport).
    type: str
    default: ""
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
  sicekat.backup.credentials_rotate:
    stage: begin
    server: srv-arsip
  register: rotation
"""

RETURN = r"""
version:
  description: Version that the rotation puts in force.
  returned: O(stage=begin)
  type: int
hosts:
  description: Hosts that maintain the server's repositories.
  returned: O(stage=begin)
  type: list
  elements: str
key_ids:
  description: For each repository, the id of the key that was added.
  returned: O(stage=add_keys)
  type: dict
keepers:
  description: Repository servers that keep something for the server.
  returned: O(stage=begin)
  type: list
  elements: str
"""
