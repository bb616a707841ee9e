# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What records say: never green without evidence, and red until a later run of the same kind proves the opposite."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import assessment, documentation, obligations
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger

SERVER = {"datasets": [{"name": "dokumen", "category": "penting"}], "repositories": {"primary": {}}, "integrity_read": "full"}
DAY = {"start": "01:00", "end": "03:00", "grace_s": 3600}
POLICY = {
    "timezone": "UTC",
    "language": "id",
    "agency": {},
    "team": {},
    "categories": {"penting": {"rto_s": None, "rpo_s": None}},
    "cycles": {"daily": DAY, "weekly": {**DAY, "day": "sunday"}, "monthly": {**DAY, "day": 1}, "restore_test": None},
    "servers": {"srv": SERVER},
    "repository_servers": {},
}
NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)


PINS = {("srv", "primary"): "id-1", ("srv", "archive"): "id-2", ("srv", "offsite"): "id-3"}


def made(kind: str, outcome: str | None, day: int, cycle: str = "daily", period: str | None = None, late: bool = False, **fields: object) -> dict:
    at = f"2026-11-{day:02}T{'09' if late else '02'}:00:00Z"
    return {
        "record_id": f"{kind}-{cycle}-{day}", "kind": kind, "cycle": cycle, "period": period or f"2026-11-{day:02}", "server": "srv",
        "dataset": "" if kind in ("integrity_check", "retention") else "dokumen", "repository": "primary", "outcome": outcome,
        "opened_at": at, "started_at": at, "finished_at": at, "scheduled_start": f"2026-11-{day:02}T01:00:00Z",
        "due_at": f"2026-11-{day:02}T04:00:00Z", "form_number": f"CB/{day}", "repository_id": "id-1", **fields,
    }  # fmt: skip


PROOFS = [made("integrity_check", "success", 15, "weekly", "2026-W46"), made("restore_test", "success", 16, "restore_test", "2026-11")]


def check(outcome: str | None, day: int, read_data: str = "full", repository: str = "primary") -> dict:
    fields = {"repository": repository, "repository_id": PINS["srv", repository], "integrity": {"read_data": read_data}}
    return made("integrity_check", outcome, day, "weekly", f"2026-W{day}", **fields)


def indexed(
    *records: dict, since: str = "2026-11-20T00:30:00Z", policies: list | None = None, policy: dict | None = None, problems: tuple = (),
    listings: tuple = (), measurements: tuple = (),
) -> dict:  # fmt: skip
    return assessment.index(policy or POLICY, policies or [(since, policy or POLICY)], records, NOON, PINS, problems, listings, measurements)


def status(*records: dict, **settings: object) -> dict:
    return indexed(*records, **settings)["status"][0]


def codes(found: dict) -> list[str]:
    return [reason["code"] for reason in found["reasons"]]


def test_all_proofs_make_green():
    assert status(*PROOFS, made("backup", "success", 20))["state"] == "green"


@pytest.mark.parametrize("left_out", [0, 1, 2])
def test_any_missing_proof_is_not_green(left_out):
    records = [*PROOFS, made("backup", "success", 20)]
    del records[left_out]
    assert status(*records)["state"] != "green"


@pytest.mark.parametrize("outcome", [None, *(outcome for outcome in record.OUTCOMES if outcome != "success")])
@pytest.mark.parametrize("kind", ["backup", "integrity_check", "restore_test"])
def test_the_newest_of_a_kind_that_is_no_success_makes_red(kind, outcome):
    assert status(*PROOFS, made("backup", "success", 19), made("backup", "success", 20), made(kind, outcome, 20))["state"] == "red"


def test_a_failed_integrity_check_stays_red_however_many_backups_succeed_after_it():
    broken = check("failed", 16)
    backups = [made("backup", "success", day) for day in (17, 18, 19, 20)]
    assert status(*PROOFS, broken, *backups)["state"] == "red"
    assert status(*PROOFS, broken, *backups, check("success", 20))["state"] == "green"


@pytest.mark.parametrize(("read_later", "state"), [("3/7", "red"), ("2/7", "green"), ("full", "green"), ("2/8", "red")])
def test_a_failed_integrity_check_is_cleared_only_by_one_that_reads_the_same_part_or_all(read_later, state):
    found = status(*PROOFS, made("backup", "success", 20), check("failed", 16, "2/7"), check("success", 17, read_later))
    assert found["state"] == state


