#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore
short_description: Restore a snapshot into an empty directory
version_added: 0.1.0
description:
  - Restores an explicit snapshot into a directory that is empty or new, and proves the copy as M(sicekat.backup.restore_test) does.
  - Nothing is ever overwritten. A target that is not empty, or lies inside a source or our own directories, is refused.
options:
  target:
    description: Absolute path of the directory.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    details:
      - The target and the identity of the repository are looked at. No record is returned.
  diff_mode:
    support: N/A
  idempotent:
    support: none
    details:
      - A second run finds the target not empty and refuses.
author:
  - SI CEKAT contributors (@sicekat)
extends_documentation_fragment:
  - sicekat.backup.attributes
  - sicekat.backup.repository
  - sicekat.backup.repository.progress
  - sicekat.backup.repository.restore
"""

EXAMPLES = r"""
- name: Bring one data set back
  sicekat.backup.restore:
    repository: /srv/backup/srv1
    password: "{{ repository_password }}"
    repository_id: "{{ repository.repository_id }}"
    dataset: {name: dokumen, kind: files, paths: [/srv/dokumen]}
    snapshot: "{{ snapshot_id }}"
    backed_up_at: "2026-11-22T15:00:00Z"
    target: /srv/pemulihan
"""

RETURN = r"""
record:
  description: The closed record of the restore, with its outcome.
  returned: not in check mode
  type: dict
problems:
  description: What would keep the snapshot from being restored. Each is a message with C(code) and C(params).
  returned: in check mode
  type: list
  elements: dict
lost:
  description: V(true) if the job was begun but ended without a result; there is no record then.
  returned: if the job is lost
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.sicekat.backup.plugins.module_utils.arguments import PROGRESS, REPOSITORY, reporter, repository_of
from ansible_collections.sicekat.backup.plugins.module_utils.jobs import finish
from ansible_collections.sicekat.backup.plugins.module_utils.restore_arguments import RESTORE, job_of
from ansible_collections.sicekat.backup.plugins.module_utils.restore_operation import refuse_target, restore_to
from ansible_collections.sicekat.backup.plugins.module_utils.storage import identity_problems


def main():
    """Runs the module."""
    module = AnsibleModule(argument_spec=dict(REPOSITORY, **PROGRESS, **RESTORE, target={"type": "path", "required": True}), supports_check_mode=True)
    # Without a cache: what is proved is what lies in the repository.
    repository, workspace = repository_of(module.params, cache=False)
    job, target = job_of(module.params), module.params["target"]
    if module.check_mode:
        refusal = refuse_target(target, [workspace.root, repository.restic.repository, *job.places()])
        module.exit_json(changed=True, problems=identity_problems(repository) + ([refusal] if refusal else []))

    def work():
        with reporter(module.params["progress"]) as report:
            return {"changed": True, "record": restore_to(job, workspace, repository, target, report)}

    finish(module, workspace, work)


if __name__ == "__main__":
    main()
