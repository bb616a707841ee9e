#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: repository_listing
short_description: List what several repositories hold, and measure their storage
version_added: 0.2.0
description:
  - Asks each repository for its snapshots, without a cache and without a lock. One that does not have its pinned identity is not listed.
  - A repository that cannot be listed does not keep the others from it; its entry says what is wrong.
options:
  path:
    description: Directory whose file system is measured.
    type: path
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
  - sicekat.backup.repository.engine
  - sicekat.backup.repository.listed
"""

EXAMPLES = r"""
- name: See what the repository of a server holds
  sicekat.backup.repository_listing:
    path: /srv/backup
    repositories:
      - server: srv1
        repository: /srv/backup/srv1
        password: "{{ repository_password }}"
        repository_id: "{{ repository.repository_id }}"
        run_as: sicekat-backup
  register: listed
"""

RETURN = r"""
listings:
  description: An entry for each repository, in the order of O(repositories).
  returned: success
  type: list
  elements: dict
  contains:
    server:
      description: Server that it belongs to.
      type: str
    repository_name:
      description: Name of the repository in the policy.
      type: str
    repository_id:
      description: Identity that was pinned.
      type: str
    snapshots:
      description: Snapshots as the repository lists them, with C(id), C(time), C(hostname), C(tags), C(paths), C(original) and C(parent).
      type: list
      elements: dict
    sizes:
      description:
        - For each snapshot of its C(measure) that is listed, C(files) (all its items, directories and links too) and C(bytes) (what a restore
          would write, hard links once); null for one that could not be measured.
      type: dict
    strange_keys:
      description: Ids of keys that the repository has besides those of its C(known_keys); null if it was not listed or they were not given.
      type: list
      elements: str
    problem:
      description: Why it could not be listed, as a message with C(code) and C(params); null if it was listed.
      type: dict
    cause:
      description: Cause of the problem.
      type: str
free_bytes:
  description: Free space where O(path) lies.
  returned: success
  type: int
total_bytes:
  description: Size of the file system where O(path) lies.
  returned: success
  type: int
clock:
  description: What the clock of this host says, RFC 3339 in UTC.
  returned: success
  type: str
"""

import shutil
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.arguments import ENGINE, SEVERAL_AT_ONCE, endpoint_of, repositories
from ansible_collections.sicekat.backup.plugins.module_utils.messages import english
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import guarded
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import os_failure

MORE = {
    "known_keys": {"type": "list", "elements": "str", "no_log": False},
    "measure": {"type": "list", "elements": "str", "default": []},
}
FIELDS = ("id", "time", "hostname", "tags", "paths", "original", "parent")


def listing_of(endpoint, params):
    """Returns the entry of one repository."""
    repository = endpoint_of(endpoint, params)

    def ask():
        repository.require_identity()
        snapshots = [{field: one.get(field) for field in FIELDS} for one in repository.restic.snapshots()]
        # A server names what it claims, so only what the repository lists by that name goes to restic.
        sizes = {one["id"]: guarded(lambda name=one["id"]: repository.restic.size(name))[0] for one in snapshots if one["id"] in endpoint["measure"]}
        known = endpoint["known_keys"]
        return snapshots, sizes, None if known is None else sorted(set(repository.restic.key_ids()) - set(known))

    found, cause, problem = guarded(ask)
    snapshots, sizes, strange = found or ([], {}, None)
    return {
        "server": endpoint["server"], "repository_name": repository.name, "repository_id": repository.pinned_id,
        "snapshots": snapshots, "sizes": sizes, "strange_keys": strange, "cause": cause, "problem": problem,
    }  # fmt: skip


def main():
    """Runs the module."""
    spec = dict(ENGINE, path={"type": "path"}, repositories=repositories(**MORE))
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    params = module.params
    free = total = None
    if params["path"]:
        try:
            total, _used, free = shutil.disk_usage(params["path"])
        except OSError as error:
            cause, message = os_failure(error, params["path"])
            module.fail_json(msg=english(message), cause=cause, message=message)
    with ThreadPoolExecutor(SEVERAL_AT_ONCE) as pool:
        listings = list(pool.map(lambda one: listing_of(one, params), params["repositories"]))
    module.exit_json(changed=False, listings=listings, free_bytes=free, total_bytes=total, clock=record.to_text(record.utc_now()))


if __name__ == "__main__":
    main()