def test_a_part_that_was_read_does_not_clear_a_failed_whole():
    assert codes(status(*PROOFS, made("backup", "success", 20), check("failed", 16), check("success", 17, "1/7"))) == ["status_integrity"]


def test_a_failed_part_stays_in_doubt_beside_a_later_failure_that_is_cleared():
    records = [check("failed", 16, "1/7"), check("failed", 17, "2/7"), check("success", 18, "2/7")]
    assert codes(status(*PROOFS, made("backup", "success", 20), *records)) == ["status_integrity"]


def test_a_check_that_never_came_to_read_is_cleared_by_any_later_one():
    nothing_read = made("integrity_check", "unreachable", 16, "weekly", "2026-W46", repository_id=None)
    assert status(*PROOFS, made("backup", "success", 20), nothing_read)["state"] == "red"
    assert status(*PROOFS, made("backup", "success", 20), nothing_read, check("success", 17, "3/7"))["state"] == "green"


def test_a_check_that_failed_without_telling_what_it_read_is_cleared_only_by_a_whole_one():
    crashed = made("integrity_check", "failed", 16, "weekly", "2026-W46", repository_id=None)
    assert status(*PROOFS, made("backup", "success", 20), crashed, check("success", 17, "3/7"))["state"] == "red"
    assert status(*PROOFS, made("backup", "success", 20), crashed, check("success", 17))["state"] == "green"


@pytest.mark.parametrize("other_id", ["id-of-before", None])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_success_in_another_repository_than_the_pinned_one_proves_nothing(place, other_id):
    records = [*PROOFS, made("backup", "success", 20)]
    records[place] = {**records[place], "repository_id": other_id}
    assert status(*records)["state"] == "unknown"


def test_a_success_proves_nothing_for_a_repository_that_was_never_pinned():
    records = [{**one, "repository_id": None} for one in (*PROOFS, made("backup", "success", 20))]
    assert assessment.index(POLICY, [("2026-11-20T00:30:00Z", POLICY)], records, NOON, {}, (), (), ())["status"][0]["state"] == "unknown"


@pytest.mark.parametrize("outcome", [None, "failed", "aborted", "unreachable"])
@pytest.mark.parametrize("kind", ["backup", "integrity_check", "restore_test"])
def test_what_never_reached_the_repository_still_makes_red(kind, outcome):
    assert status(*PROOFS, made("backup", "success", 20), made(kind, outcome, 20, repository_id=None))["state"] == "red"


def test_a_success_in_a_repository_that_was_replaced_clears_nothing():
    elsewhere = made("backup", "success", 20, late=True, repository_id="id-of-before")
    assert status(*PROOFS, made("backup", "success", 19), made("backup", "failed", 20), elsewhere)["state"] == "red"


ARCHIVING = {**POLICY, "servers": {"srv": {**SERVER, "repositories": {"primary": {}, "archive": {}}}}}


def copy(outcome: str | None, day: int, repository: str = "archive", late: bool = False, **fields: object) -> dict:
    cycle, period = {"archive": ("monthly", "2026-11"), "offsite": ("weekly", f"2026-W{day}")}[repository]
    return made("copy", outcome, day, cycle, period, late, **{"repository": repository, "repository_id": PINS["srv", repository], **fields})


def test_each_repository_that_is_owed_a_check_needs_a_successful_one():
    records = [*PROOFS, made("backup", "success", 20), copy("success", 20)]
    found = status(*records, policy=ARCHIVING)
    assert found["state"] == "unknown"
    assert found["reasons"] == [{"code": "status_no_integrity_check", "params": {"repository": "archive"}}]
    assert status(*records, check("success", 16, repository="archive"), policy=ARCHIVING)["state"] == "green"


def test_the_primary_repository_needs_a_check_even_if_no_cycle_owes_one_and_the_archive_only_if_one_does():
    daily_only = {**ARCHIVING, "cycles": {**POLICY["cycles"], "weekly": None, "monthly": None}}
    records = [PROOFS[1], made("backup", "success", 20), copy("success", 20)]
    assert status(*records, check("success", 16, repository="archive"), policy=daily_only)["state"] == "unknown"
    assert status(*records, check("success", 16), policy=daily_only)["state"] == "green"


