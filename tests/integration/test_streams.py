# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs whose output goes into a repository, with both engines: whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import types
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.sicekat.backup.plugins.module_utils import backup_operation, restore_operation, storage, taking, workspace
from ansible_collections.sicekat.backup.plugins.module_utils.programs import Program, ProgramError
from ansible_collections.sicekat.backup.plugins.module_utils.restic import Restic
from ansible_collections.sicekat.backup.plugins.module_utils.sources import kinds
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import Finding, Part, Source, SourceError

PASSWORD = "kata-sandi-uji"


def quiet(*_progress: object) -> None:
    """Takes progress and shows none."""


class Told(Source):
    """A stream whose programs the data set names as shell text: {"parts": {member: script}}."""

    is_stream = True

    def parts(self) -> Iterator[Part]:
        self.seen = 0
        for name, script in self.dataset["parts"].items():
            yield Part(name, Program(["sh", "-c", script]), self._watch, self._finish, self.dataset.get("limit_s", 60))

    def size_estimate(self) -> int | None:
        return self.dataset.get("estimate")

    def evidence(self) -> dict:
        return {"engine": "told", "bytes": self.seen}

    def prove(self, copy: object) -> Finding:
        read = b"".join(piece for name in copy.bundle.names() for piece in copy.bundle.read(name))
        return Finding("sound" if len(read) == copy.evidence["bytes"] else "damaged", "another size")

    def _watch(self, piece: bytes) -> None:
        self.seen += len(piece)

    def _finish(self, count: int, stderr: str) -> None:
        if count < self.dataset.get("minimum", 0):
            raise SourceError("source_invalid", "program_failed", program="told", exit_code=0, detail="too short")


class Bench:
    def __init__(self, root: Path, binary: Path) -> None:
        self.workspace = workspace.Workspace(str(root / "server"))
        self.workspace.make()
        self.restic = Restic(str(binary), str(root / "repository"), PASSWORD, str(root / "server" / "cache"))
        self.repository = storage.Repository(self.restic, self.restic.init(), "primary", "di sini")

    def back_up(self, parts: dict[str, str], **more: object) -> dict:
        self.dataset = {"record_id": "r:1", "name": "data", "kind": "told", "parts": parts, **more}
        task = backup_operation.Task("srv", "daily", [self.dataset], False, 100, quiet)
        closed, self.manifests = backup_operation.back_up(task, self.workspace, self.repository)
        return closed["r:1"]

    def test_restore(self, backup: dict, **more: object) -> dict:
        job = restore_operation.Job(
            self.dataset,
            backup["snapshot_id"],
            backup["started_at"],
            self.manifests["r:1"],
            backup["manifest"]["sha256"],
            60,
            backup["data_size_bytes"],
            **more,
        )
        return restore_operation.test_restore(job, self.workspace, self.repository, quiet)

    def left(self) -> list[str]:
        return os.listdir(self.workspace.path("spool"))


