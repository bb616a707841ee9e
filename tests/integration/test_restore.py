# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A restore for a person, by its playbook: what it asks, what it shows, what it refuses, what it keeps and what it writes down."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import sqlite3
import subprocess
import time
import zoneinfo
from collections.abc import Mapping
from pathlib import Path

import pytest

from ansible_collections.sicekat.backup.plugins.module_utils import record

ROOT = Path(__file__).resolve().parents[2]
PERSONS = {"requester": "Sri Lestari", "approver": "Budi Santoso", "reason": "berkas terhapus"}


def extra(given: Mapping[str, object]) -> list[str]:
    return [word for name, value in given.items() for word in ("-e", f"restore_{name}='{value}'")]


def restore(site, *arguments: str, **given: object):
    return site.play("restore", *extra({**PERSONS, **given}), *arguments)


def kept(place: Path) -> Path:
    """Returns the one thing that was replaced at a place."""
    (found,) = place.parent.glob(f"{place.name}.digantikan-*")
    return found


def left(directory: Path) -> list[Path]:
    """Returns what a restore should have removed."""
    return list(directory.glob("**/.sicekat-pemulihan-*"))


def texts(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in directory.iterdir()}


@pytest.fixture
def backed_up(any_site):
    done = any_site.play("daily")
    assert done.code == 0, done.text
    return any_site


def test_what_is_missing_or_wrong_is_said_before_anything_runs_where_nobody_can_be_asked(backed_up):
    target = {"target": backed_up.root / "pulih"}
    runs = len(backed_up.records())
    for given, said in (
        ({**PERSONS, **target, "requester": ""}, "restore_requester"),
        ({**PERSONS, **target, "approver": "sri  LESTARI"}, "empat mata"),
        ({**PERSONS, **target, "snapshot": "2001-01-01 10:00"}, backed_up.last()["snapshot_id"][:12]),
        ({**PERSONS, **target, "overwrite": "ya"}, "restore_overwrite"),
    ):
        done = backed_up.play("restore", *extra(given))
        assert done.code != 0 and said in done.text and "Take each step" not in done.text, (given, done.text)
    assert len(backed_up.records()) == runs and not target["target"].exists()


def test_check_mode_shows_the_plan_and_stops(backed_up):
    target = backed_up.root / "pulih"
    done = restore(backed_up, "--check", target=target)
    assert done.code == 0, done.text
    for part in ("srv-satu", "dokumen", backed_up.last()["snapshot_id"][:12], str(target), "4 jam", "Sri Lestari", "Budi Santoso", "belum pernah", "20 berkas"):
        assert part in done.text, part
    assert not target.exists() and not backed_up.records(kind="restore")
    target.mkdir()
    (target / "isi").touch()
    done = restore(backed_up, "--check", target=target)
    assert done.code != 0 and f"restore_overwrite={target}" in done.text
    done = restore(backed_up, "--check", target=target, overwrite=target)
    assert done.code == 0 and f"{target}.digantikan-" in done.text and [path.name for path in target.iterdir()] == ["isi"]
    done = restore(backed_up, "--check", target="original", overwrite="srv-satu/dokumen")
    assert done.code == 0 and f"{backed_up.data}.digantikan-" in done.text and len(list(backed_up.data.iterdir())) == 20


def test_a_directory_that_is_not_empty_is_replaced_only_by_its_name_and_is_kept(backed_up):
    target = backed_up.root / "pulih"
    target.mkdir()
    (target / "penting").write_text("jangan hilang", encoding="utf-8")
    done = restore(backed_up, target=target)
    assert done.code != 0 and backed_up.codes(backed_up.last(kind="restore")) == ["target_not_empty"]
    assert texts(target) == {"penting": "jangan hilang"} and not left(backed_up.root)
    done = restore(backed_up, target=target, overwrite=target)
    assert done.code == 0, done.text
    assert (target / str(backed_up.data)[1:] / "surat 07.txt").read_bytes() == (backed_up.data / "surat 07.txt").read_bytes()
    assert texts(kept(target)) == {"penting": "jangan hilang"} and not left(backed_up.root)
    made = backed_up.last(kind="restore")
    assert made["restore"]["replaced"] == [{"path": str(target), "kept_as": str(kept(target))}] and made["outcome"] == "success"
    # The form says who asked, who approved and what was replaced, by the run's word.
    form = backed_up.checklists()[-1]
    assert {name: form["rows"][0]["restore"][name] for name in PERSONS} == PERSONS and form["rows"][0]["restore"]["target"] == str(target)
    (page,) = backed_up.root.glob(f"state/checklists/*/{form['form']['number'].replace('/', '-')}.html")
    for part in (*PERSONS.values(), str(kept(target)), str(target)):
        assert part in page.read_text(encoding="utf-8"), part


