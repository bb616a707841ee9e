# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checklists and the index show what the records say, never more, and are harmless to whoever opens them."""

from __future__ import annotations

import contextlib
import copy
import csv
import html.parser
import importlib.util
import io
import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pypdf
import pytest

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import catalogue, documents, pdf
from ansible_collections.sicekat.backup.plugins.plugin_utils.documents import page, table, view


def load_samples() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sample_checklists", Path(__file__).with_name("sample_checklists.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


samples = load_samples()

HOSTILE = "\u202e<script>alert(1)</script>\n\x1b[31m\"'&=CMD()|{{ 7 * 7 }}</style>\udc80"

# Fields that are ours by construction: times, and keys by which pages are chosen.
TRUSTED = {"language", "timezone", "cycle", "code", "state", "kind"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT")


def poisoned(value: Any, name: str = "") -> Any:
    """Returns a document with a hostile text in place of every string that comes from outside."""
    if isinstance(value, dict):
        return {key: poisoned(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [poisoned(one, name) for one in value]
    if not isinstance(value, str) or name in TRUSTED or TIME.match(value):
        return value
    return HOSTILE


class Tags(html.parser.HTMLParser):
    """Collects what elements a page has, and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes.update(attrs)


def shown(text: str) -> str:
    """Returns an HTML page as a reader sees it, without tags and styles, blanks made one."""
    text = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).replace("\N{NO-BREAK SPACE}", " ").split())


def banner(text: str) -> str:
    return shown(re.search(r'<td class="verdict">.*?</td>', text, flags=re.DOTALL)[0])


def pages(path: Path) -> list[str]:
    return [" ".join(one.extract_text().split()) for one in pypdf.PdfReader(path).pages]


@pytest.fixture(scope="module")
def forty_rows(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The text of each page of a checklist of 40 rows."""
    return pages(documents.write_checklist(samples.failed_checklist(40), tmp_path_factory.mktemp("forty"))["pdf"])


# What is written, and how


def test_a_checklist_is_written_as_json_html_and_pdf_named_by_its_number(tmp_path: Path) -> None:
    paths = documents.write_checklist(samples.green_checklist(), tmp_path / "2026-11-22")
    assert {kind: path.name for kind, path in paths.items()} == {kind: f"CB-2026-11-000022.{kind}" for kind in ("json", "html", "pdf")}
    assert sorted(os.listdir(tmp_path / "2026-11-22")) == sorted(path.name for path in paths.values())
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths.values()} == {0o644}
    assert json.loads(paths["json"].read_bytes()) == samples.green_checklist()
    assert paths["pdf"].read_bytes().startswith(b"%PDF-")


def test_the_same_checklist_gives_the_same_bytes(tmp_path: Path) -> None:
    first = documents.write_checklist(samples.restore_test_checklist(), tmp_path / "1")
    second = documents.write_checklist(samples.restore_test_checklist(), tmp_path / "2")
    assert [first[kind].read_bytes() for kind in first] == [second[kind].read_bytes() for kind in second]


def test_a_document_that_cannot_be_written_leaves_the_old_one_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = documents.write_index(samples.green_index(), tmp_path)["html"]
    before = path.read_bytes()

    def refuse(*_paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space left"):
        documents.write_index(samples.red_index(), tmp_path)
    assert path.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["index.html", "index.json", "records.csv"]


# What a checklist shows


def test_a_green_checklist_has_every_field_of_the_form() -> None:
    text = shown(page.checklist(samples.green_checklist()))
    for expected in (
        "Pemerintah Kabupaten Bangka", "Satuan Polisi Pamong Praja", "FORM CHECKLIST BACKUP SERVER (F-01)", "CB/2026-11/000022",
        "srv-arsip", "Inkremental", "117,7 MiB", "3.120", "22 Nov 2026 22.00 – 22.03 WIB", "3 menit 29 detik; dalam jendela", "Ruang server, NAS 1",
        "UP/2026-11/000001", "Lulus", "Memuat data pribadi", "restic 0.18.0", "RTO 4 jam", "RPO 1 hari", "RPO belum ditetapkan",
        samples.digest("snapshot srv-arsip dokumen"), samples.digest("log srv-arsip dokumen"), samples.digest("manifest srv-arsip dokumen"),
        "Rina Marlina", "NIP 19840917 200902 1 003", "tidak tersertifikasi",
    ):  # fmt: skip
        assert expected in text, expected
    assert banner(page.checklist(samples.green_checklist())) == "✓ BERHASIL"
    assert "Rincian baris" not in text


def test_each_red_row_shows_its_cause_and_message() -> None:
    text = shown(page.checklist(samples.partial_checklist()))
    for merged in samples.partial_checklist()["rows"]:
        for message in merged.get("messages", []):
            assert catalogue.translator("id").message(message) in text
        for error in merged.get("errors", []):
            assert error in text
    for cause in ("Sumber data tidak terbaca", "Repositori tertukar", "Server tidak terjangkau", "Repositori rusak"):
        assert cause in text


def test_what_lies_outside_the_window_is_told() -> None:
    assert "di luar jendela 1 jam 15 menit" in shown(page.checklist(samples.partial_checklist()))


def test_a_long_list_of_errors_tells_how_many_it_leaves_out() -> None:
    long = samples.failed("srv", "data", "other", params={"exit_code": 1, "detail": "x"}, errors=[f"galat ke-{number}" for number in range(25)])
    text = shown(page.checklist(samples.checklist([long], "failed")))
    assert "galat ke-19" in text
    assert "galat ke-20" not in text
    assert "dan 5 lainnya, lihat berkas JSON form ini" in text


def test_a_note_on_a_green_row_is_shown() -> None:
    noted = samples.closed(messages=[record.message("lock_cleared", holder="PID 7")])
    assert "PID 7" in shown(page.checklist(samples.checklist([noted], "success")))


def test_a_limited_run_says_so() -> None:
    limited = samples.green_checklist()
    limited["run"]["selection"] = {"limit": "srv-a*", "tags": ["x"], "skip_tags": [], "start_at_task": None}
    assert "tidak terbukti: --limit srv-a* --tags x" in shown(page.checklist(limited))


def test_a_restore_test_shows_what_was_compared() -> None:
    text = shown(page.checklist(samples.restore_test_checklist()))
    for expected in ("FORM UJI PEMULIHAN BACKUP (F-02)", "umur 11 jam", "sama 97", "beda 2", "hilang 1", "Rusak", "(tidak tercapai)", "Penguji", "Saksi"):
        assert expected in text, expected


def maintenance(text: str) -> str:
    return shown(text[text.index("Pemeliharaan repositori") : text.index('class="signing"')])


def test_maintenance_has_a_table_of_its_own() -> None:
    own = maintenance(page.checklist(samples.partial_checklist()))
    short = {name: samples.digest(name)[:8] for name in ("snapshot srv-arsip dokumen", "copy srv-arsip dokumen offsite")}
    for expected in (
        f"Snapshot {short['snapshot srv-arsip dokumen']} disalin menjadi {short['copy srv-arsip dokumen offsite']}",
        "Dibaca ulang dari salinan: 3 berkas dibandingkan, 3 sama; Berkas penanda: Ditemukan", "dikerjakan di srv-cadangan",
        "Bagian 3 dari 8 dibaca ulang; 150 pack dibaca; 0 galat", "Seluruh data dibaca ulang; 318 pack dibaca; 1 galat", "✗ Gagal Repositori rusak",
        "2 dihapus, 14 dipertahankan dari 16 snapshot", "0 dihapus, 9 dipertahankan dari 9 snapshot Ditolak: Repositori rusak: klem.",
        "srv-simpeg Penyalinan Luar lokasi kepegawaian Tidak ada catatan untuk kewajiban ini",
    ):  # fmt: skip
        assert expected in own, expected


def test_what_a_retention_removed_is_named_in_the_appendix() -> None:
    text = shown(page.checklist(samples.partial_checklist()))
    assert f"Dihapus: {samples.digest('old 1')} (dokumen, 1 September 2026 22.00 WIB)" in text
    assert "foto-kegiatan: 0 dihapus, 4 dipertahankan dari 4 snapshot" in text
    assert "pengaduan: 0 dihapus, 9 dipertahankan dari 9 snapshot (ditolak)" in text


def test_what_came_to_nothing_claims_nothing() -> None:
    nothing = {"outcome": "failed", "cause": "network", "snapshot_id": None}
    broken = [
        samples.copied(**nothing, storage_locations=[]), samples.integrity(**nothing, integrity={"read_data": "2/8", "packs_read": None, "errors": 0}),
        samples.retained(**nothing, retention={"listed": 0, "kept": 0, "removed": [], "unconfirmed": [], "refusals": [], "groups": []}),
    ]  # fmt: skip
    own = maintenance(page.checklist(samples.checklist([samples.closed(), *broken], "failed")))
    for expected in ("Tidak ada salinan yang terbukti.", "Tidak ada data yang dibaca ulang.", "Tidak ada snapshot yang didaftar, dan tidak ada yang dihapus."):
        assert expected in own, expected
    assert "Bagian 2 dari 8" not in own and "0 dihapus" not in own


def test_a_removal_that_nobody_could_confirm_is_told() -> None:
    done = samples.retained()["retention"]
    unsure = samples.retained(outcome="failed", cause="network", retention={**done, "removed": [], "unconfirmed": done["removed"]})
    own = maintenance(page.checklist(samples.checklist([samples.closed(), unsure], "failed")))
    assert "Tidak diketahui apakah 2 snapshot telah dihapus." in own


def test_each_backup_names_every_place_and_what_is_proved_of_it() -> None:
    rows = view.rows(samples.partial_checklist())["main"]
    places = {(one["server"], one["dataset"]): [(place["repository"], place["state"]) for place in one["places"]] for one in rows}
    assert places == {
        ("srv-arsip", "dokumen"): [("primary", "partial"), ("offsite", "success")],
        ("srv-arsip", "foto-kegiatan"): [("primary", "success"), ("offsite", "failed")],
        ("srv-pelaporan", "pengaduan"): [("primary", "failed")],
        ("srv-web", "situs"): [("primary", "unreachable")],
        ("srv-absensi", "presensi"): [("primary", "open"), ("offsite", "open")],
        ("srv-kepegawaian", "simpeg"): [("primary", "missed")],
        ("srv-simpeg", "kepegawaian"): [("primary", "not_covered"), ("offsite", "not_covered")],
    }
    text = shown(page.checklist(samples.partial_checklist()))
    assert "✗ Luar lokasi : Gagal" in text
    assert "? Tanpa bukti – – ? Utama : Tanpa bukti ? Luar lokasi : Tanpa bukti" in text
    assert f"✓ Luar lokasi Pusat data provinsi {samples.digest('copy srv-arsip dokumen offsite')[:8]}" in text


def test_a_success_that_names_no_place_is_without_evidence() -> None:
    for nowhere in (samples.closed(storage_locations=[]), samples.copied(storage_locations=[])):
        backup = nowhere if nowhere["kind"] == "backup" else samples.closed()
        made = [nowhere] if nowhere["kind"] == "copy" else []
        (row,) = view.rows(samples.checklist([backup, *made], "success"))["main"]
        assert row["places"][-1]["state"] == "not_covered"
        assert "? <b>" in page.checklist(samples.checklist([backup, *made], "success"))


def test_a_copy_belongs_to_its_own_server_and_data_set() -> None:
    made = [samples.copied("srv-arsip", "lain"), samples.copied("srv-lain", "dokumen")]
    (row,) = view.rows(samples.checklist([samples.closed(), *made], "success"))["main"]
    assert [place["repository"] for place in row["places"]] == ["primary"]


def test_a_result_that_was_collected_later_says_when() -> None:
    text = shown(page.checklist(samples.partial_checklist()))
    assert "diambil kemudian, 23 November 2026 08.10 WIB" in text
    assert "Form ini dibuat ulang" in text
    assert "yang terakhir pada 23 November 2026 08.10 WIB" in text
    assert "dibuat ulang" not in shown(page.checklist(samples.green_checklist()))
    collected = samples.closed(collected_at="2026-11-23T01:10:00Z")
    assert "server menyimpan hasilnya" in shown(page.checklist(samples.checklist([collected], "success")))


def test_a_missed_record_is_counted_and_shown() -> None:
    text = shown(page.checklist(samples.partial_checklist()))
    assert "Terlewat 1" in text
    assert "✗ Terlewat Terlambat untuk dimulai" in text


def test_an_english_page_is_english_and_an_indonesian_one_indonesian() -> None:
    indonesian, english = (shown(page.checklist(samples.partial_checklist(language=language))) for language in ("id", "en"))
    for entry in catalogue.read_catalogue("id"):
        if len(entry.id) > 12 and entry.string != entry.id and "{" not in entry.id:
            assert entry.id not in indonesian
            assert entry.string not in english
    assert "BACKUP SERVER CHECKLIST FORM (F-01)" in english


def test_a_team_and_an_agency_that_are_not_set_leave_room_to_write() -> None:
    text = shown(page.checklist(samples.green_checklist(agency={}, team={})))
    assert "(nama instansi belum ditetapkan)" in text
    assert "Operator Backup NIP" in text


# Never green without evidence


@pytest.mark.parametrize(
    "unproved",
    [
        lambda: samples.checklist([samples.closed(), samples.opened("srv-b")], "success"),
        lambda: samples.checklist([samples.closed()], "success", [{"server": "srv-b", "dataset": "d", "kind": "backup", "repository": "primary"}]),
        lambda: samples.checklist([samples.closed(), samples.closed(outcome="partial")], "success"),
        lambda: samples.checklist([samples.closed(outcome="of-the-future")], "success"),
        lambda: samples.checklist([], "success"),
    ],
    ids=["open record", "no record", "partial record", "unknown outcome", "nothing at all"],
)
def test_a_success_that_the_rows_do_not_prove_is_not_shown(unproved: Callable[[], dict]) -> None:
    assert banner(page.checklist(unproved())) == "? BELUM LENGKAP"


def test_an_open_record_never_looks_like_a_success() -> None:
    text = page.checklist(samples.checklist([samples.opened()], "incomplete"))
    assert "Berhasil 0" in shown(text)
    assert "? Belum ditutup, tanpa hasil" in shown(text)
    assert 'class="good"' not in text
    assert "✓" not in text


def test_a_checklist_without_rows_says_that_there_are_no_data() -> None:
    assert "tidak ada data" in shown(page.checklist(samples.checklist([], "incomplete")))


def test_what_has_no_record_is_listed_as_without_evidence() -> None:
    text = shown(page.checklist(samples.partial_checklist()))
    assert "srv-simpeg kepegawaian Tidak ada catatan untuk kewajiban ini" in text
    assert "? Tanpa bukti" in text


def test_an_empty_index_does_not_look_green() -> None:
    text = page.index(samples.index())
    assert banner(text) == "? Belum terbukti"
    assert shown(text).count("tidak ada data") == 7
    assert 'class="good"' not in text
    assert "✓" not in text


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "green"),
        ({"status": [samples.status("srv-a", "d", "green"), samples.status("srv-b", "d", "unknown")]}, "unknown"),
        ({"status": [samples.status("srv-a", "d", "red")]}, "red"),
        ({"status": []}, "unknown"),
        *(({"owed": [samples.obligation(state)]}, "attention") for state in view.OWED_PROBLEMS),
        ({"ledger": {"seq": 3, "hash": "0" * 64, "problems": [(2, record.message("ledger_entry_altered"))]}}, "red"),
        ({"findings": [samples.finding("unclaimed")]}, "red"),
        ({"storage": [samples.room(), samples.room("red")]}, "attention"),
        ({"storage": [samples.room("unknown")]}, "attention"),
    ],
)
def test_the_index_is_green_only_when_everything_is(changes: dict, state: str) -> None:
    assert view.index_state(samples.green_index(**changes)) == state