FLEET = {**POLICY, "servers": {"srv": {**SERVER, "repositories": {"primary": {"server": "vault"}, "archive": {}, "offsite": {}}}}}
LISTED = {"server": "srv", "repository": "primary", "listed_at": "2026-11-20T02:05:00Z", "count": 9, "problem": None, "unclaimed": [], "vanished": []}
COPIED = [
    *PROOFS, made("backup", "success", 20), copy("success", 20), copy("success", 20, "offsite"),
    check("success", 16, repository="archive"), check("success", 16, repository="offsite"),
]  # fmt: skip


def fleet_status(*records: dict, listing: dict | None = None, **settings: object) -> dict:
    return status(*records, **{"policy": FLEET, "listings": (listing or LISTED,), **settings})


def test_all_proofs_of_three_places_make_green():
    found = fleet_status(*COPIED)
    assert found["state"] == "green"
    assert [(one["repository"], one["record"]["outcome"]) for one in found["copies"]] == [("archive", "success"), ("offsite", "success")]


@pytest.mark.parametrize("outcome", [None, *(outcome for outcome in record.OUTCOMES if outcome != "success")])
@pytest.mark.parametrize("repository", ["archive", "offsite"])
def test_the_newest_copy_to_each_repository_must_be_a_success(repository, outcome):
    other = {"archive": "offsite", "offsite": "archive"}[repository]
    bad = copy(outcome, 20, repository)
    found = fleet_status(*COPIED, bad, copy("success", 20, other, late=True))
    assert found["state"] == "red"
    assert found["reasons"] == [{"code": "status_copy", "params": {"repository": repository, "outcome": outcome or "open"}}]
    assert fleet_status(*COPIED, bad, copy("success", 20, repository, late=True))["state"] == "green"


@pytest.mark.parametrize("repository", ["archive", "offsite"])
def test_a_copy_that_is_configured_and_was_never_made_is_not_green(repository):
    found = fleet_status(*(one for one in COPIED if (one["kind"], one["repository"]) != ("copy", repository)))
    assert found["state"] == "unknown" and found["reasons"] == [{"code": "status_no_copy", "params": {"repository": repository}}]


def test_a_copy_that_no_cycle_makes_is_not_green_either():
    daily_only = {**FLEET, "cycles": {**POLICY["cycles"], "weekly": None, "monthly": None}}
    assert codes(fleet_status(*PROOFS, made("backup", "success", 20), policy=daily_only)) == ["status_no_copy"] * 2


def test_a_copy_in_a_repository_that_was_replaced_proves_nothing():
    elsewhere = [{**one, "repository_id": "id-of-before"} if one["kind"] == "copy" else one for one in COPIED]
    found = fleet_status(*elsewhere)
    assert codes(found) == ["status_no_copy"] * 2 and [one["record"] for one in found["copies"]] == [None, None]


@pytest.mark.parametrize("outcome", [None, *(outcome for outcome in record.OUTCOMES if outcome != "success")])
def test_the_newest_retention_of_each_repository_must_be_a_success(outcome):
    bad = made("retention", outcome, 19)
    elsewhere = made("retention", "success", 20, repository="archive", repository_id="id-2")
    found = fleet_status(*COPIED, bad, elsewhere)
    assert found["state"] == "red"
    assert found["reasons"] == [{"code": "status_retention", "params": {"repository": "primary", "outcome": outcome or "open"}}]
    assert fleet_status(*COPIED, bad, made("retention", "success", 20))["state"] == "green"


WITHOUT_OFFSITE = {**FLEET, "servers": {"srv": {**SERVER, "repositories": {"primary": {"server": "vault"}, "archive": {}}}}}


def test_a_repository_that_left_the_policy_holds_nothing_against_a_data_set():
    failed = [copy("failed", 18, "offsite"), made("retention", "failed", 18, repository="offsite")]
    assert codes(fleet_status(*COPIED, *failed)) == ["status_copy", "status_retention"]
    assert fleet_status(*COPIED, *failed, policy=WITHOUT_OFFSITE)["state"] == "green"


def test_what_a_repository_was_owed_is_forgotten_once_it_left_the_policy():
    done = [made(kind, "success", 15, "weekly", "2026-W46") for kind in ("backup", "integrity_check")]
    for kept, is_missed in ((FLEET, True), (WITHOUT_OFFSITE, False)):
        now = {**kept, "cycles": dict.fromkeys(POLICY["cycles"])}
        found = fleet_status(*COPIED[:3], *done, policy=now, policies=[("2026-11-14T00:00:00Z", WEEKLY), ("2026-11-16T00:00:00Z", now)])
        assert ("status_missed_kind" in codes(found)) == is_missed


