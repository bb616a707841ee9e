# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.sicekat.backup.plugins.plugin_utils import drill


def policy() -> dict:
    def server(service: str | None, category: str, restore_host: str | None = "latihan", kind: str = "files") -> dict:
        datasets = [{"name": "data", "kind": kind, "category": category}]
        return {"service": service, "restore_host": restore_host, "datasets": datasets}

    return {
        "categories": {"kritikal": {"rto_s": 3600, "rpo_s": 86400}, "biasa": {"rto_s": None, "rpo_s": None}},
        "services": {"Kepegawaian": {"priority": 1}, "Arsip": {"priority": 2}},
        "servers": {
            "arsip": server("Arsip", "biasa"),
            "pegawai-1": server("Kepegawaian", "kritikal"),
            "pegawai-2": server("Kepegawaian", "biasa"),
            "kendali": server(None, "biasa", None, "control_node"),
        },
    }


def made(number: int, server: str, finished: str, outcome: str = "success", snapshot: str = "2026-11-21T22:00:00Z", host: str = "latihan") -> dict:
    times = {"rto_s": 3600, "rpo_s": 86400} if server == "pegawai-1" else {"rto_s": None, "rpo_s": None}
    return {
        "record_id": f"run:{number:04}", "server": server, "dataset": "data", "dataset_kind": "files", "outcome": outcome, "performed_on": host,
        "started_at": f"2026-11-22T08:{number:02}:00Z", "finished_at": finished, "restore": {"snapshot_at": snapshot, "phases_ms": {"fetch": 5}}, **times,
    }  # fmt: skip


RUN = {"opened_at": "2026-11-22T08:00:00Z"}
ALL = ["arsip", "pegawai-1", "pegawai-2", "kendali"]


def test_the_order_is_that_of_the_plan_and_not_of_the_inventory() -> None:
    owing = drill.owing(policy(), ALL, [])
    assert [one[0] for one in owing] == ["pegawai-1", "pegawai-2", "arsip"]
    assert owing[0] == ("pegawai-1", "restore_test", "data", "primary")


def test_services_can_be_named() -> None:
    assert [one[0] for one in drill.owing(policy(), ALL, ["Arsip"])] == ["arsip"]


@pytest.mark.parametrize(
    ("servers", "asked", "host", "code"),
    [
        (ALL, ["Arsip", "Tidak Ada"], "latihan", "drill_unknown_service"),
        (ALL, [], None, "drill_not_isolated"),
        (ALL, [], "arsip", "drill_not_isolated"),
        (["kendali"], [], "latihan", "run_no_servers"),
    ],
)
def test_a_scope_that_would_prove_nothing_is_refused(servers: list, asked: list, host: str | None, code: str) -> None:
    changed = policy()
    changed["servers"]["arsip"]["restore_host"] = host
    with pytest.raises(drill.ScopeError) as error:
        drill.owing(changed, servers, asked)
    assert error.value.code == code


def test_the_time_of_a_service_counts_until_its_last_data_and_from_the_declaration() -> None:
    records = [
        made(1, "pegawai-1", "2026-11-22T08:10:00Z"),
        made(2, "pegawai-2", "2026-11-22T08:40:00Z", snapshot="2026-11-20T22:00:00Z"),
        made(3, "arsip", "2026-11-22T08:50:00Z"),
    ]
    found = drill.results(policy(), RUN, records)
    staff, archive = found["services"]
    assert (staff["name"], staff["reached_s"], staff["rto_met"]) == ("Kepegawaian", 40 * 60, True)
    assert (staff["lost_s"], staff["rpo_met"]) == (34 * 3600, False)
    assert (archive["rto_s"], archive["rto_met"], archive["rpo_met"]) == (None, None, None)
    assert (found["order_kept"], found["not_exercised"], found["control_node_exercised"]) == (True, [], False)
    assert drill.shortfalls(found) == ["Kepegawaian"]


@pytest.mark.parametrize("outcome", ["failed", "partial", None])
def test_a_service_that_did_not_come_back_whole_never_meets_anything(outcome: str | None) -> None:
    found = drill.results(policy(), RUN, [made(1, "pegawai-1", "2026-11-22T08:01:00Z"), made(2, "pegawai-2", "2026-11-22T08:02:00Z", outcome)])
    staff = found["services"][0]
    assert (staff["reached_s"], staff["rto_met"], staff["rpo_met"]) == (None, False, False)
    assert found["not_exercised"] == ["Arsip"]
    assert drill.shortfalls(found) == ["Kepegawaian"]


def test_a_service_without_objectives_that_did_not_come_back_is_short_too() -> None:
    assert drill.shortfalls(drill.results(policy(), RUN, [made(1, "arsip", "2026-11-22T08:01:00Z", "failed")])) == ["Arsip"]


def test_a_host_that_took_another_order_is_seen() -> None:
    records = [made(2, "pegawai-1", "2026-11-22T08:10:00Z"), made(1, "arsip", "2026-11-22T08:05:00Z")]
    records[0]["record_id"], records[1]["record_id"] = "run:0001", "run:0002"
    assert drill.results(policy(), RUN, records)["order_kept"] is False
    records[1]["performed_on"] = "lain"
    assert drill.results(policy(), RUN, records)["order_kept"] is True
    assert drill.results(policy(), RUN, [{**one, "started_at": None} for one in records])["order_kept"] is None


def test_a_service_of_which_a_server_took_no_part_did_not_come_back_whole() -> None:
    found = drill.results(policy(), RUN, [made(1, "pegawai-1", "2026-11-22T08:10:00Z")])
    staff = found["services"][0]
    assert (staff["reached_s"], staff["rto_met"], staff["rpo_met"]) == (None, False, False)
    assert drill.shortfalls(found) == ["Kepegawaian"]


def test_the_clock_of_a_restore_host_that_is_behind_makes_nothing_faster() -> None:
    records = [made(1, "pegawai-1", "2026-11-22T07:55:00Z"), made(2, "pegawai-2", "2026-11-22T07:56:00Z")]
    for one, told_at in zip(records, ("2026-11-22T09:30:00Z", "2026-11-22T09:31:00Z"), strict=True):
        one["restore"]["told_at"] = told_at
    staff = drill.results(policy(), RUN, records)["services"][0]
    assert (staff["reached_s"], staff["rto_met"]) == (91 * 60, False)
