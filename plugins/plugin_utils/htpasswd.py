# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines of the password file of a repository server, which rest-server reads.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import string

# What a server proves itself with has 256 random bits, so a higher cost would protect nothing more and be paid at each start of rest-server.
_COST = 8
_SALT_BYTES = 16
_BASE64 = (string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/").encode()
_BCRYPT64 = ("./" + string.ascii_uppercase + string.ascii_lowercase + string.digits).encode()


def entry(username: str, password: str, salt_secret: str) -> str:
    """Returns "user:$2b$08$…", a line without its end; the same input gives the same line, so that a second deployment changes nothing.

    Raises ValueError for a user name that holds a colon or a line end, and for a password of more than 72 bytes, which bcrypt cannot hash.
    """
    # Here and not above, because ansible-test imports every file without requirements.txt.
    import bcrypt

    if any(character in username for character in ":\r\n"):
        raise ValueError("a user name with a colon or a line end cannot stand in a password file")
    # The salt depends on the password too: two passwords of a user never share one, and a rotated password is a new salt.
    digest = hmac.digest(salt_secret.encode(), f"htpasswd/{username}:{password}".encode(), hashlib.sha256)
    encoded = base64.b64encode(digest[:_SALT_BYTES]).rstrip(b"=").translate(bytes.maketrans(_BASE64, _BCRYPT64))
    return f"{username}:{bcrypt.hashpw(password.encode(), b'$2b$%02d$' % _COST + encoded).decode()}"
