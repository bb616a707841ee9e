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
    assert sorted(os.listdir(tmp_path)) == ["index.html", "records.csv"]


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


def test_an_integrity_check_has_a_table_of_its_own() -> None:
    text = page.checklist(samples.partial_checklist())
    own = shown(text[text.index("Pemeriksaan keutuhan repositori") : text.index('class="signing"')])
    assert "seluruhnya" in own
    assert "✗ Gagal Repositori rusak" in own


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
        lambda: samples.checklist([samples.closed()], "success", [{"server": "srv-b", "dataset": "d", "kind": "backup"}]),
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
    assert shown(text).count("tidak ada data") == 5
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
    assert len(rows) == 7
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
