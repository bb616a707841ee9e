# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations on a server with real restic, without Ansible around them: what must not pass for a success."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.sicekat.backup.plugins.module_utils import backup_operation, integrity_operation, manifest, restore_operation, storage, workspace
from ansible_collections.sicekat.backup.plugins.module_utils.restic import Restic
from ansible_collections.sicekat.backup.plugins.module_utils.sources import sqlite as sqlite_source

PASSWORD = "kata-sandi-uji"


def quiet(*_progress: object) -> None:
    """Takes progress and shows none."""


class Bench:
    """A repository, a workspace and a source of one data set."""

    def __init__(self, root: Path, binary: Path) -> None:
        self.root = root
        self.data = root / "data"
        (self.data / "dalam").mkdir(parents=True)
        for number in range(5):
            (self.data / "dalam" / f"surat {number}.txt").write_text("isi\n" * 200 * number, encoding="utf-8")
        self.workspace = workspace.Workspace(str(root / "server"))
        self.workspace.make()
        self.restic = Restic(str(binary), str(root / "repository"), PASSWORD, str(root / "server" / "cache"))
        self.repository = storage.Repository(self.restic, self.restic.init(), "primary", "di sini")
        self.dataset = {"record_id": "r:1", "name": "dokumen", "kind": "files", "paths": [str(self.data)]}

    def back_up(self) -> dict:
        task = backup_operation.Task("srv", "daily", [self.dataset], False, 100, quiet)
        closed, self.manifests = backup_operation.back_up(task, self.workspace, self.repository)
        return closed["r:1"]

    def test_restore(self, backup: dict) -> dict:
        job = restore_operation.Job(
            self.dataset, backup["snapshot_id"], backup["started_at"], self.manifests["r:1"], backup["manifest"]["sha256"], None, backup["data_size_bytes"]
        )
        fresh = Restic(self.restic.binary, self.restic.repository, PASSWORD)
        repository = storage.Repository(fresh, self.repository.pinned_id, "primary", "di sini")
        return restore_operation.test_restore(job, self.workspace, repository, quiet)

    def packs(self) -> list[Path]:
        return sorted((path for path in (self.root / "repository" / "data").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


@pytest.fixture
def bench(tmp_path: Path, restic_binary: Path) -> Bench:
    return Bench(tmp_path, restic_binary)


@pytest.fixture
def one_bench(tmp_path: Path) -> Bench:
    """With one engine, for what does not depend on its version."""
    return Bench(tmp_path, Path(__file__).resolve().parents[2] / ".cache/restic/restic-bookworm")


@pytest.fixture
def trixie_bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, Path(__file__).resolve().parents[2] / ".cache/restic/restic-trixie")


def codes(closed: dict) -> list[str]:
    return [message["code"] for message in closed["messages"]]


def require_found(bench: Bench, damage: Callable[[Path], object]) -> None:
    """Damages each pack in turn, data and trees, and requires that restore test and integrity check both tell."""
    backup = bench.back_up()
    assert backup["outcome"] == "success" and bench.test_restore(backup)["outcome"] == "success"
    for pack in bench.packs():
        content = pack.read_bytes()
        pack.chmod(0o600)
        damage(pack)
        for closed in (bench.test_restore(backup), integrity_operation.check_integrity(bench.repository, "full")):
            assert (closed["outcome"], closed["cause"]) == ("failed", "repository_damaged"), closed["messages"]
        pack.write_bytes(content)
    assert bench.test_restore(backup)["outcome"] == "success"


def test_a_flipped_byte_in_any_pack_fails_restore_test_and_integrity_check(bench):
    require_found(bench, lambda pack: pack.write_bytes(bytes([pack.read_bytes()[0] ^ 0xFF]) + pack.read_bytes()[1:]))


def test_a_pack_that_is_gone_fails_restore_test_and_integrity_check(trixie_bench):
    # restic 0.14 comes to the same end, but asks for such a pack for minutes first.
    require_found(trixie_bench, Path.unlink)


def test_a_group_without_a_pack_gives_way_to_the_next_one_that_has_some(bench):
    bench.back_up()
    filled = sorted(bench.restic.groups_with_packs(200))
    assert 0 < len(filled) < 200
    asked = filled[0] % 200 + 1  # the one after a group with packs; with so few packs it is empty
    closed = integrity_operation.check_integrity(bench.repository, f"{asked}/200")
    read = next((group for group in filled if group >= asked), filled[0])
    assert (closed["outcome"], closed["integrity"]["read_data"], closed["integrity"]["packs_read"] > 0) == ("success", f"{read}/200", True)
    assert set(closed["integrity"]["empty"]) == {f"{group}/200" for group in range(1, 201)} - {f"{group}/200" for group in filled}


def test_a_check_that_reads_nothing_is_no_success(bench, monkeypatch):
    bench.back_up()
    empty = next(group for group in range(1, 201) if group not in bench.restic.groups_with_packs(200))
    monkeypatch.setattr(bench.restic, "groups_with_packs", lambda groups: {empty})  # as if it had them
    closed = integrity_operation.check_integrity(bench.repository, f"{empty}/200")
    assert (closed["outcome"], closed["cause"]) == ("failed", "no_evidence")


def test_a_source_that_vanishes_between_our_look_and_restics_is_no_success(bench):
    gone = bench.root / "hilang"
    gone.mkdir()
    (gone / "berkas").touch()
    bench.dataset["paths"].append(str(gone))
    wrapper = bench.root / "restic"
    wrapper.write_text(f'#!/bin/sh\ncase "$*" in *" backup "*) rm -rf "{gone}";; esac\nexec {bench.restic.binary} "$@"\n', encoding="utf-8")
    wrapper.chmod(0o755)
    bench.restic.binary = str(wrapper)
    backup = bench.back_up()
    assert (backup["outcome"], backup["cause"]) == ("failed", "source_missing")


@pytest.mark.parametrize("script", ["exit 0", '[ "$1" = version ] && echo "restic 0.18.0 compiled" ; exit 0'])
def test_a_program_that_only_says_that_it_is_restic_makes_no_success(one_bench, script):
    fake = one_bench.root / "palsu"
    fake.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    fake.chmod(0o755)
    one_bench.repository.restic = Restic(str(fake), one_bench.restic.repository, PASSWORD)
    assert one_bench.back_up()["outcome"] == "failed"
    assert integrity_operation.check_integrity(one_bench.repository, "full")["outcome"] == "failed"


def test_excluding_our_canary_is_told_at_once(one_bench):
    one_bench.dataset["exclude"] = ["*.sicekat-*"]
    assert codes(one_bench.back_up()) == ["canary_excluded"]


def test_a_changed_file_a_missing_file_and_a_wrong_mode_are_each_found(one_bench):
    from ansible_collections.sicekat.backup.plugins.module_utils import proof

    backup = one_bench.back_up()
    target = one_bench.root / "pulih"
    one_bench.restic.restore(backup["snapshot_id"], str(target))
    nodes = one_bench.restic.nodes(backup["snapshot_id"])[1]
    victim = Path(str(target) + str(one_bench.data)) / "dalam" / "surat 3.txt"
    content, status = victim.read_bytes(), victim.stat()

    def differences() -> int:
        found = proof.Proof()
        proof.compare_tree(found, os.fsencode(target), nodes)
        proof.compare_sample(found, os.fsencode(target), nodes, one_bench.manifests["r:1"])
        return found.different

    assert differences() == 0
    victim.write_bytes(b"X" + content[1:])
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert differences() > 0  # same size and time, other content: only the digest tells
    victim.write_bytes(content)
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
    victim.chmod(0o600)
    assert differences() > 0
    victim.unlink()
    assert differences() > 0


def test_extended_attributes_are_proved(one_bench):
    path = one_bench.data / "dalam" / "surat 1.txt"
    with contextlib.suppress(OSError):
        os.setxattr(path, "user.klasifikasi", b"rahasia")
    if not os.listxattr(path):
        pytest.skip("this file system has no extended attributes")
    backup = one_bench.back_up()
    entry = next(one for one in one_bench.manifests["r:1"]["files"] if one["path"].endswith("surat%201.txt"))
    assert "user.klasifikasi" in entry["xattrs"] and one_bench.test_restore(backup)["outcome"] == "success"
    entry["xattrs"]["user.klasifikasi"] = "0" * 64
    backup["manifest"]["sha256"] = manifest.digest(one_bench.manifests["r:1"])
    assert one_bench.test_restore(backup)["cause"] == "restored_differs"


def test_a_database_that_stays_locked_is_given_up(one_bench, monkeypatch):
    monkeypatch.setattr(sqlite_source, "_BUSY_S", 1)
    path = one_bench.root / "arsip.sqlite3"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("CREATE TABLE surat (nomor)")
    holder.execute("BEGIN EXCLUSIVE")
    one_bench.dataset = {"record_id": "r:1", "name": "arsip", "kind": "sqlite", "path": str(path)}
    began = time.monotonic()
    assert codes(one_bench.back_up()) == ["source_database"] and time.monotonic() - began < 30
    holder.close()
    assert one_bench.back_up()["outcome"] == "success"


@pytest.mark.parametrize("content", [b"", b"bukan basis data sama sekali, hanya teks" * 100])
def test_a_file_that_is_no_database_with_tables_is_refused(one_bench, content):
    path = one_bench.root / "arsip.sqlite3"
    path.write_bytes(content)
    one_bench.dataset = {"record_id": "r:1", "name": "arsip", "kind": "sqlite", "path": str(path)}
    backup = one_bench.back_up()
    assert (backup["outcome"], backup["cause"]) == ("failed", "source_invalid")


def test_a_second_run_waits_and_then_names_who_holds_the_data_set(one_bench, monkeypatch):
    monkeypatch.setattr(workspace, "_HOLD_WAIT_S", 1)
    with one_bench.workspace.exclusive("dokumen"):
        backup = one_bench.back_up()
    assert (backup["cause"], backup["messages"][0]["params"]["holder"]) == ("busy", str(os.getpid()))


def test_a_restore_test_that_has_no_room_is_refused(one_bench):
    backup = one_bench.back_up()
    backup["data_size_bytes"] = 1 << 60
    assert one_bench.test_restore(backup)["cause"] == "no_space"


def test_a_full_server_directory_is_told(one_bench):
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    server = one_bench.root / "kecil"
    server.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(server)], check=True)
    try:
        (server / "isi").write_bytes(bytes(40_000))
        with contextlib.suppress(OSError), open(server / "penuh", "wb") as file:
            while True:
                file.write(bytes(1024))
                file.flush()
        one_bench.workspace = workspace.Workspace(str(server))
        assert one_bench.back_up()["cause"] == "no_space"
    finally:
        subprocess.run(["umount", str(server)], check=True)
