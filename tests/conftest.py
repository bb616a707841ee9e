# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the unit and the integration tests share."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
COLLECTIONS = ROOT / "collections"

# Makes 'ansible_collections.sicekat.backup' importable. ansible-test, which has no such directory, does this by itself.
if (COLLECTIONS / "ansible_collections").is_dir():
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader([str(COLLECTIONS)])


@pytest.fixture(scope="session")
def office() -> ModuleType:
    """The maker of a small office's data, tests/fixtures/office.py."""
    return _fixture("office")


@pytest.fixture(scope="session")
def staff() -> ModuleType:
    """The maker of a staff database and directory, tests/fixtures/staff.py."""
    return _fixture("staff")


@pytest.fixture(scope="session")
def cheap_key() -> ModuleType:
    """Makes a repository quick to open, tests/fixtures/cheap_key.py."""
    return _fixture("cheap_key")


def _fixture(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / f"tests/fixtures/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["bookworm", "trixie"])
def restic_binary(request: pytest.FixtureRequest) -> Path:
    """The restic of Debian 12, then that of Debian 13. A missing one is a failure: a test that was not run proves nothing."""
    binary = ROOT / ".cache/restic" / f"restic-{request.param}"
    if not binary.is_file():
        pytest.fail(f"{binary} is missing; type: scripts/restic-binaries.sh .cache/restic")
    return binary
