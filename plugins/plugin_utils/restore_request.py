# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person asks for who wants data back: which snapshot, where to, and with whose approval (P3.9: four eyes).

Pure: reads no clock, file or host. Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
import zoneinfo
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from ansible_collections.sicekat.backup.plugins.module_utils import record, restore_place
from ansible_collections.sicekat.backup.plugins.plugin_utils import obligations

FIELDS = ("server", "dataset", "snapshot", "target", "requester", "approver", "reason", "overwrite")
# What F-02 says of a restore that only the control node can know.
TOLD = ("target", "requester", "approver", "reason")

_NAME_MOST, _REASON_MOST = 200, 1000
_SHOWN = 10
_HEX = re.compile(r"[0-9a-f]{8,64}")
# Letters and marks that nobody sees: the joiner of graphemes, fillers, and selectors of variants.
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?")

# Asks for a value that is missing: gets the code of the question and its parameters. Returns "" where nobody can be asked.
Ask = Callable[..., str]


class RefusedError(Exception):
    """A restore that is not begun. Attribute: message {"code", "params"}."""

    def __init__(self, code: str, **params: object) -> None:
        super().__init__(code)
        self.message = {"code": code, "params": params}


def completed(policy: Mapping, servers: Sequence[str], given: Mapping[str, str], ask: Ask) -> dict:
    """Returns a request in which nothing is missing, as a run keeps it; raises RefusedError.

    servers: those that take part in the play. given: FIELDS as text, "" for what was not given. "overwrite" becomes a flag.
    """
    server = _chosen_name("server", given["server"], servers, ask, {})
    settings = policy["servers"][server]
    dataset = _chosen_name("dataset", given["dataset"], [one["name"] for one in settings["datasets"]], ask, {"server": server})
    target = given["target"] or _asked(ask, "target")
    if problem := restore_place.form_problem(target, obligations.dataset_of(settings, dataset)["kind"]):
        raise RefusedError(problem["code"], **problem["params"])
    wanted = to_type(target, server, obligations.dataset_of(settings, dataset))
    if given["overwrite"] and given["overwrite"] != wanted:
        raise RefusedError("restore_overwrite_other", given=record.printable(given["overwrite"]), wanted=wanted)
    requester, approver = (_line(name, given[name] or _asked(ask, name), _NAME_MOST) for name in ("requester", "approver"))
    if _letters(requester) == _letters(approver):
        raise RefusedError("restore_same_person", requester=requester, approver=approver)
    reason = _line("reason", given["reason"] or _asked(ask, "reason"), _REASON_MOST)
    return {
        "server": server, "dataset": dataset, "snapshot": record.printable(given["snapshot"].strip()), "target": target, "requester": requester,
        "approver": approver, "reason": reason, "overwrite": bool(given["overwrite"]), "to_type": wanted,
    }  # fmt: skip


def to_type(target: str, server: str, dataset: Mapping) -> str:
    """Returns what a person has to type again who wants what is at the target replaced: its name."""
    return restore_place.database_of(target, dataset) or (f"{server}/{dataset['name']}" if target == restore_place.ORIGINAL else target)


def _asked(ask: Ask, name: str, **params: str) -> str:
    answer = ask(f"restore_ask_{name}", **params).strip()
    if not answer:
        raise RefusedError(f"restore_{name}_unnamed", **params)
    return answer


def _chosen_name(what: str, given: str, known: Sequence[str], ask: Ask, params: Mapping[str, str]) -> str:
    """Returns which server or data set is meant; a single candidate need not be named."""
    listed = {**params, "known": ", ".join(known)}
    name = given or (known[0] if len(known) == 1 else _asked(ask, what, **listed))
    if name not in known:
        raise RefusedError(f"restore_unknown_{what}", **{**listed, what: record.printable(name)})
    return name


def _line(name: str, text: str, most: int) -> str:
    # Characters that nobody sees would make one name look like two.
    line = "".join(char for char in " ".join(_UNSEEN.sub("", text).split()) if unicodedata.category(char)[0] != "C")
    if not _letters(line):
        raise RefusedError(f"restore_{name}_unnamed")
    if len(line) > most:
        raise RefusedError("restore_too_long", variable=f"restore_{name}", most=most)
    return line


