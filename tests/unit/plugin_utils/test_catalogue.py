# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue holds every sentence that a reader sees, in official Indonesian, and nothing else."""

from __future__ import annotations

import string
from collections.abc import Iterator

import pytest
from babel.messages.extract import extract
from jinja2.ext import babel_extract

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.messages import MESSAGES
from ansible_collections.sicekat.backup.plugins.plugin_utils import catalogue, labels
from ansible_collections.sicekat.backup.plugins.plugin_utils.documents.page import TEMPLATE_DIRECTORY
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger_messages import LEDGER_MESSAGES
from ansible_collections.sicekat.backup.plugins.plugin_utils.policy_messages import POLICY_MESSAGES
from ansible_collections.sicekat.backup.plugins.plugin_utils.run_messages import RUN_MESSAGES

MESSAGE_HOMES = (MESSAGES, POLICY_MESSAGES, LEDGER_MESSAGES, RUN_MESSAGES)


def texts_of_templates() -> Iterator[str]:
    for path in sorted(TEMPLATE_DIRECTORY.glob("*.j2")):
        with path.open("rb") as source:
            yield from (text for _line, text, _comments, _context in extract(babel_extract, source, {"_": None}))


def texts_of_code() -> Iterator[str]:
    with open(catalogue.__file__, "rb") as source:
        yield from (text for _line, text, _comments, _context in extract("python", source, {"_gettext": None}))


def used() -> set[str]:
    """Returns every English text that templates and code show."""
    found = {*texts_of_templates(), *texts_of_code(), *labels.DEFINITIONS.values(), *(text for _seconds, text in labels.DURATIONS)}
    for texts in (*labels.LABELS.values(), *MESSAGE_HOMES):
        found.update(texts.values())
    return found


def placeholders(text: str) -> list[str]:
    return sorted(name for _literal, name, _form, _conversion in string.Formatter().parse(text) if name is not None)


TRANSLATED = {entry.id: entry for entry in catalogue.read_catalogue("id") if entry.id}


def test_the_collector_sees_templates_and_code() -> None:
    assert "Server name" in set(texts_of_templates())
    assert any(text.startswith("Week {week}") for text in texts_of_code())


def test_every_text_in_use_is_in_the_catalogue() -> None:
    assert sorted(used() - TRANSLATED.keys()) == []


def test_the_catalogue_holds_no_text_that_nothing_uses() -> None:
    assert sorted(TRANSLATED.keys() - used()) == []


@pytest.mark.parametrize("entry", TRANSLATED.values(), ids=lambda entry: entry.id[:40])
def test_a_translation_is_whole_and_has_the_same_placeholders(entry: object) -> None:
    assert entry.string.strip()
    assert not entry.fuzzy
    assert placeholders(entry.string) == placeholders(entry.id)


def test_a_message_code_belongs_to_one_home_alone() -> None:
    assert sum(len(home) for home in MESSAGE_HOMES) == len(catalogue.TEMPLATES)


@pytest.mark.parametrize(
    ("group", "keys"),
    [
        ("outcome", record.OUTCOMES),
        ("cause", record.CAUSES),
        ("cycle", record.CYCLES),
        ("kind", record.KINDS),
        ("backup_type", record.BACKUP_TYPES.values()),
    ],
)
def test_every_key_of_a_record_has_a_label(group: str, keys: tuple[str, ...]) -> None:
    assert set(keys) <= labels.LABELS[group].keys()


def test_english_is_the_text_itself() -> None:
    assert catalogue.translator("en").gettext("Server name") == "Server name"


def test_another_language_is_refused() -> None:
    with pytest.raises(ValueError, match="'fr' is not known; allowed: id, en"):
        catalogue.translator("fr")


def test_a_message_is_translated_with_its_parameters() -> None:
    said = catalogue.translator("id").message(record.message("source_missing", path="/srv/a"))
    assert said.startswith("Jalur sumber data /srv/a tidak ada di server.")


def test_a_parameter_that_is_a_key_is_shown_by_its_label() -> None:
    said = catalogue.translator("id").message({"code": "status_backup", "params": {"cycle": "daily", "outcome": "failed"}})
    assert said == "Backup Harian terbaru tidak berhasil: Gagal."


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ({"code": "of_the_future", "params": {"path": "/srv\n<b>"}}, "of_the_future path=/srv\\x0a<b>"),
        ({"code": "source_missing", "params": {"other": 1}}, "source_missing other=1"),
        ({"code": "source_missing", "params": {"path": "{path.__class__} \x1b[31m"}}, "{path.__class__} \\x1b[31m"),
    ],
)
def test_a_foreign_message_never_stops_a_document(message: dict, shown: str) -> None:
    assert shown in catalogue.translator("id").message(message)


