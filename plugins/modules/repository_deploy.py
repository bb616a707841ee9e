#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name; this file documents it.

from __future__ import annotations

DOCUMENTATION = r"""
module: repository_deploy
short_description: Create a repository of a server and pin its identity
version_added: 0.1.0
description:
  - Creates what is missing with M(sicekat.backup.repository), with a password that is derived on the control node, and pins
    the identity in the ledger. A repository that was pinned and is missing or another is refused, unless
    C(backup_replace_repository) names it.
  - The task runs at the server for its primary repository, and by delegation at the host that maintains that one for every other.
  - Part of the playbooks of this collection and not meant to be used alone.
options:
  policy:
    description: The policy as M(sicekat.backup.policy_validate) returns it.
    type: dict
    required: true
  repository:
    description: Name of the repository.
    type: str
    required: true
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
- name: Create the primary repository of a server and pin its identity
  sicekat.backup.repository_deploy:
    policy: "{{ validated.policy }}"
    repository: primary
"""

RETURN = r"""
repository_id:
  description: Identity of the repository; empty in check mode where it does not exist yet.
  returned: success
  type: str
"""
