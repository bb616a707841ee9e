# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for the whole fleet: categories, cycles, agency and team, zone and language.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import policy_values, schedule
from ansible_collections.sicekat.backup.plugins.plugin_utils.policy_problems import Place, hidden, shown

# In the form in which an inventory gives them; a cycle that is given there replaces the one here.
DEFAULT_CYCLES: dict[str, dict] = {
    "daily": {"start": "22:00", "end": "04:00", "grace": "6h"},
    "weekly": {"day": "sunday", "start": "01:00", "end": "06:00", "grace": "24h"},
    "monthly": {"day": 1, "start": "01:00", "end": "08:00", "grace": "72h"},
    "restore_test": {"day": 15, "start": "08:00", "end": "16:00", "grace": "7d"},
}

LANGUAGES = ("id", "en")


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
    return {role: _texts(place, f"backup_team.{role}", given.get(role) or {}, ("name", "id_number")) for role in roles}


# Variable -> its key in the policy, its default and its check.
VARIABLES: dict[str, tuple[str, object, Callable[[Place, Any], Any]]] = {
    "backup_state_dir": ("state_dir", "/var/lib/si-cekat", lambda place, value: policy_values.path(place, "backup_state_dir", value)),
    "backup_timezone": ("timezone", "Asia/Jakarta", lambda place, value: policy_values.timezone(place, "backup_timezone", value)),
    "backup_language": ("language", "id", lambda place, value: policy_values.choice(place, "backup_language", value, LANGUAGES)),
    "backup_agency": ("agency", {}, agency),
    "backup_team": ("team", {}, team),
    "backup_categories": ("categories", {}, categories),
    "backup_cycles": ("cycles", {}, cycles),
}


def _category(place: Place, key: str, name: str, value: object) -> dict:
    policy_values.required_text(place, "backup_categories", name)
    given = policy_values.mapping(place, key, {} if value is None else value, ("label", "rto", "rpo")) or {}
    return {
        "label": policy_values.text(place, f"{key}.label", given.get("label")) or name,
        "rto_s": policy_values.duration_or_none(place, f"{key}.rto", given.get("rto")),
        "rpo_s": policy_values.duration_or_none(place, f"{key}.rpo", given.get("rpo")),
    }


def _cycle(place: Place, cycle: str, value: object) -> dict:
    key = f"backup_cycles.{cycle}"
    given = policy_values.mapping(place, key, value, DEFAULT_CYCLES[cycle])
    if given is None:
        return {}
    start = policy_values.clock(place, f"{key}.start", given.get("start"))
    end = policy_values.clock(place, f"{key}.end", given.get("end"))
    if start is not None and start == end:
        place.wrong(f"{key}.end", shown(end), "policy_clock_differs")
    settings = {"start": start, "end": end, "grace_s": policy_values.duration(place, f"{key}.grace", given.get("grace"))}
    if cycle == "weekly":
        settings["day"] = policy_values.choice(place, f"{key}.day", given.get("day"), schedule.WEEKDAYS)
    elif cycle != "daily":
        settings["day"] = policy_values.day_of_month(place, f"{key}.day", given.get("day"))
    return settings


def _texts(place: Place, key: str, value: object, names: tuple[str, ...]) -> dict:
    given = policy_values.mapping(place, key, value, names) or {}
    return {name: policy_values.text(place, f"{key}.{name}", given.get(name)) for name in names}