def test_the_index_shows_trouble_first_and_hides_nothing() -> None:
    text = shown(page.index(samples.red_index()))
    assert text.index("✗ Bermasalah srv-pelaporan") < text.index("? Belum terbukti srv-absensi") < text.index("✓ Baik srv-arsip")
    places = [text.index(f"{word} Harian") for word in ("✗ Terlewat", "! Terlambat", "? Belum ditutup, tanpa hasil", "✗ Gagal", "✓ Terpenuhi")]
    assert places == sorted(places)
    assert "Entri buku catatan 17: Entri tidak cocok dengan hash-nya." in text


def section(text: str, title: str) -> str:
    """Returns one section of a page as a reader sees it."""
    return shown(text[text.index(f"<h2>{title}</h2>") :].split("<h2>")[1].join(("<h2>", "")))


def test_the_index_shows_each_finding() -> None:
    own = section(page.index(samples.red_index()), "Temuan")
    for expected in (
        f"✗ Snapshot tanpa catatan srv-pelaporan Utama {samples.digest('planted')} 22 November 2026 02.00 WIB entah sicekat, dataset=pengaduan",
        f"✗ Snapshot hilang srv-pelaporan Utama {samples.digest('gone')} 20 November 2026 22.00 WIB – pengaduan CB/2026-11/000020",
        "✗ Repositori tidak dapat ditanya srv-absensi Luar lokasi Server repositori tidak memberikan daftar isi repositori ini.",
    ):
        assert expected in own, expected


