# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the entries of a ledger are linked as they were written. Here, because a restored ledger is proved on a server too.

An entry's body is the canonical JSON of {"seq", "prev", "at", "kind", "data"}, its hash the SHA-256 of these bytes.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import hashlib
import json

GENESIS = "0" * 64  # what the first entry names as the one before it

_FIELDS = {"seq", "prev", "at", "kind", "data"}


def faults(rows):
    """Yields (seq, code, params) for what is wrong with entries (seq, body as bytes, hash) in order of seq."""
    expected, previous = 1, GENESIS
    for seq, body, digest in rows:
        if seq != expected:
            yield seq, "ledger_entry_missing", {"first": expected, "last": seq - 1}
            previous = None  # nothing is left to link to
        code = _entry_fault(seq, body, digest, previous)
        if code:
            yield seq, code, {}
        expected, previous = seq + 1, digest


def _entry_fault(seq, body, digest, previous):
    if hashlib.sha256(body).hexdigest() != digest:
        return "ledger_entry_altered"
    try:
        entry = json.loads(body, parse_float=_refuse, parse_constant=_refuse)
        well_formed = entry.keys() == _FIELDS and entry["seq"] == seq and canonical(entry) == body
    except (ValueError, AttributeError):
        well_formed = False
    if not well_formed:
        return "ledger_entry_malformed"
    if previous is not None and entry["prev"] != previous:
        return "ledger_entry_unlinked"
    return None


def canonical(document):
    """Returns a document of integers, texts, lists and mappings as the bytes that are hashed."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8")


def _refuse(text):
    raise ValueError(text)  # a float has no canonical form
