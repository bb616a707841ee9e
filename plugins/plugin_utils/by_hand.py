# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a person works with a repository at night, with restic alone: the files on a server that make it one short command. Pure.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from ansible_collections.sicekat.backup.plugins.module_utils.transport import Transport

_SCRIPT = """#!/bin/sh
# Written by Ansible (role sicekat.backup.client). restic with this server's own repository, for restoring by hand:
#   {directory}/restic snapshots
#   {directory}/restic restore SNAPSHOT --target /an/empty/directory
# Make no backup with it: it would belong to no record, and nothing would be removed from the repository until it is explained.
{settings}exec {command} "$@"
"""


def files(endpoint: Mapping, restic: str, directory: str) -> list[dict]:
    """Returns what module protected_files writes into a directory so that `directory`/restic works with the repository of an endpoint.

    endpoint: as access.Access.endpoint returns it, for the server itself. restic: its binary. Raises ResticError for a location that is none.
    """
    transport = Transport(endpoint["repository"], endpoint["access"])
    command = [restic, "--repository-file", f"{directory}/repository", "--password-file", f"{directory}/password"]
    settings = ""
    found = [
        {"path": f"{directory}/repository", "content": f"{transport.restic_location}\n"},
        {"path": f"{directory}/password", "content": f"{endpoint['password']}\n"},
    ]
    optional = {"ca.pem": transport.authority, "s3-keys": _s3_keys(transport)}
    if optional["ca.pem"]:
        command += ["--cacert", f"{directory}/ca.pem"]
    if optional["s3-keys"]:
        settings = f"export AWS_SHARED_CREDENTIALS_FILE={directory}/s3-keys\n"
    if transport.ssh_command:
        command += ["-o", f"{'sftp.command' if transport.kind == 'sftp' else 'rclone.program'}={transport.ssh_command}"]
    for name, content in optional.items():
        state = {"content": content, "mode": "0644" if name == "ca.pem" else "0600"} if content else {"state": "absent"}
        found.append({"path": f"{directory}/{name}", **state})
    script = _SCRIPT.format(directory=directory, settings=settings, command=shlex.join(command))
    return [*found, {"path": f"{directory}/restic", "content": script, "mode": "0700"}]


def _s3_keys(transport: Transport) -> str:
    """Returns a credentials file of an object store, which restic's client reads, or nothing."""
    if not transport.keys:
        return ""
    return "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n".format(*transport.keys)