def test_files_go_back_to_where_they_came_from(backed_up):
    lost = backed_up.data / "surat 03.txt"
    content = lost.read_bytes()
    lost.unlink()
    (backed_up.data / "baru.txt").write_text("sesudah backup", encoding="utf-8")
    done = restore(backed_up, target="original")
    assert done.code != 0 and backed_up.codes(backed_up.last(kind="restore")) == ["target_exists"] and not lost.exists()
    assert "restore_overwrite=srv-satu/dokumen" in done.text
    done = restore(backed_up, target="original", overwrite="srv-satu/dokumen")
    assert done.code == 0, done.text
    assert lost.read_bytes() == content and len(list(backed_up.data.iterdir())) == 20
    assert texts(kept(backed_up.data))["baru.txt"] == "sesudah backup" and not left(backed_up.root)
    made = backed_up.last(kind="restore")["restore"]
    assert made["replaced"] == [{"path": str(backed_up.data), "kept_as": str(kept(backed_up.data))}] and made["canary"] == "found"
    assert backed_up.play("daily").code == 0  # the data set is where it was


def test_data_that_are_gone_come_back_with_no_word_typed_again(backed_up):
    (backed_up.data.parent / "data").rename(backed_up.root / "hilang")
    done = restore(backed_up, target="original")
    assert done.code == 0, done.text
    assert texts(backed_up.data) == texts(backed_up.root / "hilang") and backed_up.last(kind="restore")["restore"]["replaced"] == []


def test_a_database_file_goes_back_without_the_log_of_the_one_it_replaces(any_site):
    path = any_site.root / "aplikasi" / "arsip.sqlite3"
    path.parent.mkdir()
    any_site.variables["backup_datasets"] = [{"name": "arsip", "kind": "sqlite", "category": "penting", "path": str(path)}]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA journal_mode=WAL; CREATE TABLE surat (nomor); INSERT INTO surat VALUES (1), (2)")
    os.chmod(path, 0o640)
    assert any_site.play("daily").code == 0
    holder = sqlite3.connect(path)  # stays open, so that the write-ahead log stays
    holder.execute("DELETE FROM surat")
    holder.commit()
    assert Path(f"{path}-wal").stat().st_size > 0
    done = restore(any_site, target="original", overwrite="srv-satu/arsip")
    assert done.code == 0 and str(path) in done.text, done.text
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT nomor FROM surat").fetchall() == [(1,), (2,)]
    assert path.stat().st_mode & 0o777 == 0o640
    names = {Path(one["path"]).name for one in any_site.last(kind="restore")["restore"]["replaced"]}
    assert {"arsip.sqlite3", "arsip.sqlite3-wal"} <= names and any_site.last(kind="restore")["restore"]["database"] == "sound"
    holder.close()


def test_a_point_in_time_takes_the_newest_proved_backup_that_was_not_begun_after_it(any_site):
    letter, made = any_site.data / "surat 00.txt", []
    for text in ("satu", "dua", "tiga"):
        letter.write_text(text, encoding="utf-8")
        assert any_site.play("daily").code == 0
        made.append(record.from_text(any_site.last()["started_at"]))
        time.sleep(1)
    zone = zoneinfo.ZoneInfo("Asia/Jakarta")
    for number, (moment, text) in enumerate([(made[1], "dua"), (made[2].replace(microsecond=0), "tiga")]):
        target = any_site.root / f"pulih{number}"
        done = restore(any_site, target=target, snapshot=f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}")
        assert done.code == 0, done.text
        assert (target / str(letter)[1:]).read_text(encoding="utf-8") == text
    before = f"{made[0].astimezone(zone).timestamp() - 1:.0f}"
    early = f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(int(before) + 7 * 3600))}"
    assert "WIB" in restore(any_site, target=any_site.root / "tidak", snapshot=early).text and not (any_site.root / "tidak").exists()


