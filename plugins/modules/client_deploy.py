#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name; this file documents it.

from __future__ import annotations

DOCUMENTATION = r"""
module: client_deploy
short_description: Give a server the credentials of its primary repository
version_added: 0.2.0
description:
  - Writes C(/etc/si-cekat), which only root can read, so that a person can restore on the server with C(/etc/si-cekat/restic) alone.
  - A server gets nothing that opens another server's repository, nor its own copies.
  - Part of the playbooks of this collection and not meant to be used alone.
options:
  host:
    description: Inventory name of the server, which the task runs at, also by delegation.
    type: str
    required: true
  policy:
    description: The policy as M(sicekat.backup.policy_validate) returns it.
    type: dict
    required: true
  host_key:
    description: Public host key of the repository server, where the server comes to it by SSH.
    type: str
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
- name: Write what a restore by hand needs
  sicekat.backup.client_deploy:
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
"""
