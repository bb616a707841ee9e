# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server that lies, or a defect of ours, can say of the backup of a database, and that it is none without its evidence."""

from __future__ import annotations

import copy
import hashlib

import pytest

from ansible_collections.sicekat.backup.plugins.plugin_utils import backup_evidence

OPENED = {"record_id": "r:1", "kind": "backup", "server": "srv", "dataset": "pegawai", "dataset_kind": "postgresql"}
DATABASE = {"engine": "postgresql", "version": "15.14", "tables": {"public.a": 3, "public.b": 4}, "rows": 7}
MEMBERS = [{"name": name, "bytes": 400, "sha256": "b" * 64} for name in ("globals.sql", "pegawai.dump")]
CLOSED = {
    "record_id": "r:1", "outcome": "success", "cause": None, "messages": [], "error_count": 0, "files": {"total": 1}, "data_size_bytes": 1000,
    "canary_sha256": hashlib.sha256(b"n").hexdigest(), "database": DATABASE,
}  # fmt: skip
MANIFEST = {
    "dataset": "pegawai", "kind": "postgresql", "nonce": "n", "canary": None, "paths": ["/pegawai.zip"], "files": [], "symlinks": [],
    "evidence": DATABASE, "bundle": {"sha256": "a" * 64, "bytes": 1000, "members": MEMBERS},
}  # fmt: skip


def held(closed=None, manifest=None, **opened):
    return backup_evidence.held({**OPENED, **opened}, {**copy.deepcopy(CLOSED), **(closed or {})}, {**copy.deepcopy(MANIFEST), **(manifest or {})})


def both(database):
    return {"closed": {"database": database}, "manifest": {"evidence": database}}


def test_a_backup_with_its_evidence_stays_what_it_is():
    assert held() == CLOSED
    directory = {"engine": "ldap", "version": "2.6", "rows": 3}
    assert held(dataset_kind="ldap", closed={"database": directory}, manifest={"kind": "ldap", "evidence": directory})["outcome"] == "success"
    plain = {"paths": ["/srv/data"], "bundle": None, "evidence": None, "kind": "files"}
    assert held(dataset_kind="files", closed={"database": None, "files": {"total": 9}}, manifest=plain)["outcome"] == "success"


@pytest.mark.parametrize(
    "lie",
    [
        {"manifest": {"dataset": "lain"}}, {"manifest": {"kind": "files"}}, {"manifest": {"nonce": "kemarin"}}, {"manifest": {"nonce": None}},
        {"closed": {"canary_sha256": None}}, {"manifest": {"evidence": {**DATABASE, "rows": 8}}}, both(None), both({}), both({"rows": 7}),
        both({**DATABASE, "engine": "mariadb"}), both({**DATABASE, "rows": 8}), both({**DATABASE, "tables": {"a": -1, "b": 8}}),
        {"manifest": {"bundle": None}}, {"manifest": {"bundle": 5}}, {"manifest": {"bundle": {**MANIFEST["bundle"], "members": []}}},
        {"manifest": {"bundle": {**MANIFEST["bundle"], "sha256": "x"}}},
        {"manifest": {"bundle": {**MANIFEST["bundle"], "bytes": 700}}, "closed": {"data_size_bytes": 700}},
        {"manifest": {"bundle": {**MANIFEST["bundle"], "members": [{**MEMBERS[0], "bytes": "400"}]}}}, {"closed": {"data_size_bytes": 10**9}},
        {"closed": {"files": {"total": 2}}}, {"manifest": {"paths": ["/etc"]}},
    ],
)  # fmt: skip
def test_a_success_that_does_not_show_what_its_kind_has_to_is_none(lie):
    found = held(**lie)
    assert (found["outcome"], found["cause"], found["error_count"]) == ("failed", "no_evidence", 1)
    assert found["messages"][-1]["code"] == "backup_unproved"


@pytest.mark.parametrize(("kind", "database"), [("sqlite", {"rows": 3}), ("ldap", {"engine": "ldap", "rows": 0}), ("command", {"engine": "command"})])
def test_each_kind_has_evidence_of_its_own(kind, database):
    more = {} if kind != "sqlite" else {"bundle": None}
    found = held(dataset_kind=kind, closed={"database": database}, manifest={"kind": kind, "evidence": database, **more})
    assert found["messages"][-1]["params"] == {"dataset": "pegawai", "detail": "database"}


def test_what_failed_keeps_its_own_cause():
    failed = {"outcome": "failed", "cause": "timeout", "database": None, "error_count": 1}
    assert held(closed=failed, manifest={"bundle": None})["cause"] == "timeout"
