# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which restore tests are due, and which snapshot each takes."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.sicekat.backup.plugins.plugin_utils import obligations, performers, restore_choice
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger

IDENTITY, OTHER = "d4" * 32, "e5" * 32
PINS = {("srv", "primary"): IDENTITY}
PERIODS = [f"{year}-{month:02}" for year in (2025, 2026, 2027) for month in range(1, 13)]


def policy(months: int = 1, *names: str, **server: object) -> dict:
    datasets = [{"name": name, "category": "penting", "kind": "files"} for name in names or ("a",)]
    return {
        "categories": {"penting": {"restore_test_months": months}},
        "servers": {"srv": {"datasets": datasets, "repositories": {"primary": {}}, **server}},
    }


def made(outcome: str | None = "success", pick: str | None = "newest", period: str = "2026-11", dataset: str = "a", **fields: object) -> dict:
    restore = {"restore": {"pick": pick}} if pick else {}
    return {"server": "srv", "dataset": dataset, "outcome": outcome, "period": period, "repository_id": IDENTITY, **restore, **fields}


def turns(months: int, dataset: str) -> list[str]:
    return [period for period in PERIODS if list(obligations.owed(policy(months, dataset), "srv", "restore_test", period))]


# Whose turn it is


@given(st.integers(1, 12), st.text("abc", min_size=1, max_size=8))
def test_a_data_set_owes_a_test_in_each_nth_month_always_the_same_one(months, dataset):
    found = [PERIODS.index(period) for period in turns(months, dataset)]
    assert found[0] < months and {after - before for before, after in itertools.pairwise(found)} <= {months}
    assert len(found) >= len(PERIODS) // months


def test_the_data_sets_of_a_fleet_spread_over_the_months():
    names = [f"data-{number}" for number in range(600)]
    share = collections.Counter(turns(6, name)[0] for name in names)
    assert len(share) == 6 and max(share.values()) < 2 * min(share.values())


def test_a_policy_of_before_asks_each_month_and_some_period_asks_of_all():
    old = policy(1, "a")
    old["categories"] = {"penting": {}}
    assert list(obligations.owed(old, "srv", "restore_test", "2026-11")) == [("restore_test", "a", "primary")]
    assert len(list(obligations.owed(policy(12, *"abcdef"), "srv", "restore_test", None))) == 6


# What is due


def due(given_policy: dict, *tests: dict, period: str = "2026-11") -> list[str]:
    return [dataset for _server, dataset in restore_choice.due(given_policy, ["srv"], period, tests, PINS)]


def in_turn(period: str, is_turn: bool) -> str:
    return next(name for name in map(str, range(100)) if (period in turns(12, name)) == is_turn)


def test_due_is_what_owes_a_test_and_has_none_what_was_never_proved_and_what_failed():
    owing, resting, third = in_turn("2026-11", True), in_turn("2026-11", False), "baru"
    both = policy(12, owing, resting)
    proved = [made(period="2026-10", dataset=name) for name in (owing, resting)]
    assert due(both, *proved) == [owing]
    assert due(both, *proved, made("failed", period="2026-02", dataset=resting)) == [owing, resting]
    assert due(policy(12, owing, resting, third), *proved, made(dataset=owing)) == [third]
    assert due(policy(12, owing, third), made(dataset=owing), made(dataset=third, repository_id=OTHER)) == [third]


def test_a_turn_that_was_missed_is_due_until_it_is_made_up_for():
    late, other = in_turn("2026-09", True), in_turn("2026-11", True)
    both, earlier = policy(12, late, other), made(period="2026-08", dataset=late)
    assert due(both, earlier, made(dataset=other)) == [late]
    assert due(both, earlier, made(period=None, dataset=late), made(dataset=other)) == [late]  # a drill has no period
    assert due(both, earlier, made(period="2026-10", dataset=late)) == [other]


def test_where_nothing_is_due_everything_is_tested():
    assert due(policy(12, "a", "b"), made(dataset="a"), made(dataset="b")) == ["a", "b"]
    assert due(policy(1, "a", "b"), made(dataset="a"), made(dataset="b"), period="2026-12") == ["a", "b"]


# Red stays red


@pytest.mark.parametrize(
    ("tests", "is_open"),
    [
        ([], False),
        ([made()], False),
        ([made("failed")], True),
        ([made("failed"), made()], False),
        ([made("failed"), made(pick=None)], False),  # of before there was a choice
        ([made("failed"), made(pick="random")], True),
        ([made("failed"), made(pick="named"), made(pick="random")], True),
        ([made("failed", pick="random"), made()], False),
        ([made("failed"), made(), made(pick="random")], False),
        ([made(), made(None)], True),
    ],
)
def test_only_a_success_with_the_newest_clears_a_failure(tests, is_open):
    assert (restore_choice.open_failure(tests) is not None) is is_open


# Which snapshot


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite3", create=True) as ledger:
        ledger.open_run({"run_id": "r", "local_month": "2026-11"}, "CB")
        ledger.pin_repository({"server": "srv", "repository": "primary", "repository_id": IDENTITY, "key_id": "x", "url": "x", "reason": "created"})
        yield ledger


def write(ledger: Ledger, kind: str, number: int, outcome: str | None = "success", **closed: object) -> dict:
    """Writes a record of the data set "a"; that of a backup has the snapshot "<number><number>…"."""
    record_id = f"r:{kind}-{number}"
    opened = {"record_id": record_id, "run_id": "r", "kind": kind, "server": "srv", "dataset": "a", "dataset_kind": "files", "repository": "primary"}
    ledger.open_record(opened)
    if outcome:
        told = {"repository_id": IDENTITY, "snapshot_id": str(number) * 64, "storage_locations": [{}], **closed}
        ledger.close_record({"record_id": record_id, "outcome": outcome, **told})
    return opened


