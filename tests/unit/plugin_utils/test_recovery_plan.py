# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan puts services in their order, says what to type, and never shows a time or a snapshot that nothing proves."""

from __future__ import annotations

import datetime
import io
import re
import shlex
from typing import Any

import pypdf
import pytest

from ansible_collections.sicekat.backup.plugins.plugin_utils import policy as policies
from ansible_collections.sicekat.backup.plugins.plugin_utils import recovery_plan, recovery_steps, restore_request
from ansible_collections.sicekat.backup.plugins.plugin_utils.documents import page
from ansible_collections.sicekat.backup.plugins.plugin_utils.documents import recovery_plan as document

NOW = datetime.datetime(2026, 11, 22, 15, 0, tzinfo=datetime.UTC)
REPOSITORY, OTHER = "ab" * 32, "cd" * 32
SECRETS = {"backup_master_secret": "rahasia-untuk-menguji-rencana", "access_key": "KUNCI-AKSES", "secret_key": "KUNCI-RAHASIA"}
TYPED = recovery_steps.Typed("/opt/si-cekat", True, "0.3.0", ["-i", "inventories/dinas", "--ask-vault-pass"])
FACTS = {
    "language": "id", "actor": "admin", "control_node_name": "kendali", "collection_version": "0.3.0", "policy_digest": "ef" * 32,
    "ledger": {"seq": 7, "hash": "cd" * 32},
}  # fmt: skip
SERVICES = {
    "Absensi": {"priority": 3, "owner": "Kepala Bidang SDM", "contact": "0812", "check": "Buka halaman presensi", "start": "systemctl start absensi"},
    "Arsip surat": {"priority": 2},
    "Situs": {"priority": 1},
}
DATASETS = {
    "absen": [
        {"name": "pegawai", "kind": "postgresql", "category": "penting", "database": "pegawai", "personal_data": True,
         "assertions": [{"name": "Jumlah pegawai", "query": "SELECT count(*) FROM pegawai", "min": 100}]},
        {"name": "berkas", "kind": "files", "category": "biasa", "paths": ["/srv/absensi"]},
    ],
    "arsip": [{"name": "surat", "kind": "sqlite", "category": "kritikal", "path": "/srv/surat.db"}],
    "web": [{"name": "isi", "kind": "files", "category": "biasa", "paths": ["/srv/www"]}],
    "kendali": [{"name": "kendali", "kind": "control_node", "category": "penting", "paths": ["/opt/si-cekat/inventories/dinas", "/etc/si-cekat/vault-pass"]}],
}  # fmt: skip
OF_SERVER = {"absen": "Absensi", "arsip": "Arsip surat", "web": "Situs", "kendali": None}


def policy(has_services: bool = True, without: str = "") -> dict:
    services = SERVICES if has_services else None
    common = {
        "backup_categories": {"kritikal": {"rto": "4h", "rpo": "24h"}, "penting": {"rto": "1d", "rpo": "24h"}, "biasa": {}},
        "backup_master_secret": SECRETS["backup_master_secret"],
        "backup_team": {"coordinator": {"name": "Siti Rahma", "contact": "0811"}, "operator": {"name": "Budi"}},
    }
    hosts: dict[str, dict] = {"gudang": {"ansible_host": "10.0.0.5", "backup_repository_server": {"path": "/srv/backup"}, "backup_datasets": [], **common}}
    for server in (one for one in DATASETS if one != without):
        offsite = {"url": f"s3:https://awan.example/cadangan/{server}", "access_key": SECRETS["access_key"], "secret_key": SECRETS["secret_key"]}
        hosts[server] = {
            **common, "backup_datasets": DATASETS[server], "backup_service": OF_SERVER[server], "backup_services": services,
            "backup_repositories": {"primary": {"server": "gudang", "location": "Ruang server"}, "offsite": offsite},
        }  # fmt: skip
    hosts["gudang"]["backup_services"] = services
    return policies.resolve(hosts)


