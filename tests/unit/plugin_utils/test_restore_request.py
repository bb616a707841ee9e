# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A restore for a person: four eyes, a target that fits, and the one snapshot that is meant."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import pytest

from ansible_collections.sicekat.backup.plugins.plugin_utils import answers, restore_request
from ansible_collections.sicekat.backup.plugins.plugin_utils.run_messages import RUN_MESSAGES

NOW = datetime.datetime(2026, 11, 22, 15, 0, tzinfo=datetime.UTC)
JAKARTA = "Asia/Jakarta"
GIVEN = {
    "server": "", "dataset": "dokumen", "snapshot": "", "target": "/srv/pulih", "requester": "Sri Lestari", "approver": "Budi Santoso",
    "reason": "berkas terhapus", "overwrite": "",
}  # fmt: skip
POLICY = {
    "servers": {
        "srv-arsip": {
            "datasets": [
                {"name": "dokumen", "kind": "files", "paths": ["/srv/dokumen"]},
                {"name": "pegawai", "kind": "postgresql", "database": "pegawai"},
                {"name": "direktori", "kind": "ldap", "suffix": "dc=instansi"},
            ]
        },
        "srv-web": {"datasets": [{"name": "situs", "kind": "files", "paths": ["/srv/situs"]}]},
    }
}


def nobody(_code: str, **_params: str) -> str:
    return ""


def completed(ask: Callable[..., str] = nobody, servers: tuple[str, ...] = ("srv-arsip",), **given: str) -> dict:
    return restore_request.completed(POLICY, servers, {**GIVEN, **given}, ask)


def refusal(ask: Callable[..., str] = nobody, servers: tuple[str, ...] = ("srv-arsip",), **given: str) -> dict:
    with pytest.raises(restore_request.RefusedError) as caught:
        completed(ask, servers, **given)
    return caught.value.message


def test_a_whole_request_is_kept_as_it_was_made():
    assert completed(requester="  Sri   Lestari ") == {
        **GIVEN, "server": "srv-arsip", "requester": "Sri Lestari", "overwrite": False, "to_type": "/srv/pulih"
    }  # fmt: skip


@pytest.mark.parametrize("name", ["target", "requester", "approver", "reason"])
@pytest.mark.parametrize("empty", ["", "  ", "...", "\u200b"])
def test_what_is_missing_is_refused_where_nobody_can_be_asked(name, empty):
    assert refusal(**{name: "" if name == "target" else empty})["code"] == f"restore_{name}_unnamed"


def test_what_is_missing_is_asked_for_and_nothing_else():
    asked = []

    def ask(code: str, **_params: str) -> str:
        asked.append(code)
        return {"restore_ask_server": "srv-arsip", "restore_ask_approver": " Dewi "}[code]

    assert completed(ask, ("srv-arsip", "srv-web"), approver="")["approver"] == "Dewi"
    assert asked == ["restore_ask_server", "restore_ask_approver"] and set(asked) <= RUN_MESSAGES.keys()


@pytest.mark.parametrize(
    ("requester", "approver"),
    [
        ("Budi Santoso", "Budi Santoso"), ("Budi Santoso", "  budi   SANTOSO "), ("Budi Santoso", "BudiSantoso"), ("Budi", "\uff22\uff55\uff44\uff49"),
        ("Budi", "Budi\ufe0f"), ("Budi", "Bu\u034fdi"), ("Budi", "\u3164Budi"), ("Budi", "Budi\U000e0101"),
        ("Budi", "Bu\u200bdi"), ("Budi", "Budi\x00"), ("Budi", "\ue000Budi"), ("Budi", "\u202eBudi"),
        ("Budi", "Bu\u00addi"), ("fi Budi", "\ufb01 Budi"), ("Rene\u0301", "Ren\u00e9"), ("Budi, S.Kom.", "Budi S Kom"),
    ],
)  # fmt: skip
def test_one_person_is_not_two_however_the_name_is_written(requester, approver):
    assert refusal(requester=requester, approver=approver)["code"] == "restore_same_person"


def test_two_persons_are_two():
    assert completed(requester="Budi Santoso", approver="Budi Santosa")["approver"] == "Budi Santosa"


def test_a_name_and_a_reason_have_an_end_and_no_control_characters():
    assert refusal(reason="x" * 1001)["code"] == "restore_too_long" and refusal(approver="x" * 201)["code"] == "restore_too_long"
    assert completed(reason="hilang\n\x1b[31m")["reason"] == "hilang [31m"