def test_what_a_repository_was_owed_long_ago_stays_in_sight_only_while_it_is_in_the_policy():
    for kept, repositories in ((FLEET, {"primary", "offsite"}), (WITHOUT_OFFSITE, {"primary"})):
        policies = [("2025-11-01T00:00:00Z", WEEKLY), ("2025-11-10T00:00:00Z", {**kept, "cycles": dict.fromkeys(POLICY["cycles"])})]
        assert {one["repository"] for one in assessment.owed_list(policies, [], NOON)} == repositories


UNCLAIMED = {"snapshot_id": "a" * 64, "time": "2026-11-19T01:00:00Z", "hostname": "entah", "tags": ["x"]}
VANISHED = {"snapshot_id": "b" * 64, "record_id": "backup-daily-20"}
PROBLEM = {"code": "no_listing", "params": {}}


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"unclaimed": [UNCLAIMED]}, {"code": "status_unclaimed", "params": {"repository": "primary", "count": 1}}),
        ({"vanished": [{**VANISHED, "record_id": "of long ago"}]}, {"code": "status_vanished", "params": {"repository": "primary", "count": 1}}),
        ({"problem": PROBLEM}, {"code": "status_unlisted", "params": {"repository": "primary"}}),
    ],
)
def test_what_a_listing_holds_against_a_server_makes_its_data_sets_red_and_no_others(told, reason):
    found = fleet_status(*COPIED, listing={**LISTED, **told})
    assert found["state"] == "red" and found["reasons"] == [reason]
    assert fleet_status(*COPIED, listings=(LISTED, {**LISTED, "server": "other", **told}))["state"] == "green"


def test_a_success_whose_snapshot_is_gone_proves_nothing_any_more():
    found = fleet_status(*COPIED, listing={**LISTED, "vanished": [VANISHED]})
    assert codes(found) == ["status_vanished", "status_no_backup"] and found["last_success"] is None
    earlier = fleet_status(made("backup", "success", 19), *COPIED, listing={**LISTED, "vanished": [VANISHED]})
    assert earlier["last_success"]["record_id"] == "backup-daily-19" and earlier["state"] == "red"


def test_a_success_whose_snapshot_is_gone_clears_no_failure():
    records = [made("backup", "failed", 19), *COPIED]
    assert "status_backup" not in codes(fleet_status(*records))
    assert "status_backup" in codes(fleet_status(*records, listing={**LISTED, "vanished": [VANISHED]}))


def test_a_repository_server_that_was_never_asked_is_not_green():
    found = fleet_status(*COPIED, listings=())
    assert found["state"] == "unknown" and codes(found) == ["status_no_listing"]
    assert codes(fleet_status(*COPIED, listings=({**LISTED, "repository": "archive"},))) == ["status_no_listing"]


def test_the_findings_name_each_snapshot_and_what_is_known_of_it():
    listing = {**LISTED, "unclaimed": [UNCLAIMED], "vanished": [VANISHED], "problem": PROBLEM}
    unlisted, vanished, unclaimed = indexed(*COPIED, policy=FLEET, listings=(listing,))["findings"]
    assert (unlisted["kind"], unlisted["problem"]) == ("unlisted", PROBLEM)
    assert (vanished["kind"], vanished["snapshot_id"], vanished["dataset"], vanished["form_number"]) == ("vanished", "b" * 64, "dokumen", "CB/20")
    assert unclaimed["kind"] == "unclaimed" and {key: unclaimed[key] for key in UNCLAIMED} == UNCLAIMED
    assert {one["listed_at"] for one in (unlisted, vanished, unclaimed)} == {LISTED["listed_at"]}


def test_an_unsound_ledger_makes_every_data_set_red():
    found = status(*PROOFS, made("backup", "success", 20), problems=((7, {"code": "ledger_entry_altered", "params": {}}),))
    assert found["state"] == "red" and codes(found) == ["status_ledger"]


AHEAD, WITHIN = "2026-11-20T12:10:01Z", "2026-11-20T12:10:00Z"


def test_a_policy_dated_after_now_makes_red():
    records = [*PROOFS, made("backup", "success", 20)]
    assert codes(status(*records, since=AHEAD)) == ["status_clock"]
    assert status(*records, since=WITHIN)["state"] == "green"


