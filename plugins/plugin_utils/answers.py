# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host may say of its work. A host may be compromised, and its answers end in a ledger that cannot be changed.

Whatever is not of the form that our own modules give is refused as a whole; the record is then closed as a failure. A success
must bring the evidence that its kind demands.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.sicekat.backup.plugins.module_utils import log_lines, packing, record
from ansible_collections.sicekat.backup.plugins.module_utils import manifest as manifests
from ansible_collections.sicekat.backup.plugins.module_utils.messages import MESSAGES

Shape = Callable[[Any], bool]

# What a module closes a record with; what only the control node can say is not among it.
OUTCOMES = ("success", "partial", "failed", "aborted")
MANIFEST_MOST = 64 * 2**20  # bytes of the packed text
_LOG_PACKED_MOST = 2 * packing.LOG_MOST
_CLOCKS_DIFFER = datetime.timedelta(minutes=10)


def _text(most: int) -> Shape:
    return lambda value: isinstance(value, str) and len(value) <= most


def _number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _time(value: Any) -> bool:
    try:
        record.from_text(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _hex(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) is not None


def _id(value: Any) -> bool:
    """An id as restic prints it: short, or whole."""
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{8,64}", value) is not None


def _maybe(shape: Shape) -> Shape:
    return lambda value: value is None or shape(value)


def _one_of(*allowed: Any) -> Shape:
    return lambda value: isinstance(value, str) and value in allowed


def _list(shape: Shape, most: int = 10_000) -> Shape:
    return lambda value: isinstance(value, list) and len(value) <= most and all(map(shape, value))


def _fields(**shapes: Shape) -> Shape:
    return lambda value: isinstance(value, dict) and all(key in shapes and shapes[key](one) for key, one in value.items())


def _table(shape: Shape, most: int = 10_000) -> Shape:
    return lambda value: isinstance(value, dict) and len(value) <= most and all(_text(500)(key) and shape(one) for key, one in value.items())


def _message(value: Any) -> bool:
    if not _fields(code=_one_of(*MESSAGES), params=_table(lambda one: _text(record.PARAMETER_MOST)(one) or _number(one), 20))(value):
        return False
    try:
        MESSAGES[value["code"]].format_map(value["params"])
    except (KeyError, ValueError, IndexError, AttributeError):
        return False
    return True


def _replaced_one(value: Any) -> bool:
    return isinstance(value, dict) and set(value) in ({"path", "kept_as"}, {"database", "kept_as"}) and all(map(_text(4200), value.values()))


PROBLEMS = _list(_message, 200)
# What a restore moved aside, or would, and where it is kept.
REPLACED = _list(_replaced_one, 200)
_LINES = _list(_text(1000), 200)
_REMOVED = _list(_fields(snapshot_id=_hex, dataset=_text(200), time=_text(40)), 100_000)
_COUNTS = _table(_maybe(_number), 20)
_PLACE = _fields(
    repository=_one_of("primary", "archive", "offsite"), location=_text(500), url=_text(2000), snapshot_id=_hex, repository_id=_hex, listed_at=_time
)

_HOOK = _fields(
    stage=_one_of("before", "after", "on_failure"),
    number=_number,
    program=_text(500),
    exit_code=_maybe(_number),
    duration_ms=_number,
    output=_text(2000),
    result=_one_of("passed", "failed"),
)

SHAPES: dict[str, Shape] = {
    "outcome": _one_of(*OUTCOMES), "cause": _maybe(_one_of(*record.CAUSES)), "messages": PROBLEMS,
    "started_at": _time, "finished_at": _time, "duration_ms": _maybe(_number),
    "files": _COUNTS, "directories": _COUNTS, "data_size_bytes": _maybe(_number), "data_added_bytes": _maybe(_number), "newest_data_at": _maybe(_time),
    "snapshot_id": _maybe(_id), "parent_snapshot_id": _maybe(_id), "repository_id": _maybe(_hex),
    "engine": _maybe(_fields(name=_text(50), version=_text(50))), "encrypted": _maybe(_flag),
    "exit_code": _maybe(_number), "error_count": _number, "warning_count": _number, "errors": _LINES, "warnings": _LINES,
    "log": _maybe(_fields(sha256=_hex, lines=_number, excerpt=_text(40_000))), "storage_locations": _list(_PLACE, 5),
    "verification": _fields(
        log_check=_fields(
            result=_one_of("passed", "warning", "failed", "none"),
            checks=_list(_fields(check=_text(60), result=_one_of("passed", "warning", "failed")), 50),
        )
    ),
    "manifest": _fields(sha256=_hex, entries=_number), "canary_sha256": _maybe(_hex),
    "database": _maybe(
        _fields(
            engine=_text(20), version=_text(100), tables=_table(_number, 100_000), rows=_number, objects=_table(_number, 50), bytes=_number,
            encoding=_text(100), extensions=_list(_text(200), 500), superuser=_text(200), head=_fields(seq=_number, hash=_hex),
        )
    ),
    "hooks": _list(_HOOK, 200),
    "restore": _fields(
        snapshot_id=_text(64), snapshot_at=_time, target=_text(4200), age_s=_number, total_ms=_number, rto_met=_maybe(_flag),
        files=_COUNTS, bytes=_COUNTS, sample=_COUNTS, metadata=_COUNTS, phases_ms=_COUNTS, canary=_text(20), database=_text(20),
        pick=_one_of("newest", "random", "named"), seed=_maybe(_text(200)), rows=_maybe(_number), extrapolated_ms=_number, rpo_met=_maybe(_flag),
        assertions=_list(_fields(name=_text(500), query=_text(500), wanted=_text(500), found=_text(500), result=_one_of("passed", "failed")), 500),
        replaced=REPLACED,
    ),
    "integrity": _fields(read_data=_text(20), packs_read=_maybe(_number), errors=_number, empty=_list(_text(20), 256)),
    "copy": _fields(source_snapshot_id=_hex, verified=_fields(canary=_text(20), compared=_number, equal=_number)),
    "retention": _fields(
        listed=_number, kept=_number, removed=_REMOVED, unconfirmed=_REMOVED, refusals=_list(_message, 1000),
        groups=_list(_fields(dataset=_text(200), listed=_number, kept=_number, removed=_number, refused=_flag), 1000),
    ),
    "free_bytes": _maybe(_number),
}  # fmt: skip


def checked(given: Any, opened: Mapping, moment: datetime.datetime) -> dict:
    """Returns the closed fields of a record as a host gave them, with times that can be true.

    given: what the host says, of any shape. opened: the open record. moment: when the answer arrived. A time before the record was
    opened or after its answer came is moved to that moment, for a clock that is wrong must not make a late run punctual.
    Raises ValueError with what is wrong.
    """
    if not isinstance(given, dict):
        raise ValueError("no record")
    closed = {name: value for name, value in given.items() if name != "record_id"}
    for name, value in closed.items():
        if name not in SHAPES or not SHAPES[name](value):
            raise ValueError(f"field {record.printable(name)[:60]}")
    missing = [name for name in ("outcome", "messages", "started_at", "finished_at", "error_count", "warning_count") if name not in closed]
    missing += [name for name in _evidence(closed, opened) if closed.get("outcome") == "success"]
    if missing:
        raise ValueError(f"no {missing[0]}")
    first, last = record.from_text(opened["opened_at"]), moment
    for name in ("started_at", "finished_at"):
        closed[name] = record.to_text(min(max(record.from_text(closed[name]), first - _CLOCKS_DIFFER), last))
    return closed


def _evidence(closed: Mapping, opened: Mapping) -> list[str]:
    """Returns what a success lacks that its kind cannot be without."""
    kind = opened["kind"]
    lacks = [] if closed.get("cause") is None and closed.get("repository_id") else ["repository_id"]
    if kind == "backup":
        proved = (
            _hex(closed.get("snapshot_id"))
            and closed.get("manifest")
            and closed.get("storage_locations")
            and (closed.get("files") or {}).get("total") is not None
        )
        lacks += [] if proved and closed.get("data_size_bytes") is not None and closed.get("verification") else ["snapshot_id"]
    elif kind == "copy":
        verified = (closed.get("copy") or {}).get("verified") or {}
        proved = _hex(closed.get("snapshot_id")) and verified.get("canary") == "found" and verified.get("compared") == verified.get("equal")
        lacks += [] if proved and closed.get("storage_locations") else ["copy"]
    elif kind == "integrity_check":
        lacks += [] if (closed.get("integrity") or {}).get("packs_read") else ["integrity"]
    elif kind == "retention":
        lacks += [] if closed.get("retention") else ["retention"]
    else:
        lacks += [] if ((closed.get("restore") or {}).get("files") or {}).get("restored") or _may_be_empty(closed) else ["restore"]
    return lacks


def _may_be_empty(closed: Mapping) -> bool:
    """Returns True for a restore of nothing that was meant to be nothing: as many files as expected, and the canary."""
    restore = closed.get("restore") or {}
    files = restore.get("files") or {}
    return restore.get("canary") == "found" and files.get("restored") is not None and files.get("expected") == files["restored"]


def manifest(text: Any, digest: str) -> dict:
    """Returns the manifest that a host packed; raises ValueError unless it is the one with this digest."""
    if not _text(MANIFEST_MOST)(text):
        raise ValueError("manifest")
    found = manifests.unpack(text)
    if not isinstance(found, dict) or manifests.digest(found) != digest:
        raise ValueError("manifest")
    return found


def log(text: Any, closed: Mapping) -> str:
    """Returns the log that a host packed; raises ValueError unless it is the whole one that its record names by a digest."""
    if not _text(_LOG_PACKED_MOST)(text):
        raise ValueError("log")
    found = packing.unpack_text(text)
    if not log_lines.is_whole(found, closed):
        raise ValueError("log")
    return found