def backup(dataset: str, snapshot: str, started_at: str = "2026-11-22T01:00:00Z", **changes: Any) -> dict:
    return {
        "dataset": dataset, "snapshot_id": snapshot * 8, "started_at": started_at, "outcome": "success", "repository_id": REPOSITORY,
        "storage_locations": [{}], "data_size_bytes": 1000, "database": None, "newest_data_at": started_at, **changes,
    }  # fmt: skip


def timed(dataset: str, total_ms: int, **changes: Any) -> dict:
    restore = {"total_ms": total_ms, **changes.pop("restore", {})}
    return {"dataset": dataset, "outcome": "success", "repository_id": REPOSITORY, "finished_at": "2026-11-15T01:00:00Z", "restore": restore, **changes}


def known(**changes: Any) -> recovery_plan.Known:
    proofs = {name: {"repository_id": REPOSITORY, "proved_at": "2026-11-20T01:00:00Z"} for name in ("primary", "offsite")}
    return recovery_plan.Known(**{"backups": [], "copies": [], "tests": [], "gone": frozenset(), "proofs": proofs, **changes})


KNOWN = {
    "absen": known(
        backups=[
            backup("pegawai", "11111111", database={"engine": "postgresql", "version": "15.14", "tables": {}, "rows": 0}),
            backup("berkas", "22222222", "2026-11-20T01:00:00Z"),
        ],
        copies=[{"dataset": "pegawai", "repository": "offsite", "outcome": "success", "repository_id": REPOSITORY, "snapshot_id": "99" * 32,
                 "copy": {"source_snapshot_id": "11111111" * 8}}],
        tests=[timed("pegawai", 60_000), timed("pegawai", 80_000), timed("berkas", 1000)],
    ),
    "arsip": known(backups=[backup("surat", "33333333", "2026-11-20T01:00:00Z")], tests=[timed("surat", 5 * 3_600_000)]),
    "web": known(),
    "kendali": known(backups=[backup("kendali", "44444444")]),
}  # fmt: skip


def plan(has_services: bool = True, without: str = "", **facts: Any) -> dict:
    return recovery_plan.plan(policy(has_services, without), KNOWN, TYPED, NOW, {**FACTS, **facts})


def service(made: dict, name: str) -> dict:
    return next(one for one in made["services"] if one["name"] == name)


def steps(made: dict, name: str) -> dict[str, dict]:
    return {step["action"]["code"]: step for step in service(made, name)["steps"]}


def test_services_stand_in_the_order_of_their_priority() -> None:
    assert [one["name"] for one in plan()["services"]] == ["Situs", "Arsip surat", "Absensi"]


def test_without_priorities_the_shortest_rto_comes_first_and_the_plan_says_so() -> None:
    made = plan(has_services=False)
    assert [one["name"] for one in made["services"]] == ["Arsip surat", "Absensi", "Situs"]
    assert not made["is_prioritised"]
    assert "Prioritas belum ditetapkan" in page.recovery_plan(made)


def test_steps_are_numbered_and_name_the_command_of_the_restore() -> None:
    found = steps(plan(), "Absensi")
    numbers = [step["number"] for step in service(plan(), "Absensi")["steps"]]
    assert numbers == list(range(1, len(numbers) + 1))
    (command,) = found["plan_restore"]["commands"]
    assert command.startswith("ansible-playbook -i inventories/dinas --ask-vault-pass playbooks/restore.yml \\\n  -e restore_server=absen -e restore_dataset=")
    assert "-e restore_snapshot=newest" in command


def test_the_command_is_one_that_restore_yml_takes() -> None:
    made = plan()
    for one in made["services"]:
        for step in (step for step in one["steps"] if step["action"]["code"] == "plan_restore"):
            given = dict.fromkeys(restore_request.FIELDS, "")
            given.update((key.removeprefix("restore_"), value) for key, value in re.findall(r"-e \"?(\w+)='?([^\s'\"]+)'?\"?", step["commands"][0]))
            given.update(requester="Ani", approver="Siti", reason="Server terbakar", overwrite=step["action"]["params"]["overwrite"])
            request = restore_request.completed(policy(), list(policy()["servers"]), given, lambda *_asked, **_params: "")
            assert (request["server"], request["overwrite"]) == (step["action"]["params"]["server"], True)


