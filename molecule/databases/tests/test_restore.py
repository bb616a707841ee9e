# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real restores of databases: what was lost is in production again, and what was replaced is kept."""

from __future__ import annotations

import pytest
from databases import ENGINES, SERVERS, counts, texts
from fleet import Fleet

FOUR_EYES = ["-e", "restore_requester='Kasubbag Umum'", "-e", "restore_approver='Koordinator TI'", "-e", "restore_reason='tabel terhapus'"]


def restore(fleet: Fleet, server: str, dataset: str, target: str, *more: str) -> tuple[int, str]:
    asked = {"restore_server": server, "restore_dataset": dataset, "restore_target": target}
    played = fleet.play("restore", *(word for name, value in asked.items() for word in ("-e", f"{name}={value}")), *FOUR_EYES, *more)
    return played.code, played.text


@pytest.mark.parametrize("dataset", ENGINES)
def test_a_database_is_put_back_and_the_damaged_one_is_kept(backed_up: Fleet, dataset: str):
    server, engine = SERVERS[-1], ENGINES[dataset]
    backed_up.done("daily", "--limit", f"{server},gudang")
    before = counts(backed_up, server, engine, "kepegawaian"), texts(backed_up, server, engine, "kepegawaian")
    backed_up.sql(server, engine, "kepegawaian", "DELETE FROM gaji; UPDATE pegawai SET catatan = 'rusak';")
    damaged = counts(backed_up, server, engine, "kepegawaian")

    code, text = restore(backed_up, server, dataset, "original")
    assert code != 0
    assert counts(backed_up, server, engine, "kepegawaian") == damaged, "nothing may be replaced before the name was typed again"

    code, text = restore(backed_up, server, dataset, "original", "-e", "restore_overwrite=kepegawaian")
    assert code == 0, text
    assert (counts(backed_up, server, engine, "kepegawaian"), texts(backed_up, server, engine, "kepegawaian")) == before
    made = backed_up.last(kind="restore")
    assert (made["outcome"], made["restore"]["database"]) == ("success", "sound")
    kept = made["restore"]["replaced"][0]["kept_as"]
    assert kept
    if engine == "postgresql":
        assert counts(backed_up, server, engine, kept) == damaged
        backed_up.sql(server, engine, "postgres", f'DROP DATABASE "{kept}";')


@pytest.mark.parametrize("dataset", ENGINES)
def test_a_database_under_another_name_leaves_the_first_alone(backed_up: Fleet, dataset: str):
    engine = ENGINES[dataset]
    production = counts(backed_up, "basisdata12", engine, "kepegawaian")
    code, text = restore(backed_up, "basisdata12", dataset, "database:kepegawaian_pulih")
    assert code == 0, text
    assert set(counts(backed_up, "basisdata12", engine, "kepegawaian_pulih")) == set(production)
    next_number = {"postgresql": "SELECT nextval('nomor_surat')", "mariadb": "SELECT nextval(nomor_surat)"}[engine]
    own = backed_up.sql("basisdata12", engine, "kepegawaian_pulih", next_number)
    # the copy's sequence is its own: production's does not move with it
    backed_up.sql("basisdata12", engine, "kepegawaian_pulih", next_number * 1)
    assert int(own) > 0
    assert counts(backed_up, "basisdata12", engine, "kepegawaian") == production
    code, _text = restore(backed_up, "basisdata12", dataset, "database:kepegawaian_pulih")
    assert code != 0, "what exists is replaced only when its name is typed again"
    backed_up.sql("basisdata12", engine, {"postgresql": "postgres", "mariadb": "mysql"}[engine], "DROP DATABASE kepegawaian_pulih;")


@pytest.mark.parametrize("dataset", ["direktori", "laporan-aset"])
def test_what_no_engine_takes_is_unpacked_into_a_directory(backed_up: Fleet, dataset: str):
    members = {"direktori": {"config.ldif", "data.ldif"}, "laporan-aset": {"aset.csv"}}[dataset]
    target = f"/srv/pemulihan-{dataset}"
    code, text = restore(backed_up, "basisdata13", dataset, target)
    assert code == 0, text
    found = backed_up.bed.run("basisdata13", f"find {target} -type f -printf '%f\\n'").stdout.split()
    assert members <= set(found)
    backed_up.bed.run("basisdata13", f"rm -rf {target}")
    code, text = restore(backed_up, "basisdata13", dataset, "original")
    assert code != 0