def test_a_record_dated_after_now_makes_red():
    records = [*PROOFS, made("backup", "success", 20)]
    assert codes(status(*records, made("backup", "success", 20, opened_at=AHEAD))) == ["status_clock"]
    assert status(*records, made("backup", "success", 20, opened_at=WITHIN))["state"] == "green"


def test_a_policy_dated_after_now_takes_no_obligation_away():
    policies = [("2026-11-18T00:00:00Z", POLICY), ("2027-11-18T00:00:00Z", POLICY)]
    states = {one["period"]: one["state"] for one in assessment.owed_list(policies, [], NOON)}
    assert states == {"2026-11-18": "missed", "2026-11-19": "missed", "2026-11-20": "missed"}


def test_a_server_whose_clock_is_ahead_makes_up_for_nothing_that_was_missed_later():
    ahead = made("backup", "success", 18, finished_at="2027-01-01T00:00:00Z")
    assert codes(status(*PROOFS, ahead, since="2026-11-18T00:00:00Z")) == ["status_missed"] * 2


def test_a_daily_success_does_not_clear_a_failed_weekly_but_a_weekly_clears_a_failed_daily():
    failed_weekly = made("backup", "failed", 19, "weekly", "2026-W46")
    assert status(*PROOFS, failed_weekly, made("backup", "success", 20))["state"] == "red"
    assert status(*PROOFS, made("backup", "failed", 20), made("backup", "success", 20, "weekly", "2026-W47", late=True))["state"] == "green"


def owed(*records: dict, since: str) -> dict:
    return {(one["cycle"], one["period"], one["kind"]): one["state"] for one in assessment.owed_list([(since, POLICY)], records, NOON)}


def test_a_day_without_a_run_is_missed_once_it_is_due():
    states = owed(made("backup", "success", 19), since="2026-11-18T00:00:00Z")
    assert states["daily", "2026-11-18", "backup"] == "missed"
    assert states["daily", "2026-11-19", "backup"] == "satisfied"
    assert states["daily", "2026-11-20", "backup"] == "missed"


def test_a_run_after_it_was_due_is_late():
    assert owed(made("backup", "success", 20, late=True), since="2026-11-20T00:00:00Z")["daily", "2026-11-20", "backup"] == "late"


def test_a_weekly_success_satisfies_its_day_but_a_daily_success_no_week():
    weekly = made("backup", "success", 15, "weekly", "2026-W46")
    states = owed(weekly, since="2026-11-15T00:00:00Z")
    assert states["daily", "2026-11-15", "backup"] == "satisfied" and states["weekly", "2026-W46", "integrity_check"] == "missed"
    assert owed(made("backup", "success", 15), since="2026-11-15T00:00:00Z")["weekly", "2026-W46", "backup"] == "missed"


def test_nothing_is_owed_before_the_policy_was_in_force():
    assert owed(since="2026-11-20T02:00:00Z") == {}


def test_a_missed_day_makes_red_until_a_later_day_succeeds():
    assert status(*PROOFS, made("backup", "success", 19), since="2026-11-19T00:00:00Z")["state"] == "red"
    assert status(*PROOFS, made("backup", "success", 20), since="2026-11-19T00:00:00Z")["state"] == "green"


WEEKLY = {**FLEET, "cycles": {**dict.fromkeys(POLICY["cycles"]), "weekly": POLICY["cycles"]["weekly"]}}
SINCE_SUNDAY = {"policy": WEEKLY, "since": "2026-11-15T00:00:00Z"}


def test_a_cycle_that_was_missed_as_a_whole_is_one_reason():
    found = fleet_status(PROOFS[1], **SINCE_SUNDAY)
    assert [one for one in found["reasons"] if one["code"].startswith("status_missed")] == [
        {"code": "status_missed", "params": {"cycle": "weekly", "period": "2026-W46"}}
    ]


def test_a_copy_that_was_missed_beside_a_backup_that_was_made_is_a_reason_of_its_own():
    done = [made(kind, "success", 15, "weekly", "2026-W46") for kind in ("backup", "integrity_check")]
    found = fleet_status(PROOFS[1], *done, **SINCE_SUNDAY)
    missed = {"kind": "copy", "repository": "offsite", "cycle": "weekly", "period": "2026-W46"}
    assert [one for one in found["reasons"] if one["code"].startswith("status_missed")] == [{"code": "status_missed_kind", "params": missed}]
    late = copy("success", 20, "offsite", opened_at="2026-11-20T09:00:00Z")
    assert "status_missed_kind" not in codes(fleet_status(PROOFS[1], *done, late, **SINCE_SUNDAY))
    to_the_archive = {**late, "repository": "archive", "repository_id": "id-2"}
    assert "status_missed_kind" in codes(fleet_status(PROOFS[1], *done, to_the_archive, **SINCE_SUNDAY))


