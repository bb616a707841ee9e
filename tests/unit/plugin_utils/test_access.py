# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which key is tried first, which ones a repository may have, and which password of the sealed envelope a host gets to see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.sicekat.backup.plugins.plugin_utils import secrets
from ansible_collections.sicekat.backup.plugins.plugin_utils.access import Access
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger

MASTER = "rahasia-induk-untuk-pengujian"
PIN, NEW, ESCROW = "a1" * 32, "b2" * 32, "c3" * 32
IDENTITY = "d4" * 32


def repository(server: str | None) -> dict:
    return {"server": server, "transport": "rest" if server else "url", "location": "", "url": "rest:https://10.0.0.5:8000/web/"}


POLICY = {
    "repository_servers": {"vault": {"path": "/srv/backup"}},
    "servers": {
        "web": {"repositories": {"primary": repository("vault")}},
        "lone": {"repositories": {"primary": repository(None), "archive": repository("vault")}},
    },
}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite3", create=True) as ledger:
        yield ledger


@pytest.fixture
def access(ledger: Ledger) -> Access:
    variables = {"backup_master_secret": MASTER, "backup_repositories": {"primary": {"url": "/x"}, "archive": {}}}
    return Access(POLICY, lambda _host: variables, ledger)


def pin(ledger: Ledger, at: str, key: str | None = PIN) -> None:
    data = {"server": "web", "repository": "primary", "repository_id": IDENTITY, "url": "x", "reason": "created"}
    ledger.append("repository_pinned", {**data, "key_id": key} if key else data, at=at)


def rotate(ledger: Ledger, at: str, finished: bool, **keys: dict) -> None:
    ledger.append("credentials_rotated", {"server": "web", "version": 2, "finished": finished, **keys}, at=at)


def escrow(ledger: Ledger, identity: str = IDENTITY) -> None:
    ledger.append("escrow_proved", {"server": "web", "repository": "primary", "repository_id": identity, "key_id": ESCROW})


def test_nothing_is_known_before_a_deployment_or_of_a_pin_without_a_key(ledger: Ledger, access: Access) -> None:
    assert access.key_hint("web", "primary") is None
    assert access.known_keys("web", "primary") is None
    pin(ledger, "2026-11-22T01:00:00Z", key=None)
    assert access.endpoint("web", "primary", "vault")["key_hint"] is None
    assert access.known_keys("web", "primary") is None


def test_the_key_of_the_last_rotation_or_of_a_repository_that_came_after_it_is_tried_first(ledger: Ledger, access: Access) -> None:
    pin(ledger, "2026-11-22T01:00:00Z")
    assert access.endpoint("web", "primary", "vault")["key_hint"] == PIN
    rotate(ledger, "2026-11-22T02:00:00Z", True, key_ids={"primary": NEW})
    assert access.key_hint("web", "primary") == NEW
    pin(ledger, "2026-11-22T03:00:00Z", "e5" * 32)
    assert access.key_hint("web", "primary") == "e5" * 32


def test_a_repository_may_have_our_key_that_of_the_envelope_and_while_it_changes_the_old_one(ledger: Ledger, access: Access) -> None:
    pin(ledger, "2026-11-22T01:00:00Z")
    assert access.known_keys("web", "primary") == [PIN]
    escrow(ledger, identity="00" * 32)
    assert access.known_keys("web", "primary") == [PIN]
    escrow(ledger)
    assert access.known_keys("web", "primary") == [PIN, ESCROW]
    rotate(ledger, "2026-11-22T02:00:00Z", False, key_ids={"primary": NEW}, old_key_ids={"primary": PIN})
    assert access.known_keys("web", "primary") == [NEW, ESCROW, PIN]
    rotate(ledger, "2026-11-22T03:00:00Z", True, key_ids={"primary": NEW})
    assert access.known_keys("web", "primary") == [NEW, ESCROW]


@pytest.mark.parametrize("host", ["web", "lab", "vault"])
def test_a_restore_host_goes_the_servers_own_way_as_root_even_where_it_keeps_the_repository(access: Access, host: str) -> None:
    found = access.module_arguments("web", "primary", host, as_server=True)
    assert (found["repository"], found["run_as"], found["access"]["username"]) == ("rest:https://10.0.0.5:8000/web/", None, "web")
    assert found["access"]["password"] in access.hidden and found["password"] in access.hidden
    kept = access.module_arguments("web", "primary", "vault")
    assert (kept["repository"], kept["run_as"], kept["access"]) == ("/srv/backup/web", "sicekat-backup", {})


def test_a_server_that_works_with_its_own_repository_sees_no_password_of_others(access: Access) -> None:
    shared = secrets.escrow_password(MASTER)
    assert access.escrow_password("web", "primary") == access.escrow_password("lone", "archive") == shared
    assert access.escrow_password("lone", "primary") == secrets.escrow_password(MASTER, "lone") != shared
    assert shared in access.hidden
