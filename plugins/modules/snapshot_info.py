#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_info
short_description: List the snapshots that a repository holds
version_added: 0.1.0
description:
  - Returns the repository's own list of snapshots. An empty list is returned as it is and is a finding for the caller.
options:
  snapshots:
    description: Ids, or beginnings of ids, to look for; all snapshots if empty.
    type: list
    elements: str
    default: []
  dataset:
    description: Only snapshots of this data set.
    type: str
attributes:
  check_mode:
    support: full
    details:
      - Nothing is changed in any mode.
  diff_mode:
    support: N/A
  idempotent:
    support: full
author:
  - SI CEKAT contributors (@sicekat)
extends_documentation_fragment:
  - sicekat.backup.attributes
  - sicekat.backup.repository.look
"""

EXAMPLES = r"""
- name: List the snapshots of one data set
  sicekat.backup.snapshot_info:
    repository: /srv/backup/srv1
    password: "{{ repository_password }}"
    dataset: dokumen
  register: listed
"""

RETURN = r"""
snapshots:
  description: Snapshots as the repository lists them, oldest first.
  returned: success
  type: list
  elements: dict
repository_id:
  description: Identity of the repository.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.sicekat.backup.plugins.module_utils.arguments import LOOK, repository_of
from ansible_collections.sicekat.backup.plugins.module_utils.messages import english
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import ResticError


def main():
    """Runs the module."""
    module = AnsibleModule(
        argument_spec=dict(LOOK, snapshots={"type": "list", "elements": "str", "default": []}, dataset={"type": "str"}),
        supports_check_mode=True,
    )
    repository, _workspace = repository_of(module.params, cache=False)
    try:
        identity = repository.restic.repository_id()
        if repository.pinned_id and repository.pinned_id != identity:
            repository.require_identity()
        listed = repository.restic.snapshots(module.params["snapshots"])
    except ResticError as error:
        module.fail_json(msg=english(error.message), cause=error.cause, message=error.message, exit_code=error.exit_code)
    if module.params["dataset"]:
        listed = [one for one in listed if "dataset=" + module.params["dataset"] in one.get("tags", ())]
    module.exit_json(changed=False, snapshots=sorted(listed, key=lambda one: one["time"]), repository_id=identity)


if __name__ == "__main__":
    main()
