#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name; this file documents it.

from __future__ import annotations

DOCUMENTATION = r"""
module: repository_server_deploy
short_description: Give a repository server its certificate and the credentials of its servers
version_added: 0.2.0
description:
  - Writes certificate and key (made anew when fewer than 60 days are left), the certificate of the authority, the password file with one
    entry for each server of the policy that the repository server keeps something for, and the keys of those that come by SSH, each with a
    forced command. Then makes the service use them.
  - Everything is put together on the control node and reaches the host as arguments of M(sicekat.backup.protected_files).
  - Part of the playbooks of this collection and not meant to be used alone.
options:
  host:
    description: Inventory name of the repository server, which the task runs at, also by delegation.
    type: str
    required: true
  policy:
    description:
      - The policy as M(sicekat.backup.policy_validate) returns it.
      - Without it, the inventory is resolved again.
    type: dict
  public_keys:
    description:
      - Public keys of servers that come by SSH, by inventory name.
      - Others are taken from the variable C(client_public_key) of the server, which role C(sicekat.backup.client) sets, or stay as they are.
    type: dict
    default: {}
  certificate_only:
    description: Look after the certificate and leave the credentials alone.
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
- name: Let the repository server know its servers
  sicekat.backup.repository_server_deploy:
    host: "{{ inventory_hostname }}"
    policy: "{{ validated.policy }}"
  become: true
"""

RETURN = r"""
changed_paths:
  description: Paths of the files that changed.
  returned: success
  type: list
  elements: str
certificate:
  description: V(unchanged), or why the certificate was made anew.
  returned: success
  type: str
  sample: expires
"""
