# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checklists and the report index: what people read, made from what the ledger holds.

Two calls: `write_checklist` for one form F-01 or F-02, `write_index` for the page that leads to all of them. Both are
pure functions of their argument, so that a document can be made again from the ledger at any time: no clock, no
network, no host. What a document shows never looks better than the records in it.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.sicekat.backup.plugins.plugin_utils import pdf
from ansible_collections.sicekat.backup.plugins.plugin_utils.documents import files, page, table

# What the index's JSON says of a record.
_REFERENCE = ("record_id", "form_number", "kind", "outcome", "finished_at", "snapshot_id", "performed_on")


def write_checklist(checklist: Mapping[str, Any], directory: Path) -> dict[str, Path]:
    """Writes a checklist (schema sicekat.checklist/1) as JSON, HTML and PDF, and returns the paths by these names.

    The file name is the form number with "-" for "/". `directory` is made where it is missing; a file that exists is
    replaced as a whole. Raises OSError when a file cannot be written, and jinja2.UndefinedError when a field of the
    schema is missing.
    """
    html = page.checklist(checklist)
    # The JSON comes last, so that it stands for all three (see `is_written`).
    contents = {"html": html.encode("utf-8"), "pdf": pdf.render(html), "json": files.json_bytes(checklist)}
    return {kind: files.write(_path(checklist, directory, kind), content) for kind, content in contents.items()}


def is_written(checklist: Mapping[str, Any], directory: Path) -> bool:
    """Returns True if all files of a checklist are there and say the same as it does."""
    paths = {kind: _path(checklist, directory, kind) for kind in ("html", "pdf", "json")}
    return all(path.exists() for path in paths.values()) and paths["json"].read_bytes() == files.json_bytes(checklist)


def _path(checklist: Mapping[str, Any], directory: Path, kind: str) -> Path:
    return directory / f"{checklist['form']['number'].replace('/', '-')}.{kind}"


def write_index(index: Mapping[str, Any], directory: Path) -> dict[str, Path]:
    """Writes `index.html`, `index.json` and `records.csv` of an index (schema sicekat.index/1) and returns the paths as "html", "json" and "csv".

    The CSV holds `index["records"]`, a list of merged records; without that key it holds the headings alone. Raises
    as `write_checklist` does.
    """
    figures = {key: _referring(value) for key, value in index.items() if key != "records"}
    return {
        "html": files.write(directory / "index.html", page.index(index).encode("utf-8")),
        "json": files.write(directory / "index.json", files.json_bytes(figures)),
        "csv": files.write(directory / "records.csv", table.csv_bytes(index.get("records", []))),
    }


def _referring(value: Any) -> Any:
    """Returns a part of an index with a reference in place of each whole record, of which records.csv tells the rest."""
    if isinstance(value, Mapping):
        is_record = "record_id" in value and "run_id" in value
        return {key: _referring(one) for key, one in value.items() if not is_record or key in _REFERENCE}
    return [_referring(one) for one in value] if isinstance(value, (list, tuple)) else value
