# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replacing data by restored ones: all of it or nothing, also where it fails or dies in the middle, and nothing is ever removed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.sicekat.backup.plugins.module_utils import swap, workspace

STAMP = "20261122T150000Z"
KEPT = f".digantikan-{STAMP}"
ASIDE = f".pemulihan-{STAMP}"


class Place:
    """Two directories and a file that are there, one directory that is not, and what was restored of all of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workspace = workspace.Workspace(str(root / "server"))
        self.workspace.make()
        self.there = [root / "srv" / "a", root / "srv" / "dalam" / "b", root / "srv" / "basis.db"]
        self.missing = root / "srv" / "baru" / "sekali" / "c"
        self.staging = root / "srv" / ".staging"
        for path in self.there[:2]:
            path.mkdir(parents=True)
            (path / "isi").write_text(f"lama {path.name}", encoding="utf-8")
        self.there[2].write_text("lama basis.db", encoding="utf-8")
        for path in [*self.there, self.missing]:
            made = self.restored(path)
            made.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix:
                made.write_text(f"baru {path.name}", encoding="utf-8")
            else:
                made.mkdir()
                (made / "isi").write_text(f"baru {path.name}", encoding="utf-8")
        os.chmod(self.restored(self.missing).parent, 0o750)

    def restored(self, path: Path) -> Path:
        return Path(f"{self.staging}{path}")

    def swap(self) -> swap.Swap:
        made = swap.Swap(self.workspace, STAMP)
        for path in [*self.there, self.missing]:
            made.add(str(path), str(self.restored(path)), str(self.staging))
        return made

    def found(self) -> dict[str, str]:
        """Returns everything below srv but for the staging directory: relative path -> content."""
        files = [path for path in (self.root / "srv").rglob("*") if path.is_file() and self.staging not in path.parents]
        return {str(path.relative_to(self.root / "srv")): path.read_text(encoding="utf-8") for path in files}


OLD = {"a/isi": "lama a", "dalam/b/isi": "lama b", "basis.db": "lama basis.db"}
NEW = {
    "a/isi": "baru a", "dalam/b/isi": "baru b", "basis.db": "baru basis.db", "baru/sekali/c/isi": "baru c",
    f"a{KEPT}/isi": "lama a", f"dalam/b{KEPT}/isi": "lama b", f"basis.db{KEPT}": "lama basis.db",
}  # fmt: skip
RENAMES = 7


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def dying(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Kills this process at the renaming of data that follows so many others."""
    rename, count = os.rename, 0

    def counted(one: str, other: str) -> None:
        nonlocal count
        if "/srv/" in str(one):
            if count == after:
                os._exit(9)
            count += 1
        rename(one, other)

    monkeypatch.setattr(os, "rename", counted)


def in_child(work: object) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_everything_is_replaced_and_everything_that_was_there_is_kept(place):
    made = place.swap()
    made.commit()
    assert place.found() == NEW
    assert made.replaced == [{"path": str(path), "kept_as": f"{path}{KEPT}"} for path in place.there]
    assert place.missing.parent.stat().st_mode & 0o777 == 0o750
    assert swap.put_back(place.workspace) == [] and place.found() == NEW


@pytest.mark.parametrize("after", range(RENAMES))
def test_a_failure_in_the_middle_puts_everything_back(place, monkeypatch, after):
    made, rename, count = place.swap(), os.rename, 0

    def failing(one: str, other: str) -> None:
        nonlocal count
        count += "/srv/" in str(one)
        if count == after + 1 and "/srv/" in str(one):
            raise OSError(28, "No space left on device", one)
        rename(one, other)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OSError, match="No space"):
        made.commit()
    assert place.found() == OLD and not (place.root / "srv" / "baru").exists()
    assert swap.put_back(place.workspace) == []


