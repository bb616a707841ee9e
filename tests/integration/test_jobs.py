# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules whose Ansible is killed in mid-work: the work goes on without Ansible's files, and its result is collected later."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from ansible_collections.sicekat.backup.plugins.module_utils import jobs, record
from ansible_collections.sicekat.backup.plugins.module_utils.restic import Restic
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
TRIXIE = ROOT / ".cache/restic/restic-trixie"
PASSWORD = "kata-sandi-pekerjaan"
LIMIT_S = 60


class Host:
    """This machine as a server, with a restic that can be made to stand still in one of its commands."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("tmp", "remote", "data"):
            (root / name).mkdir()
        for number in range(5):
            (root / "data" / f"surat {number}.txt").write_text("isi\n" * 100, encoding="utf-8")
        (root / "restic").write_text(
            f"""#!/bin/sh
case " $* " in *" $(cat {root}/halt 2>/dev/null || echo never) "*)
    touch {root}/working
    while [ -e {root}/halt ]; do sleep 0.1; done;;
esac
exec {TRIXIE} "$@"
""",
            encoding="utf-8",
        )
        (root / "restic").chmod(0o755)
        self.common = {"restic": str(root / "restic"), "server_dir": str(root / "server")}
        self.calls: list[subprocess.Popen] = []

    def start(self, module: str, **arguments: object) -> subprocess.Popen:
        command = [str(Path(sys.executable).with_name("ansible")), "localhost", "-m", f"sicekat.backup.{module}", "-a", json.dumps(arguments), "--one-line"]
        environment = {
            **os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "TMPDIR": str(self.root / "tmp"), "ANSIBLE_REMOTE_TMP": str(self.root / "remote"), "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        }  # fmt: skip
        self.calls.append(
            subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
        )
        return self.calls[-1]

    def call(self, module: str, **arguments: object) -> dict:
        return result(self.start(module, **arguments))

    def cut(self, module: str, halt: str, number: int, **arguments: object) -> dict:
        """Calls a module, kills all of Ansible while restic stands still in `halt`, takes Ansible's files away, and returns what is collected."""
        (self.root / "halt").write_text(halt, encoding="ascii")
        call = self.start(module, job=module, **arguments, **self.common)
        wait_for(lambda: (self.root / "working").exists() or call.poll() is not None)
        assert call.poll() is None, call.communicate()[0]
        kill(call, number)
        taken = [*(self.root / "tmp").glob("ansible_*_payload_*"), *(self.root / "remote").iterdir()]
        for path in taken:
            shutil.rmtree(path)
        assert taken or number != signal.SIGKILL  # another signal lets the module remove its archive by itself
        assert self.state(module) == {"state": "running", "result": None}
        (self.root / "working").unlink()
        (self.root / "halt").unlink()
        stored = self.root / "server" / "jobs" / f"{module}.json"
        wait_for(stored.exists)
        assert PASSWORD not in stored.read_text(encoding="utf-8") and stored.stat().st_mode & 0o777 == 0o600
        return self.state(module)["result"]

    def state(self, job: str) -> dict:
        return jobs.collect(job, Workspace(self.common["server_dir"]))

    def repository(self, name: str, cheap_key: ModuleType) -> dict:
        """Returns the arguments of a new repository."""
        path, password = self.root / name, PASSWORD + name
        identity = Restic(str(TRIXIE), str(path), password).init()
        cheap_key.cheapen(path, password)
        return {"repository": str(path), "password": password, "repository_id": identity, "repository_name": name}


def result(call: subprocess.Popen) -> dict:
    said = call.communicate(timeout=LIMIT_S)[0]
    assert PASSWORD not in said
    return json.loads(said[said.index("=> ") + 3 :])


def kill(call: subprocess.Popen, number: int) -> None:
    """Sends a signal to every process that Ansible started and that did not take leave of it."""
    children = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], stdout=subprocess.PIPE, text=True, check=True).stdout
    parents = dict(map(int, line.split()) for line in children.splitlines())
    family = {call.pid}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    for pid in family:
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            os.kill(pid, number)
    call.communicate(timeout=LIMIT_S)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    yield made
    (tmp_path / "halt").unlink(missing_ok=True)
    for call in made.calls:
        if call.poll() is None:
            os.killpg(call.pid, signal.SIGKILL)
        call.communicate(timeout=LIMIT_S)


