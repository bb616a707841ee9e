# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests of this scenario begin with."""

from __future__ import annotations

import pytest
from fleet import Fleet


@pytest.fixture
def backed_up(fleet: Fleet) -> Fleet:
    """A fleet whose servers have all made a backup that counts."""
    if not all(fleet.records(server=server, kind="backup", outcome="success") for server in ("loket", "pajak")):
        fleet.done("daily")
    return fleet


@pytest.fixture
def big(fleet: Fleet) -> int:
    """Gives loket so much new data, and so slow a line, that its next backup takes about 15 seconds; its size in bytes."""
    size = 6 << 20
    fleet.bed.run("loket", f"head -c {size} /dev/urandom >/srv/berkas/besar.bin")
    fleet.bed.slow("loket", 4000)
    return size
