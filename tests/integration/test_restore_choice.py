# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which restore tests a run makes, which snapshot each takes, and on which host: the real playbooks, judged by the ledger."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator

import pytest

from ansible_collections.sicekat.backup.plugins.plugin_utils import obligations, restore_choice

from . import servers

PASSWORD = "sandi-rest-uji-0123456789"


def backed_up(site, times: int) -> list[str]:
    """Makes backups and returns the ids of all snapshots, oldest first."""
    for number in range(times):
        (site.data / f"baru {number}.txt").write_text(f"isi {number}\n", encoding="utf-8")
        done = site.play("daily")
        assert done.code == 0, done.text
    return [one["snapshot_id"] for one in site.records(kind="backup") if one["outcome"] == "success"]


def proved(site, *arguments: str) -> dict:
    """Makes a run of restore tests that must end well and returns its only record."""
    done = site.play("restore_test", *arguments)
    assert done.code == 0, done.text
    (found,) = site.records(run_id=site.last()["run_id"])
    return found


def picked(site, *arguments: str) -> tuple[str, str]:
    found = proved(site, *arguments)
    return found["restore"]["pick"], found["restore"]["snapshot_id"]


def reasons(site, dataset: str = "dokumen") -> list[str]:
    return [one["code"] for one in site.status()[dataset]["reasons"]]


def test_the_newest_and_a_drawn_older_snapshot_take_turns_and_the_draw_can_be_repeated(any_site):
    first, second, third = backed_up(any_site, 3)
    assert picked(any_site) == ("newest", third)
    drawn = proved(any_site)
    restore = drawn["restore"]
    assert (restore["pick"], restore["candidates"], drawn["snapshot_id"]) == ("random", 2, restore["snapshot_id"])
    assert restore["seed"] == f"{drawn['run_id']}/srv-satu/dokumen"
    assert restore["snapshot_id"] == [first, second][restore_choice.draw(restore["seed"], 2)]
    assert picked(any_site) == ("newest", third)
    html = next(
        path.read_text(encoding="utf-8") for path in any_site.root.glob("state/checklists/*/*.html") if drawn["form_number"].replace("/", "-") in path.name
    )
    assert "Diundi: satu dari 2 yang lebih lama" in html and restore["seed"] in html


def test_a_server_may_have_only_the_newest_tested(any_site):
    any_site.variables["backup_restore_test_pick"] = "newest"
    newest = backed_up(any_site, 2)[-1]
    assert [picked(any_site) for _time in range(2)] == [("newest", newest)] * 2


def test_a_success_with_an_older_snapshot_does_not_clear_what_the_newest_left(any_site):
    first, _second, third = backed_up(any_site, 3)
    assert picked(any_site) == ("newest", third)
    manifest = any_site.root / "state/manifests" / (any_site.last(kind="backup")["record_id"].replace(":", "-") + ".json")
    kept = manifest.read_bytes()
    manifest.unlink()
    assert any_site.play("restore_test", "-e", "restore_test_snapshot=newest").code != 0
    # The next one takes the newest again, though it would be an older one's turn.
    assert any_site.play("restore_test").code != 0
    assert any_site.last()["restore"]["pick"] == "newest" and "status_restore_test" in reasons(any_site)
    for asked, pick in (("random", "random"), (first[:12], "named")):
        assert picked(any_site, "-e", f"restore_test_snapshot={asked}")[0] == pick
        assert "status_restore_test" in reasons(any_site)
    manifest.write_bytes(kept)
    assert picked(any_site) == ("newest", third)
    assert "status_restore_test" not in reasons(any_site)


def test_a_snapshot_that_a_person_names_is_the_only_one_that_is_tested(any_site):
    any_site.variables["backup_datasets"].append({**any_site.dataset, "name": "lain"})
    first = backed_up(any_site, 2)[0]
    assert any_site.play("restore_test", "-e", f"restore_test_snapshot={first[:8]}").code == 0
    (found,) = any_site.records(kind="restore_test")
    assert (found["dataset"], found["restore"]["pick"], found["restore"]["snapshot_id"]) == ("dokumen", "named", first)


@pytest.mark.parametrize(("asked", "said"), [("terbaru", "yang diperbolehkan: newest, random"), ("abc", "paling sedikit 8 angka"), ("0" * 12, "0 backup")])
def test_what_cannot_be_tested_is_refused_before_a_run_is_opened(any_site, asked, said):
    done = any_site.play("restore_test", "-e", json.dumps({"restore_test_snapshot": asked}))
    assert done.code != 0 and said in " ".join(done.text.split()), done.text
    assert any_site.records() == []


