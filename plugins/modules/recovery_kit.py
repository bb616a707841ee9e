#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name; this file documents it.

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_kit
short_description: Print the recovery kit for the sealed envelope
version_added: 0.2.0
description:
  - Writes a PDF that says how to restore with nothing but the paper, a Debian machine and a repository, and holds the password for it.
  - Printed once; the ledger notes when, and holds no secret. Every repository must have been proved to open with that password in the same run.
  - Part of the playbooks of this collection and not meant to be used alone.
options:
  stage:
    description: V(begin) says what is to be proved first, V(print) writes the PDF.
    type: str
    choices: [begin, print]
    required: true
  path:
    description: Absolute path of the PDF on the control node, which must not exist yet.
    type: str
    default: ""
  again:
    description: Print it although it was printed before.
    type: bool
    default: false
  language:
    description: Language of the paper; that of the policy without it.
    type: str
    choices: [id, en]
  kit:
    description: What the stage V(begin) returned.
    type: dict
    default: {}
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
- name: Print it
  sicekat.backup.recovery_kit:
    stage: print
    path: /root/kit.pdf
    kit: "{{ begun }}"
"""

RETURN = r"""
hosts:
  description: Hosts that maintain repositories.
  returned: O(stage=begin)
  type: list
  elements: str
msg:
  description: What to do with the paper.
  returned: O(stage=print)
  type: str
"""