def test_where_nothing_was_found_the_index_says_how_many_were_asked() -> None:
    assert "Tidak ada pada 2 repositori yang telah ditanya isinya." in section(page.index(samples.green_index()), "Temuan")
    unasked = samples.green_index(repositories=[samples.repository(listing=None)])
    assert "Belum ada server repositori yang ditanya isinya." in section(page.index(unasked), "Temuan")


def test_many_findings_tell_how_many_are_left_out() -> None:
    many = [samples.finding("unclaimed", snapshot_id=f"{number:064}") for number in range(60)]
    own = section(page.index(samples.red_index(findings=many)), "Temuan")
    assert f"{49:064}" in own and f"{50:064}" not in own
    assert "srv-pelaporan, Utama: dan 10 lainnya, lihat buku catatan (ledger)" in own


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+07:00", "kapan saja"])
def test_a_snapshot_of_an_impossible_time_stops_no_document(time: str) -> None:
    planted = samples.finding("unclaimed", snapshot_id="a" * 64, time=time)
    assert time in page.index(samples.red_index(findings=[planted]))


def test_the_index_shows_how_much_of_each_repository_was_read_back() -> None:
    own = section(page.index(samples.red_index()), "Repositori")
    assert "8 dari 8 bagian sejak 4 Oktober 2026" in own
    assert "3 dari 8 bagian" in own and "0 dari 8 bagian" in own
    assert "✗ Repositori tidak dapat ditanya" in own


