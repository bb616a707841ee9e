# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recovery plan from a real ledger, and the control node as a data set like any other."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger


def done(site, playbook: str) -> None:
    played = site.play(playbook)
    assert played.code == 0, played.text


def control_node(site) -> None:
    """Gives the site a second data set: the machine that Ansible runs on."""
    keys = site.root / "kunci"
    keys.mkdir()
    (keys / "id_ed25519").write_text("bukan kunci\n")
    site.variables["backup_datasets"].append({"name": "kendali", "kind": "control_node", "category": site.dataset["category"], "paths": [str(keys)]})


def test_a_restore_test_of_the_control_node_proves_its_ledger(site, root):
    control_node(site)
    done(site, "daily")
    backup = site.last(kind="backup", dataset="kendali")
    with site.ledger() as ledger:
        head = ledger.head()
    assert 0 < backup["database"]["head"]["seq"] < head["seq"]
    played = site.play("restore_test")
    assert played.code == 0, played.text
    restore = site.last(kind="restore_test", dataset="kendali")["restore"]
    assert (restore["database"], restore["rows"]) == ("sound", backup["database"]["rows"])
    assert not list((site.root / "server/spool").iterdir())


def test_a_ledger_that_was_altered_is_not_backed_up_as_good(site, root):
    control_node(site)
    done(site, "daily")
    with Ledger.open(site.root / "state/ledger.sqlite3") as ledger:
        connection = ledger._connection
        connection.execute("DROP TRIGGER never_update")
        connection.execute("UPDATE entries SET body = replace(body, ',', ', ') WHERE kind = 'run_opened'")
    site.play("daily")
    with site.ledger() as ledger:
        found = [one for one in ledger.records(kind="backup") if one["dataset"] == "kendali"][-1]
    assert (found["outcome"], [message["code"] for message in found["messages"]]) == ("failed", ["source_ledger_unsound"])


def test_the_plan_says_what_the_ledger_knows_and_lies_outside_as_well(any_site, tmp_path: Path):
    done(any_site, "daily")
    done(any_site, "restore_test")
    outside = tmp_path / "lepas/rencana"
    played = any_site.play("recovery_plan", "-e", f"plan_path={outside}")
    assert played.code == 0, played.text
    for directory in (any_site.root / "state/recovery-plan", outside):
        assert sorted(os.listdir(directory)) == ["recovery-plan.html", "recovery-plan.json", "recovery-plan.pdf"]
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o644 for path in directory.iterdir())
    plan = json.loads((outside / "recovery-plan.json").read_text(encoding="utf-8"))
    with any_site.ledger() as ledger:
        newest_policy = list(ledger.policies())[-1].data["digest"]
    assert (plan["policy_digest"], plan["control_node"], plan["is_prioritised"]) == (newest_policy, None, False)
    (dataset,) = plan["services"][0]["datasets"]
    assert dataset["newest"]["snapshot_id"] == any_site.last(kind="backup")["snapshot_id"]
    assert dataset["tested"]["median_ms"] == any_site.last(kind="restore_test")["restore"]["extrapolated_ms"]
    secret = any_site.variables["backup_master_secret"].encode()
    assert not any(secret in path.read_bytes() for path in outside.iterdir())


@pytest.mark.parametrize(("path", "said"), [("rencana", "Sebutkan direktori absolut"), ("/proc/rencana", "tidak dapat ditulis")])
def test_a_place_that_is_none_is_refused(any_site, path: str, said: str):
    played = any_site.play("recovery_plan", "-e", f"plan_path={path}")
    assert played.code != 0 and said in " ".join(played.text.split()), played.text


def test_an_unsound_ledger_gives_no_plan(any_site):
    done(any_site, "daily")
    with Ledger.open(any_site.root / "state/ledger.sqlite3") as ledger:
        ledger._connection.execute("DROP TRIGGER never_delete")
    played = any_site.play("recovery_plan")
    assert played.code != 0 and "tidak utuh" in played.text, played.text
    assert not (any_site.root / "state/recovery-plan").exists()