def test_what_one_repository_is_owed_is_not_satisfied_by_another():
    monthly = {**FLEET, "cycles": {**dict.fromkeys(POLICY["cycles"]), "monthly": POLICY["cycles"]["monthly"]}}
    checked = made("integrity_check", "success", 1, "monthly", "2026-11", repository="archive", repository_id="id-2")
    found = assessment.owed_list([("2026-11-01T00:00:00Z", monthly)], [checked], NOON)
    states = {one["repository"]: one["state"] for one in found if one["kind"] == "integrity_check"}
    assert states == {"archive": "satisfied", "offsite": "missed"}


def test_a_record_that_was_closed_as_missed_is_missed_and_told_once():
    records = [*PROOFS, made("backup", "success", 19), made("backup", "missed", 20)]
    assert owed(*records, since="2026-11-20T00:30:00Z")["daily", "2026-11-20", "backup"] == "missed"
    assert status(*records)["reasons"] == [{"code": "status_backup", "params": {"cycle": "daily", "outcome": "missed"}}]


MONTHLY_TEST = {**POLICY, "cycles": {**dict.fromkeys(POLICY["cycles"]), "restore_test": {**DAY, "day": 15}}}
NO_TEST = {**POLICY, "cycles": dict.fromkeys(POLICY["cycles"])}
A_YEAR_AGO = [("2025-11-01T00:00:00Z", MONTHLY_TEST), ("2025-11-20T00:00:00Z", NO_TEST)]
OLD_TEST = made("restore_test", "success", 1, "restore_test", "2025-10", opened_at="2025-10-16T02:00:00Z", finished_at="2025-10-16T02:00:00Z")


def test_what_was_missed_a_year_ago_stays_red_until_the_same_cycle_succeeds():
    records = [OLD_TEST, PROOFS[0], made("backup", "success", 20)]
    found = status(*records, policies=A_YEAR_AGO)
    assert found["reasons"] == [{"code": "status_missed", "params": {"cycle": "restore_test", "period": "2025-11"}}]
    assert status(*records, PROOFS[1], policies=A_YEAR_AGO)["state"] == "green"


def test_a_missed_month_is_in_sight_until_the_next_is_due_however_long_its_grace():
    patient = {**MONTHLY_TEST, "cycles": {**MONTHLY_TEST["cycles"], "restore_test": {"start": "01:00", "end": "03:00", "grace_s": 100 * 86400, "day": 15}}}
    found = status(OLD_TEST, PROOFS[0], made("backup", "success", 20), policies=[("2026-06-01T00:00:00Z", patient)])
    assert {reason["params"]["period"] for reason in found["reasons"]} == {"2026-06", "2026-07"}


def test_what_a_data_set_owed_long_ago_is_forgotten_once_it_is_no_longer_in_the_policy():
    policies = [A_YEAR_AGO[0], ("2025-11-20T00:00:00Z", {**NO_TEST, "servers": {}})]
    assert assessment.owed_list(policies, [], NOON) == []


def yearly(dataset: str, months: int = 12) -> dict:
    """Returns the policy that asks for a restore test of one data set every so many months."""
    categories = {"penting": {**POLICY["categories"]["penting"], "restore_test_months": months}}
    return {**MONTHLY_TEST, "categories": categories, "servers": {"srv": {**SERVER, "datasets": [{"name": dataset, "category": "penting"}]}}}


# How many months before November -> the name of a data set that owes its test in that month.
TURNS = {
    ago: next(name for name in map(str, range(1000)) if list(obligations.owed(yearly(name), "srv", "restore_test", f"2026-{11 - ago:02}")))
    for ago in range(1, 11)
}