@pytest.mark.parametrize(
    ("dataset", "target", "code"),
    [
        ("dokumen", "pulih", "target_not_absolute"), ("dokumen", "/srv/../pulih", "target_not_absolute"), ("dokumen", "~/pulih", "target_not_absolute"),
        ("dokumen", "//srv", "target_not_absolute"), ("dokumen", "Original", "target_not_absolute"),
        ("dokumen", "database:arsip", "target_no_database"),
        ("direktori", "database:arsip", "target_no_database"), ("direktori", "original", "target_directory_only"),
        ("pegawai", "database:" + "a" * 64, "target_database_name"),
        ("pegawai", "database:", "target_database_name"), ("pegawai", "database:a;b", "target_database_name"),
        ("pegawai", "database:-a", "target_database_name"),
    ],
)  # fmt: skip
def test_a_target_that_does_not_fit_is_refused(dataset, target, code):
    assert refusal(dataset=dataset, target=target)["code"] == code


@pytest.mark.parametrize(
    ("dataset", "target", "typed"),
    [
        ("dokumen", "/srv/pulih", "/srv/pulih"), ("dokumen", "original", "srv-arsip/dokumen"), ("pegawai", "database:pulih", "pulih"),
        ("pegawai", "original", "pegawai"), ("direktori", "/srv/pulih/", "/srv/pulih/"),
    ],
)  # fmt: skip
def test_only_the_name_typed_again_lets_something_be_replaced(dataset, target, typed):
    assert completed(dataset=dataset, target=target, overwrite=typed)["overwrite"] is True
    assert completed(dataset=dataset, target=target)["overwrite"] is False
    for other in ("yes", "true", typed + "x", typed.upper() if typed != typed.upper() else "x"):
        message = refusal(dataset=dataset, target=target, overwrite=other)
        assert message["code"] == "restore_overwrite_other" and message["params"]["wanted"] == typed


@pytest.mark.parametrize(
    ("given", "servers", "code"),
    [
        ({"server": "srv-lain"}, ("srv-arsip",), "restore_unknown_server"),
        ({}, ("srv-arsip", "srv-web"), "restore_server_unnamed"),
        ({"dataset": "lain"}, ("srv-arsip",), "restore_unknown_dataset"),
        ({"dataset": ""}, ("srv-arsip",), "restore_dataset_unnamed"),
    ],
)
def test_a_server_and_a_data_set_that_are_not_clear_are_refused_with_what_there_is(given, servers, code):
    message = refusal(servers=servers, **given)
    assert message["code"] == code and "known" in message["params"] and RUN_MESSAGES[code].format_map(message["params"])


def backup(number: int, begun: str, outcome: str = "success", **fields: object) -> dict:
    return {
        "record_id": f"r:{number}", "dataset": "dokumen", "snapshot_id": f"{number:02x}" * 32, "started_at": begun, "outcome": outcome,
        "storage_locations": [{}], "repository_id": "a" * 64, **fields,
    }  # fmt: skip


FOUND = [
    backup(1, "2026-11-20T15:00:00Z"),
    backup(2, "2026-11-21T15:00:00Z"),
    backup(3, "2026-11-21T20:00:00Z", "partial"),
    backup(4, "2026-11-22T10:00:00Z"),
    backup(5, "2026-11-22T14:00:00Z", "partial"),
]


@pytest.mark.parametrize(
    ("asked", "number"),
    [
        ("", 4), ("newest", 4), ("04040404", 4), ("0505050505", 5), ("01" * 32, 1), ("0202020202020202".upper(), 2),
        # Jakarta is seven hours ahead.
        ("2026-11-22 17:00", 4), ("2026-11-22 17:00:00", 4), ("2026-11-22T17:00", 4), ("2026-11-22 16:59:59", 2), ("2026-11-22 04:00", 2),
        ("2026-11-20 22:00", 1), ("2026-11-22 22:00:00", 4),
    ],
)  # fmt: skip
def test_the_snapshot_that_is_meant_is_taken(asked, number):
    assert restore_request.chosen(FOUND, asked, JAKARTA, NOW)["record_id"] == f"r:{number}"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("0404040", "restore_snapshot_form"), ("kemarin", "restore_snapshot_form"), ("2026-11-22", "restore_snapshot_form"),
        ("2026-13-22 10:00", "restore_snapshot_form"), ("2026-11-22 25:00", "restore_snapshot_form"), ("ffffffff", "restore_snapshot_unknown"),
        ("2026-11-20 21:59:59", "restore_time_early"), ("2026-11-22 22:00:01", "restore_time_future"), ("0" * 65, "restore_snapshot_form"),
    ],
)  # fmt: skip
def test_a_snapshot_that_is_not_there_is_refused_with_what_there_is(asked, code):
    with pytest.raises(restore_request.RefusedError) as caught:
        restore_request.chosen(FOUND, asked, JAKARTA, NOW)
    assert caught.value.message["code"] == code
    said = RUN_MESSAGES[code].format_map(caught.value.message["params"])
    if code in ("restore_snapshot_unknown", "restore_time_early"):
        assert "010101010101 (2026-11-20 22:00:00 WIB)" in said and "040404040404" in said


