#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: retention
short_description: Remove old snapshots of a server from one repository
version_added: 0.2.0
description:
  - Asks restic which snapshots the rules let go, as a dry run, takes out what must stay, removes the rest by explicit ids, frees the space, and
    lists the repository again.
  - "Nothing at all is removed from the repository while something in it cannot be accounted for: a snapshot that no record claims, one whose time is
    not that of its record or lies in the future, an unknown data set, or a clock that is wrong."
  - "Nothing is removed of a data set while its newest backup is no success, is gone, or holds less than half of what is usual; and not more than half
    of its snapshots at once if these are more than ten."
  - The newest O(groups[].least) successful backups stay whatever the rules say. A successful one goes only if the rules let it go also when they count
    the successful ones alone.
options:
  groups:
    description: Every data set that the repository holds snapshots of.
    type: list
    elements: dict
    required: true
    suboptions:
      dataset:
        description: Name of the data set.
        type: str
        required: true
      keep:
        description: How many snapshots to keep, as restic counts them. Without a positive number nothing of the data set is removed.
        type: dict
        default: {}
        suboptions:
          last:
            description: Number of newest snapshots.
            type: int
          daily:
            description: Number of days, the newest snapshot of each.
            type: int
          weekly:
            description: Number of weeks, the newest snapshot of each.
            type: int
          monthly:
            description: Number of months, the newest snapshot of each.
            type: int
          yearly:
            description: Number of years, the newest snapshot of each.
            type: int
      least:
        description: Number of successful backups that stay in any case.
        type: int
        default: 3
      known:
        description:
          - Every snapshot of the data set that a record accounts for, as dicts of C(snapshot_id), C(record_id), C(outcome), C(not_before) and
            C(not_after) (RFC 3339, between which it was made), C(files) and C(bytes). Snapshots that were removed before may be among them.
        type: list
        elements: dict
        required: true
      originals:
        description:
          - In a repository of copies, every backup of the data set that a copy may be of, as dicts of C(snapshot_id), C(record_id), C(not_before) and
            C(not_after). One copy of each is accounted for even if no record has it; it proves nothing.
        type: list
        elements: dict
        default: []
  allowed:
    description: Snapshots outside of which nothing is removed this time. Without it, all that may go is removed.
    type: list
    elements: str
  host:
    description: Name under which the snapshots were stored.
    type: str
    required: true
  now:
    description: What the clock of the control node says, RFC 3339.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    details:
      - Nothing is removed. No record is returned.
  diff_mode:
    support: none
  idempotent:
    support: full
author:
  - SI CEKAT contributors (@sicekat)
extends_documentation_fragment:
  - sicekat.backup.attributes
  - sicekat.backup.repository
"""

EXAMPLES = r"""
- name: Keep a week of daily and a year of monthly backups
  sicekat.backup.retention:
    repository: /srv/backup/srv1
    password: "{{ repository_password }}"
    repository_id: "{{ repository.repository_id }}"
    run_as: sicekat-backup
    host: srv1
    now: "{{ now(utc=true).strftime('%Y-%m-%dT%H:%M:%SZ') }}"
    groups:
      - dataset: dokumen
        keep: {daily: 7, monthly: 12}
        known: "{{ known_snapshots }}"
"""

RETURN = r"""
record:
  description:
    - The closed record, with its outcome. C(retention) holds C(listed) and C(kept) (numbers of snapshots of this host), C(removed) and
      C(unconfirmed) (lists of C(snapshot_id), C(dataset) and C(time); unconfirmed is what may be gone, because the repository could not be listed
      afterwards), C(refusals) (messages) and C(groups) (C(dataset), C(listed), C(kept), C(removed), C(refused)).
  returned: not in check mode
  type: dict
problems:
  description: What would keep snapshots from being removed. Each is a message with C(code) and C(params).
  returned: in check mode
  type: list
  elements: dict
removals:
  description: What would be removed, each with C(snapshot_id), C(dataset) and C(time).
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
from ansible_collections.sicekat.backup.plugins.module_utils.jobs import finish
from ansible_collections.sicekat.backup.plugins.module_utils.retention_operation import rehearse, thin_out

GROUP = {
    "dataset": {"type": "str", "required": True},
    "keep": {"type": "dict", "default": {}, "options": {name: {"type": "int"} for name in ("last", "daily", "weekly", "monthly", "yearly")}},
    "least": {"type": "int", "default": 3},
    "known": {"type": "list", "elements": "dict", "required": True},
    "originals": {"type": "list", "elements": "dict", "default": []},
}


def main():
    """Runs the module."""
    module = AnsibleModule(
        argument_spec=dict(
            REPOSITORY,
            groups={"type": "list", "elements": "dict", "required": True, "options": GROUP},
            allowed={"type": "list", "elements": "str"},
            host={"type": "str", "required": True},
            now={"type": "str", "required": True},
        ),
        supports_check_mode=True,
    )
    params = module.params
    # Without a cache: what is removed, and what is left, is decided by what lies in the repository.
    repository, workspace = repository_of(params, cache=False)
    asked = (repository, params["groups"], params["host"], params["now"], params["allowed"])
    if module.check_mode:
        problems, removals = rehearse(*asked)
        module.exit_json(changed=bool(removals), problems=problems, removals=removals)

    def work():
        closed = thin_out(*asked)
        return {"changed": bool(closed["retention"]["removed"]), "record": closed}

    finish(module, workspace, work)


if __name__ == "__main__":
    main()
