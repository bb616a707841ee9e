#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
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
options:
  dataset:
    description: Data set of the policy.
    type: dict
    required: true
  snapshot:
    description: Full id of the snapshot.
    type: str
    required: true
  backed_up_at:
    description: When the snapshot was begun, RFC 3339 in UTC.
    type: str
    required: true
  manifest:
    description: Manifest that was taken at backup time.
    type: dict
  manifest_sha256:
    description: Digest of the manifest as the record of the backup holds it.
    type: str
  size_bytes:
    description: Size that the backup counted, in bytes, for progress.
    type: int
    default: 0
  rto_s:
    description: Recovery time objective of the category in seconds.
    type: int
  full:
    description: Let restic read every restored file back and compare it.
    type: bool
    default: false
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying the server.
    support: full
    details:
      - Only the identity of the repository is looked at. No record is returned.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check mode), when in diff mode.
    support: N/A
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: none
    details:
      - Each test is an event of its own; nothing of it stays on the server.
extends_documentation_fragment:
  - sicekat.backup.repository
  - sicekat.backup.repository.progress
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
  description: The closed record of the test, with the outcome in RV(record.outcome).
  returned: not in check mode
  type: dict
problems:
  description: What would keep the snapshot from being tested. Each is a message with C(code) and C(params).
  returned: in check mode
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.sicekat.backup.plugins.module_utils.arguments import PROGRESS, REPOSITORY, RESTORE, job_of, reporter, repository_of
from ansible_collections.sicekat.backup.plugins.module_utils.backup_operation import identity_problems
from ansible_collections.sicekat.backup.plugins.module_utils.restore_operation import test_restore


def main():
    """Runs the module."""
    module = AnsibleModule(argument_spec=dict(REPOSITORY, **PROGRESS, **RESTORE), supports_check_mode=True)
    repository, workspace = repository_of(module.params)
    if module.check_mode:
        module.exit_json(changed=False, problems=identity_problems(repository))
    module.exit_json(changed=True, record=test_restore(job_of(module.params), workspace, repository, reporter(module.params["progress"])))


if __name__ == "__main__":
    main()