def test_a_restore_clears_no_red_and_counts_as_no_test(backed_up):
    (manifest,) = (backed_up.root / "state" / "manifests").iterdir()
    content = manifest.read_bytes()
    manifest.write_bytes(content.replace(b'"nonce"', b'"nonse"'))
    assert backed_up.play("restore_test").code != 0
    manifest.write_bytes(content)
    red = backed_up.status()["dokumen"]
    assert red["state"] == "red"
    assert restore(backed_up, target=backed_up.root / "pulih").code == 0
    after = backed_up.status()["dokumen"]
    assert after["state"] == "red" and after["restore_test"]["record_id"] == red["restore_test"]["record_id"]
    assert backed_up.play("restore_test").code == 0 and backed_up.status()["dokumen"]["state"] != "red"


def test_a_copy_that_cannot_be_proved_replaces_nothing(backed_up):
    manifest = next((backed_up.root / "state" / "manifests").iterdir())
    manifest.write_bytes(manifest.read_bytes().replace(b'"nonce"', b'"nonse"'))
    before = texts(backed_up.data)
    assert restore(backed_up, target="original", overwrite="srv-satu/dokumen").code != 0
    target = backed_up.root / "pulih"
    target.mkdir()
    (target / "penting").touch()
    assert restore(backed_up, target=target, overwrite=target).code != 0
    assert [one["outcome"] for one in backed_up.records(kind="restore")] == ["failed", "failed"]
    assert texts(backed_up.data) == before and [path.name for path in target.iterdir()] == ["penting"]
    assert not list(backed_up.root.glob("**/*.digantikan-*")) and not left(backed_up.root)
    # In an emergency the data come first: an empty directory gets them, and the record says that nothing proves them.
    assert restore(backed_up, target=backed_up.root / "darurat").code != 0
    assert (backed_up.root / "darurat" / str(backed_up.data)[1:] / "surat 07.txt").exists()
    assert backed_up.codes(backed_up.last(kind="restore")) == ["no_evidence_manifest"]


class Terminal:
    """A playbook at a terminal of its own, in whose place a test types."""

    def __init__(self, site, *arguments: str) -> None:
        self.text = ""
        ours, theirs = pty.openpty()
        self._ours = ours
        self.process = subprocess.Popen(
            site.command("restore", *arguments), cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
        )  # fmt: skip
        os.close(theirs)

    def until(self, text: str) -> None:
        deadline = time.monotonic() + 60
        while text not in self.text:
            assert time.monotonic() < deadline, self.text
            if not self._read(1):
                assert self.process.poll() is None, self.text

    def type(self, text: str) -> None:
        time.sleep(0.5)  # what is typed before a prompt listens is thrown away
        os.write(self._ours, text.encode() + b"\r")

    def ended(self) -> int:
        deadline = time.monotonic() + 120
        while self.process.poll() is None and time.monotonic() < deadline:
            self._read(0.2)
        while self._read(0.2):
            pass
        os.close(self._ours)
        return self.process.wait(5)

    def _read(self, limit_s: float) -> bool:
        if not select.select([self._ours], [], [], limit_s)[0]:
            return False
        with contextlib.suppress(OSError):  # the other end is closed
            piece = os.read(self._ours, 65536).decode("utf-8", "replace")
            self.text += piece
            return bool(piece)
        return False


def test_at_a_terminal_a_person_is_asked_for_what_is_missing(backed_up):
    target = backed_up.root / "pulih"
    terminal = Terminal(backed_up, *extra({"reason": "latihan"}))
    for question, answer in (("ke mana", str(target)), ("Siapa yang meminta", "Sri Lestari"), ("Siapa yang menyetujuinya", "Budi Santoso")):
        terminal.until(question)
        terminal.type(answer)
    assert terminal.ended() == 0, terminal.text
    assert "Apa alasannya" not in terminal.text and "diminta oleh Sri Lestari, disetujui oleh Budi Santoso: latihan" in terminal.text
    assert (target / str(backed_up.data)[1:] / "surat 07.txt").exists()
    with backed_up.ledger() as ledger:
        asked = ledger.runs()[-1]["restore"]
    assert (asked["requester"], asked["approver"], asked["reason"], asked["target"]) == ("Sri Lestari", "Budi Santoso", "latihan", str(target))


def test_one_person_alone_is_refused_at_a_terminal_too(backed_up):
    terminal = Terminal(backed_up, *extra({"reason": "latihan", "target": backed_up.root / "pulih"}))
    for question in ("Siapa yang meminta", "Siapa yang menyetujuinya"):
        terminal.until(question)
        terminal.type("Sri Lestari")
    assert terminal.ended() != 0 and "empat mata" in terminal.text
    assert not backed_up.records(kind="restore") and not (backed_up.root / "pulih").exists()
