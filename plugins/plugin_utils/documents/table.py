# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records as CSV for spreadsheets, with the same field names as in the JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.sicekat.backup.plugins.module_utils import record

# The form number, which belongs to the run, then every field of a record once.
COLUMNS = ("form_number", *dict.fromkeys((*record.OPENED_FIELDS, *record.CLOSED_FIELDS)))

# A spreadsheet takes a cell that begins with one of these for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv_bytes(records: Iterable[Mapping[str, Any]]) -> bytes:
    """Returns merged records as UTF-8 CSV, every cell quoted; an open record has no outcome.

    Lists and objects are written as JSON. A cell that a spreadsheet would take for a formula begins with an apostrophe.
    """
    target = io.StringIO()
    writer = csv.writer(target, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for merged in records:
        writer.writerow([_cell(merged.get(column)) for column in COLUMNS])
    return target.getvalue().encode("utf-8")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    # The check comes before the escape, so that a tab or a carriage return is still seen.
    guard = "'" if text.startswith(_FORMULA_STARTS) else ""
    return guard + record.printable(text)
