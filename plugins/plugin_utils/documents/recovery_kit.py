# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The paper for the sealed envelope. Unlike every other document it holds a secret, so it is never written anywhere here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.sicekat.backup.plugins.plugin_utils import pdf
from ansible_collections.sicekat.backup.plugins.plugin_utils.documents import page


def render(kit: Mapping[str, Any]) -> bytes:
    """Returns a recovery kit (schema sicekat.recovery_kit/1) as PDF; it passes through memory and pipes only.

    Raises jinja2.UndefinedError when a field of the schema is missing.
    """
    return pdf.render(page.recovery_kit(kit))
