# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pin does not give way to the word of a host alone, which may be in foreign hands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.sicekat.backup.plugins.action.repository_deploy import ActionModule
from ansible_collections.sicekat.backup.plugins.plugin_utils.control import Speaker
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger

FIRST = {"repository_id": "a1" * 32, "key_id": "b2" * 32, "created": True}
OTHER = {"repository_id": "c3" * 32, "key_id": "d4" * 32, "created": False}


@pytest.fixture
def action(tmp_path: Path) -> Iterator[ActionModule]:
    found = ActionModule.__new__(ActionModule)
    with Ledger.open(tmp_path / "ledger.sqlite3", create=True) as found.ledger:
        found.say = Speaker("en")
        yield found


def pinned(action: ActionModule) -> dict | None:
    return action.ledger.pinned_repository("web", "primary")


def pin(action: ActionModule, found: dict, replaced: bool = False) -> bool:
    return action._pin("web", "primary", found, None if replaced else pinned(action), "/x")


def test_the_first_word_is_pinned_and_another_only_where_the_inventory_asks_for_it(action: ActionModule) -> None:
    assert pin(action, FIRST)
    assert not pin(action, FIRST)
    with pytest.raises(AnsibleActionFail, match="identity"):
        pin(action, OTHER)
    assert pinned(action)["key_id"] == FIRST["key_id"]
    assert pin(action, OTHER, replaced=True)
    assert (pinned(action)["repository_id"], pinned(action)["key_id"], pinned(action)["reason"]) == (OTHER["repository_id"], OTHER["key_id"], "replaced")


def test_the_key_of_a_pin_stays_too_but_an_older_pin_gets_one(action: ActionModule) -> None:
    action.ledger.pin_repository({"server": "web", "repository": "primary", "repository_id": FIRST["repository_id"], "url": "/x", "reason": "created"})
    assert pin(action, FIRST)
    assert not pin(action, {**FIRST, "key_id": OTHER["key_id"]})
    assert (pinned(action)["key_id"], pinned(action)["reason"]) == (FIRST["key_id"], "created")


@pytest.mark.parametrize("change", [{"repository_id": ""}, {"repository_id": "A1" * 32}, {"repository_id": None}, {"key_id": "b2" * 4}, {"key_id": "../x"}])
def test_what_is_no_id_is_not_pinned(action: ActionModule, change: dict) -> None:
    with pytest.raises(AnsibleActionFail, match="64 hexadecimal"):
        pin(action, {**FIRST, **change})
    assert pinned(action) is None