@pytest.fixture
def bench(tmp_path: Path, restic_binary: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setitem(kinds.SOURCES, "told", Told)
    return Bench(tmp_path, restic_binary)


def codes(closed: dict) -> list[str]:
    return [message["code"] for message in closed["messages"]]


def test_every_byte_of_all_programs_is_stored_once_and_proved(bench: Bench, tmp_path: Path) -> None:
    closed = bench.back_up({"satu.sql": "yes satu | head -c 3000000", "dua.bin": "head -c 100000 /dev/urandom; echo hati-hati >&2"})
    assert (closed["outcome"], closed["cause"], closed["files"]["total"]) == ("success", None, 1)
    assert closed["warnings"] == ["sh: hati-hati"]
    assert closed["verification"]["log_check"]["checks"][5] == {"check": "source_warnings", "result": "warning"}
    bundle = bench.manifests["r:1"]["bundle"]
    assert [(one["name"], one["bytes"]) for one in bundle["members"]] == [("satu.sql", 3000000), ("dua.bin", 100000)]
    assert closed["data_size_bytes"] == bundle["bytes"] > 3100000
    assert bench.left() == []
    bench.restic.restore(closed["snapshot_id"], str(tmp_path / "out"))
    with zipfile.ZipFile(tmp_path / "out" / "data.zip") as archive:
        assert archive.testzip() is None
        assert archive.read("satu.sql") == (b"satu\n" * 600000)[:3000000]
    tested = bench.test_restore(closed)
    assert (tested["outcome"], tested["restore"]["canary"], tested["restore"]["database"]) == ("success", "found", "sound")
    assert tested["restore"]["rto_met"] is True


@pytest.mark.parametrize(
    ("parts", "more", "code"),
    [
        ({"a": "echo ada; exit 3"}, {}, "program_failed"),
        ({"a": "head -c 2000000 /dev/zero; kill -9 $$"}, {}, "program_failed"),
        ({"a": "echo baik", "b": "exit 1"}, {}, "program_failed"),
        ({"a": "echo pendek"}, {"minimum": 100}, "program_failed"),
        ({"a": "echo mulai; sleep 60"}, {"limit_s": 2}, "program_timeout"),
        ({"a": "setsid sleep 60 & echo induk berakhir, anak memegang keluaran"}, {"limit_s": 2}, "program_timeout"),
        ({"canary.json": "echo nama milik kita"}, {}, "internal"),
    ],
)
def test_a_program_that_fails_leaves_no_snapshot(bench: Bench, parts: dict, more: dict, code: str) -> None:
    began = time.monotonic()
    closed = bench.back_up(parts, **more)
    assert (closed["outcome"], codes(closed)) == ("failed", [code])
    assert bench.restic.snapshots() == []
    assert bench.left() == []
    assert time.monotonic() - began < 30


def test_what_restic_says_counts_when_restic_itself_fails(bench: Bench) -> None:
    bench.repository.restic = bench.restic.with_password("salah")
    bench.repository.require_identity = quiet
    closed = bench.back_up({"a": "yes | head -c 50000000"})
    assert (closed["outcome"], closed["cause"]) == ("failed", "wrong_password")


def test_a_bundle_that_was_altered_or_swapped_is_damaged(bench: Bench) -> None:
    first = bench.back_up({"a": "yes lama | head -c 1000000"})
    lama = bench.manifests["r:1"]
    second = bench.back_up({"a": "yes baru | head -c 1000000"})
    assert bench.test_restore(second)["outcome"] == "success"
    bench.manifests["r:1"]["bundle"]["sha256"] = lama["bundle"]["sha256"]
    second["manifest"]["sha256"] = backup_operation.manifests.digest(bench.manifests["r:1"])
    tested = bench.test_restore(second)
    assert (tested["outcome"], tested["cause"], tested["restore"]["canary"]) == ("failed", "restored_differs", "missing")
    assert tested["restore"]["rto_met"] is False
    assert first["snapshot_id"] != second["snapshot_id"]


def test_a_full_spool_is_told_before_and_while_it_is_written(root: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kinds.SOURCES, "told", Told)
    bench = Bench(tmp_path, Path(__file__).resolve().parents[2] / ".cache/restic/restic-bookworm")
    spool = Path(bench.workspace.path("spool"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", spool], check=True, timeout=10)
    try:
        told = bench.back_up({"a": "head -c 9000000 /dev/urandom"}, estimate=9_000_000)
        assert (told["outcome"], told["cause"]) == ("failed", "no_space")
        found = bench.back_up({"a": "head -c 9000000 /dev/urandom"})
        assert (found["outcome"], found["cause"]) == ("failed", "no_space")
        # the last of the room is left to others
        narrow = bench.back_up({"a": "head -c 4100000 /dev/urandom"})
        assert (narrow["outcome"], narrow["cause"]) == ("failed", "no_space")
        assert bench.back_up({"a": "head -c 3000000 /dev/urandom"})["outcome"] == "success"
        bench.restic.forget([one["id"] for one in bench.restic.snapshots()])
        assert bench.left() == []
        assert bench.restic.snapshots() == []
    finally:
        subprocess.run(["umount", spool], check=True, timeout=10)


def test_what_a_killed_run_left_takes_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kinds.SOURCES, "told", Told)
    bench = Bench(tmp_path, Path(__file__).resolve().parents[2] / ".cache/restic/restic-bookworm")
    left = Path(bench.workspace.path("spool"), "data.zip")
    left.write_bytes(b"sisa")
    monkeypatch.setattr(taking.shutil, "disk_usage", lambda _path: types.SimpleNamespace(free=0 if left.exists() else 10**9))
    assert bench.back_up({"a": "echo isi"}, estimate=100)["outcome"] == "success"


def test_a_program_that_left_its_streams_to_others_keeps_its_limit() -> None:
    began = time.monotonic()
    with pytest.raises(ProgramError) as late:
        Program(["sh", "-c", "setsid sleep 60 & sleep 50"]).run(1)
    assert late.value.reason == "timeout" and time.monotonic() - began < 20


def test_time_is_extrapolated_to_the_whole_data_set(bench: Bench) -> None:
    closed = bench.back_up({"a": "yes | head -c 1000000"})
    tested = bench.test_restore(closed, whole_bytes=closed["data_size_bytes"] * 1000, pick="random", seed="run data", rpo_s=3600)
    assert tested["restore"]["extrapolated_ms"] > 100 * tested["restore"]["phases_ms"]["fetch"]
    assert tested["restore"]["rto_met"] is (tested["restore"]["extrapolated_ms"] <= 60_000)
    assert (tested["restore"]["rpo_met"], tested["restore"]["pick"]) == (None, "random")


def test_a_program_dies_with_whoever_runs_it(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path[:0] = %r\n"
        "from ansible_collections.sicekat.backup.plugins.module_utils.programs import Program\n"
        "with Program(['sleep', '987']).serve(%r):\n    print('runs', flush=True)\n    sys.stdin.read()\n"
    ) % ([str(Path(__file__).resolve().parents[2] / "collections")], str(tmp_path / "log"))
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"runs\n"
    _wait(lambda: _runs("^sleep 987"), "the program does not run")
    process.kill()
    process.wait(10)
    _wait(lambda: not _runs("^sleep 987"), "the program outlived us")


def _runs(pattern: str) -> bool:
    return subprocess.run(["pgrep", "-f", pattern], capture_output=True, check=False, timeout=10).returncode == 0


def _wait(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


def test_a_missing_program_and_user_are_named() -> None:
    with pytest.raises(ProgramError) as missing:
        Program(["/tidak/ada"]).run(5)
    assert missing.value.reason == "missing"
    with pytest.raises(ProgramError) as user:
        Program(["true"], user="tidak-ada").run(5)
    assert user.value.reason == "user"