def test_the_index_shows_the_room_on_each_repository_server() -> None:
    own = section(page.index(samples.red_index()), "Ruang pada server repositori")
    assert "✓ Baik srv-cadangan /srv/backup 756,2 GiB 10,0 GiB 3,6 TiB 0 detik 22 November 2026 22.00 WIB" in own
    assert "✗ Bermasalah srv-arsip-2 /srv/backup 1,0 GiB" in own
    assert "? Belum terbukti srv-baru /srv/backup – 10,0 GiB – – belum pernah" in own
    assert "Ruang pada server repositori" not in page.index(samples.green_index(storage=[]))


def test_the_index_shows_the_copies_of_each_data_set() -> None:
    text = shown(page.index(samples.red_index()))
    assert "✓ Luar lokasi : 22 November 2026 22.03 WIB" in text
    assert "? Luar lokasi : belum pernah" in text


def test_the_index_leads_to_every_document() -> None:
    text = page.index(samples.red_index())
    for kind in ("pdf", "html", "json"):
        assert f'href="../checklists/2026-W47/CB-2026-11-000022.{kind}"' in text


# Harmless


@pytest.mark.parametrize("name", ["green_checklist", "partial_checklist", "restore_test_checklist"])
def test_hostile_texts_are_harmless_in_a_checklist(name: str, tmp_path: Path) -> None:
    clean = getattr(samples, name)()
    dirty = poisoned(clean)
    dirty["categories"] = clean["categories"] | {HOSTILE: {"label": HOSTILE}}
    paths = documents.write_checklist(dirty, tmp_path)
    text = paths["html"].read_text(encoding="utf-8")
    assert Tags(text).names == Tags(page.checklist(clean)).names
    assert not set(text) & {"\x1b", "\u202e", "\udc80"}
    assert "\\x1b[31m" in text
    assert json.loads(paths["json"].read_text(encoding="utf-8")) == dirty
    assert "\\u202e<script>alert(1)</script>\\x0a\\x1b" in "".join(pages(paths["pdf"]))


