# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The version of this collection, from its own galaxy.yml or MANIFEST.json.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import yaml

_ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def collection_version() -> str:
    """Returns the version: a checkout has galaxy.yml, an installed collection MANIFEST.json."""
    manifest = _ROOT / "MANIFEST.json"
    if manifest.is_file():
        return json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"]
    return str(yaml.safe_load((_ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"])