def test_a_run_makes_what_is_due_and_all_where_nothing_is(any_site):
    names = [f"data-{number}" for number in range(60)]
    policy = {"categories": {"jarang": {"restore_test_months": 12}}}
    period = f"{datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=7):%Y-%m}"
    policy["servers"] = {"srv-satu": {"repositories": {}, "datasets": [{"name": name, "category": "jarang"} for name in names]}}
    owing = {dataset for _kind, dataset, _repository in obligations.owed(policy, "srv-satu", "restore_test", period)}
    this_month, other_month = next(name for name in names if name in owing), next(name for name in names if name not in owing)
    any_site.variables["backup_categories"]["jarang"] = {"restore_test_months": 12}
    any_site.variables["backup_restore_test_pick"] = "newest"
    any_site.variables["backup_datasets"] = [{**any_site.dataset, "name": name, "category": "jarang"} for name in (this_month, other_month)]
    backed_up(any_site, 1)

    def run(code: int) -> list[str]:
        done = any_site.play("restore_test")
        assert (done.code != 0) == (code != 0), done.text
        return [one["dataset"] for one in any_site.records(run_id=any_site.last()["run_id"])]

    assert run(0) == [this_month, other_month]  # neither was ever proved
    assert run(0) == [this_month, other_month]  # nothing is due, and a test of nothing would be green
    manifest = any_site.root / "state/manifests" / (any_site.last(kind="backup", dataset=other_month)["record_id"].replace(":", "-") + ".json")
    kept = manifest.read_bytes()
    manifest.unlink()
    assert run(1) == [this_month, other_month]
    manifest.write_bytes(kept)
    assert run(0) == [other_month]
    assert reasons(any_site, other_month) == reasons(any_site, this_month) == ["status_no_integrity_check"]
    # In the list of what is owed stands what the policy asks for in this month, and what was done besides.
    assert {one["dataset"] for one in owed(any_site) if one["kind"] == "restore_test"} == {this_month, other_month}


def test_a_host_whose_success_lacks_a_proof_has_proved_nothing(any_site):
    backed_up(any_site, 1)
    honest = any_site.variables["ansible_python_interpreter"]
    liar = any_site.root / "python"
    liar.write_text(f"""#!/bin/sh\n{honest} "$@" | sed 's/"canary": "found"/"canary": "none"/'\n""", encoding="ascii")
    liar.chmod(0o755)
    any_site.variables["ansible_python_interpreter"] = str(liar)
    assert any_site.play("restore_test").code != 0
    found = any_site.last(kind="restore_test")
    assert (found["outcome"], found["cause"], any_site.codes(found)) == ("failed", "no_evidence", ["restore_unproved"])
    assert "status_restore_test" in reasons(any_site)
    any_site.variables["ansible_python_interpreter"] = honest
    assert proved(any_site)["restore"]["told_at"]
    assert "status_restore_test" not in reasons(any_site)


def owed(site) -> list[dict]:
    return json.loads((site.root / "state/reports/index.json").read_text(encoding="utf-8"))["owed"]


@pytest.fixture
def remote(any_site, tmp_path) -> Iterator[object]:
    """A site whose repository lies behind TLS, append-only, and whose restore tests are done on another host of the inventory."""
    authority = servers.Authority()
    (tmp_path / "ca.pem").write_text(authority.pem, encoding="ascii")
    with servers.rest_server(tmp_path / "rest", {"srv": PASSWORD}, authority.issue(tmp_path / "tls"), "--append-only") as url:
        any_site.variables["backup_repositories"] = {
            "primary": {"url": f"rest:{url}/srv/", "username": "srv", "access_password": PASSWORD, "ca_certificate": str(tmp_path / "ca.pem")}
        }
        any_site.hosts["srv-satu"] = {"backup_restore_host": "srv-uji"}
        any_site.hosts["srv-uji"] = {"backup_datasets": [], "backup_server_dir": str(tmp_path / "uji")}
        done = any_site.play("site", "-e", "backup_replace_repository=primary")
        assert done.code == 0, done.text
        yield any_site


def test_a_restore_host_does_the_tests_of_a_server_and_keeps_nothing(remote, tmp_path):
    backed_up(remote, 1)
    found = proved(remote)
    assert (found["server"], found["performed_on"], found["outcome"]) == ("srv-satu", "srv-uji", "success")
    assert found["restore"]["target"].startswith(str(tmp_path / "uji/scratch")) and not list((tmp_path / "uji/scratch").iterdir())
    written = [path for path in (tmp_path / "uji").rglob("*") if path.is_file()]
    assert written and not any(PASSWORD.encode() in path.read_bytes() for path in written)
    left_out = remote.play("restore_test", "--limit", "srv-satu")
    assert left_out.code != 0 and "srv-uji, yang tidak disertakan" in " ".join(left_out.text.split())
    assert remote.play("restore_test", "--check").code == 0


def test_a_restore_host_that_cannot_reach_the_repository_is_refused_by_name(any_site):
    any_site.hosts["srv-satu"] = {"backup_restore_host": "srv-uji"}
    any_site.hosts["srv-uji"] = {"backup_datasets": []}
    done = any_site.play("site")
    said = " ".join(done.text.split())
    assert done.code != 0 and "host srv-satu: backup_restore_host: ditemukan 'srv-uji'; yang diperbolehkan: tidak diisi" in said, done.text


def test_a_promise_that_the_schedule_cannot_keep_is_said_at_deployment_and_shown(any_site):
    any_site.variables["backup_categories"]["penting"]["rpo"] = "4h"
    done = any_site.play("site")
    said = " ".join(done.text.split())
    assert done.code == 0, done.text
    assert "backup_categories.penting.rpo: ditemukan 4 jam; yang diperbolehkan dengan jadwal ini: mulai 1 hari" in said
    assert any_site.play("daily").code == 0
    (category,) = json.loads((any_site.root / "state/reports/index.json").read_text(encoding="utf-8"))["objectives"]["categories"]
    assert category["feasibility"]["feasible"] is False and category["rto"] == {"met": 0, "of": 0, "worst_ms": None}
    assert "✗ Tidak" in (any_site.root / "state/reports/index.html").read_text(encoding="utf-8")
