# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options in module_utils/arguments.py."""

from __future__ import annotations

import textwrap


def _options(text):
    return "\noptions:\n" + textwrap.indent(text, "  ")


def _suboptions(head, text):
    return head + "  suboptions:\n" + textwrap.indent(text, "    ")


_ACCESS = r"""
username:
  description: User name for a REST server.
  type: str
password:
  description: Password for a REST server.
  type: str
access_key:
  description: Access key of an object store.
  type: str
secret_key:
  description: Secret key of an object store.
  type: str
ca_certificate:
  description: Certificate authority (PEM) of a REST server or object store, if its certificate is not of a public one.
  type: str
identity_file:
  description: Private key for sftp and ssh on the host where restic runs, readable by the user that it runs as.
  type: path
host_key:
  description:
    - Host key for sftp and ssh, such as V(ssh-ed25519 AAAA...). Without it the user's known hosts decide.
    - A host whose key is not known is refused in either case.
  type: str
known_hosts:
  description: File of known hosts for sftp and ssh on the host where restic runs, in place of the user's and the system's.
  type: path
"""

_PLACE = r"""
repository:
  description:
    - Location of the repository without secrets. An absolute path, V(rest:https://host:port/name/), V(s3:https://host/bucket/path),
      V(sftp:user@host:/path), or V(ssh://user@host) for a forced command that serves one repository.
    - It reaches restic through a pipe.
  type: str
  required: true
password:
  description: Password of the repository. It reaches restic through a pipe and stands in no argument list, environment or file.
  type: str
  required: true
repository_id:
  description:
    - Identity of the repository (64 hex digits) as it was pinned at deployment.
    - A repository with another identity is refused.
  type: str
key_hint:
  description: Id of the key (64 hex digits) that the password opens. It is tried before all others.
  type: str
repository_name:
  description: Name of the repository in the policy.
  type: str
  default: primary
location:
  description: Where the repository lies, in words, as the checklist shows it.
  type: str
  default: ""
"""

_RUN_AS = r"""
run_as:
  description: User of the operating system that restic runs as, so that files of a local repository stay its own. Needs root.
  type: str
"""

_ENDPOINT = (
    _PLACE
    + _suboptions("access:\n  description: What opens the way to the repository, besides its own password.\n  type: dict\n  default: {}\n", _ACCESS)
    + _RUN_AS
)

_ENGINE = r"""
restic:
  description: Path or name of the restic binary on the server, 0.14 or newer.
  type: str
  default: restic
server_dir:
  description: Directory on the server that holds canaries, spool, scratch, logs, results of jobs and restic's cache.
  type: path
  default: /var/lib/si-cekat-server
upload_limit:
  description: Limit for restic's uploads in KiB per second.
  type: int
max_runtime:
  description: Limit for the working calls of restic in seconds, all together.
  type: int
  default: 86400
"""

_JOB = r"""
job:
  description:
    - Id of the job. The work then goes on if the connection breaks, and the same id gets its result.
    - Without it the work ends with the module.
  type: str
"""

_SEVERAL = r"""
repositories:
  description: Repositories, each with the server that it belongs to.
  type: list
  elements: dict
  default: []
"""

_SERVER = r"""
server:
  description: Inventory name of the server that it belongs to.
  type: str
  required: true
"""

_PASSWORDS = r"""
passwords:
  description: Passwords that must open the repository, besides the one that it is opened with here.
  type: list
  elements: str
  default: []
remove:
  description: Passwords that must not open it any more.
  type: list
  elements: str
  default: []
"""

_KNOWN_KEYS = r"""
known_keys:
  description: Ids of all keys (64 hex digits) that the repository is to have. Without it they are not compared.
  type: list
  elements: str
"""

_MEASURE = """
measure:
  description: Full ids of snapshots whose sizes are measured, if the repository lists them.
  type: list
  elements: str
  default: []
"""

_REQUIREMENTS = r"""
requirements:
  - restic >= 0.14
  - Python >= 3.8 on the server, its standard library only
"""


class ModuleDocFragment:
    """Options of every module that speaks to a repository.

    Annotated, because ansible-test takes every plain assignment here for a literal.
    """

    DOCUMENTATION: str = _options(_ENDPOINT + _ENGINE + _JOB) + _REQUIREMENTS

    LOOK: str = _options(_ENDPOINT + _ENGINE) + _REQUIREMENTS

    ENGINE: str = _options(_ENGINE) + _REQUIREMENTS

    CHUNKER: str = _options(_suboptions("chunker_access:\n  description: What opens the way to O(chunker_repository).\n  type: dict\n  default: {}\n", _ACCESS))

    REPOSITORIES: str = _options(_suboptions(_SEVERAL, _ENDPOINT + _SERVER))

    LISTED: str = _options(_suboptions(_SEVERAL, _ENDPOINT + _SERVER + _KNOWN_KEYS + _MEASURE))

    KEYS: str = _options(_suboptions(_SEVERAL, _ENDPOINT + _SERVER + _PASSWORDS))

    SOURCE: str = _options(_suboptions("source:\n  description: Repository to read from.\n  type: dict\n  required: true\n", _ENDPOINT))

    PROGRESS: str = r"""
options:
  progress:
    description: File on the server that is replaced about once a second with the bytes done and in total, for a live view.
    type: path
"""

    RESTORE: str = r"""
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
    description: Manifest that was taken at backup time, packed as M(sicekat.backup.backup) returns it.
    type: str
  manifest_sha256:
    description: Digest of the manifest as the record of the backup holds it.
    type: str
  size_bytes:
    description: Size that the backup counted, in bytes, for progress.
    type: int
    default: 0
  whole_bytes:
    description: Size of the newest backup of the data set in bytes, to which the time of a restore is extrapolated.
    type: int
    default: 0
  pick:
    description: How the snapshot was chosen; only the newest one is held against the recovery point objective.
    type: str
    choices: [newest, random, named]
    default: newest
  seed:
    description: Seed of a random choice, for the record.
    type: str
  rto_s:
    description: Recovery time objective of the category in seconds.
    type: int
  rpo_s:
    description: Recovery point objective of the category in seconds.
    type: int
"""