def test_hostile_texts_are_harmless_in_the_index() -> None:
    clean = samples.red_index()
    dirty = poisoned(copy.deepcopy(clean))
    dirty["checklists"][0]["files"]["pdf"] = "javascript:alert(1)"
    tags = Tags(page.index(dirty))
    assert tags.names == Tags(page.index(clean)).names
    assert not [value for name, value in tags.attributes if name == "href" and ":" in value]
    assert not [name for name, _value in tags.attributes if name.startswith("on")]


def test_a_page_holds_everything_itself_and_runs_nothing() -> None:
    for text in (page.checklist(samples.partial_checklist()), page.index(samples.red_index())):
        tags = Tags(text)
        assert not tags.names & {"script", "img", "link", "iframe", "object", "svg"}
        assert not re.search(r"@import|url\(", text)
        assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in tags.attributes


def test_nothing_is_fetched_for_a_pdf(tmp_path: Path) -> None:
    picture = tmp_path / "picture.svg"
    picture.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text>rahasia</text></svg>')
    made = pypdf.PdfReader(io.BytesIO(pdf.render(f'<p>teks</p><img src="{picture.as_uri()}"><img src="data:image/svg+xml,<svg/>">')))
    assert "teks" in made.pages[0].extract_text()
    assert "rahasia" not in made.pages[0].extract_text()


