# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options in module_utils/arguments.py."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of every module that speaks to a repository."""

    DOCUMENTATION = r"""
options:
  repository:
    description: Location of the repository as restic takes it. It reaches restic through a pipe, so it may carry credentials.
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
  repository_name:
    description: Name of the repository in the policy.
    type: str
    default: primary
  location:
    description: Where the repository lies, in words, as the checklist shows it.
    type: str
    default: ""
  restic:
    description: Path or name of the restic binary on the server, 0.14 or newer.
    type: str
    default: restic
  server_dir:
    description: Directory on the server that holds canaries, spool, scratch, logs and restic's cache.
    type: path
    default: /var/lib/si-cekat-server
requirements:
  - restic >= 0.14
  - Python >= 3.8 on the server, its standard library only
"""

    PROGRESS = r"""
options:
  progress:
    description: File on the server that is replaced about once a second with the bytes done and in total, for a live view.
    type: path
"""

    RESTORE = r"""
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
  rto_s:
    description: Recovery time objective of the category in seconds.
    type: int
"""
