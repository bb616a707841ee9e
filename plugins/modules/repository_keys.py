#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: repository_keys
short_description: Make sure which passwords open repositories
version_added: 0.2.0
description:
  - Makes sure that each repository opens with every one of the passwords that it is to have, and with none of those that it is not to have.
  - A password counts only after the repository was opened with it. Nothing is removed before all others open it.
  - A repository with which something is wrong does not keep the others from their keys; its entry says what it is.
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
author:
  - SI CEKAT contributors (@sicekat)
extends_documentation_fragment:
  - sicekat.backup.attributes
  - sicekat.backup.repository.engine
  - sicekat.backup.repository.keys
"""

EXAMPLES = r"""
- name: Give a repository its escrow key
  sicekat.backup.repository_keys:
    repositories:
      - server: srv1
        repository: /srv/backup/srv1
        password: "{{ repository_password }}"
        repository_id: "{{ repository.repository_id }}"
        run_as: sicekat-backup
        passwords: ["{{ escrow_password }}"]
"""

RETURN = r"""
results:
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
    opened:
      description: How many of the wanted passwords open it, each tried by itself.
      type: int
    added:
      description: How many were added; in check mode, how many would be.
      type: int
    removed:
      description: How many keys were removed; in check mode, how many passwords would no longer open it.
      type: int
    key_ids:
      description: Id of the key that each of the wanted passwords opens, in their order; in check mode null for one that opens none.
      type: list
      elements: str
    present:
      description: Ids of all keys that it has in the end; null if that was not looked at.
      type: list
      elements: str
    problem:
      description: What is wrong, as a message with C(code) and C(params); null if all is as wanted.
      type: dict
    cause:
      description: Cause of the problem.
      type: str
"""

from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.sicekat.backup.plugins.module_utils.arguments import ENGINE, SEVERAL_AT_ONCE, endpoint_of, repositories
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import ResticError, guarded

PASSWORDS = {
    "passwords": {"type": "list", "elements": "str", "default": [], "no_log": True},
    "remove": {"type": "list", "elements": "str", "default": [], "no_log": True},
}


def opens(restic, password):
    """Returns whether a password opens a repository."""
    try:
        restic.with_password(password).repository_id()
    except ResticError as error:
        if error.cause != "wrong_password":
            raise
        return False
    return True


def settle(endpoint, params, check_mode):
    """Gives one repository its keys and returns its entry."""
    repository = endpoint_of(endpoint, params)
    restic = repository.restic
    count = {"opened": 0, "added": 0, "removed": 0, "key_ids": [], "present": None}

    def work():
        repository.require_identity()
        for password in endpoint["passwords"]:
            if not opens(restic, password):
                count["added"] += 1
                if check_mode:
                    count["key_ids"].append(None)
                    continue
                restic.add_key(password)
            count["opened"] += 1
            count["key_ids"].append(restic.with_password(password).current_key())
        for password in endpoint["remove"]:
            # More than one key may have the same password.
            while opens(restic, password):
                if not check_mode:
                    restic.remove_key(restic.with_password(password).current_key())
                count["removed"] += 1
                if check_mode:
                    break
        count["present"] = restic.key_ids()

    _nothing, cause, problem = guarded(work)
    named = {"server": endpoint["server"], "repository_name": repository.name, "repository_id": repository.pinned_id}
    return dict(named, cause=cause, problem=problem, **count)


def main():
    """Runs the module."""
    module = AnsibleModule(argument_spec=dict(ENGINE, repositories=repositories(**PASSWORDS)), supports_check_mode=True)
    with ThreadPoolExecutor(SEVERAL_AT_ONCE) as pool:
        results = list(pool.map(lambda one: settle(one, module.params, module.check_mode), module.params["repositories"]))
    module.exit_json(changed=any(one["added"] or one["removed"] for one in results), results=results)


if __name__ == "__main__":
    main()
