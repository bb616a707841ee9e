# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recovery plan as PDF, HTML and JSON. It holds no secret, and its copies are meant to lie in several places."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.sicekat.backup.plugins.plugin_utils import pdf
from ansible_collections.sicekat.backup.plugins.plugin_utils.documents import files, page

NAME = "recovery-plan"


def contents(plan: Mapping[str, Any]) -> dict[str, bytes]:
    """Returns a recovery plan (schema sicekat.recovery_plan/1) as "html", "pdf" and "json".

    Raises jinja2.UndefinedError when a field of the schema is missing.
    """
    html = page.recovery_plan(plan)
    return {"html": html.encode("utf-8"), "pdf": pdf.render(html), "json": files.json_bytes(plan)}


def write(made: Mapping[str, bytes], directory: Path) -> list[Path]:
    """Writes `contents` into a directory, which is made where it is missing, and returns the paths; raises OSError."""
    return [files.write(directory / f"{NAME}.{kind}", content) for kind, content in made.items()]