@pytest.mark.parametrize("after", range(RENAMES))
def test_after_a_kill_in_the_middle_the_old_data_come_back_and_nothing_is_lost(place, monkeypatch, after):
    with monkeypatch.context() as patched:
        dying(patched, after)
        assert in_child(place.swap().commit) == 9
    messages = swap.put_back(place.workspace)
    found = place.found()
    assert {name: found[name] for name in OLD} == OLD and not any("digantikan" in name for name in found)
    # What had come to its place by then is kept beside it, for somebody may have worked with it.
    taken = [name.replace(ASIDE, "") for name in found if ASIDE in name]
    assert all(found[name] == OLD.get(name) or ASIDE in name for name in found) and len(taken) == after // 2
    assert [one["code"] for one in messages] == (["swap_put_back"] if after else [])
    assert swap.put_back(place.workspace) == [] and place.found() == found


def test_a_kill_after_the_last_rename_leaves_the_new_data(place, monkeypatch):
    unlink = os.unlink

    def killed(path):
        if path.endswith(f"{STAMP}.json"):
            os._exit(9)
        unlink(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", killed)
        assert in_child(place.swap().commit) == 9
    assert swap.put_back(place.workspace) == [] and place.found() == NEW
    assert os.listdir(place.root / "server" / "swaps") == []


@pytest.mark.parametrize("after", [3, 5])
def test_what_somebody_changed_after_a_kill_is_left_alone(place, monkeypatch, after):
    with monkeypatch.context() as patched:
        dying(patched, after)
        in_child(place.swap().commit)
    # A person takes the matter in hand: the kept copy of the first directory goes away.
    os.rename(f"{place.there[0]}{KEPT}", place.root / "srv" / "arsip")
    before = place.found()
    assert [one["code"] for one in swap.put_back(place.workspace)] == ["swap_changed"]
    assert place.found() == before


def test_what_appeared_at_the_place_meanwhile_is_not_overwritten(place, monkeypatch):
    with monkeypatch.context() as patched:
        dying(patched, 1)  # "a" was moved away, and nothing took its place yet
        in_child(place.swap().commit)
    place.there[0].mkdir()
    (place.there[0] / "isi").write_text("tulisan tangan", encoding="utf-8")
    before = place.found()
    assert [one["code"] for one in swap.put_back(place.workspace)] == ["swap_changed"] and place.found() == before


def test_a_name_that_is_taken_keeps_everything_as_it_is(place):
    made = place.swap()
    Path(f"{place.there[1]}{KEPT}").mkdir()
    with pytest.raises(FileExistsError):
        made.commit()
    assert place.found() == OLD


def test_a_staging_directory_goes_away_and_the_next_one_removes_what_a_killed_one_left(tmp_path):
    target = tmp_path / "srv" / "tujuan"
    target.mkdir(parents=True)

    def killed() -> None:
        with swap.Staging(str(target), "20261121T150000Z") as staging:
            (Path(staging.path) / "isi").write_text("x", encoding="utf-8")
            os._exit(9)

    assert in_child(killed) == 9
    left = tmp_path / "srv" / ".sicekat-pemulihan-20261121T150000Z"
    assert left.exists()
    with swap.Staging(str(target), STAMP) as staging:
        assert not left.exists() and Path(staging.path).parent == target.parent
        with swap.Staging(str(target), "20261123T150000Z"):
            assert Path(staging.path).exists()  # its holder lives
    assert [one.name for one in (tmp_path / "srv").iterdir()] == ["tujuan"]


def test_a_link_in_the_place_of_a_staging_directory_is_not_followed(tmp_path):
    target, precious = tmp_path / "srv" / "tujuan", tmp_path / "berharga"
    target.mkdir(parents=True)
    precious.mkdir()
    (precious / "isi").write_text("x", encoding="utf-8")
    os.symlink(precious, tmp_path / "srv" / ".sicekat-pemulihan-20261121T150000Z")
    with swap.Staging(str(target), STAMP) as staging:
        os.rename(staging.path, tmp_path / "lain")
        os.symlink(precious, staging.path)
    assert (precious / "isi").exists()


@pytest.mark.parametrize("stamp", ["", "../x", "20261122T150000Z/../../x", "2026-11-22"])
def test_a_stamp_is_no_path(stamp):
    with pytest.raises(ValueError, match="stamp"):
        swap.kept_name("/srv/a", stamp)