def test_a_beginning_that_two_snapshots_share_is_refused_with_both():
    twins = [backup(1, "2026-11-20T15:00:00Z", snapshot_id="abcdef0123" + "1" * 54), backup(2, "2026-11-21T15:00:00Z", snapshot_id="abcdef0123" + "2" * 54)]
    with pytest.raises(restore_request.RefusedError) as caught:
        restore_request.chosen(twins, "abcdef01", JAKARTA, NOW)
    assert caught.value.message["code"] == "restore_snapshot_ambiguous"
    assert "abcdef012311" in caught.value.message["params"]["known"] and "abcdef012322" in caught.value.message["params"]["known"]
    assert restore_request.chosen(twins, "abcdef01231", JAKARTA, NOW)["record_id"] == "r:1"


def test_without_a_proved_backup_a_partial_one_is_named_and_not_taken():
    with pytest.raises(restore_request.RefusedError) as caught:
        restore_request.chosen([backup(3, "2026-11-21T20:00:00Z", "partial")], "", JAKARTA, NOW)
    assert caught.value.message["code"] == "restore_no_snapshot" and "030303030303" in caught.value.message["params"]["known"]


def test_only_what_is_in_the_present_repository_can_be_restored():
    records = [
        *FOUND,
        backup(6, "2026-11-22T14:10:00Z", dataset="lain"),
        backup(7, "2026-11-22T14:20:00Z", snapshot_id=None),
        backup(8, "2026-11-22T14:30:00Z", storage_locations=[]),
        backup(9, "2026-11-22T14:40:00Z", repository_id="b" * 64),
        backup(10, "2026-11-22T14:50:00Z"),
        backup(11, "2026-11-19T14:50:00Z"),
    ]
    gone = restore_request.gone({"vanished": [{"snapshot_id": "0a" * 32, "record_id": "r:10"}]})
    found = restore_request.candidates(records, "dokumen", "a" * 64, gone)
    assert [one["record_id"] for one in found] == ["r:11", "r:1", "r:2", "r:3", "r:4", "r:5"]
    assert restore_request.gone(None) == set()


def test_a_long_list_names_the_newest_and_the_oldest():
    many = [backup(number, f"2026-11-{number:02}T15:00:00Z") for number in range(1, 22)]
    with pytest.raises(restore_request.RefusedError) as caught:
        restore_request.chosen(many, "ffffffff", JAKARTA, NOW)
    known = caught.value.message["params"]["known"]
    assert known.startswith("151515151515 ") and "010101010101" in known and "050505050505" not in known and len(known) < 1000


def test_what_a_run_says_of_its_restore_is_not_the_hosts_to_say():
    request = {**completed(), "backup": "r:1"}
    row = {"kind": "restore", "restore": {"target": "/lain", "requester": "host", "files": {"restored": 1}}}
    shown = restore_request.told(row, request)["restore"]
    assert shown == {"target": "/srv/pulih", "requester": "Sri Lestari", "approver": "Budi Santoso", "reason": "berkas terhapus", "files": {"restored": 1}}
    assert restore_request.told({"kind": "restore"}, request)["restore"]["approver"] == "Budi Santoso"


@pytest.mark.parametrize(
    "given",
    [
        "x", [1], [{"path": "/a"}], [{"kept_as": "/a"}], [{"path": "/a", "database": "b", "kept_as": "c"}], [{"path": 1, "kept_as": "c"}],
        [{"path": "/a", "kept_as": "x" * 5000}], [{"path": "/a", "kept_as": "/b"}] * 201, [{"path": "/a", "kept_as": "/b", "requester": "c"}],
    ],
)  # fmt: skip
def test_what_a_host_says_it_replaced_has_one_form(given):
    assert not answers.REPLACED(given) and not answers.SHAPES["restore"]({"replaced": given})
    assert answers.SHAPES["restore"]({"replaced": [{"path": "/a", "kept_as": "/b"}, {"database": "a", "kept_as": "b"}]})


@pytest.mark.parametrize("name", ["requester", "approver", "reason"])
def test_a_host_cannot_say_who_asked_and_who_approved(name):
    assert not answers.SHAPES["restore"]({name: "Budi"})
