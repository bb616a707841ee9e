#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup
short_description: Back up data sets of a server and look at the result
version_added: 0.1.0
description:
  - Backs up one or more data sets with restic and returns a closed record for each.
  - Every source is looked at first; a missing or empty one is a failure of its data set, never a silent success.
  - A record says V(success) only after the repository has listed the snapshot by its id.
  - Whatever goes wrong with data or repositories stands in the records; the module itself does not fail for it.
options:
  host:
    description: Name under which snapshots are stored; the inventory name of the server.
    type: str
    required: true
  cycle:
    description: Cycle that this run belongs to.
    type: str
    choices: [daily, weekly, monthly]
    required: true
  datasets:
    description: Data sets of the policy, each with the C(record_id) of its open record.
    type: list
    elements: dict
    required: true
  full:
    description: Read every byte of the sources again instead of only what changed.
    type: bool
    default: false
  sample:
    description: Number of files whose digests go into the manifest, or V(full) for all.
    type: str
    default: "100"
attributes:
  check_mode:
    support: full
    details:
      - Sources and the identity of the repository are looked at. No record is returned.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Each run makes a snapshot of its own, which is the evidence that it happened.
author:
  - SI CEKAT contributors (@sicekat)
extends_documentation_fragment:
  - sicekat.backup.attributes
  - sicekat.backup.repository
  - sicekat.backup.repository.progress
"""

EXAMPLES = r"""
- name: Back up one data set
  sicekat.backup.backup:
    repository: /srv/backup/srv1
    password: "{{ repository_password }}"
    repository_id: "{{ repository.repository_id }}"
    host: srv1
    cycle: daily
    datasets:
      - name: dokumen
        kind: files
        paths: [/srv/dokumen]
        record_id: "trial:0001"
"""

RETURN = r"""
records:
  description: A closed record for each data set, with its outcome.
  returned: not in check mode
  type: list
  elements: dict
manifests:
  description: The manifest of each snapshot by record id, packed; the record holds the digest of its canonical form.
  returned: not in check mode
  type: dict
problems:
  description: What would keep a data set from being backed up. Each is a message with C(code) and C(params).
  returned: in check mode
  type: list
  elements: dict
logs:
  description: The whole log of each snapshot by record id, packed; the record holds its digest.
  returned: not in check mode
  type: dict
lost:
  description: V(true) if the job was begun but ended without a result; there are no records then.
  returned: if the job is lost
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.sicekat.backup.plugins.module_utils.arguments import PROGRESS, REPOSITORY, reporter, repository_of
from ansible_collections.sicekat.backup.plugins.module_utils.backup_operation import Task, back_up, rehearse
from ansible_collections.sicekat.backup.plugins.module_utils.jobs import finish
from ansible_collections.sicekat.backup.plugins.module_utils.manifest import pack
from ansible_collections.sicekat.backup.plugins.module_utils.packing import pack_text


def main():
    """Runs the module."""
    module = AnsibleModule(
        argument_spec=dict(
            REPOSITORY,
            **PROGRESS,
            host={"type": "str", "required": True},
            cycle={"type": "str", "required": True, "choices": ["daily", "weekly", "monthly"]},
            datasets={"type": "list", "elements": "dict", "required": True},
            full={"type": "bool", "default": False},
            sample={"type": "str", "default": "100"},
        ),
        supports_check_mode=True,
    )
    params = module.params
    repository, workspace = repository_of(params)
    sample = params["sample"] if params["sample"] == "full" else int(params["sample"])

    def task(report):
        return Task(params["host"], params["cycle"], params["datasets"], params["full"], sample, report)

    if module.check_mode:
        module.exit_json(changed=True, problems=rehearse(task(None), workspace, repository))

    def work():
        with reporter(params["progress"]) as report:
            job = task(report)
            closed, manifests = back_up(job, workspace, repository)
        records = [dict(one, record_id=record_id) for record_id, one in closed.items()]
        packed = {record_id: pack(one) for record_id, one in manifests.items()}
        return {"changed": True, "records": records, "manifests": packed, "logs": {record_id: pack_text(text) for record_id, text in job.logs.items()}}

    finish(module, workspace, work)


if __name__ == "__main__":
    main()
