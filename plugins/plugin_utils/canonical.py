# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The canonical bytes of a document: what is hashed is byte for byte the same on every machine and in every year.

UTF-8, keys in the order of their code points, no spaces, integers only.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import hashlib

from ansible_collections.sicekat.backup.plugins.module_utils import ledger_chain


def canonical_bytes(document: object) -> bytes:
    """Returns a document of dicts, lists, strings, integers, booleans and None as canonical JSON.

    Raises ValueError, naming the place, on a float, on a key that is not a string, on a string that is not Unicode
    text (a lone surrogate) and on any other type.
    """
    _check(document, "")
    try:
        return ledger_chain.canonical(document)
    except UnicodeEncodeError as error:
        raise ValueError(f"a text holds {error.object[error.start : error.end]!a}, which is not Unicode text") from error


def canonical_digest(document: object) -> str:
    """Returns the SHA-256 of a document's canonical bytes in hexadecimal. Raises like `canonical_bytes`."""
    return hashlib.sha256(canonical_bytes(document)).hexdigest()


def _check(value: object, place: str) -> None:
    if value is None or isinstance(value, (str, int)):
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError(f"{place or 'the document'}: key {key!r} is not a string")
            _check(item, f"{place}.{key}" if place else key)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _check(item, f"{place}[{index}]")
    else:
        raise ValueError(f"{place or 'the document'}: {value!r} is a {type(value).__name__}; allowed: text, integers, booleans, null, lists and mappings")
