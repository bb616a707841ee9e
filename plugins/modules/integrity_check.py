#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: integrity_check
short_description: Check a repository and read its data back
version_added: 0.1.0
description:
  - Runs restic's structural check and reads pack files back, which alone finds a flipped byte.
  - Returns a closed record. A check that read no pack file is V(failed), and so is one without restic's own words that it
    read data and found no errors.
options:
  read_data:
    description: V(full) for all pack files, or V(n/t) for the n-th of t groups.
    type: str
    default: full
attributes:
  check_mode:
    support: full
    details:
      - Only the identity of the repository is looked at. No record is returned.
  diff_mode:
    support: N/A
  idempotent:
    support: full
author:
  - SI CEKAT contributors (@sicekat)
extends_documentation_fragment:
  - sicekat.backup.attributes
  - sicekat.backup.repository
"""

EXAMPLES = r"""
- name: Read the whole repository back
  sicekat.backup.integrity_check:
    repository: /srv/backup/srv1
    password: "{{ repository_password }}"
    repository_id: "{{ repository.repository_id }}"
"""

RETURN = r"""
record:
  description: The closed record of the check, with its outcome.
  returned: not in check mode
  type: dict
problems:
  description: What would keep the repository from being checked. Each is a message with C(code) and C(params).
  returned: in check mode
  type: list
  elements: dict
lost:
  description: V(true) if the job was begun but ended without a result; there is no record then.
  returned: if the job is lost
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.sicekat.backup.plugins.module_utils.arguments import REPOSITORY, repository_of
from ansible_collections.sicekat.backup.plugins.module_utils.integrity_operation import check_integrity
from ansible_collections.sicekat.backup.plugins.module_utils.jobs import finish
from ansible_collections.sicekat.backup.plugins.module_utils.storage import identity_problems


def main():
    """Runs the module."""
    module = AnsibleModule(argument_spec=dict(REPOSITORY, read_data={"type": "str", "default": "full"}), supports_check_mode=True)
    # Without a cache: what is checked is what lies in the repository.
    repository, workspace = repository_of(module.params, cache=False)
    if module.check_mode:
        module.exit_json(changed=False, problems=identity_problems(repository))
    finish(module, workspace, lambda: {"changed": False, "record": check_integrity(repository, module.params["read_data"])})


if __name__ == "__main__":
    main()