# The PDF as a whole


def test_every_row_of_a_long_checklist_is_in_the_pdf(forty_rows: list[str]) -> None:
    text = " ".join(forty_rows)
    assert [number for number in range(1, 41) if f"{number} srv-{number:02d} Subbagian Umum" not in text] == []


def test_the_head_of_the_table_is_repeated_on_every_page_with_rows(forty_rows: list[str]) -> None:
    with_rows = [text for text in forty_rows if "Subbagian Umum" in text]
    assert len(with_rows) > 2
    assert all("Nama server" in text and "Status verifikasi" in text for text in with_rows)


def test_every_page_names_its_form_its_number_and_the_ledger_entry(forty_rows: list[str]) -> None:
    for number, text in enumerate(forty_rows, start=1):
        assert f"Halaman {number} dari {len(forty_rows)}" in text
        assert "CB/2026-11/000022" in text
        assert f"Entri buku catatan 1.284, SHA-256 {samples.digest('ledger')[:16]}" in text


# The CSV


def read_csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))


def test_the_csv_has_every_field_of_every_record() -> None:
    rows = read_csv(table.csv_bytes(samples.partial_checklist()["rows"]))
    assert len(rows) == len(samples.partial_checklist()["rows"])
    assert set(rows[0]) == {"form_number", *record.OPENED_FIELDS, *record.CLOSED_FIELDS}
    assert rows[0]["data_size_bytes"] == "123456789"
    assert json.loads(rows[0]["files"])["total"] == 3120


def test_an_open_record_has_no_outcome_in_the_csv() -> None:
    assert read_csv(table.csv_bytes([samples.opened()]))[0]["outcome"] == ""


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_the_csv_is_a_formula(start: str) -> None:
    content = table.csv_bytes([samples.closed(service=f"{start}CMD()\n\x1b[31m")])
    assert read_csv(content)[0]["service"] == f"'{record.printable(start)}CMD()\\x0a\\x1b[31m"
    assert content.count(b"\r\n") == 2


