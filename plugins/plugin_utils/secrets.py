# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One secret to keep: every password and credential is derived from backup_master_secret.

HKDF-SHA-256 (RFC 5869) with host, purpose and version as info, so a stolen server knows only its own password.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

_VERSION = 1
_ESCROW_BYTES = 25  # 200 bits: 40 characters of base32, without padding
_ESCROW_GROUP = 5  # characters


def derive(master: str, host: str, purpose: str, version: int = _VERSION) -> str:
    """Returns the password (43 characters, URL-safe base64 of 256 bits) of a host for a purpose."""
    return base64.urlsafe_b64encode(derive_bytes(master, host, purpose, 32, version)).decode().rstrip("=")


def derive_bytes(master: str, host: str, purpose: str, length: int, version: int = _VERSION) -> bytes:
    """Returns `length` bytes for a host and a purpose; the same input gives the same bytes for ever."""
    # Here and not above, because ansible-test imports every file without ansible-core's own requirements.
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = f"sicekat.backup/v{version}/{purpose}/{host}".encode()
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(master.encode())


def repository_password(variables: Mapping, host: str, repository: str, version: int = _VERSION) -> str:
    """Returns the password of a host's repository: its own key `password` if the inventory gives one, else the derived one.

    `version` is that of the host's credentials; an own password does not depend on it.
    """
    own = variables["backup_repositories"][repository].get("password")
    return str(own) if own else derive(str(variables["backup_master_secret"]), host, f"repository/{repository}", version)


def transport_password(variables: Mapping, host: str, repository: str, version: int = _VERSION) -> str:
    """Returns what a host proves itself with to its repository server; `variables` are the host's own."""
    return derive(str(variables["backup_master_secret"]), host, f"transport/{repository}", version)


def escrow_password(master: str, server: str = "") -> str:
    """Returns the second password of repositories, for the sealed envelope: 200 bits as 8 groups of 5 letters and digits.

    server: who works with the repository himself, and so sees this password; it then opens his repositories alone. "" for what
    repository servers keep. The alphabet (base32 of RFC 4648) has no digits 0 and 1, which a reader of paper takes for O and I.
    """
    text = base64.b32encode(derive_bytes(master, server, "escrow", _ESCROW_BYTES)).decode()
    return "-".join(text[start : start + _ESCROW_GROUP] for start in range(0, len(text), _ESCROW_GROUP))
