# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for the whole fleet: categories, cycles, agency and team, zone and language.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import policy_services, policy_values, schedule
from ansible_collections.sicekat.backup.plugins.plugin_utils.policy_problems import Place, hidden, shown

# In the form in which an inventory gives them; a cycle that is given there replaces the one here.
DEFAULT_CYCLES: dict[str, dict] = {
    "daily": {"start": "22:00", "end": "04:00", "grace": "6h"},
    "weekly": {"day": "sunday", "start": "01:00", "end": "06:00", "grace": "24h"},
    "monthly": {"day": 1, "start": "01:00", "end": "08:00", "grace": "72h"},
    "restore_test": {"day": 15, "start": "08:00", "end": "16:00", "grace": "7d"},
}

LANGUAGES = ("id", "en")

# What a retention can keep: the newest ones, and the newest of each day, week, month and year.
RETENTION = ("last", "daily", "weekly", "monthly", "yearly")


def categories(place: Place, value: object) -> dict:
    if not isinstance(value, Mapping) or not value:
        place.wrong("backup_categories", hidden(value or None), "policy_categories")
        return {}
    return {name: _category(place, f"backup_categories.{name}", name, settings) for name, settings in value.items()}


def cycles(place: Place, value: object) -> dict:
    settings = {**DEFAULT_CYCLES, **(policy_values.mapping(place, "backup_cycles", value, record.CYCLES) or {})}
    return {cycle: None if settings[cycle] is None else _cycle(place, cycle, settings[cycle]) for cycle in record.CYCLES}


def agency(place: Place, value: object) -> dict:
    return _texts(place, "backup_agency", value, ("name", "unit", "address", "city"))


def team(place: Place, value: object) -> dict:
    roles = ("operator", "coordinator")
    given = policy_values.mapping(place, "backup_team", value, roles) or {}
    found = {role: _texts(place, f"backup_team.{role}", given.get(role) or {}, ("name", "id_number", "contact")) for role in roles}
    # A contact that is not given does not stand in the policy, which so stays what it was before there were any.
    return {role: {key: text for key, text in texts.items() if text or key != "contact"} for role, texts in found.items()}


def retention(place: Place, key: str, value: object) -> Any:
    """Returns how many snapshots to keep for each of RETENTION, or None where none is ever removed."""
    if value is None:
        return None
    given = policy_values.mapping(place, key, value, RETENTION)
    if given is None:
        return None
    keep = {name: policy_values.whole(place, f"{key}.{name}", given.get(name, 0), "policy_retention_number", 0) for name in RETENTION}
    if set(given) <= set(RETENTION) and not any(number != 0 for number in keep.values()):
        place.wrong(key, shown(None), "policy_retention")  # it would remove everything
    return keep


# Variable -> its key in the policy, its default and its check.
VARIABLES: dict[str, tuple[str, object, Callable[[Place, Any], Any]]] = {
    "backup_state_dir": ("state_dir", "/var/lib/si-cekat", lambda place, value: policy_values.path(place, "backup_state_dir", value)),
    "backup_timezone": ("timezone", "Asia/Jakarta", lambda place, value: policy_values.timezone(place, "backup_timezone", value)),
    "backup_language": ("language", "id", lambda place, value: policy_values.choice(place, "backup_language", value, LANGUAGES)),
    "backup_agency": ("agency", {}, agency),
    "backup_team": ("team", {}, team),
    "backup_categories": ("categories", {}, categories),
    "backup_services": ("services", {}, policy_services.services),
    "backup_cycles": ("cycles", {}, cycles),
    "backup_keep_least": ("keep_least", 3, lambda place, value: policy_values.whole(place, "backup_keep_least", value, "policy_positive", 1)),
    "backup_spread": ("spread_s", None, lambda place, value: policy_values.duration_or_none(place, "backup_spread", value)),
    "backup_reconnect": ("reconnect_s", "10m", lambda place, value: policy_values.duration(place, "backup_reconnect", value)),
}


def check_spread(place: Place, spread_s: object, cycles: Mapping) -> None:
    """Notes a spread of start times that is longer than a cycle's window, or than its time until start_by."""
    for cycle, settings in cycles.items():
        minutes = policy_values.minutes_from(settings["start"], settings["start_by"] or settings["end"]) if settings else None
        if minutes is not None and isinstance(spread_s, int) and spread_s > minutes * 60:
            place.wrong("backup_spread", shown(f"{spread_s // 60}m"), "policy_spread", cycle=cycle, most=f"{minutes}m")


def _category(place: Place, key: str, name: str, value: object) -> dict:
    policy_values.required_text(place, "backup_categories", name)
    given = policy_values.mapping(place, key, {} if value is None else value, ("label", "rto", "rpo", "retention", "restore_test_months")) or {}
    return {
        "label": policy_values.text(place, f"{key}.label", given.get("label")) or name,
        "rto_s": policy_values.duration_or_none(place, f"{key}.rto", given.get("rto")),
        "rpo_s": policy_values.duration_or_none(place, f"{key}.rpo", given.get("rpo")),
        "retention": retention(place, f"{key}.retention", given.get("retention")),
        "restore_test_months": policy_values.whole(place, f"{key}.restore_test_months", given.get("restore_test_months", 1), "policy_months", 1, 12),
    }


def _cycle(place: Place, cycle: str, value: object) -> dict:
    key = f"backup_cycles.{cycle}"
    given = policy_values.mapping(place, key, value, (*DEFAULT_CYCLES[cycle], "start_by"))
    if given is None:
        return {}
    start = policy_values.clock(place, f"{key}.start", given.get("start"))
    end = policy_values.clock(place, f"{key}.end", given.get("end"))
    if start is not None and start == end:
        place.wrong(f"{key}.end", shown(end), "policy_clock_differs")
    start_by = given.get("start_by")
    if start_by is not None:
        start_by = policy_values.clock(place, f"{key}.start_by", start_by)
        most, needed = policy_values.minutes_from(start, end), policy_values.minutes_from(start, start_by)
        if most is not None and needed is not None and needed > most:
            place.wrong(f"{key}.start_by", shown(start_by), "policy_start_by", start=start, end=end)
    settings = {"start": start, "end": end, "start_by": start_by, "grace_s": policy_values.duration(place, f"{key}.grace", given.get("grace"))}
    if cycle == "weekly":
        settings["day"] = policy_values.choice(place, f"{key}.day", given.get("day"), schedule.WEEKDAYS)
    elif cycle != "daily":
        settings["day"] = policy_values.day_of_month(place, f"{key}.day", given.get("day"))
    return settings


def _texts(place: Place, key: str, value: object, names: tuple[str, ...]) -> dict:
    given = policy_values.mapping(place, key, value, names) or {}
    return {name: policy_values.text(place, f"{key}.{name}", given.get(name)) for name in names}
