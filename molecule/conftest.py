# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of all scenarios share. They run on hosts that are up: scripts/molecule.sh SCENARIO converge, then ... pytest."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.plugins.loader import init_plugin_loader

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "molecule/shared"))
init_plugin_loader([str(ROOT / "collections")])

from fleet import Fleet  # noqa: E402


def _end(*_signal: object) -> None:
    pytest.exit("ended from outside", returncode=143)


signal.signal(signal.SIGTERM, _end)


@pytest.fixture
def fleet(request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """The fleet of the test's scenario; what a test does to its lines, power and inventory is undone."""
    fleet = Fleet(request.path.parents[1].name)
    try:
        yield fleet
    finally:
        fleet.stop()
    # not after a run that was ended from outside, whose hosts are being removed
    fleet.undo()


@pytest.fixture
def backed_up(fleet: Fleet) -> Fleet:
    """A fleet whose servers have all made a backup that counts."""
    if not all(fleet.records(server=server, kind="backup", outcome="success") for server in fleet.servers):
        fleet.done("daily")
    return fleet


@pytest.fixture
def big(fleet: Fleet) -> None:
    """Gives loket so much new data, and so slow a line, that its next backup takes about a quarter of a minute."""
    fleet.bed.run("loket", "head -c 6M /dev/urandom >/srv/berkas/besar.bin")
    fleet.bed.slow("loket", 4000)