def test_by_hand_each_place_has_a_command_with_its_own_snapshot() -> None:
    step = next(step for step in service(plan(), "Absensi")["steps"] if step["action"]["params"].get("dataset") == "pegawai" and step["by_hand"])
    assert [(way["place"]["kind"], way["commands"]) for way in step["by_hand"]] == [
        ("server", ["restic --no-lock -r /srv/backup/absen restore 111111111111 --target /pulih"]),
        ("s3", ["restic --no-lock -r s3:https://awan.example/cadangan/absen restore 999999999999 --target /pulih"]),
    ]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"kind": "files", "paths": ["/srv/a b"]}, "cp -a '/pulih/srv/a b' /srv/"),
        ({"kind": "sqlite", "path": "/srv/a.db"}, "cp -a /pulih/var/lib/si-cekat-server/spool/x/a.db /srv/a.db"),
        ({"kind": "postgresql", "database": "x"}, "runuser -u postgres -- pg_restore --create --exit-on-error --dbname=postgres < /pulih/isi/*.dump"),
        ({"kind": "mariadb", "database": "x"}, "mariadb --binary-mode x < /pulih/isi/*.sql"),
        ({"kind": "mysql", "database": "x"}, "mysql --binary-mode < /pulih/grants.sql"),
        ({"kind": "mariadb", "database": "x"}, "mariadb '--execute=CREATE DATABASE `x` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin'"),
        (
            {"kind": "ldap", "suffix": "dc=x", "config_dir": "/etc/ldap/slapd.d"},
            "runuser -u openldap -- slapadd -q -b dc=x -F /etc/ldap/slapd.d < /pulih/isi/data.ldif",
        ),
        ({"kind": "command", "file_name": "x"}, "unzip -d /pulih/isi /pulih/x.zip"),
    ],
)
def test_each_kind_can_be_put_in_place_by_hand(settings: dict, line: str) -> None:
    of_server = {"web": {"server_dir": "/var/lib/si-cekat-server"}}
    one = {"server": "web", "name": "x", "kind": settings["kind"], "settings": settings, "newest": {"database": {"encoding": "utf8mb4 utf8mb4_bin"}}}
    assert line in recovery_steps.by_hand({"servers": of_server}, one)


def test_what_was_never_backed_up_says_so_and_has_no_command() -> None:
    found = steps(plan(), "Situs")
    assert "plan_restore" not in found
    assert found["plan_no_backup"]["who"] == "coordinator"


@pytest.mark.parametrize(
    "changes",
    [{"outcome": "partial"}, {"repository_id": OTHER}, {"storage_locations": []}],
)
def test_an_unproved_backup_is_none(changes: dict) -> None:
    one = {**KNOWN, "web": known(backups=[backup("isi", "55555555", **changes)])}
    made = recovery_plan.plan(policy(), one, TYPED, NOW, FACTS)
    assert service(made, "Situs")["datasets"][0]["newest"] is None


def test_a_snapshot_that_retention_removed_is_none() -> None:
    one = {**KNOWN, "web": known(backups=[backup("isi", "55555555")], gone=frozenset(["55555555" * 8]))}
    assert service(recovery_plan.plan(policy(), one, TYPED, NOW, FACTS), "Situs")["datasets"][0]["newest"] is None


