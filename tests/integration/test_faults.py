# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong, and what it must come to: in the record, in the exit code of the play, and in the status."""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
import signal
import sqlite3
import subprocess
import time
import zoneinfo
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


def failed(site, outcome: str, cause: str, playbook: str = "daily") -> dict:
    """Runs a playbook that must fail, and returns its last record, which must say why."""
    done = site.play(playbook)
    assert done.code != 0, done.text
    found = site.last()
    assert (found["outcome"], found["cause"]) == (outcome, cause), done.text
    assert site.checklists()[-1]["overall"] != "success"
    return found


def test_one_of_two_sources_missing(any_site):
    any_site.dataset["paths"].append(str(any_site.root / "hilang"))
    found = failed(any_site, "failed", "source_missing")
    assert found["messages"][0]["params"]["path"].endswith("/hilang") and found["snapshot_id"] is None


def test_only_source_missing(any_site):
    shutil.rmtree(any_site.data)
    failed(any_site, "failed", "source_missing")


def test_source_that_is_a_symbolic_link(any_site):
    link = any_site.root / "tautan"
    link.symlink_to(any_site.data)
    any_site.dataset["paths"] = [str(link)]
    failed(any_site, "failed", "source_invalid")


def test_empty_source_fails_unless_it_may_be_empty(any_site):
    for path in any_site.data.iterdir():
        path.unlink()
    (any_site.data / "kosong").mkdir()
    failed(any_site, "failed", "source_empty")
    any_site.dataset["allow_empty"] = True
    assert any_site.play("daily").code == 0
    assert any_site.play("restore_test").code == 0


def test_source_whose_files_are_all_excluded(any_site):
    any_site.dataset["exclude"] = ["*.txt"]
    failed(any_site, "failed", "source_empty")


def test_sentinel_missing(any_site):
    any_site.dataset["sentinel"] = str(any_site.data / ".terpasang")
    failed(any_site, "failed", "sentinel_missing")
    (any_site.data / ".terpasang").touch()
    assert any_site.play("daily").code == 0