def test_an_index_without_records_writes_the_headings_alone(tmp_path: Path) -> None:
    paths = documents.write_index(samples.index(), tmp_path)
    assert paths["csv"].read_text(encoding="utf-8").startswith('"form_number","record_id"')
    assert read_csv(paths["csv"].read_bytes()) == []


def test_the_json_of_an_index_refers_to_records_and_holds_all_else(tmp_path: Path) -> None:
    index = samples.red_index()
    told = json.loads(documents.write_index(index, tmp_path)["json"].read_bytes())
    assert told.keys() == index.keys() - {"records"} and told["objectives"] == index["objectives"] and told["owed"] == index["owed"]
    assert told["status"][0]["last_backup"].keys() <= {"record_id", "form_number", "kind", "outcome", "finished_at", "snapshot_id", "performed_on"}
    assert told["status"][0]["last_backup"]["record_id"] == index["status"][0]["last_backup"]["record_id"]
    assert told["status"][2]["reasons"] == index["status"][2]["reasons"]


def test_an_index_shows_what_the_schedule_can_keep_and_what_was_kept() -> None:
    text = shown(page.index(samples.green_index()))
    assert "✓ Ya jeda dua jadwal 1 hari, durasi 15 menit: perlu 1 hari 15 menit srv-arsip / dokumen" in text
    assert "✓ data set 2 dari 2 waktu 60 hari dari 60 hari (100,0%)" in text and "✓ 3 dari 3 (100,0%) terlama 15 menit 12 detik" in text
    text = shown(page.index(samples.red_index()))
    assert "4 jam ✗ Tidak" in text and "✗ data set 1 dari 2 waktu 59 hari 22 jam dari 60 hari (99,9%)" in text
    assert "2 hari 1 jam srv-arsip / dokumen 20 November 2026 22.15 WIB" in text and "✗ 2 dari 3 (66,6%)" in text


def test_objectives_that_nobody_measured_are_no_data_in_the_colour_of_failure() -> None:
    goals = samples.objectives(True)
    (category, _bare) = goals["categories"]
    category["rpo"] |= {"kept": 0, "kept_s": 0, "points": 0, "worst": {**category["rpo"]["worst"], "worst_s": None, "worst_at": None}}
    category["rto"] = {"met": 0, "of": 0, "worst_ms": None}
    html = page.index(samples.green_index(objectives=goals))
    assert html.count('<td class="bad">tidak ada data</td>') == 2 and '<td class="bad"><b>tidak ada data</b><br>srv-arsip / dokumen</td>' in html


def test_a_restore_test_says_how_its_snapshot_was_chosen() -> None:
    document = samples.restore_test_checklist()
    document["rows"][0]["restore"] |= {"pick": "random", "candidates": 12, "seed": "r-1/srv-arsip/dokumen"}
    text = shown(page.checklist(document))
    assert "Diundi: satu dari 12 yang lebih lama; benih undian r-1/srv-arsip/dokumen" in text


PAGE = "<!doctype html><html lang=id><title>Uji</title><p>Halaman uji</p>"


@pytest.fixture
def helper(monkeypatch):
    """The process that renders, ended after the test."""
    monkeypatch.setattr(pdf, "_helper", None)
    pdf.warm_up()
    yield pdf._helper
    with contextlib.suppress(BrokenPipeError):
        pdf._helper.stdin.close()
    pdf._helper.wait(20)


def test_the_process_that_was_warmed_up_renders_the_same_bytes(helper):
    first, second = pdf.render(PAGE), pdf.render(PAGE)
    assert helper.poll() is None
    assert first == second == pdf._render(PAGE)


def test_a_document_is_rendered_all_the_same_when_that_process_has_died(helper):
    helper.kill()
    helper.wait(20)
    assert pdf.render(PAGE).startswith(b"%PDF")
