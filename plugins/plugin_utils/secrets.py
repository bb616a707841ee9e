# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One secret to keep: every repository password is derived from backup_master_secret.

HKDF-SHA-256 (RFC 5869) with host, purpose and version as info, so a stolen server knows only its own password.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

_VERSION = 1


def derive(master: str, host: str, purpose: str, version: int = _VERSION) -> str:
    """Returns the password (43 characters, URL-safe base64 of 256 bits) of a host for a purpose."""
    # Here and not above, because ansible-test imports every file without ansible-core's own requirements.
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = f"sicekat.backup/v{version}/{purpose}/{host}".encode()
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(master.encode())
    return base64.urlsafe_b64encode(key).decode().rstrip("=")


def repository_password(variables: Mapping, host: str, repository: str) -> str:
    """Returns the password of a host's repository: its own key `password` if the inventory gives one, else the derived one."""
    own = variables["backup_repositories"][repository].get("password")
    return str(own) if own else derive(str(variables["backup_master_secret"]), host, f"repository/{repository}")
