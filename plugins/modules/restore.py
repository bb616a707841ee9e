#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore
short_description: Restore a snapshot for a person
version_added: 0.1.0
description:
  - Restores an explicit snapshot into a directory, back to where the data came from, or into a database, and proves the copy as
    M(sicekat.backup.restore_test) does. Of a database, a directory gets the files of its bundle.
  - Nothing is ever overwritten or removed. What is at the target is replaced only with O(overwrite), only after the copy was restored and
    proved beside it, and is kept under another name. A failure, also a crash, leaves what was there or puts it back.
  - MariaDB and MySQL cannot rename a database, so its old tables leave first, and a crash in the middle leaves them under the kept name.
options:
  target:
    description: Absolute path of a directory, V(original), or V(database:NAME).
    type: str
    required: true
  overwrite:
    description: Whether what is at the target may be replaced and kept. The control node asks a person to type its name for that.
    type: bool
    default: false
  to_type:
    description: What the person has to type for O(overwrite), for the message that says so.
    type: str
    required: true
  stamp:
    description: When the run was opened, as 20261122T150000Z. What is replaced is kept under a name with it.
    type: str
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
      - A second run finds the target in use and refuses, or replaces it again.
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
    to_type: /srv/pemulihan
    stamp: 20261123T020000Z
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
replaced:
  description: What is at the target and would be replaced, each with C(path) and C(kept_as).
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
from ansible_collections.sicekat.backup.plugins.module_utils.restore_operation import restore_to
from ansible_collections.sicekat.backup.plugins.module_utils.restore_target import target_for
from ansible_collections.sicekat.backup.plugins.module_utils.storage import identity_problems

TARGET = {
    "target": {"type": "str", "required": True},
    "overwrite": {"type": "bool", "default": False},
    "to_type": {"type": "str", "required": True},
    "stamp": {"type": "str", "required": True},
}


def main():
    """Runs the module."""
    module = AnsibleModule(argument_spec=dict(REPOSITORY, **PROGRESS, **RESTORE, **TARGET), supports_check_mode=True)
    # Without a cache: what is proved is what lies in the repository.
    repository, workspace = repository_of(module.params, cache=False)
    job, asked = job_of(module.params), {name: module.params[name] for name in TARGET}
    if module.check_mode:
        target = target_for(asked, job, workspace, [repository.restic.repository])
        problem = target.problem()
        module.exit_json(changed=True, problems=identity_problems(repository) + ([problem] if problem else []), replaced=target.would_replace())

    def work():
        with reporter(module.params["progress"]) as report:
            return {"changed": True, "record": restore_to(job, workspace, repository, asked, report)}

    finish(module, workspace, work)


if __name__ == "__main__":
    main()
