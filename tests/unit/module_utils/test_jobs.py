# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs with real processes: what is killed, when, and what is found afterwards."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.sicekat.backup.plugins.module_utils import jobs
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import Workspace

ROOT = Path(__file__).resolve().parents[3]
LIMIT_S = 20

# A caller of its own process: works until the file "go" appears, notes each execution, and prints what it got.
CALLER = """
import json, os, sys, time
sys.path.insert(0, {collections!r})
from ansible_collections.sicekat.backup.plugins.module_utils import jobs
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import Workspace
root, job, mode = sys.argv[1:]
def work():
    with open(root + "/pids", "a") as file:
        file.write("%d\\n" % os.getpid())
    deadline = time.monotonic() + {limit}
    while not os.path.exists(root + "/go"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    if mode == "crash":
        raise RuntimeError("cannot go on with kata-sandi-uji")
    print("nobody hears this")
    return {{"worker": os.getpid(), "cwd": os.getcwd(), "session": os.getsid(0)}}
try:
    answer = jobs.run_detached(job, Workspace(root), work, ["kata-sandi-uji"])
except jobs.JobLost:
    answer = "lost"
print(json.dumps(answer))
"""


class Yard:
    """A workspace, and callers of jobs in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workspace = Workspace(str(root))
        self.callers: list[subprocess.Popen] = []

    def call(self, job: str = "j1", mode: str = "work") -> subprocess.Popen:
        code = CALLER.format(collections=str(ROOT / "collections"), limit=LIMIT_S)
        self.callers.append(
            subprocess.Popen([sys.executable, "-c", code, str(self.root), job, mode], stdout=subprocess.PIPE, text=True, start_new_session=True)
        )
        return self.callers[-1]

    def worker(self) -> int:
        """Waits until a worker works and returns its process id."""
        path = self.root / "pids"
        wait_for(lambda: path.exists() and path.read_text(encoding="ascii").endswith("\n"))
        return int(path.read_text(encoding="ascii").split()[-1])

    def executions(self) -> int:
        return len((self.root / "pids").read_text(encoding="ascii").split())

    def go(self) -> None:
        (self.root / "go").touch()

    def state(self, job: str = "j1") -> str:
        return jobs.collect(job, self.workspace)["state"]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def answer(caller: subprocess.Popen) -> object:
    return json.loads(caller.communicate(timeout=LIMIT_S)[0])


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    made = Yard(tmp_path)
    yield made
    made.go()
    for caller in made.callers:
        caller.kill()
        caller.communicate(timeout=LIMIT_S)
    wait_for(lambda: not any(made.state(path.stem) == "running" for path in (tmp_path / "jobs").glob("*.lock")))


def test_without_a_job_the_work_is_done_here(tmp_path):
    assert jobs.run_detached(None, Workspace(str(tmp_path / "none")), os.getpid) == os.getpid()
    assert not (tmp_path / "none").exists()


def test_a_job_is_done_by_another_process_of_its_own_session_and_leaves_no_zombie(yard):
    caller = yard.call()
    worker = yard.worker()
    assert (yard.state(), jobs.collect("j2", yard.workspace)) == ("running", {"state": "unknown", "result": None})
    yard.go()
    result = answer(caller)
    assert result["worker"] == worker != caller.pid and result["cwd"] == "/"
    assert result["session"] not in (caller.pid, os.getsid(0))
    assert jobs.collect("j1", yard.workspace) == {"state": "done", "result": result}
    assert stat.S_IMODE((yard.root / "jobs" / "j1.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((yard.root / "jobs").stat().st_mode) == 0o700


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_the_work_outlives_its_caller_and_its_result_is_collected_later(yard, number):
    caller = yard.call()
    worker = yard.worker()
    os.killpg(caller.pid, number)
    caller.wait(LIMIT_S)
    assert yard.state() == "running"
    yard.go()
    wait_for(lambda: yard.state() == "done")
    assert jobs.collect("j1", yard.workspace)["result"]["worker"] == worker
    # Whoever asks again gets that result, and nothing is done a second time.
    assert answer(yard.call())["worker"] == worker and yard.executions() == 1


def test_several_callers_of_one_job_get_one_execution_and_the_same_result(yard):
    callers = [yard.call() for _count in range(4)]
    yard.worker()
    time.sleep(0.5)
    yard.go()
    answers = [answer(caller) for caller in callers]
    assert yard.executions() == 1 and all(one == answers[0] for one in answers)


def test_who_started_it_is_killed_and_who_waits_still_gets_the_result(yard):
    first = yard.call()
    worker = yard.worker()
    second = yard.call()
    time.sleep(0.3)
    os.killpg(first.pid, signal.SIGKILL)
    yard.go()
    assert answer(second)["worker"] == worker and yard.executions() == 1


def test_a_worker_that_is_killed_is_lost_and_its_job_is_never_begun_again(yard):
    first, second = yard.call(), yard.call()
    os.kill(yard.worker(), signal.SIGKILL)
    assert (answer(first), answer(second)) == ("lost", "lost")
    assert jobs.collect("j1", yard.workspace) == {"state": "lost", "result": {"lost": True}}
    assert answer(yard.call()) == "lost" and yard.executions() == 1


def test_jobs_of_other_names_do_not_wait_for_each_other(yard):
    yard.call("one")
    wait_for((yard.root / "pids").exists)
    yard.call("two")
    wait_for(lambda: yard.executions() == 2)
    assert (yard.state("one"), yard.state("two")) == ("running", "running")


def test_a_crash_is_a_failure_with_its_reason_and_without_secrets(yard):
    yard.go()
    result = answer(yard.call(mode="crash"))
    assert result["failed"] and result["msg"].startswith("RuntimeError: cannot go on with *** (jobs.py:")
    assert "kata-sandi-uji" not in (yard.root / "jobs" / "j1.json").read_text(encoding="utf-8")
    assert jobs.collect("j1", yard.workspace) == {"state": "done", "result": result}


def test_a_result_that_is_no_json_is_a_failure(tmp_path):
    assert "TypeError" in jobs.run_detached("j1", Workspace(str(tmp_path)), object)["msg"]


def test_a_directory_that_cannot_be_written_to_does_not_keep_the_work_from_telling(tmp_path):
    (tmp_path / "file").touch()
    assert jobs.run_detached("j1", Workspace(str(tmp_path / "file" / "below")), os.getpid) == os.getpid()


@pytest.mark.parametrize("name", ["", "../j", "a/b", ".hidden", "x" * 300])
def test_a_name_that_is_no_name_of_a_file_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="not the name of a job"):
        jobs.collect(name, Workspace(str(tmp_path)))


def test_what_nobody_collected_for_a_month_is_removed_but_never_under_a_worker(yard):
    yard.call("old")
    yard.worker()
    directory = yard.root / "jobs"
    (directory / "gone.json").write_text('{"result": {}}', encoding="utf-8")
    (directory / "gone.lock").write_text("started\n", encoding="utf-8")
    (directory / "fresh.json").write_text('{"result": {}}', encoding="utf-8")
    month_ago = time.time() - (jobs.KEPT_DAYS + 1) * 86400
    for name in ("gone.json", "gone.lock", "old.lock"):
        os.utime(directory / name, (month_ago, month_ago))
    jobs.run_detached("new", yard.workspace, dict)
    assert sorted(path.name for path in directory.iterdir()) == ["fresh.json", "new.json", "new.lock", "old.lock"]
    assert yard.state("old") == "running"


def test_a_job_whose_lock_was_swept_before_its_result_is_not_done_again(tmp_path):
    workspace = Workspace(str(tmp_path))
    assert jobs.run_detached("j1", workspace, lambda: {"number": 1}) == {"number": 1}
    (tmp_path / "jobs" / "j1.lock").unlink()
    assert jobs.run_detached("j1", workspace, lambda: {"number": 2}) == {"number": 1}
    assert (tmp_path / "jobs" / "j1.lock").read_text(encoding="ascii") == ""
