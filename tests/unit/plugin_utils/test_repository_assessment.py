# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is told of repositories: how much was read back with success, what retention did, and what room is left."""

from __future__ import annotations

import pytest

from ansible_collections.sicekat.backup.plugins.plugin_utils import repository_assessment

SERVER = {
    "datasets": [{"name": "dokumen"}],
    "repositories": {"archive": {}, "primary": {"location": "Rak 1", "retention": {"dokumen": {}}}},
    "integrity_read": "1/3",
}
POLICY = {"cycles": {"weekly": {"day": "sunday"}, "monthly": None}, "servers": {"srv": SERVER}, "repository_servers": {}}


def check(day: int, outcome: str | None, part: str | None, repository: str = "primary") -> dict:
    integrity = {"read_data": part} if part else None
    return {"outcome": outcome, "finished_at": f"2026-11-{day:02}T02:00:00Z", "integrity": integrity, "repository": repository}


@pytest.mark.parametrize(
    ("checks", "read", "day"),
    [
        ([], 0, None),
        ([check(1, "success", "1/3")], 1, 1),
        ([check(1, "success", "1/3"), check(2, "success", "1/3")], 1, 2),
        ([check(1, "success", "1/3"), check(2, "success", "2/3"), check(3, "success", "3/3")], 3, 1),
        ([check(1, "success", "full")], 3, 1),
        ([check(1, "success", "full"), check(2, "failed", "2/3")], 2, 1),
        ([check(1, "success", "full"), check(2, "failed", "2/3"), check(3, "success", "2/3")], 3, 1),
        ([check(1, "success", "full"), check(2, "failed", "full")], 0, None),
        ([check(1, "success", "full"), check(2, "failed", None)], 0, None),
        ([check(1, "success", "full"), check(2, "failed", "4/5")], 0, None),
        ([check(1, "success", "full"), check(2, "aborted", "4/5")], 0, None),
        ([check(1, "success", "full"), check(2, "unreachable", None), check(3, None, None), check(4, "missed", None)], 3, 1),
        ([check(1, "success", "1/5"), check(2, "success", "3/4")], 0, None),
        ([check(1, "success", None)], 0, None),
    ],
)
def test_a_part_counts_as_read_until_a_later_check_of_it_fails(checks, read, day):
    since = day and f"2026-11-{day:02}T02:00:00Z"
    assert repository_assessment.coverage(checks, "1/3") == {"read": read, "of": 3, "since": since}


def test_where_all_is_read_each_time_a_part_is_not_all():
    assert repository_assessment.coverage([check(1, "success", "1/3")], "full") == {"read": 0, "of": 1, "since": None}
    assert repository_assessment.coverage([check(1, "success", "full")], "full")["read"] == 1


def test_each_repository_is_told_by_its_own_records():
    listing = {"server": "srv", "repository": "primary", "listed_at": "x", "count": 4, "problem": None, "unclaimed": [], "vanished": []}
    retained = {"repository": "primary", "outcome": "success"}
    checks = [check(1, "success", "1/3", "archive"), check(2, "success", "full"), check(3, "failed", "2/3", "archive")]
    evidence = {("srv", "", "integrity_check"): checks, ("srv", "", "retention"): [retained]}
    primary, archive = repository_assessment.overview(POLICY, evidence, [listing])
    assert (primary["location"], primary["listing"], primary["integrity"], primary["coverage"]["read"], primary["retention"]) == (
        "Rak 1", {"listed_at": "x", "count": 4, "problem": None}, checks[1], 3, retained,
    )  # fmt: skip
    assert (archive["listing"], archive["integrity"], archive["coverage"]["read"], archive["retention"]) == (None, checks[2], 1, None)
    assert [one["retention_owed"] for one in (primary, archive)] == [True, False]


KEEPER = {**POLICY, "repository_servers": {"vault": {"path": "/srv/backup", "free_least_bytes": 1000}}}
MEASURED = {"server": "vault", "free_bytes": 1000, "total_bytes": 9000, "clock_skew_s": -300, "at": "2026-11-20T02:00:00Z"}


@pytest.mark.parametrize(
    ("measured", "state"),
    [
        ({}, "green"),
        ({"free_bytes": 999}, "red"),
        ({"clock_skew_s": 301}, "red"),
        ({"clock_skew_s": -301}, "red"),
        ({"free_bytes": None}, "unknown"),
        ({"server": "other"}, "unknown"),
    ],
)
def test_a_repository_server_is_in_order_only_when_it_was_measured_and_has_room_and_the_right_time(measured, state):
    (row,) = repository_assessment.storage(KEEPER, [{**MEASURED, **measured}])
    assert (row["host"], row["path"], row["free_least_bytes"], row["state"]) == ("vault", "/srv/backup", 1000, state)
    assert row["measured_at"] == (None if "server" in measured else MEASURED["at"])
