# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a restore may go, with real restic and without Ansible around it: what is refused, and what a failure leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.sicekat.backup.plugins.module_utils import manifest as manifests
from ansible_collections.sicekat.backup.plugins.module_utils import restore_operation, restore_target, storage, swap
from ansible_collections.sicekat.backup.plugins.module_utils.restic import Restic
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import Copy, SourceError
from tests.integration.test_operations import PASSWORD, Bench, codes, quiet

STAMP = "20261122T150000Z"


class Desk:
    """A bench with one backup, and a person who restores it."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.backup = bench.back_up()
        assert self.backup["outcome"] == "success"

    @property
    def job(self) -> restore_operation.Job:
        manifest, digest = self.bench.manifests["r:1"], self.backup["manifest"]["sha256"]
        return restore_operation.Job(
            self.bench.dataset, self.backup["snapshot_id"], self.backup["started_at"], manifest, digest, None, self.backup["data_size_bytes"]
        )

    def asked(self, target: object, overwrite: bool = False) -> dict:
        return {"target": str(target), "overwrite": overwrite, "to_type": "srv/dokumen", "stamp": STAMP}

    def restore(self, target: object, overwrite: bool = False, job: restore_operation.Job | None = None) -> dict:
        fresh = Restic(self.bench.restic.binary, self.bench.restic.repository, PASSWORD)
        repository = storage.Repository(fresh, self.bench.repository.pinned_id, "primary", "di sini")
        return restore_operation.restore_to(job or self.job, self.bench.workspace, repository, self.asked(target, overwrite), quiet)

    def problem(self, target: object, overwrite: bool = False, job: restore_operation.Job | None = None) -> str | None:
        found = restore_target.target_for(self.asked(target, overwrite), job or self.job, self.bench.workspace, [self.bench.restic.repository])
        return (found.problem() or {}).get("code")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(Bench(tmp_path, Path(__file__).resolve().parents[2] / ".cache/restic/restic-bookworm"))


def test_a_restore_removes_what_a_crashed_one_left(desk):
    left = [Path(desk.bench.workspace.path(*place)) for place in (("scratch", "restore-lama"), ("instances", "i-lama"))]
    for directory in left:
        full(directory)
    closed = desk.restore(desk.bench.root / "pulih")
    assert closed["outcome"] == "success" and codes(closed) == ["scratch_removed"]
    assert not any(directory.exists() for directory in left)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own, mounted."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    point = tmp_path / "cakram"
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(point)], check=True)
    yield point
    subprocess.run(["umount", str(point)], check=True)


def tree(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def full(path: Path) -> Path:
    path.mkdir()
    (path / "penting").write_text("jangan hilang", encoding="utf-8")
    return path


def test_places_that_must_not_be_touched_are_refused(desk):
    root = desk.bench.root
    (root / "berkas").touch()
    (root / "tautan").symlink_to(full(root / "penuh"))
    for target, overwrite, code in (
        ("pulih", False, "target_not_absolute"), (f"{root}/x/../y", False, "target_not_absolute"), (root / "berkas", True, "target_not_directory"),
        (root / "tautan", True, "target_not_directory"), (root / "penuh", False, "target_not_empty"), (root / "penuh", True, None),
        (desk.bench.data / "baru", False, "target_inside"), (root / "repository" / "x", False, "target_inside"), (root / "server" / "x", True, "target_inside"),
        (root, True, "target_holds"), ("/", True, "target_holds"), ("/proc", True, "target_mount"), ("/usr/share", False, "target_not_empty"),
        ("database:arsip", True, "target_no_database"), ("original", False, "target_exists"), ("original", True, None),
    ):  # fmt: skip
        assert desk.problem(target, overwrite) == code, (target, overwrite)
    closed = desk.restore(root / "penuh")
    assert (closed["outcome"], closed["cause"], codes(closed)) == ("failed", "target_unusable", ["target_not_empty"])
    assert tree(root / "penuh") == {"penting": b"jangan hilang"}


def test_a_mount_point_is_not_replaced_and_one_inside_neither(desk, mounted):
    (mounted / "penting").touch()
    assert desk.problem(mounted, True) == "target_mount"
    desk.bench.dataset["paths"] = [str(mounted)]
    job = desk.job
    job.manifest = {**job.manifest, "paths": [str(mounted)]}
    assert desk.problem("original", True, job) == "target_mount"
    job.dataset = {**job.dataset, "paths": [str(mounted.parent / "atas")]}
    assert desk.problem(full(desk.bench.root / "lain").parent, True, job) == "target_holds"


def test_paths_on_several_file_systems_are_not_replaced_at_once(desk, mounted):
    other = mounted / "dokumen"
    other.mkdir()
    job = desk.job
    job.dataset = {**job.dataset, "paths": [str(desk.bench.data), str(other)]}
    job.manifest = {**job.manifest, "paths": [str(desk.bench.data), str(other)]}
    assert desk.problem("original", True, job) == "target_several_disks"


def test_data_without_a_known_place_do_not_go_back(desk):
    job = desk.job
    job.dataset = {**job.dataset, "paths": ["/srv/lain"]}
    assert desk.problem("original", True, job) == "target_origin_unknown"
    job = desk.job
    job.manifest = None
    assert desk.problem("original", True, job) == "no_evidence_manifest"


def test_a_ledger_that_a_control_node_writes_into_is_not_replaced(desk):
    state = desk.bench.root / "state"
    state.mkdir()
    job = desk.job
    job.dataset = {"name": "kendali", "kind": "control_node", "paths": [], "state_dir": str(state)}
    job.manifest = {**job.manifest, "paths": ["/var/spool/kendali"]}
    assert desk.problem("original", True, job) is None
    (state / "ledger.sqlite3").touch()
    assert desk.problem("original", True, job) == "target_ledger_in_use"


def test_a_disk_that_is_too_small_leaves_the_old_data(desk, mounted):
    old = full(mounted / "tujuan")
    (desk.bench.data / "besar").write_bytes(os.urandom(400_000))
    desk.backup = desk.bench.back_up()
    for size in (desk.backup["data_size_bytes"], 1):  # told at once, and found in the middle
        job = desk.job
        job.size_bytes = size
        closed = desk.restore(old, True, job)
        assert closed["outcome"] == "failed" and closed["restore"]["replaced"] == [], closed["messages"]
        assert tree(mounted) == {"tujuan/penting": b"jangan hilang"} and [one.name for one in mounted.iterdir()] == ["tujuan"]


def test_a_swap_that_fails_leaves_the_old_data(desk):
    before = tree(desk.bench.data)
    Path(swap.kept_name(str(desk.bench.data), STAMP)).mkdir()
    closed = desk.restore("original", True)
    assert (closed["outcome"], closed["cause"], codes(closed)) == ("failed", "target_unusable", ["swap_failed"])
    assert closed["restore"]["replaced"] == [] and tree(desk.bench.data) == before
    assert not list(desk.bench.root.glob(".sicekat-pemulihan-*"))


def test_a_damaged_repository_leaves_the_old_data(desk):
    pack = desk.bench.packs()[-1]
    content = pack.read_bytes()
    pack.chmod(0o600)
    pack.write_bytes(bytes([content[0] ^ 0xFF]) + content[1:])
    before = tree(desk.bench.data)
    closed = desk.restore("original", True)
    assert closed["outcome"] == "failed" and closed["restore"]["replaced"] == [] and tree(desk.bench.data) == before
    assert not list(desk.bench.root.glob("*.digantikan-*")) and not list(desk.bench.root.glob(".sicekat-pemulihan-*"))


@pytest.mark.parametrize("fault", ["another digest", "another file"])
def test_a_copy_that_is_not_what_was_backed_up_takes_nobodys_place(desk, fault):
    before, job = tree(desk.bench.data), desk.job
    if fault == "another file":
        next(one for one in job.manifest["files"] if "surat%203" in one["path"])["sha256"] = "0" * 64
        job.manifest_sha256 = manifests.digest(job.manifest)
    else:
        job.manifest_sha256 = "0" * 64
    closed = desk.restore("original", True, job)
    assert closed["cause"] == ("restored_differs" if fault == "another file" else "no_evidence"), closed["messages"]
    assert closed["restore"]["replaced"] == [] and tree(desk.bench.data) == before and not list(desk.bench.root.glob("*.digantikan-*"))


@pytest.mark.parametrize("moment", ["while restic restores", "between two renames"])
def test_a_restore_that_is_killed_leaves_the_old_data(desk, monkeypatch, moment):
    before, data = tree(desk.bench.data), desk.bench.data
    mark = desk.bench.root / "sekarang"
    if moment == "while restic restores":
        wrapper = desk.bench.root / "restic"
        wrapper.write_text(f'#!/bin/sh\ncase "$*" in *" restore "*) touch {mark}; sleep 30;; esac\nexec {desk.bench.restic.binary} "$@"\n', encoding="utf-8")
        wrapper.chmod(0o755)
        desk.bench.restic.binary, real = str(wrapper), desk.bench.restic.binary
    pid = os.fork()
    if pid == 0:
        if moment == "between two renames":
            rename = os.rename
            monkeypatch.setattr(os, "rename", lambda one, other: os._exit(9) if ".sicekat-pemulihan-" in one else rename(one, other))
        desk.restore("original", True)
        os._exit(0)
    if moment == "while restic restores":
        deadline = time.monotonic() + 60
        while not mark.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        desk.bench.restic.binary = real
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0
    if moment == "between two renames":
        assert not data.exists() and tree(Path(swap.kept_name(str(data), STAMP))) == before  # nothing is lost
    # Whatever is restored next on this server, also elsewhere, puts the old data back first.
    closed = desk.restore(desk.bench.root / "pulih")
    assert closed["outcome"] == "success" and tree(data) == before
    assert codes(closed) == (["swap_put_back"] if moment == "between two renames" else [])
    assert desk.restore("original", True)["outcome"] == "success" and tree(data) == before
    assert not list(desk.bench.root.glob(".sicekat-pemulihan-*"))


def test_a_backup_of_the_same_data_is_not_swapped_under_its_feet(desk, monkeypatch):
    monkeypatch.setattr("ansible_collections.sicekat.backup.plugins.module_utils.workspace._HOLD_WAIT_S", 1)
    before = tree(desk.bench.data)
    with desk.bench.workspace.exclusive("dokumen"):
        closed = desk.restore("original", True)
    assert (closed["outcome"], closed["cause"]) == ("failed", "busy") and tree(desk.bench.data) == before


def test_a_bundle_goes_into_a_directory_as_files(desk):
    stream = {"record_id": "r:1", "name": "jadwal", "kind": "command", "command": ["/bin/echo", "isi jadwal"], "file_name": "jadwal.txt", "timeout_s": 60}
    desk.bench.dataset = {**stream, "minimum_bytes": 1, "end_marker": None, "user": None}
    desk.backup = desk.bench.back_up()
    assert desk.backup["outcome"] == "success", desk.backup["messages"]
    target = desk.bench.root / "pulih"
    for overwrite in (False, True):
        closed = desk.restore(target, overwrite)
        assert closed["outcome"] == "success" and closed["restore"]["canary"] == "found", closed["messages"]
        assert tree(target) == {"jadwal.txt": b"isi jadwal\n"} and len(closed["restore"]["replaced"]) == overwrite
    assert desk.problem("original", True) == "target_directory_only"


class Engine:
    """Loads what it is given as an engine does that has the database already."""

    def __init__(self) -> None:
        self.loaded: list[tuple] = []

    def load(self, copy: Copy, database: str, stamp: str, replace: bool) -> str:
        if not replace:
            raise SourceError("target_unusable", "target_exists", path=database, named=database)
        self.loaded.append((b"".join(copy.bundle.read("jadwal.txt")), database, stamp))
        return f"{database}_digantikan"


def test_a_database_is_loaded_from_a_bundle_that_was_proved_and_never_from_another(desk, monkeypatch):
    stream = {"record_id": "r:1", "name": "jadwal", "kind": "command", "command": ["/bin/echo", "isi jadwal"], "file_name": "jadwal.txt", "timeout_s": 60}
    desk.bench.dataset = {**stream, "minimum_bytes": 1, "end_marker": None, "user": None}
    desk.backup = desk.bench.back_up()
    engine = Engine()
    monkeypatch.setattr(restore_target, "source_for", lambda dataset, place: engine)
    manifest = desk.bench.manifests["r:1"]
    manifest["evidence"] = {"rows": 7}
    desk.backup["manifest"]["sha256"] = manifests.digest(manifest)
    desk.bench.dataset = {"record_id": "r:1", "name": "jadwal", "kind": "postgresql", "database": "jadwal", "lock_timeout_s": 60}
    closed = desk.restore("database:jadwal")
    assert (closed["outcome"], closed["cause"], codes(closed)) == ("failed", "target_unusable", ["target_exists"]) and not engine.loaded
    for target in ("original", "database:jadwal"):
        closed = desk.restore(target, True)
        assert closed["outcome"] == "success", closed["messages"]
        assert engine.loaded.pop() == (b"isi jadwal\n", "jadwal", STAMP) and (closed["restore"]["database"], closed["restore"]["rows"]) == ("sound", 7)
        assert closed["restore"]["replaced"] == [{"database": "jadwal", "kept_as": "jadwal_digantikan"}]
    manifest["bundle"]["sha256"] = "0" * 64
    desk.backup["manifest"]["sha256"] = manifests.digest(manifest)
    assert desk.restore("original", True)["cause"] == "restored_differs" and not engine.loaded
    assert not list((desk.bench.root / "server" / "scratch").iterdir())


def test_what_would_be_replaced_is_named_before_anything_is(desk):
    target = full(desk.bench.root / "penuh")
    for asked, places in ((desk.asked(target, True), [target]), (desk.asked("original", True), [desk.bench.data]), (desk.asked(desk.bench.root / "baru"), [])):
        found = restore_target.target_for(asked, desk.job, desk.bench.workspace, [])
        assert found.would_replace() == [{"path": str(one), "kept_as": swap.kept_name(str(one), STAMP)} for one in places]
    assert json.dumps(found.would_replace()) == "[]" and tree(target) == {"penting": b"jangan hilang"}