@pytest.mark.parametrize("ago", TURNS)
def test_the_year_of_a_data_set_is_over_when_its_own_month_passes_without_a_success(ago):
    policy, dataset = yearly(TURNS[ago]), TURNS[ago]
    before = made("restore_test", "success", 1, "restore_test", "2025-12", dataset=dataset, opened_at="2025-12-20T02:00:00Z")
    records = [before, PROOFS[0], made("backup", "success", 20, dataset=dataset)]
    period = f"2026-{11 - ago:02}"
    found = status(*records, policy=policy, policies=[("2025-12-18T00:00:00Z", policy)])
    assert (found["state"], found["reasons"]) == ("red", [{"code": "status_missed", "params": {"cycle": "restore_test", "period": period}}])
    in_time = made(
        "restore_test", "success", 15, "restore_test", period, dataset=dataset, opened_at=f"{period}-15T02:00:00Z", finished_at=f"{period}-15T02:00:00Z"
    )
    found = indexed(*records, in_time, policy=policy, policies=[("2025-12-18T00:00:00Z", policy)])
    assert found["status"][0]["state"] == "green"
    assert {(one["period"], one["state"]) for one in found["owed"] if one["kind"] == "restore_test"} == {(period, "satisfied")}


def test_a_run_that_left_a_server_out_leaves_open_only_what_it_owes_in_this_period():
    policy = {**yearly(TURNS[1]), "servers": {"srv": yearly(TURNS[1])["servers"]["srv"], "here": {**SERVER, "datasets": []}}}
    run = {
        "cycle": "restore_test", "period": "2026-11", "left_out": ["srv"], "expected": 0, "form_number": "UP/1", "run_id": "r",
        **dict.fromkeys(("scheduled_start", "window_start", "window_end", "due_at")),
    }  # fmt: skip
    assert assessment.checklist(run, [], [], policy, [], {"seq": 1, "hash": "0"})["not_covered"] == []
    told = assessment.checklist({**run, "period": "2026-10"}, [], [], policy, [], {"seq": 1, "hash": "0"})["not_covered"]
    assert [one["dataset"] for one in told] == [TURNS[1]]


def test_a_success_with_an_older_snapshot_does_not_clear_what_the_newest_left():
    records = [*PROOFS, made("backup", "success", 20), made("restore_test", "failed", 17, "restore_test", "2026-11", restore={"pick": "newest"})]
    older = made("restore_test", "success", 18, "restore_test", "2026-11", restore={"pick": "random"})
    newest = made("restore_test", "success", 19, "restore_test", "2026-11", restore={"pick": "newest"})
    assert codes(status(*records, older)) == ["status_restore_test"]
    assert status(*records, older, newest)["state"] == "green"


@pytest.mark.parametrize("days", range(20, 130, 7))
def test_a_missed_cycle_never_turns_green_by_itself(days):
    weekly = {**POLICY, "cycles": {**dict.fromkeys(POLICY["cycles"]), "weekly": POLICY["cycles"]["weekly"]}}
    policies = [(record.to_text(NOON - datetime.timedelta(days=days)), weekly), (record.to_text(NOON - datetime.timedelta(days=days - 8)), NO_TEST)]
    assert "status_missed" in codes(status(*PROOFS, policies=policies))


def recorded(ledger: Ledger, name: str, days_ago: int, outcome: str, **fields: object) -> None:
    at = record.to_text(record.utc_now() - datetime.timedelta(days=days_ago))
    opened = {"record_id": name, "run_id": "run", "server": "srv", "dataset": "", "repository": "primary", "cycle": "weekly", "period": name, **fields}
    ledger.append("record_opened", opened, at=at)
    ledger.append(
        "record_closed", {"record_id": name, "outcome": outcome, "repository_id": "id-1", "finished_at": at, "integrity": fields.get("integrity")}, at=at
    )


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "ledger.sqlite3", create=True) as ledger:
        ledger.save_policy(POLICY)
        ledger.open_run({"run_id": "run", "local_month": "2026-11"}, "CB")
        yield ledger


def test_the_gate_reads_all_records_of_the_look_back_and_the_newest_of_each_kind_before(ledger, tmp_path):
    for name, days_ago in (("oldest", 300), ("newest before", 200), ("in the look-back", 74), ("recent", 5)):
        recorded(ledger, name, days_ago, "success", kind="backup", dataset="dokumen")
    archive = documentation.Archive(ledger, tmp_path, complete=False)
    assert [one["record_id"] for one in archive.records] == ["newest before", "in the look-back", "recent"]


def test_the_gate_reads_each_restore_test_however_old_it_is(ledger, tmp_path):
    for days_ago in (300, 200, 90):
        recorded(ledger, f"test {days_ago}", days_ago, "success", kind="restore_test", dataset="dokumen")
    assert len(documentation.Archive(ledger, tmp_path, complete=False).records) == 3


