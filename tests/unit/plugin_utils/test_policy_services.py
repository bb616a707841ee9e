# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services with their priorities, and the one control node: what is right, and what each mistake is answered with."""

from __future__ import annotations

import pytest

from ansible_collections.sicekat.backup.plugins.plugin_utils import policy

FILES = {"name": "berkas", "kind": "files", "category": "penting", "paths": ["/srv/berkas"]}
CONTROL_NODE = {"name": "kendali", "kind": "control_node", "category": "penting", "paths": ["/etc/inventaris"]}
SERVICES = {"Absensi": {"priority": 2, "owner": "Kepala Bidang", "contact": "0812"}, "Arsip": {"priority": "1"}}


def host(service: str | None = None, services: object = None, datasets: list | None = None) -> dict:
    return {
        "backup_datasets": [FILES] if datasets is None else datasets,
        "backup_categories": {"penting": {}},
        "backup_repositories": {"primary": {"url": "/mnt/{}".format(service or "lain")}},
        "backup_master_secret": "rahasia-sekali-jangan-bocor",
        "backup_service": service,
        "backup_services": services,
    }


def problems(*hosts: dict) -> list[str]:
    try:
        policy.resolve({f"srv-{number}": variables for number, variables in enumerate(hosts, start=1)})
    except policy.PolicyError as error:
        return [str(problem) for problem in error.problems]
    return []


def test_services_are_resolved_with_whole_numbers():
    found = policy.resolve({"a": host("Absensi", SERVICES), "b": host("Arsip", SERVICES)})["services"]
    assert found["Absensi"] == {"priority": 2, "owner": "Kepala Bidang", "contact": "0812", "check": None, "start": None}
    assert found["Arsip"]["priority"] == 1


def test_a_policy_without_services_is_what_it_was_before_there_were_any():
    assert "services" not in policy.resolve({"a": host("Absensi")})


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ([host("Absen", SERVICES), host("Arsip", SERVICES), host("Absensi", SERVICES)], "backup_service: found 'Absen'; allowed: Absensi, Arsip (did you mean"),
        ([host(None, SERVICES), host("Arsip", SERVICES), host("Absensi", SERVICES)], "host srv-1: backup_service: found nothing; allowed: Absensi, Arsip"),
        ([host("Arsip", SERVICES)], "backup_services.Absensi: found 'Absensi'; allowed: a service that a server names in backup_service"),
        (
            [host("a", {"a": {"priority": 1}, "b": {"priority": 1}}), host("b", {"a": {"priority": 1}, "b": {"priority": 1}})],
            "backup_services.b.priority: found 1; allowed: another number than service a has, because one of them is restored first",
        ),
        ([host("a", {"a": {}})], "backup_services.a.priority: found nothing; allowed: a whole number from 1, which is restored first"),
        ([host("a", {"a": {"priority": 0}})], "backup_services.a.priority: found 0; allowed: a whole number from 1"),
        ([host("a", {"a": {"priority": 1, "kontak": "0812"}})], "backup_services.a.kontak: found a name that is not known"),
        ([host("a", {"a": {"priority": 1, "contact": 812}})], "backup_services.a.contact: found 812; allowed: text"),
        ([host("a", ["a"])], "backup_services: found a list; allowed: a mapping"),
    ],
)
def test_a_mistake_is_named(hosts: list[dict], expected: str):
    found = problems(*hosts)
    assert len(found) == 1, found
    assert expected in found[0]


def test_the_control_node_needs_no_service_and_is_told_where_the_ledger_lies():
    found = policy.resolve({"a": host("Absensi", {"Absensi": {"priority": 1}}), "kendali": host(None, {"Absensi": {"priority": 1}}, [CONTROL_NODE])})
    assert found["servers"]["kendali"]["datasets"][0]["state_dir"] == "/var/lib/si-cekat"


def test_there_is_one_control_node():
    found = problems(host("a", datasets=[CONTROL_NODE]), host("b", datasets=[CONTROL_NODE]))
    assert found == ["host srv-2, data set 'kendali': kind: found 'control_node'; allowed: another kind, because host srv-1 already is the control node"
                     " and there is one ledger"]  # fmt: skip