@contextlib.contextmanager
def unreadable(path):
    """A file that nobody can read: for root, the memory of a process mounted over it gives an input/output error."""
    path.write_text("x", encoding="utf-8")
    if os.geteuid() != 0:
        path.chmod(0)
        yield
        return
    subprocess.run(["mount", "--bind", "/proc/self/mem", str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


def test_file_that_cannot_be_read_is_partial_and_is_listed(site):
    with unreadable(site.data / "rusak.txt"):
        found = failed(site, "partial", "source_unreadable")
    assert found["error_count"] == 1 and "rusak.txt" in found["errors"][0] and found["snapshot_id"]
    assert site.status()["dokumen"]["state"] == "red"
    assert site.play("daily").code == 0


def test_wrong_password(site):
    site.variables["backup_master_secret"] += "-lain"
    failed(site, "failed", "wrong_password")


def test_repository_missing_is_never_created_again_by_a_cycle(site):
    shutil.rmtree(site.primary)
    failed(site, "failed", "repository_missing")
    assert not site.primary.exists()
    again = site.play("site")
    assert again.code != 0 and str(site.primary) in again.text and not site.primary.exists()
    assert site.play("site", "-e", "backup_replace_repository=primary").code == 0
    assert site.play("daily").code == 0


def test_repository_replaced_by_another(any_site):
    password = "kata-sandi-repositori-uji"
    any_site.variables["backup_repositories"]["primary"]["password"] = password
    shutil.rmtree(any_site.primary)
    environment = {**os.environ, "RESTIC_PASSWORD": password}
    subprocess.run([any_site.variables["backup_restic"], "-q", "-r", str(any_site.primary), "init"], env=environment, check=True, timeout=60)
    failed(any_site, "failed", "repository_replaced")
    assert any_site.play("site").code != 0


def test_server_that_was_never_deployed(bare_site):
    failed(bare_site, "failed", "repository_unpinned")


@contextlib.contextmanager
def small_disk(path, size: str):
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


@pytest.mark.usefixtures("root")
def test_disk_full_in_the_repository(site):
    kept = site.root / "kept"
    shutil.copytree(site.primary, kept)
    with small_disk(site.primary, "2m"):
        shutil.copytree(kept, site.primary, dirs_exist_ok=True)
        (site.data / "besar").write_bytes(os.urandom(8 << 20))
        failed(site, "failed", "no_space")


@pytest.mark.usefixtures("root")
def test_disk_full_where_the_ledger_lies_loses_nothing(any_site):
    assert any_site.play("daily").code == 0
    before = len(any_site.records())
    state, kept = any_site.root / "state", any_site.root / "kept"
    state.rename(kept)
    with small_disk(state, "1m"):
        shutil.copytree(kept, state, dirs_exist_ok=True)
        with contextlib.suppress(OSError), open(state / "isi", "wb") as file:
            while True:
                file.write(bytes(512))
                file.flush()
        done = any_site.play("daily")
        assert done.code != 0 and "ledger.sqlite3" in done.text, done.text
        (state / "isi").unlink()
        assert [one["outcome"] for one in any_site.records()[:before]] == ["success"] * before
        assert any_site.play("daily").code == 0


def started(site, playbook: str) -> subprocess.Popen:
    """Starts a playbook and waits until restic works on the first data set."""
    process = subprocess.Popen(site.command(playbook), cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    for _try in range(300):
        if restic_processes(site):
            return process
        time.sleep(0.05)
    process.kill()
    raise AssertionError("restic did not start")


def restic_processes(site) -> list[int]:
    """Returns the processes of restic that back up this site's data: its cache directory stands in their arguments."""
    pattern = f"^{site.variables['backup_restic']} .*{site.root}.* backup "
    found = subprocess.run(["pgrep", "-f", pattern], stdout=subprocess.PIPE, text=True, check=False).stdout
    return [int(pid) for pid in found.split()]


def much_data(site) -> None:
    (site.data / "besar").write_bytes(os.urandom(300 << 20))


def test_restic_killed_in_mid_run_is_aborted_and_its_lock_is_cleared_once(site):
    much_data(site)
    process = started(site, "daily")
    time.sleep(0.8)
    for pid in restic_processes(site):
        os.kill(pid, signal.SIGKILL)
    assert process.wait(120) != 0
    assert (site.last()["outcome"], site.last()["cause"]) == ("aborted", "killed")
    assert list((site.primary / "locks").iterdir())
    assert site.play("daily").code == 0
    assert "lock_cleared" in site.codes(site.last()) and not list((site.primary / "locks").iterdir())
    assert site.play("weekly").code == 0 and "lock_cleared" not in site.codes(site.last(kind="backup"))


@pytest.mark.parametrize("deadly", [signal.SIGKILL, signal.SIGTERM])
def test_a_backup_outlives_its_playbook_and_the_next_run_collects_it(any_site, deadly):
    much_data(any_site)
    process = started(any_site, "daily")
    os.kill(process.pid, deadly)
    process.wait(60)
    assert any_site.last()["outcome"] is None and any_site.status()["dokumen"]["state"] == "red"
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    until_ended(any_site)
    assert any_site.play("daily").code == 0
    first, second = any_site.records()
    assert (first["outcome"], second["outcome"]) == ("success", "success") and first["collected_at"] >= first["finished_at"]
    assert first["snapshot_id"] == second["parent_snapshot_id"]
    assert [one["overall"] for one in any_site.checklists()] == ["success", "success"]


def test_a_backup_that_died_with_its_playbook_is_aborted_by_the_next_run(any_site):
    much_data(any_site)
    process = started(any_site, "daily")
    os.killpg(process.pid, signal.SIGKILL)
    for pid in workers(any_site):  # as when the power is cut
        os.kill(pid, signal.SIGKILL)
    for pid in restic_processes(any_site):
        os.kill(pid, signal.SIGKILL)
    process.wait(60)
    assert any_site.last()["outcome"] is None
    assert any_site.play("daily").code == 0
    first, second = any_site.records()
    assert (first["outcome"], first["cause"], second["outcome"]) == ("aborted", "interrupted", "success")
    assert any_site.codes(first) == ["job_lost"]


def until_ended(site) -> None:
    """Waits until the worker that a playbook left behind has written its result."""
    for _try in range(600):
        if list((site.root / "server" / "jobs").glob("*.json")):
            return
        time.sleep(0.1)
    raise AssertionError("the worker did not end")


def workers(site) -> list[int]:
    """Returns the processes that hold the lock of a job of this site."""
    held = []
    for pid in (path.name for path in Path("/proc").iterdir() if path.name.isdigit()):
        with contextlib.suppress(OSError):
            held += [int(pid) for link in Path("/proc", pid, "fd").iterdir() if os.readlink(link).startswith(f"{site.root}/server/jobs/")]
    return sorted(set(held))


def test_callback_disabled_by_environment(any_site):
    done = any_site.play("daily", ANSIBLE_CALLBACKS_ENABLED="ansible.posix.timer")
    assert done.code != 0 and "sicekat.backup.checklist" in done.text, done.text
    assert any_site.last()["outcome"] is None and any_site.checklists()[-1]["overall"] == "incomplete"
    assert any_site.play("daily").code == 0 and any_site.records()[0]["collected_at"]


def test_host_that_cannot_be_reached(any_site):
    any_site.hosts["srv-mati"] = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    done = any_site.play("daily")
    assert done.code != 0, done.text
    assert any_site.last(server="srv-mati")["outcome"] == "unreachable" and any_site.last(server="srv-satu")["outcome"] == "success"


def test_limit_leaves_hosts_out_and_says_so(any_site):
    any_site.hosts["srv-dua"] = {}
    done = any_site.play("daily", "--limit", "srv-satu")
    assert "srv-dua" in done.text and any_site.checklists()[-1]["overall"] == "incomplete"
    assert done.code == 0


def test_a_server_that_leaves_the_inventory_unannounced_is_named(any_site):
    any_site.hosts["srv-dua"] = {"backup_datasets": []}
    assert "keluar dari inventaris" not in any_site.play("daily").text
    any_site.hosts["srv-tiga"] = {}
    any_site.play("daily")
    del any_site.hosts["srv-tiga"]
    done = any_site.play("daily")
    assert done.code == 0 and "srv-tiga keluar dari inventaris" in done.text, done.text


def test_a_run_that_comes_after_start_by_is_missed_and_not_late(any_site):
    now = datetime.datetime.now(zoneinfo.ZoneInfo("Asia/Jakarta"))
    clock = {name: f"{now + datetime.timedelta(hours=hours):%H:%M}" for name, hours in (("start", -2), ("start_by", -1), ("end", 2))}
    any_site.variables["backup_cycles"]["daily"] = {**clock, "grace": "1h"}
    found = failed(any_site, "missed", "deadline")
    assert any_site.codes(found) == ["start_by_passed"] and not found.get("snapshot_id")
    assert not list((any_site.primary / "snapshots").iterdir())
    any_site.variables["backup_cycles"]["daily"]["start_by"] = clock["end"]
    assert any_site.play("daily").code == 0


def test_no_host_matches(any_site):
    any_site.hosts = {}
    done = any_site.play("daily")
    assert done.code != 0 and "backup_datasets" in done.text, done.text


@pytest.mark.parametrize("arguments", [("--start-at-task", "Take each step of the cycle"), ("--skip-tags", "always"), ("--tags", "tidak-ada")])
def test_a_run_in_part_is_never_green(any_site, arguments):
    done = any_site.play("daily", *arguments)
    assert done.code != 0, done.text
    assert not any_site.records(outcome="success")


def test_another_strategy_opens_one_run_all_the_same(any_site):
    any_site.hosts["srv-dua"] = {"backup_datasets": []}
    done = any_site.play("daily", ANSIBLE_STRATEGY="free")
    assert done.code == 0 and len(any_site.checklists()) == 1, done.text


def flip_a_byte(site) -> None:
    pack = max((path for path in (site.primary / "data").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    pack.chmod(0o600)
    content = bytearray(pack.read_bytes())
    content[10] ^= 0xFF
    pack.write_bytes(content)


def test_flipped_byte_is_found_and_stays_red_until_a_later_run_passes(any_site):
    (any_site.data / "acak").write_bytes(os.urandom(200_000))
    assert any_site.play("daily").code == 0
    kept = any_site.root / "kept"
    shutil.copytree(any_site.primary, kept)
    flip_a_byte(any_site)
    assert any_site.play("weekly").code != 0
    assert (any_site.last(kind="integrity_check")["outcome"], any_site.last(kind="integrity_check")["cause"]) == ("failed", "repository_damaged")
    assert any_site.play("restore_test").code != 0
    assert any_site.last(kind="restore_test")["outcome"] == "failed"
    assert any_site.play("daily").code == 0 and any_site.status()["dokumen"]["state"] == "red"
    shutil.rmtree(any_site.primary)
    shutil.copytree(kept, any_site.primary)
    shutil.rmtree(any_site.root / "server" / "cache")
    assert any_site.play("weekly").code == 0 and any_site.play("restore_test").code == 0
    assert any_site.status()["dokumen"]["state"] == "green"


def test_a_damaged_pack_that_the_cache_still_holds_fails_the_restore_test(any_site):
    # The second run reads the directories of the first, and restic keeps what it read of those in its cache.
    assert any_site.play("daily").code == 0 and any_site.play("daily").code == 0
    cached = {path.name for path in (any_site.root / "server" / "cache").glob("*/data/*/*")}
    packs = [path for path in (any_site.primary / "data").rglob("*") if path.name in cached]
    assert packs
    for pack in packs:
        pack.chmod(0o600)
        content = pack.read_bytes()
        pack.write_bytes(bytes([content[0] ^ 0xFF]) + content[1:])
    failed(any_site, "failed", "repository_damaged", "restore_test")


def test_scratch_of_a_crashed_test_is_removed(any_site):
    assert any_site.play("daily").code == 0
    left = any_site.root / "server" / "scratch" / "restore-lama"
    left.mkdir()
    (left / "berkas").touch()
    assert any_site.play("restore_test").code == 0
    assert not left.exists() and any_site.codes(any_site.last()) == ["scratch_removed"]


def test_manifest_that_was_altered_proves_nothing(any_site):
    assert any_site.play("daily").code == 0
    (path,) = any_site.root.glob("state/manifests/*.json")
    path.write_text(path.read_text(encoding="utf-8").replace('"nonce": "', '"nonce": "0'), encoding="utf-8")
    failed(any_site, "failed", "no_evidence", "restore_test")


def test_restore_test_without_any_backup(any_site):
    failed(any_site, "failed", "snapshot_missing", "restore_test")


def test_two_playbooks_at_once_keep_one_sound_chain(any_site):
    (any_site.data / "besar").write_bytes(os.urandom(32 << 20))
    commands = [any_site.command("daily") for _count in range(2)]
    both = [subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for command in commands]
    outputs = [process.communicate(timeout=150)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert [one["outcome"] for one in any_site.records()] == ["success", "success"]
    assert any_site.play("restore_test").code == 0


def test_a_ledger_that_was_altered_is_never_green(any_site):
    assert any_site.play("daily").code == 0
    path = any_site.root / "state" / "ledger.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER never_update")
        connection.execute("UPDATE entries SET body = replace(body, '\"partial\"', '\"success\"') WHERE seq = 1")
        connection.commit()
    done = any_site.play("daily")
    assert done.code != 0 and "never_update" in done.text
    assert any_site.play("report").code != 0
