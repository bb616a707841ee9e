#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_copy
short_description: Copy snapshots to another repository and prove the copies there
version_added: 0.2.0
description:
  - Copies snapshots with restic and returns a closed record for each. A snapshot that was copied before is not copied again, but proved again.
  - A copy is V(success) only after the destination has listed it with the contents of its original, and after the canary and a sample of files
    that were read back from the destination are those of backup time. They are read back in memory and never lie on a disk.
  - Whatever goes wrong with repositories stands in the records; the module itself does not fail for it.
options:
  snapshots:
    description: Snapshots to copy.
    type: list
    elements: dict
    required: true
    suboptions:
      record_id:
        description: Id of the open record of the copy.
        type: str
        required: true
      snapshot_id:
        description: Full id of the snapshot in the source.
        type: str
        required: true
      dataset:
        description: Name of the data set, for the reader of the task.
        type: str
        required: true
      manifest:
        description: Manifest that was taken at backup time, packed as M(sicekat.backup.backup) returns it. Without it a copy is not proved.
        type: str
  sample:
    description: Number of files of each copy that are read back and compared.
    type: int
    default: 3
attributes:
  check_mode:
    support: full
    details:
      - Only the identities of both repositories are looked at. No record is returned.
  diff_mode:
    support: none
  idempotent:
    support: full
author:
  - SI CEKAT contributors (@sicekat)
extends_documentation_fragment:
  - sicekat.backup.attributes
  - sicekat.backup.repository
  - sicekat.backup.repository.source
"""

EXAMPLES = r"""
- name: Copy last night's backup to the archive
  sicekat.backup.snapshot_copy:
    repository: s3:https://arsip.example.go.id/cadangan/srv1
    password: "{{ archive_password }}"
    repository_id: "{{ archive.repository_id }}"
    repository_name: archive
    access: {access_key: "{{ access_key }}", secret_key: "{{ secret_key }}"}
    source:
      repository: /srv/backup/srv1
      password: "{{ repository_password }}"
      repository_id: "{{ repository.repository_id }}"
    snapshots:
      - record_id: "trial:0002"
        snapshot_id: "{{ snapshot_id }}"
        dataset: dokumen
        manifest: "{{ manifest }}"
"""

RETURN = r"""
records:
  description: A closed record for each snapshot, with its outcome.
  returned: not in check mode
  type: list
  elements: dict
problems:
  description: What would keep snapshots from being copied. Each is a message with C(code) and C(params).
  returned: in check mode
  type: list
  elements: dict
lost:
  description: V(true) if the job was begun but ended without a result; there are no records then.
  returned: if the job is lost
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.sicekat.backup.plugins.module_utils.arguments import ENDPOINT, REPOSITORY, endpoint_of, repository_of
from ansible_collections.sicekat.backup.plugins.module_utils.copy_operation import copy_snapshots, rehearse
from ansible_collections.sicekat.backup.plugins.module_utils.jobs import finish
from ansible_collections.sicekat.backup.plugins.module_utils.manifest import unpack_or_none

SNAPSHOT = {
    "record_id": {"type": "str", "required": True},
    "snapshot_id": {"type": "str", "required": True},
    "dataset": {"type": "str", "required": True},
    "manifest": {"type": "str", "no_log": True},
}


def main():
    """Runs the module."""
    module = AnsibleModule(
        argument_spec=dict(
            REPOSITORY,
            source={"type": "dict", "required": True, "options": ENDPOINT},
            snapshots={"type": "list", "elements": "dict", "required": True, "options": SNAPSHOT},
            sample={"type": "int", "default": 3},
        ),
        supports_check_mode=True,
    )
    params = module.params
    # Without a cache: what is proved is what lies in the repository.
    destination, workspace = repository_of(params, cache=False)
    source = endpoint_of(params["source"], params)
    if module.check_mode:
        module.exit_json(changed=True, problems=rehearse(destination, source))
    wanted = [dict(one, manifest=unpack_or_none(one["manifest"])) for one in params["snapshots"]]

    def work():
        closed = copy_snapshots(destination, source, wanted, params["sample"])
        return {"changed": True, "records": [dict(one, record_id=record_id) for record_id, one in closed.items()]}

    finish(module, workspace, work)


if __name__ == "__main__":
    main()
