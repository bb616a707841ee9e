# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recovery drill on an isolated host: every service in its order, with the RTO and the RPO that were reached."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fleet import Fleet

SERVICES = {"Kepegawaian": {"priority": 1, "owner": "Kepala BKPSDM", "check": "halaman masuk terbuka"}, "Aset": {"priority": 2}}


@pytest.fixture
def drilling(backed_up: Fleet) -> Fleet:
    """The fleet with services, and a host for drills."""
    backed_up.edit(backup_services=SERVICES)
    # the order of priorities is not that of the names
    backed_up.edit("basisdata13", backup_service="Kepegawaian", backup_restore_host="latihan")
    backed_up.edit("basisdata12", backup_service="Aset", backup_restore_host="latihan")
    backed_up.prepared("latihan")
    return backed_up


def report(fleet: Fleet) -> dict:
    number = fleet.runs()[-1]["form_number"]
    assert number.startswith("SP/")
    stem = number.replace("/", "-")
    paths = {path.suffix: path for path in Path(fleet.state, "checklists").rglob(f"{stem}.*")}
    assert {".json", ".html", ".pdf"} <= set(paths)
    return json.loads(paths[".json"].read_text(encoding="utf-8"))


@pytest.mark.timeout(900)
def test_every_service_comes_back_in_its_order_and_is_measured(drilling: Fleet):
    before = {host: drilling.bed.run(host, "systemctl show -p ActiveEnterTimestamp postgresql mariadb slapd").stdout for host in ("basisdata12", "latihan")}
    played = drilling.play("drill", limit_s=600)
    made = drilling.last_run()
    assert {(one["server"], one["dataset"], one["outcome"]) for one in made if one["outcome"] != "success"} == set(), played.text
    assert played.code == 0, played.text
    assert {one["performed_on"] for one in made} == {"latihan"}
    assert {one["restore"]["pick"] for one in made} == {"newest"}
    found = report(drilling)["drill"]
    assert [one["name"] for one in found["services"]] == ["Kepegawaian", "Aset"]
    for one in found["services"]:
        assert one["rto_met"] and one["rpo_met"] and 0 < one["reached_s"] < 4 * 3600 and 0 < one["lost_s"] < 24 * 3600
    # the first service was back while the second was still to come
    assert found["services"][0]["reached_s"] < found["services"][1]["reached_s"]
    assert (found["order_kept"], found["not_exercised"]) == (True, [])
    assert max(one["finished_at"] for one in made if one["server"] == "basisdata13") <= min(one["started_at"] for one in made if one["server"] == "basisdata12")
    # nobody's own servers were touched, and nothing is left of the throw-away ones
    assert before == {host: drilling.bed.run(host, "systemctl show -p ActiveEnterTimestamp postgresql mariadb slapd").stdout for host in before}
    assert drilling.bed.run("latihan", "ls /var/lib/si-cekat-server/scratch /var/lib/si-cekat-server/instances | grep -v : | xargs").stdout.strip() == ""


@pytest.mark.timeout(900)
def test_a_drill_of_one_service_says_what_it_left_out_and_what_fell_short(drilling: Fleet):
    drilling.edit(backup_categories={"penting": {"rto": 1, "rpo": "24h", "retention": {"last": 100}}})
    played = drilling.play("drill", "-e", "drill_services=Aset", limit_s=600)
    assert played.code != 0
    assert "Aset" in played.text
    found = report(drilling)["drill"]
    assert [(one["name"], one["rto_met"], one["rpo_met"]) for one in found["services"]] == [("Aset", False, True)]
    assert found["not_exercised"] == ["Kepegawaian"]
    assert {one["server"] for one in drilling.last_run()} == {"basisdata12"}


def test_a_drill_on_the_servers_themselves_is_refused(backed_up: Fleet):
    runs = len(backed_up.runs())
    played = backed_up.play("drill")
    assert played.code != 0
    assert "backup_restore_host" in played.text and "basisdata12, basisdata13" in played.text
    assert len(backed_up.runs()) == runs