def choose(ledger: Ledger, how: str = "alternate", asked: str = "", kind: str = "files", run: str = "r") -> restore_choice.Choice | None:
    return restore_choice.choose(ledger, {"run_id": run, "record_id": "r:now", "server": "srv", "dataset": "a"}, kind, how, asked)


def drawn(ledger: Ledger, **settings: str) -> set[str]:
    """Returns the first digits of what many runs would draw."""
    found = [choose(ledger, asked="random", run=f"run-{number}", **settings) for number in range(60)]
    return {one.backup["snapshot_id"][0] for one in found}


def test_there_is_nothing_to_choose_without_a_proved_backup(ledger):
    write(ledger, "backup", 1, "failed")
    assert choose(ledger) is None and choose(ledger, asked="2" * 64) is None


def test_after_a_success_with_the_newest_comes_an_older_one_and_then_the_newest_again(ledger):
    for number in (1, 2, 3):
        write(ledger, "backup", number)
    assert (choose(ledger).pick, choose(ledger).backup["snapshot_id"][0], choose(ledger).candidates) == ("newest", "3", 2)
    write(ledger, "restore_test", 4, restore={"pick": "newest"})
    found = choose(ledger)
    assert (found.pick, found.seed, found.candidates) == ("random", "r/srv/a", 2)
    assert found == choose(ledger) and found.backup["snapshot_id"][0] == "12"[restore_choice.draw("r/srv/a", 2)]
    assert choose(ledger, how="newest").pick == "newest"
    write(ledger, "restore_test", 5, restore={"pick": "random"})
    assert choose(ledger).pick == "newest"


def test_after_a_failure_comes_the_newest_until_it_succeeds(ledger):
    for number in (1, 2):
        write(ledger, "backup", number)
    write(ledger, "restore_test", 3, "failed", restore={"pick": "newest"})
    assert choose(ledger).pick == "newest"
    write(ledger, "restore_test", 4, restore={"pick": "random"})
    assert choose(ledger).pick == "newest"
    write(ledger, "restore_test", 5, restore={"pick": "newest"})
    assert choose(ledger).pick == "random"


def test_an_older_one_is_proved_exists_and_lies_in_the_repository_of_today(ledger):
    write(ledger, "backup", 1)
    write(ledger, "backup", 2, "partial")
    write(ledger, "backup", 3, repository_id=OTHER)
    for number in (4, 5, 6, 7, 8, 9):
        write(ledger, "backup", number)
    assert drawn(ledger) == {"1", "4", "5", "6", "7", "8"}
    write(ledger, "retention", 1, "partial", retention={"removed": [{"snapshot_id": "4" * 64}], "unconfirmed": [{"snapshot_id": "5" * 64}]})
    ledger.append("retention_planned", {"server": "srv", "repository": "primary", "run_id": "r", "snapshots": ["6" * 64]})
    ledger.append("repository_listed", {"server": "srv", "repository": "primary", "vanished": [{"snapshot_id": "7" * 64, "record_id": "r:backup-7"}]})
    assert drawn(ledger) == {"1", "8"}
    assert choose(ledger, kind="sqlite", asked="random").pick == "newest"  # none of that kind
    assert restore_choice.named(ledger, ["srv"], "8") == [("srv", "a", "8" * 64)]
    assert [restore_choice.named(ledger, ["srv"], digit) for digit in "345670"] == [[]] * 6


def test_a_test_in_a_repository_of_before_is_nobodys_turn(ledger):
    for number in (1, 2):
        write(ledger, "backup", number)
    write(ledger, "restore_test", 3, repository_id=OTHER, restore={"pick": "newest"})
    assert choose(ledger).pick == "newest"


def test_a_person_may_name_one_even_if_it_is_partial(ledger):
    write(ledger, "backup", 1, "partial")
    write(ledger, "backup", 2)
    assert (choose(ledger, asked="1" * 64).pick, choose(ledger, asked="1" * 64).backup["snapshot_id"][0]) == ("named", "1")


# What a host makes of it

CHOSEN = {"snapshot_id": "1" * 64, "pick": "random", "seed": "r/srv/a", "candidates": 2}


def test_what_was_chosen_is_the_control_nodes_word():
    closed = {"outcome": "success", "messages": [], "error_count": 0, "restore": {"snapshot_id": "1" * 64, "pick": "newest", "seed": "?"}}
    found = restore_choice.as_chosen(closed, CHOSEN)
    assert found["outcome"] == "success" and found["restore"] == CHOSEN
    assert restore_choice.as_chosen(closed, None) == closed


def test_a_host_that_tells_of_another_snapshot_has_proved_nothing():
    closed = {"outcome": "success", "messages": [], "error_count": 0, "restore": {"snapshot_id": "2" * 64}}
    found = restore_choice.as_chosen(closed, CHOSEN)
    assert (found["outcome"], found["cause"], found["messages"][0]["code"], found["error_count"]) == ("failed", "no_evidence", "restore_other_snapshot", 1)


@pytest.mark.parametrize(("asked", "is_right"), [("", True), ("newest", True), ("random", True), ("abcdef01", True), ("abc", False), ("oldest", False)])
def test_what_a_person_may_ask_for(asked, is_right):
    assert restore_choice.is_askable(asked) is is_right


# Where


def test_a_restore_host_does_the_tests_and_nothing_else():
    given_policy = policy(1, restore_host="uji")
    hosts = {kind: performers.performed_on(given_policy, "srv", kind, "primary") for kind in ("restore_test", "restore", "backup", "integrity_check")}
    assert hosts == {"restore_test": "uji", "restore": "srv", "backup": "srv", "integrity_check": "srv"}
    assert performers.performed_on(policy(), "srv", "restore_test", "primary") == "srv"
