#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_test
short_description: Restore a snapshot into a scratch directory and prove it
version_added: 0.1.0
description:
  - Restores an explicit snapshot into a fresh directory, compares every entry with what the repository lists, a sample byte
    by byte with the manifest of backup time, looks for the canary of that run, opens a database and asks it, times every
    phase, and removes the directory, with what crashed runs left behind.
  - Zero files are a failure.
options: {}
attributes:
  check_mode:
    support: full
    details:
      - Only the identity of the repository is looked at. No record is returned.
  diff_mode:
    support: N/A
  idempotent:
    support: none
    details:
      - Each test is an event of its own; nothing of it stays on the server.
author:
  - SI CEKAT contributors (@sicekat)
extends_documentation_fragment:
  - sicekat.backup.attributes
  - sicekat.backup.repository
  - sicekat.backup.repository.progress
  - sicekat.backup.repository.restore
"""

EXAMPLES = r"""
- name: Prove the newest backup of one data set
  sicekat.backup.restore_test:
    repository: /srv/backup/srv1
    password: "{{ repository_password }}"
    repository_id: "{{ repository.repository_id }}"
    dataset: {name: dokumen, kind: files, paths: [/srv/dokumen]}
    snapshot: "{{ snapshot_id }}"
    backed_up_at: "2026-11-22T15:00:00Z"
    manifest: "{{ manifest }}"
    manifest_sha256: "{{ manifest_sha256 }}"
"""

RETURN = r"""
record:
  description: The closed record of the test, with its outcome.
  returned: not in check mode
  type: dict
problems:
  description: What would keep the snapshot from being tested. Each is a message with C(code) and C(params).
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
from ansible_collections.sicekat.backup.plugins.module_utils.restore_operation import test_restore
from ansible_collections.sicekat.backup.plugins.module_utils.storage import identity_problems


def main():
    """Runs the module."""
    module = AnsibleModule(argument_spec=dict(REPOSITORY, **PROGRESS, **RESTORE), supports_check_mode=True)
    # Without a cache: what is proved is what lies in the repository.
    repository, workspace = repository_of(module.params, cache=False)
    if module.check_mode:
        module.exit_json(changed=False, problems=identity_problems(repository))

    def work():
        with reporter(module.params["progress"]) as report:
            return {"changed": True, "record": test_restore(job_of(module.params), workspace, repository, report)}

    finish(module, workspace, work)


if __name__ == "__main__":
    main()