@pytest.mark.parametrize(
    ("language", "timezone", "method", "value", "written"),
    [
        ("id", "Asia/Jakarta", "moment", "2026-11-22T15:00:00Z", "22 November 2026 22.00\N{NO-BREAK SPACE}WIB"),
        ("en", "Asia/Jakarta", "moment", "2026-11-22T15:00:00Z", "22 November 2026 22:00\N{NO-BREAK SPACE}WIB"),
        ("id", "Asia/Jayapura", "moment", "2026-11-22T15:00:00Z", "23 November 2026 00.00\N{NO-BREAK SPACE}WIT"),
        ("id", "Asia/Dubai", "moment", "2026-11-22T15:00:00Z", "22 November 2026 19.00\N{NO-BREAK SPACE}UTC+04"),
        ("id", "Asia/Jakarta", "day", "2026-08-31T17:00:00Z", "1 September 2026"),
        ("id", "Asia/Jakarta", "short_day", "2026-08-31T17:00:00Z", "1 Sep 2026"),
        ("id", "Asia/Jakarta", "number", 1234567, "1.234.567"),
        ("en", "Asia/Jakarta", "number", 1234567, "1,234,567"),
        ("id", "Asia/Jakarta", "size", 1023, "1.023 B"),
        ("id", "Asia/Jakarta", "size", 123_456_789, "117,7 MiB"),
        ("en", "Asia/Jakarta", "size", 1024**3, "1.0 GiB"),
        ("en", "Asia/Jakarta", "size", 5 * 1024**6, "5,120.0 PiB"),
        ("id", "Asia/Jakarta", "milliseconds", 1834, "1,8 detik"),
        ("id", "Asia/Jakarta", "milliseconds", 125_000, "2 menit 5 detik"),
        ("en", "Asia/Jakarta", "seconds", 90_061, "1 d 1 h"),
        ("id", "Asia/Jakarta", "seconds", 14_400, "4 jam"),
        ("id", "Asia/Jakarta", "seconds", 0, "0 detik"),
        ("id", "Asia/Jakarta", "period", "2026-11-22", "Minggu, 22 November 2026"),
        ("id", "Asia/Jakarta", "period", "2026-W47", "Minggu ke-47 tahun 2026 (mulai 16 November 2026)"),
        ("id", "Asia/Jakarta", "period", "2026-11", "November 2026"),
        ("id", "Asia/Jakarta", "period", "2026-W99", "2026-W99"),
        ("id", "Asia/Jakarta", "period", "apa\nsaja", "apa\\x0asaja"),
    ],
)
def test_values_are_written_as_a_reader_expects(language: str, timezone: str, method: str, value: object, written: str) -> None:
    assert getattr(catalogue.Formatter(language, timezone), method)(value) == written


@pytest.mark.parametrize(("part", "whole", "written"), [(1, 1, "100,0"), (9999, 10000, "99,9"), (0, 3, "0,0"), (2, 3, "66,6")])
def test_a_share_is_100_only_if_it_is_all(part: int, whole: int, written: str) -> None:
    assert catalogue.Formatter("id", "Asia/Jakarta").percent(part, whole) == written


@pytest.mark.parametrize("method", ["moment", "day", "short_day", "number", "size", "milliseconds", "seconds"])
def test_what_is_not_known_is_a_dash(method: str) -> None:
    assert getattr(catalogue.Formatter("id", "Asia/Jakarta"), method)(None) == catalogue.UNKNOWN


@pytest.mark.parametrize(
    ("start", "end", "written"),
    [
        ("2026-11-22T15:00:00Z", "2026-11-22T15:03:00Z", "22 Nov 2026 22.00 – 22.03\N{NO-BREAK SPACE}WIB"),
        ("2026-11-22T15:00:00Z", "2026-11-22T21:00:00Z", "22 Nov 2026 22.00 – 23 Nov 2026 04.00\N{NO-BREAK SPACE}WIB"),
        ("2026-11-22T15:00:00Z", None, "22 November 2026 22.00\N{NO-BREAK SPACE}WIB"),
        (None, None, catalogue.UNKNOWN),
    ],
)
def test_a_span_names_the_second_date_only_where_it_differs(start: str | None, end: str | None, written: str) -> None:
    assert catalogue.Formatter("id", "Asia/Jakarta").span(start, end) == written
