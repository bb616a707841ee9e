# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every sentence a reader sees, in two languages, and how dates, sizes and numbers are written in each.

Code and templates hold English; `locale/id.po` holds the official Indonesian. The catalogue is compiled in memory at
run time, so there is no binary file to build, to forget or to distrust.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import datetime
import functools
import gettext
import io
import zoneinfo
from collections.abc import Mapping
from pathlib import Path
from typing import Any

try:
    from babel import dates, numbers
    from babel.messages import mofile, pofile
except ImportError as error:  # told when a catalogue is wanted
    MISSING: ImportError | None = error
else:
    MISSING = None

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.messages import MESSAGES
from ansible_collections.sicekat.backup.plugins.plugin_utils.labels import DURATIONS, LABELS
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger_messages import LEDGER_MESSAGES
from ansible_collections.sicekat.backup.plugins.plugin_utils.policy_messages import POLICY_MESSAGES
from ansible_collections.sicekat.backup.plugins.plugin_utils.run_messages import RUN_MESSAGES

LANGUAGES = ("id", "en")

LOCALE_DIRECTORY = Path(__file__).parent / "locale"

# What each message code stands for, in English; a code belongs to one of the four alone.
TEMPLATES: dict[str, str] = {**MESSAGES, **POLICY_MESSAGES, **LEDGER_MESSAGES, **RUN_MESSAGES}

# Shown where a value is not known; never an empty cell, which a reader could take for "nothing wrong".
UNKNOWN = "–"

# A space at which no line is broken.
_TIED = "\N{NO-BREAK SPACE}"

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


class Translator:
    """Translates English texts into one language.

    `language` is "id" or "en"; anything else raises ValueError.
    """

    def __init__(self, language: str) -> None:
        if language not in LANGUAGES:
            raise ValueError(f"language {language!r} is not known; allowed: {', '.join(LANGUAGES)}")
        self.language = language
        self._translations = _translations(language)

    def gettext(self, msgid: str) -> str:
        """Returns the translation of an English text, or the English text where there is none."""
        return self._translations.gettext(msgid)

    def message(self, message: Mapping[str, Any]) -> str:
        """Returns a message {"code", "params"} as one translated sentence that is safe to print.

        A parameter that holds a key of a record, such as cycle=daily or outcome=failed, is shown by its label.
        A code that this version does not know, or one whose parameters do not fit, is shown as it is: an old or a
        foreign record must never keep a document from being written.
        """
        params = {name: self.label(name, value) for name, value in message["params"].items()}
        template = TEMPLATES.get(message["code"])
        if template is not None:
            try:
                return self.gettext(template).format_map(params)
            except KeyError:
                pass
        return record.printable(" ".join([str(message["code"]), *(f"{name}={value}" for name, value in params.items())]))

    def label(self, group: str, key: Any) -> Any:
        """Returns what a key of a group of `labels.LABELS` is called; anything else comes back printable, as it is."""
        english = LABELS.get(group, {}).get(key)
        return record.printable(key) if english is None else self.gettext(english)


@functools.cache
def translator(language: str) -> Translator:
    """Returns the translator of a language ("id" or "en"); raises ValueError for any other, and ImportError without Babel."""
    if MISSING:
        raise ImportError("The Python package Babel is missing on the control node. Install what requirements.txt names.") from MISSING
    return Translator(language)


def read_catalogue(language: str) -> Any:
    """Returns the Babel catalogue in `locale/<language>.po`; raises babel's PoFileError where it is not well formed."""
    with (LOCALE_DIRECTORY / f"{language}.po").open("rb") as source:
        return pofile.read_po(source, locale=language, abort_invalid=True)


