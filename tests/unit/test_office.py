# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The maker of the demo's data keeps its promises: the same data for the same seed, and nobody else's directory emptied."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing

import pytest


def contents(directory):
    """Digest of every name, kind, mode and content below a directory."""
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*"), key=os.fsencode):
        digest.update(os.fsencode(path.relative_to(directory)) + oct(path.lstat().st_mode).encode())
        if path.is_file() and not path.is_symlink():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def test_same_seed_makes_the_same_documents(office, tmp_path):
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        office.make(tmp_path / name, files=40, seed=seed)
    a, b, c = (contents(tmp_path / name / office.DOCUMENTS) for name in "abc")
    assert a == b
    assert a != c


def test_each_day_changes_the_data_anew_and_making_it_again_resets_it(office, tmp_path):
    office.make(tmp_path / "k", files=300)
    first = contents(tmp_path / "k" / office.DOCUMENTS)
    seen = {first}
    for _day in range(3):
        assert office.change(tmp_path / "k") == {"edited": 6, "added": 3, "deleted": 3, "renamed": 3}
        seen.add(contents(tmp_path / "k" / office.DOCUMENTS))
    assert len(seen) == 4
    office.make(tmp_path / "k", files=300)
    assert contents(tmp_path / "k" / office.DOCUMENTS) == first


def test_a_directory_of_somebody_else_is_left_alone(office, tmp_path):
    (tmp_path / "penting.txt").write_text("milik orang lain")
    for action in (office.make, office.change, office.write):
        with pytest.raises(office.OfficeError):
            action(tmp_path)
    assert (tmp_path / "penting.txt").read_text() == "milik orang lain"


def test_every_difficult_thing_is_there(office, tmp_path):
    result = office.make(tmp_path / "k", files=1)
    assert result["made"]["hard_names"] + sum("file name" in text for text in result["not_made"]) == len(office.HARD_NAMES)
    special = tmp_path / "k" / office.DOCUMENTS / "Berkas khusus"
    assert (special / "asli.txt").stat().st_nlink == 3
    assert not (special / "tautan putus").exists()
    assert (special / "tautan putus").is_symlink()
    assert (special / "berlubang.img").stat().st_blocks * 512 < 1_000_000
    assert (special / "lengket").stat().st_mode & 0o7777 == 0o1777


def test_the_writer_uses_wal_mode_and_says_how_much_it_wrote(office, tmp_path):
    office.make(tmp_path / "k", files=1)
    rows = office.write(tmp_path / "k", seconds=0.3)
    with closing(sqlite3.connect(tmp_path / "k" / office.DATABASE)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("SELECT count(*) FROM disposisi").fetchone() == (rows,)
    assert rows > 0
