# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the answer of a query means: an assertion's verdict, and the time of the newest data.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import datetime
import decimal
import re
import time

from ansible_collections.sicekat.backup.plugins.module_utils import record

_LONGEST = 500
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d)(?:[.,](\d+))?)? ?(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII)
_EPOCH = re.compile(r"\d{1,11}(?:\.\d+)?", re.ASCII)


def judge(assertion, found):
    """Returns {"name", "query", "wanted", "found", "result"} of an assertion whose query answered `found`.

    assertion: dict with name, query and one of equals (text or number), or min and max (numbers). found: text, the first value of the
    first row, or None where there was none. result is "passed" or "failed". All texts are printable, of at most 500 characters.
    """
    return _entry(assertion, "" if found is None else found, found is not None and _holds(assertion, found))


def failed(assertion, reason):
    """Returns what `judge` returns, for an assertion whose query gave no answer; `reason` (text) stands where the answer would."""
    return _entry(assertion, reason, False)


def problem(results):
    """Returns the failed ones of the results of `judge` in one text, "" if all passed."""
    return "; ".join("%s: %s, wanted %s" % (one["name"], one["found"] or '""', one["wanted"]) for one in results if one["result"] != "passed")


def moment_ns(text):
    """Returns the time that a query answered in nanoseconds since 1970.

    text: seconds since 1970, or a date with or without time and zone; without a zone it is the server's local time. Raises ValueError.
    """
    text = text.strip()
    if _EPOCH.fullmatch(text):
        return int(decimal.Decimal(text) * 10**9)
    match = _TIME.fullmatch(text)
    if not match:
        raise ValueError("not a time: %s" % _bounded(text))
    day, clock, fraction, zone = match.groups()
    local = "%s %s" % (day, clock or "00:00:00")
    if zone:
        zone = "+0000" if zone == "Z" else zone.replace(":", "").ljust(5, "0")
        seconds = int(datetime.datetime.strptime("%s %s" % (local, zone), "%Y-%m-%d %H:%M:%S %z").timestamp())
    else:
        seconds = int(time.mktime(time.strptime(local, "%Y-%m-%d %H:%M:%S")))
    return seconds * 10**9 + int((fraction or "")[:9].ljust(9, "0"))


def _holds(assertion, found):
    if "equals" in assertion:
        wanted = assertion["equals"]
        if isinstance(wanted, str):
            return found == wanted
        return _number(found) == decimal.Decimal(str(wanted))
    number = _number(found)
    if number is None or not {"min", "max"} & set(assertion):
        return False
    least, most = assertion.get("min"), assertion.get("max")
    return (least is None or number >= decimal.Decimal(str(least))) and (most is None or number <= decimal.Decimal(str(most)))


def _number(text):
    """Returns a finite decimal number, or None for any other text."""
    text = text.strip()
    return decimal.Decimal(text) if _NUMBER.fullmatch(text) else None


def _entry(assertion, found, holds):
    if "equals" in assertion:
        wanted = "= %s" % assertion["equals"]
    else:
        wanted = ", ".join("%s %s" % (sign, assertion[key]) for key, sign in (("min", ">="), ("max", "<=")) if assertion.get(key) is not None)
    return {
        "name": _bounded(assertion["name"]),
        "query": _bounded(assertion["query"]),
        "wanted": _bounded(wanted),
        "found": _bounded(found),
        "result": "passed" if holds else "failed",
    }


def _bounded(text):
    text = str(record.printable(text))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