def _translations(language: str) -> gettext.NullTranslations:
    if language == "en":
        return gettext.NullTranslations()
    compiled = io.BytesIO()
    mofile.write_mo(compiled, read_catalogue(language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


class Formatter:
    """Writes dates, times, sizes, durations and numbers as a reader of one language and time zone expects them.

    Times come as RFC 3339 text, sizes in bytes, durations in milliseconds or seconds; None gives a dash. `timezone` is
    an IANA name; an unknown one raises zoneinfo.ZoneInfoNotFoundError.
    """

    def __init__(self, language: str, timezone: str) -> None:
        self._gettext = translator(language).gettext
        self._locale = language
        self._zone = zoneinfo.ZoneInfo(timezone)
        self._clock = "HH.mm" if language == "id" else "HH:mm"

    def number(self, value: int | None) -> str:
        """Returns an integer with the language's thousands separator: 3.120 or 3,120."""
        return UNKNOWN if value is None else numbers.format_decimal(value, locale=self._locale)

    def size(self, value: int | None) -> str:
        """Returns bytes in the largest unit of base 1024 that keeps the number at 1 or more: 117,7 MiB."""
        if value is None:
            return UNKNOWN
        amount = float(value)
        unit = _UNITS[0]
        for unit in _UNITS:
            if abs(amount) < 1024 or unit == _UNITS[-1]:
                break
            amount /= 1024
        return f"{numbers.format_decimal(amount, '#,##0' if unit == 'B' else '#,##0.0', locale=self._locale)} {unit}"

    def day(self, text: str | None) -> str:
        """Returns the local date of a time: 22 November 2026."""
        return UNKNOWN if text is None else self._date(self._local(text), "d MMMM y")

    def short_day(self, text: str | None) -> str:
        """Returns the local date of a time for a narrow column: 22 Nov 2026."""
        return UNKNOWN if text is None else self._date(self._local(text), "d MMM y")

    def moment(self, text: str | None) -> str:
        """Returns local date, time and zone: 22 November 2026 22.00 WIB."""
        if text is None:
            return UNKNOWN
        local = self._local(text)
        return f"{self._date(local, 'd MMMM y')} {self._time(local)}{_TIED}{self._zone_name(local)}"

    def span(self, start: str | None, end: str | None) -> str:
        """Returns a window or a run from one time to another; the second date is left out where it is the same."""
        if start is None or end is None:
            return self.moment(start or end)
        first, last = self._local(start), self._local(end)
        second = self._time(last)
        if first.date() != last.date():
            second = f"{self._date(last, 'd MMM y')} {second}"
        return f"{self._date(first, 'd MMM y')} {self._time(first)} – {second}{_TIED}{self._zone_name(last)}"

    def milliseconds(self, value: int | None) -> str:
        """Returns a duration given in milliseconds: 1,8 detik below a minute, else as `seconds`."""
        if value is None:
            return UNKNOWN
        if value < 60_000:
            amount = numbers.format_decimal(value / 1000, "#,##0.0", locale=self._locale)
            return self._gettext("{n} s").format(n=amount)
        return self.seconds(round(value / 1000))

    def seconds(self, value: int | None) -> str:
        """Returns a duration given in seconds in its two largest units: 1 jam 3 menit."""
        if value is None:
            return UNKNOWN
        parts = []
        rest = value
        for seconds, text in DURATIONS:
            amount, rest = divmod(rest, seconds)
            if amount:
                parts.append(self._gettext(text).format(n=self.number(amount)))
        return " ".join(parts[:2]) or self._gettext("{n} s").format(n="0")

    def percent(self, part: int, whole: int) -> str:
        """Returns a share in per cent, cut to a tenth: only all of it is 100."""
        return numbers.format_decimal(part * 1000 // whole / 10, "#,##0.0", locale=self._locale)

    def period(self, key: str) -> str:
        """Returns a period key in words: a date with its weekday, a week of a year, or a month of a year.

        A key of another form, as an on-demand restore may have, is shown as it is.
        """
        try:
            if len(key) == 10:
                return self._date(datetime.date.fromisoformat(key), "EEEE, d MMMM y")
            if len(key) == 8 and key[4:6] == "-W":
                monday = datetime.date.fromisocalendar(int(key[:4]), int(key[6:]), 1)
                return self._gettext("Week {week} of {year} (from {monday})").format(week=int(key[6:]), year=key[:4], monday=self._date(monday, "d MMMM y"))
            if len(key) == 7:
                return self._date(datetime.date.fromisoformat(f"{key}-01"), "MMMM y")
        except ValueError:
            pass
        return record.printable(key)

    def _local(self, text: str) -> datetime.datetime:
        return record.from_text(text).astimezone(self._zone)

    def _date(self, day: datetime.date, pattern: str) -> str:
        return dates.format_date(day, pattern, locale=self._locale)

    def _time(self, local: datetime.datetime) -> str:
        return dates.format_time(local, self._clock, tzinfo=self._zone, locale=self._locale)

    def _zone_name(self, local: datetime.datetime) -> str:
        name = local.tzname() or ""
        return f"UTC{name}" if name[:1] in "+-" else name