def test_standard_times_are_the_median_of_successful_tests_of_this_repository() -> None:
    tests = [timed("a", 900, outcome="failed"), timed("a", 100), timed("a", 300), timed("a", 200), timed("a", 1, repository_id=OTHER), timed("b", 7)]
    assert recovery_plan.standard_time(tests, "a", REPOSITORY) == {"median_ms": 200, "count": 3, "last_at": "2026-11-15T01:00:00Z"}
    assert recovery_plan.standard_time(tests, "a", None) is None
    assert recovery_plan.standard_time([timed("a", 100, restore={"extrapolated_ms": 5000})], "a", REPOSITORY)["median_ms"] == 5000


def test_a_service_is_held_against_its_objectives() -> None:
    arsip, absensi, situs = (service(plan(), name) for name in ("Arsip surat", "Absensi", "Situs"))
    assert (arsip["is_within_rto"], arsip["datasets"][0]["is_within_rpo"]) == (False, False)
    assert (absensi["measured_ms"], absensi["is_within_rto"]) == (71_000, True)
    assert (situs["measured_ms"], situs["is_within_rto"]) == (None, None)


def test_questions_stand_with_what_is_expected() -> None:
    html = page.recovery_plan(plan())
    assert "Jumlah pegawai: paling sedikit 100" in re.sub(r"\s+", " ", html)
    assert "Belum ada pertanyaan (assertions) untuk surat" in html


def test_the_control_node_comes_back_with_the_paper_alone() -> None:
    chapter = plan()["control_node"]
    typed = [line for step in chapter["steps"] for line in step["commands"]]
    assert "restic --no-lock -r /srv/backup/kendali snapshots --tag dataset=kendali" in typed
    assert "cp -a /pulih/etc/si-cekat/vault-pass /etc/si-cekat/" in typed
    assert "cp -a /pulih/var/lib/si-cekat-server/spool/kendali/. /var/lib/si-cekat/" in typed
    assert not chapter["is_project_covered"]
    assert "plan_control_carry" in [step["action"]["code"] for step in chapter["steps"]]


def test_a_control_node_without_a_backup_is_a_warning() -> None:
    made = plan(without="kendali")
    assert made["control_node"] is None
    assert "Control node tidak dicadangkan" in page.recovery_plan(made)


@pytest.mark.parametrize(("language", "title", "never"), [("id", "RENCANA PEMULIHAN DARURAT", "belum pernah diuji"), ("en", "RECOVERY PLAN", "never tested")])
def test_the_plan_is_whole_in_both_languages_and_holds_no_secret(language: str, title: str, never: str) -> None:
    made = document.contents(plan(language=language))
    text = re.sub(r"\s+", " ", " ".join(one.extract_text() for one in pypdf.PdfReader(io.BytesIO(made["pdf"])).pages))
    for words in (title, never, "Siti Rahma", "0811", "Kepala Bidang SDM", "0.3.0", "ef" * 10, "systemctl start absensi"):
        assert words in text
    for secret in SECRETS.values():
        assert not any(secret.encode() in content for content in (made["html"], made["json"])) and secret not in text


@pytest.mark.parametrize(
    ("database", "target"),
    [("gaji$2026", "'restore_target=database:gaji$2026'"), ("data lama", "restore_target=original"), ("gaji", "restore_target=database:gaji")],
)
def test_what_is_typed_reaches_restore_yml_as_it_is(monkeypatch: pytest.MonkeyPatch, database: str, target: str) -> None:
    monkeypatch.setitem(DATASETS, "absen", [{**DATASETS["absen"][0], "database": database}])
    (command,) = steps(plan(), "Absensi")["plan_restore"]["commands"]
    words = shlex.split(command.replace("\\\n", " "))
    assert f" {target} " in command and target.strip("'") in words


def test_the_arguments_of_programs_and_hooks_stay_out_of_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    hooks = {"before": [["/usr/local/bin/henti", "--token=RAHASIA-HOOK"]]}
    for server in ("absen", "kendali"):
        monkeypatch.setitem(DATASETS, server, [{**DATASETS[server][0], "hooks": hooks}])
    made = document.contents(plan())
    assert not any(b"RAHASIA-HOOK" in content for content in made.values())
