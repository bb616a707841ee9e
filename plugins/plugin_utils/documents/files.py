# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a document reaches the disk: whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any


def json_bytes(document: Any) -> bytes:
    """Returns a document as UTF-8 JSON with sorted keys and one newline at the end, the form in which it can be signed.

    Raises ValueError on NaN and infinity.
    """
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, indent=2, allow_nan=False)
    # A lone surrogate has no UTF-8; its backslash form is also its JSON escape.
    return f"{text}\n".encode("utf-8", "backslashreplace")


def write(path: Path, content: bytes) -> Path:
    """Replaces a file (mode 0644, parents made with 0755) in one step and returns its path; raises OSError."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as target:
            target.write(content)
            target.flush()
            os.fchmod(target.fileno(), 0o644)
            os.fsync(target.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return path
