# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The repository is a collection and a runnable checkout at once, and every file says its licence."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINKS = ROOT / "collections/ansible_collections/sicekat/backup"
# COPYING is the licence itself; ansible-test takes no line of comment in its lists of what to ignore.
UNMARKED = {"COPYING", "ignore-2.21.txt"}

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="a staged copy has neither links nor git")


def tracked_files() -> list[Path]:
    """What git has or would take."""
    listing = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True).stdout
    files = [ROOT / os.fsdecode(name) for name in listing.split(b"\0") if name]
    return [path for path in files if path.is_file() and not path.is_symlink()]


def test_the_link_directory_shows_every_part_of_the_collection_and_nothing_else():
    parts = {"galaxy.yml", "meta", "playbooks", "plugins", "roles"}
    assert {path.name for path in LINKS.iterdir()} == parts
    for path in LINKS.iterdir():
        assert path.is_symlink()
        assert not Path(os.readlink(path)).is_absolute()
        assert path.resolve(strict=True) == ROOT / path.name


def test_every_file_says_its_licence_in_its_first_lines():
    files = tracked_files()
    assert len(files) > 50
    bare = [path for path in files if path.name not in UNMARKED and path.suffix != ".json" and "SPDX-License-Identifier: GPL-3.0-or-later" not in head(path)]
    assert bare == []


def head(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return "".join(file.readlines()[:12])
