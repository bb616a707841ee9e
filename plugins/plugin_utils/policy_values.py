# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of single values of an inventory.

Each takes a Place, the key to name and the value, returns the value as the policy holds it, and notes a mistake otherwise. What a check
returns after a mistake is never used: a policy with problems is not handed out.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import difflib
import posixpath
import re
import zoneinfo
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import pki
from ansible_collections.sicekat.backup.plugins.plugin_utils.policy_problems import Place, hidden, shown

MASTER_SECRET_LEAST = 24  # characters

_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_DURATION = re.compile(r"(\d{1,9})([mhd])")
_UNIT_SECONDS = {"m": 60, "h": 3600, "d": 86400}
_SIZE = re.compile(r"(\d{1,9}) ?([kKMGTP])(i?)B")
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9_./+@-]*")
_NUMBER = re.compile(r"\d{1,9}")


def choice(place: Place, key: str, value: object, choices: Iterable[str]) -> Any:
    choices = list(choices)
    if not isinstance(value, str) or value not in choices:
        place.not_one_of(key, shown(value), value, choices)
    return value


def known_keys(place: Place, prefix: str, mapping: Mapping, known: Iterable[str]) -> None:
    """Notes each key that is not known; values are not looked at."""
    for key in mapping:
        if key not in known:
            place.not_one_of(f"{prefix}{key}", record.message("policy_found_unknown"), key, known)


def mapping(place: Place, key: str, value: object, known: Iterable[str]) -> Mapping | None:
    """Returns a mapping that has known keys only, or None if it is something else."""
    if not isinstance(value, Mapping):
        place.wrong(key, hidden(value), "policy_mapping")
        return None
    known_keys(place, f"{key}.", value, known)
    return value


def flag(place: Place, key: str, value: object) -> Any:
    if not isinstance(value, bool):
        place.wrong(key, shown(value), "policy_flag")
    return value


def text(place: Place, key: str, value: object) -> Any:
    """Returns a text, or None where none is given."""
    if value is not None and not isinstance(value, str):
        place.wrong(key, shown(value), "policy_text")
    return value or None


def required_text(place: Place, key: str, value: object) -> Any:
    if not isinstance(value, str) or not value:
        place.wrong(key, shown(value), "policy_text")
    return value


def texts(place: Place, key: str, value: object) -> list:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) and item for item in value):
        place.wrong(key, shown(value), "policy_texts")
        return []
    return list(value)


def path(place: Place, key: str, value: object) -> Any:
    """Returns an absolute path without doubled or trailing slashes, or None after a mistake."""
    if not isinstance(value, str) or not value.startswith("/") or ".." in value.split("/") or "\0" in value:
        place.wrong(key, shown(value), "policy_path")
        return None
    return posixpath.normpath("/" + value.lstrip("/"))


def holds(directory: str, path: str) -> bool:
    """Tells whether a path is a directory or lies in it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def plain_path(place: Place, key: str, value: object) -> Any:
    """Returns an absolute path that can stand in a systemd unit and in ssh's command line as it is, or None after a mistake."""
    checked = path(place, key, value)
    if checked is not None and not _PLAIN_PATH.fullmatch(checked):
        place.wrong(key, shown(checked), "policy_path_plain")
        return None
    return checked


def duration(place: Place, key: str, value: object, allowed: str = "policy_duration") -> Any:
    """Returns a duration ("30m", "4h", "7d" or a whole number of seconds) in seconds."""
    seconds = value if isinstance(value, int) and not isinstance(value, bool) else 0
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match:
        seconds = int(match[1]) * _UNIT_SECONDS[match[2]]
    if seconds <= 0:
        place.wrong(key, shown(value), allowed)
    return seconds


def size(place: Place, key: str, value: object) -> Any:
    """Returns a size ("500GiB", "10GB" or a whole number of bytes) in bytes."""
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    number = int(match[1]) * (1024 if match[3] else 1000) ** ("KMGTP".index(match[2].upper()) + 1) if match else _number(value)
    if number is None or number < 1:
        place.wrong(key, shown(value), "policy_size")
    return number


def whole(place: Place, key: str, value: object, allowed: str, least: int, most: int | None = None) -> Any:
    """Returns a whole number between `least` and `most`; the command line delivers numbers as text."""
    number = _number(value)
    if number is None or number < least or (most is not None and number > most):
        place.wrong(key, shown(value), allowed)
    return number


def duration_or_none(place: Place, key: str, value: object) -> Any:
    return None if value is None else duration(place, key, value, "policy_duration_or_null")


def clock(place: Place, key: str, value: object) -> Any:
    """Returns a time of day as "HH:MM"."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 24 * 60:
        place.wrong(key, shown(value), "policy_clock_quoted", suggestion=f'"{value // 60:02}:{value % 60:02}"')
    elif not isinstance(value, str) or not _CLOCK.fullmatch(value):
        place.wrong(key, shown(value), "policy_clock")
    return value


def minutes_from(start: object, until: object) -> int | None:
    """Returns the minutes from one time of day to the next occurrence of another (1 to 1440), or None if one of them is a mistake."""
    if not all(isinstance(value, str) and _CLOCK.fullmatch(value) for value in (start, until)):
        return None
    first, second = (int(value[:2]) * 60 + int(value[3:]) for value in (start, until))  # type: ignore[index]
    return (second - first) % (24 * 60) or 24 * 60


def timezone(place: Place, key: str, value: object) -> Any:
    try:
        zoneinfo.ZoneInfo(value)  # type: ignore[arg-type]
    except (KeyError, ValueError, TypeError, OSError):  # unknown, not a name, not text, a directory of zones
        names = {name.lower(): name for name in zoneinfo.available_timezones()}
        close = difflib.get_close_matches(value.lower(), names, n=1) if isinstance(value, str) else []
        place.wrong(key, shown(value), "policy_timezone", suggestion=names[close[0]] if close else None)
    return value


def day_of_month(place: Place, key: str, value: object) -> Any:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 31:
        place.wrong(key, shown(value), "policy_day_of_month")
    return value


def sample(place: Place, key: str, value: object) -> Any:
    """Returns "full" or a number of files; the command line delivers numbers as text."""
    return value if value == "full" else whole(place, key, value, "policy_sample", 1)


def integrity_read(place: Place, key: str, value: object) -> Any:
    """Returns "full", or "1/t" for one of t parts each time."""
    match = re.fullmatch(r"1/(\d{1,3})", value) if isinstance(value, str) else None
    if value != "full" and not (match and 2 <= int(match[1]) <= 256):
        place.wrong(key, shown(value), "policy_integrity_read")
    return value


def ca_certificate(place: Place, key: str, value: object) -> Any:
    """Returns the path of a file of this machine that holds certificates in PEM format."""
    checked = path(place, key, value)
    if checked is None:
        return None
    try:
        pki.read_certificates(checked)
    except (OSError, ValueError):  # not there or not readable, no certificate
        place.wrong(key, shown(checked), "policy_ca_certificate")
    return checked


def secret(place: Place, key: str, value: object, least: int) -> None:
    if not isinstance(value, str) or len(value) < least:
        place.wrong(key, hidden(value), "policy_secret", least=least)


def _number(value: object) -> int | None:
    """Returns a whole number, also one that is given as text, or None."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
