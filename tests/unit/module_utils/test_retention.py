# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What retention may remove, as a pure function: whatever restic proposes, the good backups stay."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.retention_operation import plan

NOW = datetime.datetime(2026, 11, 22, 15, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
KEEP = {"last": 1, "daily": None}


def moment(days_ago: float) -> datetime.datetime:
    return NOW - days_ago * DAY


def snapshot(name: str, days_ago: float, dataset: str = "dokumen", **other: object) -> dict:
    made = {"id": name * 8, "time": record.to_text(moment(days_ago)), "hostname": "srv", "tags": ["sicekat", f"dataset={dataset}"]}
    return {**made, **other}


def claim(of: dict, outcome: str = "success", files: int | None = 100, size: int | None = 1000) -> dict:
    return {
        "snapshot_id": of["id"], "record_id": "r:" + of["id"], "outcome": outcome, "not_before": of["time"], "not_after": of["time"],
        "files": files, "bytes": size,
    }  # fmt: skip


def group(known: list[dict], dataset: str = "dokumen", least: int = 3, keep: dict | None = None) -> dict:
    return {"dataset": dataset, "keep": KEEP if keep is None else keep, "least": least, "known": known}


def history(count: int) -> list[dict]:
    """Returns daily snapshots, oldest first; the newest was made an hour ago."""
    return [snapshot(f"{number:03x}{number:05x}", count - number - 1 + 1 / 24) for number in range(count)]


def everything(asked: dict) -> list[str]:
    """Proposes what a restic that lost its mind could propose."""
    return [one["snapshot_id"] for one in asked["known"]] + ["f" * 64]


def made(
    groups: list[dict],
    snapshots: list[dict],
    propose: object = everything,
    now: datetime.datetime = NOW,
    clock: datetime.datetime = NOW,
    allowed: list[str] | None = None,
) -> object:
    return plan(groups, snapshots, "srv", now, clock, propose, allowed)


def restic_keeps(snapshots: list[dict], keep: dict) -> set[str]:
    """Returns what `restic forget` keeps, written down from its manual and not from our code; the oldest stays only as in 0.14."""
    formats = {"last": None, "daily": "%Y-%m-%d", "weekly": "%G-%V", "monthly": "%Y-%m", "yearly": "%Y"}
    kept: set[str] = set()
    for rule, form in formats.items():
        newest: dict[str, str] = {}
        for one in sorted(snapshots, key=lambda one: one["time"], reverse=True):
            newest.setdefault(record.from_text(one["time"]).strftime(form) if form else one["id"], one["id"])
        kept.update(list(newest.values())[: keep.get(rule) or 0])
    return kept


def codes(planned: object) -> set[str]:
    return {one["code"] for one in planned.refusals}


def removed(planned: object) -> list[str]:
    return [one["snapshot_id"] for one in planned.removals]


def test_what_restic_proposes_goes_but_for_the_newest_successes():
    shots = history(6)
    planned = made([group([claim(one) for one in shots])], shots)
    assert removed(planned) == [one["id"] for one in shots[:3]] and planned.refusals == []
    assert planned.removals[0] == {"snapshot_id": shots[0]["id"], "dataset": "dokumen", "time": record.to_text(moment(5 + 1 / 24))}
    assert planned.groups == [{"dataset": "dokumen", "listed": 6, "kept": 3, "removed": 3, "refused": False}]


def test_only_what_restic_proposes_goes():
    shots = history(6)
    planned = made([group([claim(one) for one in shots], least=1)], shots, propose=lambda _group: [shots[1]["id"]])
    assert removed(planned) == [shots[1]["id"]]


@pytest.mark.parametrize("keep", [{}, {"last": None, "daily": 0}])
def test_without_a_rule_nothing_goes_and_restic_is_not_asked(keep):
    shots = history(6)
    planned = made([group([claim(one) for one in shots], keep=keep)], shots, propose=lambda _group: pytest.fail("asked"))
    assert (removed(planned), planned.refusals) == ([], [])


@given(
    outcomes=st.lists(st.sampled_from(["success", "success", "partial", "failed", "open"]), max_size=30),
    least=st.integers(-1, 8),
    data=st.data(),
)
def test_the_newest_success_and_the_least_number_stay_whatever_is_proposed(outcomes, least, data):
    shots = history(len(outcomes))
    proposal = data.draw(st.sets(st.sampled_from([one["id"] for one in shots])) if shots else st.just(set()))
    planned = made([group([claim(one, outcome) for one, outcome in zip(shots, outcomes, strict=True)], least=least)], shots, propose=lambda _group: proposal)
    gone = set(removed(planned))
    successes = [one["id"] for one, outcome in zip(shots, outcomes, strict=True) if outcome == "success"]
    assert gone <= proposal
    assert not gone.intersection(successes[-max(least, 1) :])
    if outcomes and outcomes[-1] != "success":
        assert not gone and codes(planned) == {"retention_no_success"}
    if len(gone) > 10:
        assert len(gone) * 2 <= len(shots)


@pytest.mark.parametrize("least", [-1, 0, 1])
def test_one_success_stays_even_if_none_is_asked_for(least):
    shots = history(3)
    known = [claim(one) for one in shots]
    assert removed(made([group(known, least=least)], shots)) == [shots[0]["id"], shots[1]["id"]]
    assert removed(made([group(known[2:], least=least)], shots[2:])) == []


def test_a_data_set_that_nobody_knows_is_named():
    shots = [*history(4), snapshot("99999999", 2, dataset="lain"), snapshot("98989898", 2, tags=None)]
    planned = made([group([claim(one) for one in shots[:4]])], shots)
    params = {"found": 3, "expected": 1}
    assert planned.refusals[2:] == [record.message("retention_group", dataset=name, **params) for name in ("?", "lain")]


@given(
    wrong=st.sampled_from(["unclaimed", "other tag", "two tags", "no tag", "past", "future", "group"]),
    place=st.integers(0, 7),
    days=st.floats(0.01, 4000),
)
def test_one_snapshot_that_cannot_be_accounted_for_keeps_everything(wrong, place, days):
    shots = history(8)
    known = [claim(one) for one in shots]
    if wrong == "unclaimed":
        shots.append(snapshot("99999999", days))
    elif wrong == "group":
        shots.append(snapshot("99999999", days, dataset="lain"))
        known.append(claim(shots[-1]))
    elif wrong in ("past", "future"):
        shots[place] = {**shots[place], "time": record.to_text(moment((8 - place) + days if wrong == "past" else -days))}
    else:
        tags = {"other tag": ["dataset=lain"], "two tags": ["dataset=dokumen", "dataset=lain"], "no tag": None}[wrong]
        shots[place] = {**shots[place], "tags": tags}
    planned = made([group(known)], shots)
    assert removed(planned) == [] and planned.groups[0]["refused"]
    assert codes(planned) <= {"retention_unclaimed", "retention_misdated", "retention_group"}
    assert codes(planned)


def test_a_refusal_names_the_snapshot_and_its_time():
    shots = history(4)
    planned = made([group([claim(one) for one in shots[1:]])], shots)
    assert planned.refusals == [record.message("retention_unclaimed", snapshot=shots[0]["id"][:16], time=shots[0]["time"])]


def test_many_refusals_of_one_kind_are_counted():
    planned = made([group([])], history(30))
    assert [one["code"] for one in planned.refusals] == ["retention_unclaimed"] * 10 + ["retention_more"]
    assert planned.refusals[-1]["params"] == {"count": 20}


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+07:00", "9999-12-31T23:59:59-07:00", "gestern", "2026-11-22T15:00:00.5+07:00"])
def test_a_time_that_no_record_gave_is_refused_and_breaks_nothing(text):
    shots = history(4)
    shots[0] = {**shots[0], "time": text}
    assert codes(made([group([claim(one) for one in history(4)])], shots)) == {"retention_misdated"}


def test_a_snapshot_may_be_of_any_time_that_its_record_allows():
    shots = history(4)
    known = [claim(one) for one in shots]
    known[0].update(not_before=record.to_text(moment(3.5)), not_after=record.to_text(moment(2.5)))
    shots[0] = {**shots[0], "time": "2026-11-19T21:00:00.123456789+07:00"}
    shots[3] = {**shots[3], "time": record.to_text(moment(1 / 24) + datetime.timedelta(seconds=600))}
    assert made([group(known)], shots).refusals == []
    shots[3] = {**shots[3], "time": record.to_text(moment(1 / 24) + datetime.timedelta(seconds=601))}
    assert codes(made([group(known)], shots)) == {"retention_misdated"}


def test_a_record_of_the_future_does_not_excuse_a_snapshot_of_the_future():
    shots = [*history(4), snapshot("88888888", -1)]
    assert codes(made([group([claim(one) for one in shots])], shots)) == {"retention_misdated"}


@pytest.mark.parametrize(("seconds", "refused"), [(-301, True), (-300, False), (300, False), (301, True), (10**9, True)])
def test_a_wrong_clock_keeps_everything(seconds, refused):
    shots = history(6)
    planned = made([group([claim(one) for one in shots])], shots, clock=NOW + datetime.timedelta(seconds=seconds))
    assert (codes(planned) == {"retention_clock"}) is refused and bool(removed(planned)) is not refused


@pytest.mark.parametrize(
    ("files", "size", "code"),
    [(0, 0, "retention_shrunk_files"), (49, 1000, "retention_shrunk_files"), (100, 499, "retention_shrunk_bytes"), (None, None, "retention_shrunk_files")],
)
def test_five_good_backups_and_then_an_empty_one_keep_the_good_ones(files, size, code):
    shots = history(6)
    known = [claim(one) for one in shots[:5]] + [claim(shots[5], files=files, size=size)]
    planned = made([group(known, least=1)], shots)
    assert removed(planned) == [] and codes(planned) == {code} and planned.groups[0]["refused"]


def test_a_smaller_source_is_accepted_after_more_backups():
    shots = history(9)
    planned = [
        made([group([claim(one, files=100 if number < 5 else 10) for number, one in enumerate(shots[:count])])], shots[:count]) for count in range(6, 10)
    ]
    assert [codes(one) for one in planned] == [{"retention_shrunk_files"}] * 3 + [set()]


@pytest.mark.parametrize("before", [[100, 100, 100, 10, 10], [10, 10, 10, 100, 100, 100]])
def test_what_is_usual_is_the_median_of_the_five_before(before):
    shots = history(len(before) + 1)
    known = [claim(one, files=files) for one, files in zip(shots, [*before, 40], strict=True)]
    planned = made([group(known)], shots)
    assert planned.refusals == [record.message("retention_shrunk_files", dataset="dokumen", found=40, usual=100)]


@pytest.mark.parametrize(("files", "size"), [(50, 500), (0, 0)])
def test_half_of_the_usual_and_what_was_always_empty_are_no_refusal(files, size):
    shots = history(6)
    known = [claim(one, files=files * 2, size=size * 2) for one in shots[:5]] + [claim(shots[5], files=files, size=size)]
    assert made([group(known)], shots).refusals == []


def test_a_newest_record_without_a_snapshot_counts():
    shots = history(6)
    failed = {**claim(shots[5], "failed"), "snapshot_id": None}
    assert codes(made([group([*(claim(one) for one in shots[:5]), failed])], shots[:5])) == {"retention_no_success"}


def test_a_newest_success_that_is_gone_keeps_the_others():
    shots = history(6)
    assert codes(made([group([claim(one) for one in shots])], shots[:5])) == {"retention_newest_gone"}


def test_snapshots_that_were_removed_before_may_still_be_known():
    shots = history(9)
    assert removed(made([group([claim(one) for one in shots])], shots[4:])) == [shots[4]["id"], shots[5]["id"]]


def test_one_that_proves_nothing_does_not_displace_the_success_of_its_day():
    # restic keeps the newest of a day, which may be a partial backup after the good one.
    shots = [snapshot("11111111", 1.2), snapshot("22222222", 1.1), snapshot("33333333", 0.1)]
    known = [claim(shots[0]), claim(shots[1], "partial"), claim(shots[2])]
    planned = made([group(known, least=1, keep={"daily": 2})], shots, propose=lambda _group: [shots[0]["id"]])
    assert (removed(planned), planned.refusals) == ([], [])
    planned = made([group(known, least=1, keep={"daily": 1})], shots, propose=lambda _group: [shots[0]["id"], shots[1]["id"]])
    assert removed(planned) == [shots[0]["id"], shots[1]["id"]]


RULES = st.fixed_dictionaries({name: st.none() | st.integers(0, 6) for name in ("last", "daily", "weekly", "monthly", "yearly")})


@given(
    days=st.lists(st.integers(0, 40_000), unique=True, min_size=1, max_size=40),
    proved=st.lists(st.booleans(), min_size=40, max_size=40),
    keep=RULES,
    least=st.integers(1, 3),
)
def test_without_what_proves_nothing_no_more_proved_ones_stay(days, proved, keep, least):
    shots = [snapshot(f"{number:08x}", 1 + age / 40) for number, age in enumerate(days)]
    newest = snapshot("aaaaaaaa", 0.1)
    good = [one for one, is_proved in zip(shots, proved, strict=False) if is_proved] + [newest]

    def gone(listed: list[dict]) -> set[str]:
        known = [claim(one, "success" if one in good else "aborted") for one in listed]
        propose = {one["id"] for one in listed} - restic_keeps(listed, keep)
        planned = made([group(known, least=least, keep=keep)], listed, propose=lambda _group: propose)
        return set(removed(planned)), codes(planned)

    with_all, _codes = gone([*shots, newest])
    alone, refused = gone(good)
    if refused != {"retention_too_many"}:
        # The oldest stays a little longer than 0.14 wants: of the proved ones, what goes beside others goes alone, too.
        assert with_all & {one["id"] for one in good} <= alone
    assert not with_all & restic_keeps(good, keep)


def test_nine_planted_snapshots_do_not_push_out_ten_good_ones():
    shots = history(12)
    planted = [snapshot(f"b{number:07x}", 0.02 + number / 1000) for number in range(9)]
    known = [claim(one) for one in shots] + [{**claim(one, "aborted"), "not_before": record.to_text(moment(0.5))} for one in planted]
    listed = [*shots, *planted]
    keep = {"last": 10}
    propose = {one["id"] for one in listed} - restic_keeps(listed, keep)
    planned = made([group(known, least=1, keep=keep)], listed, propose=lambda _group: propose)
    assert planned.refusals == [] and removed(planned) == [one["id"] for one in shots[:2]]


def test_days_are_counted_in_the_time_zone_that_stands_in_the_snapshot():
    # Both of the 21st in UTC, but of two days where the server is.
    shots = [snapshot("11111111", 0, time="2026-11-20T23:30:00+07:00"), snapshot("22222222", 0, time="2026-11-21T00:30:00.5+07:00"), snapshot("33333333", 0.1)]
    planned = made([group([claim(one) for one in shots], least=1, keep={"daily": 3})], shots)
    assert removed(planned) == [] == [one["code"] for one in planned.refusals]


def test_only_what_was_allowed_before_goes_this_time():
    shots = history(6)
    known = [claim(one) for one in shots]
    planned = made([group(known)], shots, allowed=[shots[1]["id"], shots[5]["id"], "f" * 64])
    assert removed(planned) == [shots[1]["id"]] and planned.refusals == []
    assert planned.groups == [{"dataset": "dokumen", "listed": 6, "kept": 5, "removed": 1, "refused": False}]
    assert removed(made([group(known)], shots, allowed=[])) == []


def test_one_copy_of_each_backup_is_accounted_for_without_a_record_of_its_own():
    shots = history(6)
    lost = {**shots[0], "original": "5" * 64}
    source = {"snapshot_id": "5" * 64, "record_id": "r:5", "not_before": lost["time"], "not_after": lost["time"]}
    groups = [{**group([claim(one) for one in shots[1:]]), "originals": [source]}]
    listed = [lost, *shots[1:]]
    planned = made(groups, listed, propose=lambda _group: [one["id"] for one in listed])
    assert planned.refusals == [] and removed(planned) == [one["id"] for one in shots[:3]]
    assert codes(made(groups, [{**lost, "id": "6" * 64}, *listed])) == {"retention_unclaimed"}
    assert codes(made(groups, [{**lost, "time": record.to_text(moment(60))}, *shots[1:]])) == {"retention_misdated"}
    assert codes(made(groups, [{**lost, "tags": ["dataset=lain"]}, *shots[1:]])) == {"retention_unclaimed", "retention_group"}
    assert codes(made(groups, [{**lost, "original": "7" * 64}, *shots[1:]])) == {"retention_unclaimed"}


def test_a_refused_data_set_does_not_keep_another_one():
    shots = history(6)
    others = [{**one, "id": "e" + one["id"][1:], "tags": ["dataset=arsip"]} for one in shots]
    known = [claim(one) for one in others[:5]] + [claim(others[5], "partial")]
    planned = made([group([claim(one) for one in shots]), group(known, "arsip")], shots + others)
    assert removed(planned) == [one["id"] for one in shots[:3]]
    assert [(one["dataset"], one["refused"]) for one in planned.groups] == [("dokumen", False), ("arsip", True)]


@pytest.mark.parametrize(("proposed", "refused"), [(10, False), (11, True), (19, True)])
def test_more_than_half_and_more_than_ten_at_once_are_refused(proposed, refused):
    shots = history(20)
    planned = made([group([claim(one) for one in shots], least=1)], shots, propose=lambda _group: [one["id"] for one in shots[:proposed]])
    assert codes(planned) == ({"retention_too_many"} if refused else set()) and len(removed(planned)) == (0 if refused else proposed)


def test_many_are_removed_if_they_are_not_more_than_half():
    shots = history(40)
    assert len(removed(made([group([claim(one) for one in shots], least=1)], shots, propose=lambda _group: [one["id"] for one in shots[:20]]))) == 20


def test_snapshots_of_other_hosts_neither_go_nor_hinder():
    shots = history(6)
    foreign = snapshot("77777777", 2000, hostname="srv-lain")
    planned = made([group([claim(one) for one in shots])], [foreign, *shots], propose=lambda asked: [*everything(asked), foreign["id"]])
    assert removed(planned) == [one["id"] for one in shots[:3]]