def _letters(text: str) -> str:
    """Returns what makes two names the same: their letters and digits, whatever their case, width and form."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(char for char in folded if unicodedata.category(char)[0] in "LNM")


# Which snapshot


def gone(listing: Mapping | None) -> set[str]:
    """Returns the ids of the snapshots that the newest listing of a repository found missing."""
    return {one["snapshot_id"] for one in (listing or {}).get("vanished") or ()}


def candidates(backups: Iterable[Mapping], dataset: str, repository_id: str | None, gone: Collection[str]) -> list[dict]:
    """Returns the backups of a data set that are in the present repository, in order of their beginning.

    backups: a server's merged records. repository_id: the one that is pinned. gone: ids of snapshots that were removed.
    """
    found = [one for one in backups if one["dataset"] == dataset and one.get("snapshot_id") and one.get("storage_locations")]
    present = [dict(one) for one in found if one["repository_id"] == repository_id and one["snapshot_id"] not in gone]
    return sorted(present, key=lambda one: one["started_at"])


def chosen(found: Sequence[Mapping], asked: str, timezone: str, moment: datetime.datetime) -> Mapping:
    """Returns the backup that a person means; raises RefusedError with what there is.

    found: see `candidates`. asked: "" or "newest", a beginning of a snapshot id, or a local time: then the newest proved backup that
    was not begun after it. A partial backup is taken only where its snapshot is named.
    """
    zone = zoneinfo.ZoneInfo(timezone)
    proved = [one for one in found if one["outcome"] == "success"]
    if _MOMENT.fullmatch(asked):
        return _at(proved, asked, zone, moment)
    if asked in ("", "newest"):
        if not proved:
            raise RefusedError("restore_no_snapshot", known=_known(found, zone))
        return proved[-1]
    if not _HEX.fullmatch(asked.lower()):
        raise RefusedError("restore_snapshot_form", snapshot=asked)
    named = [one for one in found if one["snapshot_id"].startswith(asked.lower())]
    if len(named) > 1:
        raise RefusedError("restore_snapshot_ambiguous", snapshot=asked, known=_known(named, zone))
    if not named:
        raise RefusedError("restore_snapshot_unknown", snapshot=asked, known=_known(found, zone))
    return named[0]


def _at(proved: Sequence[Mapping], asked: str, zone: zoneinfo.ZoneInfo, moment: datetime.datetime) -> Mapping:
    try:
        wanted = datetime.datetime.fromisoformat(asked).replace(tzinfo=zone)
    except ValueError:
        raise RefusedError("restore_snapshot_form", snapshot=asked) from None
    if wanted > moment:
        raise RefusedError("restore_time_future", moment=asked, now=f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}")
    before = [one for one in proved if record.from_text(one["started_at"]) <= wanted]
    if not before:
        raise RefusedError("restore_time_early", moment=asked, known=_known(proved, zone))
    return before[-1]


def _known(found: Sequence[Mapping], zone: zoneinfo.ZoneInfo) -> str:
    """Returns the beginnings of snapshot ids with their times, the newest first; where there are many, the newest ones and the oldest."""
    shown = list(reversed(found))
    if len(shown) > _SHOWN:
        shown = [*shown[: _SHOWN - 1], shown[-1]]
    words = [f"{one['snapshot_id'][:12]} ({record.from_text(one['started_at']).astimezone(zone):%Y-%m-%d %H:%M:%S %Z})" for one in shown]
    if len(found) > _SHOWN:
        words.insert(-1, f"... {len(found) - _SHOWN} ...")
    return "; ".join(words) or "–"


def told(row: Mapping, request: Mapping) -> dict:
    """Returns a record of a restore with what its run says of it, whatever the host said."""
    return {**row, "restore": {**(row.get("restore") or {}), **{key: record.printable(request[key]) for key in TOLD if key in request}}}