def test_every_module_ends_its_work_without_ansible(host, cheap_key):
    root = host.root
    primary, archive = host.repository("primary", cheap_key), host.repository("archive", cheap_key)
    dataset = {"name": "dokumen", "kind": "files", "paths": [str(root / "data")], "record_id": "b:1"}
    wanted = {"host": "srv", "cycle": "daily", "datasets": [dataset]}
    began = record.to_text(record.utc_now())

    backup = host.cut("backup", "backup", signal.SIGKILL, **primary, **wanted)
    (closed,) = backup["records"]
    assert (closed["record_id"], closed["outcome"]) == ("b:1", "success")
    # Whoever asks for the job again gets that result, and no second snapshot is made.
    again = host.call("backup", job="backup", **primary, **wanted, **host.common)
    assert again["records"] == backup["records"] and again["manifests"] == backup["manifests"]
    listed = Restic(str(TRIXIE), primary["repository"], primary["password"]).snapshots()
    assert [one["id"] for one in listed] == [closed["snapshot_id"]]
    told = host.call("job_collect", jobs=["backup", "never-begun"], server_dir=host.common["server_dir"])["jobs"]
    assert told == {"backup": {"state": "done", "result": backup}, "never-begun": {"state": "unknown", "result": None}}

    manifest = backup["manifests"]["b:1"]
    restore = {
        "dataset": dataset, "snapshot": closed["snapshot_id"], "backed_up_at": closed["started_at"], "manifest": manifest,
        "manifest_sha256": closed["manifest"]["sha256"],
    }  # fmt: skip
    snapshots = [{"record_id": "c:1", "snapshot_id": closed["snapshot_id"], "dataset": "dokumen", "manifest": manifest}]
    known = {"snapshot_id": closed["snapshot_id"], "record_id": "b:1", "outcome": "success", "not_before": began, "not_after": closed["finished_at"]}
    groups = [{"dataset": "dokumen", "keep": {"last": 1}, "known": [{**known, "files": 5, "bytes": closed["data_size_bytes"]}]}]
    now = record.to_text(record.utc_now())
    ended = [
        host.cut("restore_test", "restore", signal.SIGHUP, **primary, **restore)["record"],
        host.cut("restore", "restore", signal.SIGTERM, **primary, **restore, target=str(root / "pulih"), to_type="", stamp="20261122T150000Z")["record"],
        host.cut("integrity_check", "check", signal.SIGKILL, **primary, read_data="full")["record"],
        *host.cut("snapshot_copy", "copy", signal.SIGKILL, **archive, source=primary, snapshots=snapshots)["records"],
        host.cut("retention", "forget", signal.SIGKILL, **primary, groups=groups, host="srv", now=now)["record"],
    ]
    assert [(one["outcome"], one["messages"]) for one in ended] == [("success", [])] * 5
    assert (root / "pulih" / str(root / "data")[1:] / "surat 1.txt").read_text(encoding="utf-8") == "isi\n" * 100


def test_a_worker_that_is_killed_is_told_as_lost(host, cheap_key):
    place = host.repository("primary", cheap_key)
    (host.root / "halt").write_text("check", encoding="ascii")
    call = host.start("integrity_check", job="j:1", **place, **host.common)
    wait_for((host.root / "working").exists)
    lock = str(host.root / "server" / "jobs" / "j:1.lock")
    (worker,) = {int(link.parts[2]) for link in Path("/proc").glob("[0-9]*/fd/*") if opened(link) == lock}
    os.kill(worker, signal.SIGKILL)
    told = result(call)
    assert told["lost"] and "record" not in told
    assert host.state("j:1") == {"state": "lost", "result": {"lost": True}}


def opened(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""  # the process is gone, or another user's