def test_the_gate_reads_a_failed_check_however_old_it_is(ledger, tmp_path):
    recorded(ledger, "failed", 300, "failed", kind="integrity_check", integrity={"read_data": "2/7"})
    recorded(ledger, "later", 200, "success", kind="integrity_check", integrity={"read_data": "3/7"})
    archive = documentation.Archive(ledger, tmp_path, complete=False)
    assert [one["record_id"] for one in archive.records] == ["failed", "later"]


def test_the_index_takes_pins_and_problems_from_the_ledger(ledger, tmp_path, monkeypatch):
    for pinned in ("id-of-before", "id-1"):
        ledger.pin_repository({"server": "srv", "repository": "primary", "repository_id": pinned, "url": "x", "reason": "x"})
    given = []
    monkeypatch.setattr(documentation.assessment, "index", lambda *arguments: given.extend(arguments) or {"status": [], "owed": []})
    monkeypatch.setattr(documentation.documents, "write_index", lambda _index, directory: {"html": directory})
    monkeypatch.setattr(ledger, "verify", lambda: ["a problem"])
    index, _path = documentation.Archive(ledger, tmp_path, complete=False).write_index(ARCHIVING, "digest", NOON)
    assert given[-4:-2] == [{("srv", "primary"): "id-1"}, ["a problem"]] and index["ledger"]["problems"] == ["a problem"]


NONE = dict.fromkeys(("success", "partial", "failed", "aborted", "unreachable", "missed", "exempt", "open", "not_covered"), 0)


@given(st.fixed_dictionaries(dict.fromkeys(NONE, st.integers(0, 3))), st.integers(0, 5))
def test_only_as_many_successes_as_were_expected_and_nothing_else_is_a_success(counts, expected):
    only = {name: number for name, number in counts.items() if number}
    is_success = assessment.overall({**counts, "expected": expected}) == "success"
    assert is_success == (expected > 0 and only.keys() == {"success"} and counts["success"] >= expected)


def checklist(run: dict, records: list, covered: list = ()) -> dict:
    base = dict.fromkeys(("form_number", "period", "scheduled_start", "window_start", "window_end", "due_at"), "x")
    two = {**POLICY, "servers": {"srv": SERVER, "srv2": SERVER}}
    return assessment.checklist({**base, "cycle": "daily", **run}, records, [], two, covered, {"seq": 1, "hash": "0"})


DONE = {**made("backup", "success", 20), "verification": {"log_check": {"result": "passed"}}}


def test_a_server_that_was_left_out_keeps_the_checklist_from_being_a_success():
    found = checklist({"left_out": ["srv2"], "expected": 1}, [DONE])
    assert found["overall"] == "incomplete" and found["not_covered"] == [{"server": "srv2", "dataset": "dokumen", "kind": "backup", "repository": "primary"}]
    assert checklist({"left_out": ["srv2"], "expected": 1}, [DONE], [("srv2", "backup", "dokumen", "primary")])["overall"] == "success"


def test_fewer_records_than_the_run_owes_are_incomplete():
    assert checklist({"left_out": [], "expected": 2}, [DONE])["overall"] == "incomplete"


def test_a_missed_record_is_counted_and_makes_a_checklist_a_failure():
    found = checklist({"left_out": [], "expected": 2}, [DONE, {**DONE, "outcome": "missed"}])
    assert (found["counts"]["missed"], found["counts"]["success"], found["overall"]) == (1, 1, "failed")


def test_a_copy_that_was_left_out_is_satisfied_only_in_its_own_repository():
    two = {**FLEET, "servers": {"srv2": FLEET["servers"]["srv"]}}
    base = dict.fromkeys(("form_number", "period", "scheduled_start", "window_start", "window_end", "due_at"), "x")
    run = {**base, "cycle": "weekly", "left_out": ["srv2"], "expected": 0}
    covered = [("srv2", "backup", "dokumen", "primary"), ("srv2", "integrity_check", "", "primary"), ("srv2", "copy", "dokumen", "archive")]
    found = assessment.checklist(run, [], [], two, covered, {"seq": 1, "hash": "0"})
    assert found["not_covered"] == [{"server": "srv2", "dataset": "dokumen", "kind": "copy", "repository": "offsite"}]
