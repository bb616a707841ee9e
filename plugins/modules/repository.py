#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: repository
short_description: Create an encrypted repository and read its identity
version_added: 0.1.0
description:
  - Makes sure that a restic repository exists and returns its identity.
  - An existing repository is never touched. One whose identity differs from O(repository_id) is refused, and so is one
    that is missing although an identity was pinned, because a new one would hide that the old one is gone.
  - Can remove locks that a dead process of this server left.
options:
  unlock:
    description: Remove locks of processes of this server that no longer run; other locks stay.
    type: bool
    default: false
  chunker_repository:
    description: Repository whose chunker parameters a new one shares, so that copies from it deduplicate.
    type: str
  chunker_password:
    description: Password of O(chunker_repository).
    type: str
  chunker_key_hint:
    description: Id of the key that O(chunker_password) opens.
    type: str
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
  - sicekat.backup.repository.look
  - sicekat.backup.repository.chunker
"""

EXAMPLES = r"""
- name: Create the repository of this server
  sicekat.backup.repository:
    repository: /srv/backup/srv1
    password: "{{ repository_password }}"
  register: repository
"""

RETURN = r"""
repository_id:
  description: Identity of the repository; empty in check mode where it does not exist yet.
  returned: success
  type: str
key_id:
  description: Id of the key that the password opened (64 hex digits); empty in check mode where there is no repository yet.
  returned: success
  type: str
created:
  description: Whether the repository was created by this call.
  returned: success
  type: bool
engine:
  description: Name and version of the engine.
  returned: success
  type: dict
  sample: {name: restic, version: 0.14.0}
locks_removed:
  description: Who held the stale locks that were removed.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.sicekat.backup.plugins.module_utils.arguments import ACCESS, LOOK, endpoint_of, repository_of
from ansible_collections.sicekat.backup.plugins.module_utils.messages import english
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import ResticError


def ensure(params, check_mode):
    """Creates the repository if it may be created; returns the module's result. Raises ResticError."""
    repository, workspace = repository_of(params, cache=False)
    restic = repository.restic
    made = False if check_mode else workspace.make()
    created = False
    try:
        identity = restic.repository_id()
    except ResticError as error:
        if error.cause != "repository_missing" or repository.pinned_id:
            raise
        created = True
        identity = "" if check_mode else restic.init(_chunker(params))
    if repository.pinned_id and identity != repository.pinned_id:
        restic.require_identity(repository.pinned_id)
    removed = restic.clear_stale_locks() if params["unlock"] and identity and not check_mode else []
    engine = {"name": "restic", "version": restic.version_text()}
    return {
        "changed": created or made or bool(removed), "repository_id": identity, "key_id": restic.current_key() if identity else "",
        "created": created, "engine": engine, "locks_removed": removed,
    }  # fmt: skip


def _chunker(params):
    """Returns the Restic whose chunker parameters are to be shared, or None."""
    if not params["chunker_repository"]:
        return None
    given = {key: params["chunker_" + key] for key in ("repository", "password", "access", "key_hint")}
    return endpoint_of(dict(params, **given), params).restic


def main():
    """Runs the module."""
    module = AnsibleModule(
        argument_spec=dict(
            LOOK,
            unlock={"type": "bool", "default": False},
            chunker_repository={"type": "str"},
            chunker_password={"type": "str", "no_log": True},
            chunker_key_hint={"type": "str", "no_log": False},
            chunker_access={"type": "dict", "default": {}, "options": ACCESS},
        ),
        required_together=[("chunker_repository", "chunker_password")],
        supports_check_mode=True,
    )
    try:
        module.exit_json(**ensure(module.params, module.check_mode))
    except ResticError as error:
        module.fail_json(msg=english(error.message), cause=error.cause, message=error.message, exit_code=error.exit_code)


if __name__ == "__main__":
    main()
