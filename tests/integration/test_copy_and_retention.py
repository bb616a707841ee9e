# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies that are proved where they lie, and removal that refuses: with real restic, without Ansible around it."""

from __future__ import annotations

import copy
import datetime
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from ansible_collections.sicekat.backup.plugins.module_utils import (
    arguments,
    backup_operation,
    copy_operation,
    integrity_operation,
    manifest,
    record,
    retention_operation,
    storage,
    workspace,
)
from ansible_collections.sicekat.backup.plugins.module_utils.restic import Restic
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import ResticError
from ansible_collections.sicekat.backup.plugins.modules import repository_listing

PASSWORD = "kata-sandi-uji"
TRIXIE = Path(__file__).resolve().parents[2] / ".cache/restic/restic-trixie"


def codes(closed: dict) -> list[str]:
    return [message["code"] for message in closed["messages"]]


class Store:
    """Makes repositories that are quick to open; each kind is initialised once for each engine and then copied."""

    def __init__(self, root: Path, cheap_key: ModuleType) -> None:
        self.root, self.cheap_key = root, cheap_key
        self.made: dict[tuple[Path, str], str] = {}

    def repository(self, binary: Path, path: Path, name: str) -> storage.Repository:
        """Returns a new repository of its own identity for each name."""
        template = self.root / f"{binary.name}-{name}"
        password = PASSWORD + name
        if (binary, name) not in self.made:
            self.made[binary, name] = Restic(str(binary), str(template), password).init()
            self.cheap_key.cheapen(template, password)
        shutil.copytree(template, path)
        return storage.Repository(Restic(str(binary), str(path), password), self.made[binary, name], name, "di sini")


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, cheap_key: ModuleType) -> Store:
    return Store(tmp_path_factory.mktemp("store"), cheap_key)


def contents(path: Path) -> dict[str, str]:
    """Returns every file below a directory with its digest, and every directory."""
    return {str(one): hashlib.sha256(one.read_bytes()).hexdigest() if one.is_file() else "" for one in sorted(path.rglob("*"))}


def packs(path: Path) -> list[Path]:
    return [one for one in (path / "data").rglob("*") if one.is_file()]


def damage(pack: Path) -> None:
    pack.chmod(0o600)
    pack.write_bytes(bytes([pack.read_bytes()[0] ^ 0xFF]) + pack.read_bytes()[1:])


# Copies


class Pair:
    """A server's data set `dokumen` in its primary repository, and an archive repository."""

    def __init__(self, root: Path, binary: Path, store: Store) -> None:
        self.root, self.binary = root, binary
        self.data = root / "data"
        self.data.mkdir()
        for number in range(5):
            (self.data / f"surat {number}.txt").write_text(f"isi {number}\n" * 300 * (number + 1), encoding="utf-8")
        self.workspace = workspace.Workspace(str(root / "server"))
        self.primary = store.repository(binary, root / "primary", "primary")
        self.archive = store.repository(binary, root / "archive", "archive")

    def back_up(self, **settings: object) -> dict:
        """Returns what `copy_snapshots` wants to know of a new backup."""
        dataset = {"record_id": "b:1", "name": "dokumen", "kind": "files", "paths": [str(self.data)], **settings}
        closed, made = backup_operation.back_up(
            backup_operation.Task("srv", "daily", [dataset], False, "full", lambda *_progress: None), self.workspace, self.primary
        )
        assert closed["b:1"]["outcome"] == "success", closed
        return {"record_id": "c:1", "snapshot_id": closed["b:1"]["snapshot_id"], "dataset": "dokumen", "manifest": made["b:1"]}

    def copy(self, *wanted: dict, sample: int = 3) -> dict:
        closed = copy_operation.copy_snapshots(self.archive, self.primary, list(wanted), sample)
        assert list(closed) == [one["record_id"] for one in wanted]
        assert all(set(one) <= set(record.CLOSED_FIELDS) for one in closed.values())
        return closed[wanted[0]["record_id"]] if len(wanted) == 1 else closed


@pytest.fixture
def pair(tmp_path: Path, restic_binary: Path, store: Store) -> Pair:
    return Pair(tmp_path, restic_binary, store)


@pytest.fixture
def one_pair(tmp_path: Path, store: Store) -> Pair:
    """With one engine, for what does not depend on its version."""
    return Pair(tmp_path, TRIXIE, store)


def test_a_copy_is_made_once_and_proved_each_time(pair):
    (pair.data / os.fsdecode(b"nama \xff.txt")).write_text("nama", encoding="utf-8")
    (pair.data / "besar.bin").write_bytes(os.urandom(manifest.WHOLE_BYTES + 5_000_000))
    wanted = pair.back_up()
    first = pair.copy(wanted, sample=100)
    assert (first["outcome"], first["cause"], first["messages"]) == ("success", None, [])
    (listed,) = pair.archive.restic.snapshots()
    assert first["snapshot_id"] == listed["id"] != wanted["snapshot_id"] and listed["original"] == wanted["snapshot_id"]
    assert first["copy"] == {"source_snapshot_id": wanted["snapshot_id"], "verified": {"canary": "found", "compared": 7, "equal": 7}}
    assert [(one["repository"], one["snapshot_id"]) for one in first["storage_locations"]] == [("archive", listed["id"])]
    assert first["verification"]["log_check"] == {
        "result": "passed",
        "checks": [{"check": "listed_in_repository", "result": "passed"}, {"check": "read_back", "result": "passed"}],
    }
    again = pair.copy(wanted)
    assert (again["outcome"], again["snapshot_id"], again["log"]) == ("success", listed["id"], None)
    assert again["copy"]["verified"] == {"canary": "found", "compared": 3, "equal": 3}
    assert len(pair.archive.restic.snapshots()) == 1


def test_a_large_file_is_compared_by_the_ranges_of_its_manifest(one_pair):
    path = one_pair.data / "besar.bin"
    path.write_bytes(os.urandom(manifest.WHOLE_BYTES + 1_000_000))
    wanted = one_pair.back_up()
    entry = next(one for one in wanted["manifest"]["files"] if one["path"].endswith("besar.bin"))
    wanted["manifest"]["files"] = [entry]
    for ranges in ([[0, 5]], [[3, 10], [5, 1_100_000]], [[1_048_570, 20], [8_000_000, 1_000_000]]):
        entry.update(ranges=ranges, sha256=manifest.digest_of(str(path), ranges))
        assert one_pair.copy(wanted)["outcome"] == "success"
        entry["sha256"] = manifest.digest_of(str(path), [[one + 1, length] for one, length in ranges])
        assert one_pair.copy(wanted)["cause"] == "restored_differs"


def test_a_copy_whose_data_are_damaged_is_no_success(pair):
    wanted = pair.back_up()
    assert pair.copy(wanted)["outcome"] == "success"
    for pack in packs(pair.root / "archive"):
        damage(pack)
    closed = pair.copy(wanted)
    assert closed["outcome"] == "failed" and closed["cause"] in ("repository_damaged", "other"), closed
    assert closed["snapshot_id"] and closed["verification"]["log_check"]["checks"][1] == {"check": "read_back", "result": "failed"}


def test_a_copy_that_is_not_what_backup_time_saw_is_no_success(one_pair):
    wanted = one_pair.back_up()
    for entry in wanted["manifest"]["files"]:
        entry["sha256"] = "0" * 64
    closed = one_pair.copy(wanted)
    assert (closed["outcome"], closed["cause"], codes(closed)) == ("failed", "restored_differs", ["copy_differs"])
    assert closed["copy"]["verified"] == {"canary": "found", "compared": 3, "equal": 0} and len(closed["errors"]) == 3


@pytest.mark.parametrize(
    ("alter", "cause", "code"),
    [
        (lambda one: one.update(manifest=None), "no_evidence", "no_evidence_manifest"),
        (lambda one: one["manifest"].update(nonce="0" * 32), "no_evidence", "no_evidence_canary"),
        (lambda one: one["manifest"].update(canary="/tidak/ada"), "no_evidence", "no_evidence_canary"),
        (lambda one: one["manifest"].update(files=[]), "no_evidence", "no_evidence_sample"),
        # A file of another time than the snapshot's proves nothing, whatever its content is.
        (lambda one: [entry.update(mtime_ns=1, sha256="0" * 64) for entry in one["manifest"]["files"]], "no_evidence", "no_evidence_sample"),
    ],
)
def test_without_evidence_a_copy_is_no_success_but_it_is_made(one_pair, alter, cause, code):
    wanted = one_pair.back_up()
    alter(wanted)
    closed = one_pair.copy(wanted)
    assert (closed["outcome"], closed["cause"], codes(closed)) == ("failed", cause, [code])
    assert [one["id"] for one in one_pair.archive.restic.snapshots()] == [closed["snapshot_id"]]


def test_files_that_changed_while_they_were_backed_up_are_left_out(one_pair):
    wanted = one_pair.back_up()
    for entry in wanted["manifest"]["files"][:3]:
        entry.update(mtime_ns=1, sha256="0" * 64)
    closed = one_pair.copy(wanted, sample=4)
    assert closed["outcome"] == "success" and closed["copy"]["verified"] == {"canary": "found", "compared": 2, "equal": 2}


def test_a_data_set_that_may_be_empty_is_proved_by_its_canary(one_pair):
    shutil.rmtree(one_pair.data)
    one_pair.data.mkdir()
    closed = one_pair.copy(one_pair.back_up(allow_empty=True))
    assert closed["outcome"] == "success" and closed["copy"]["verified"] == {"canary": "found", "compared": 0, "equal": 0}


def test_one_snapshot_that_cannot_be_copied_does_not_keep_the_others(pair):
    good = pair.back_up()
    before = set(packs(pair.root / "primary"))
    (pair.data / "surat 0.txt").write_text("isi yang lain", encoding="utf-8")
    bad = {**pair.back_up(), "record_id": "c:2"}
    for pack in set(packs(pair.root / "primary")) - before:
        damage(pack)
    gone = {**good, "record_id": "c:3", "snapshot_id": "f" * 64}
    closed = pair.copy(bad, gone, good)
    assert {name: one["outcome"] for name, one in closed.items()} == {"c:1": "success", "c:2": "failed", "c:3": "failed"}
    assert closed["c:2"]["cause"] in ("repository_damaged", "other") and codes(closed["c:3"]) == ["copy_source_missing"]
    assert closed["c:2"]["snapshot_id"] is None and closed["c:2"]["storage_locations"] == []


@pytest.mark.parametrize("side", ["primary", "archive"])
def test_a_repository_that_is_missing_or_another_one_is_told(one_pair, side):
    wanted = one_pair.back_up()
    used = getattr(one_pair, side)
    used.pinned_id = "0" * 64
    assert one_pair.copy(wanted)["cause"] == "repository_replaced"
    assert [message["code"] for message in copy_operation.rehearse(one_pair.archive, one_pair.primary)] == ["repository_replaced"]
    used.restic = Restic(str(one_pair.binary), str(one_pair.root / "tidak-ada"), PASSWORD)
    closed = one_pair.copy(wanted)
    assert (closed["cause"], closed["snapshot_id"], closed["error_count"]) == ("repository_missing", None, 1)


def test_a_copy_that_somebody_altered_is_not_taken_for_one(one_pair):
    wanted = one_pair.back_up()
    first = one_pair.copy(wanted)
    # The same time, host and tags, but less in it.
    alter = [one_pair.binary, "-r", one_pair.archive.restic.repository, "--no-cache", "rewrite", "--forget", "--exclude", "surat*", first["snapshot_id"]]
    subprocess.run(alter, env={"RESTIC_PASSWORD": PASSWORD + "archive"}, check=True, timeout=60)
    (altered,) = one_pair.archive.restic.snapshots()
    second = one_pair.copy(wanted)
    assert second["outcome"] == "success" and second["snapshot_id"] != altered["id"]


def test_a_copy_that_only_restic_believes_in_is_no_success(one_pair):
    wanted = one_pair.back_up()
    wrapper = one_pair.root / "restic"
    wrapper.write_text(f'#!/bin/sh\ncase " $* " in *" copy "*) exit 0;; esac\nexec {one_pair.binary} "$@"\n', encoding="utf-8")
    wrapper.chmod(0o755)
    one_pair.archive.restic.binary = str(wrapper)
    closed = one_pair.copy(wanted)
    assert (closed["outcome"], closed["cause"], codes(closed)) == ("failed", "snapshot_not_listed", ["copy_not_listed"])


def test_a_listing_measures_what_it_lists_and_nothing_else(pair):
    name = pair.back_up()["snapshot_id"]
    place = {key: option.get("default") for key, option in {**arguments.ENDPOINT, **repository_listing.MORE}.items()}
    place.update(server="srv", repository=str(pair.root / "primary"), password=PASSWORD + "primary", repository_id=pair.primary.pinned_id, access={})
    params = {**{key: option.get("default") for key, option in arguments.ENGINE.items()}, "restic": str(pair.binary), "server_dir": str(pair.root / "server")}
    listing = repository_listing.listing_of({**place, "measure": [name, "f" * 64, name[:8], "latest", "--help"]}, params)
    assert (listing["problem"], listing["sizes"]) == (None, {name: pair.primary.restic.size(name)})
    assert repository_listing.listing_of({**place, "measure": []}, params)["sizes"] == {}
    for pack in packs(pair.root / "primary"):
        pack.unlink()
    listing = repository_listing.listing_of({**place, "measure": [name]}, params)
    assert (listing["problem"], listing["sizes"], len(listing["snapshots"])) == (None, {name: None}, 1)


# Retention

KEEP = {"last": None, "daily": 2, "weekly": None, "monthly": None, "yearly": None}


class Shelf:
    """A repository with seven daily snapshots of `dokumen` and three of `arsip`, made by restic itself, and what records say of them."""

    def __init__(self, root: Path, binary: Path) -> None:
        self.root, self.binary = root, binary
        self.path = root / "repository"
        self.known: dict[str, list[dict]] = {"dokumen": [], "arsip": []}
        self.pinned = ""
        self.allowed: list[str] | None = None

    def fill(self, store: Store) -> Shelf:
        self.pinned = store.repository(self.binary, self.path, "primary").pinned_id
        for days in range(7, 0, -1):
            self.add("dokumen", days)
        for days in (3, 2, 1):
            self.add("arsip", days)
        return self

    @property
    def repository(self) -> storage.Repository:
        return storage.Repository(Restic(str(self.binary), str(self.path), PASSWORD + "primary"), self.pinned, "primary", "di sini")

    def add(self, dataset: str, days_ago: float, claimed: bool = True, host: str = "srv") -> dict:
        """Makes a snapshot with restic alone, as a compromised server could."""
        data = self.root / "data" / dataset
        data.mkdir(parents=True, exist_ok=True)
        (data / "isi.txt").write_text(os.urandom(2000).hex(), encoding="ascii")
        at = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days_ago)
        command = [self.binary, "-r", self.path, "--no-cache", "backup", "--json", "--host", host, "--tag", "sicekat", "--tag", f"dataset={dataset}", data]
        made = subprocess.run(
            [*command, "--time", at.strftime("%Y-%m-%d %H:%M:%S")], env={"RESTIC_PASSWORD": PASSWORD + "primary", "TZ": "UTC"},
            stdout=subprocess.PIPE, check=True, timeout=60,
        )  # fmt: skip
        name = json.loads(made.stdout.splitlines()[-1])["snapshot_id"]
        name = next(path.name for path in (self.path / "snapshots").iterdir() if path.name.startswith(name))
        text = record.to_text(at)
        entry = {"snapshot_id": name, "record_id": "r", "outcome": "success", "not_before": text, "not_after": text, "files": 1, "bytes": 4000}
        if claimed:
            self.known[dataset].append(entry)
        return entry

    def groups(self) -> list[dict]:
        return [{"dataset": name, "keep": KEEP, "least": 1, "known": known} for name, known in self.known.items()]

    def thin_out(self, minutes: float = 0) -> dict:
        now = record.to_text(record.utc_now() + datetime.timedelta(minutes=minutes))
        closed = retention_operation.thin_out(self.repository, self.groups(), "srv", now, self.allowed)
        assert set(closed) <= set(record.CLOSED_FIELDS)
        return closed

    def listed(self) -> set[str]:
        return {one["id"] for one in self.repository.restic.snapshots()}

    def names(self, dataset: str) -> list[str]:
        return [one["snapshot_id"] for one in self.known[dataset]]


@pytest.fixture(scope="session")
def shelves(tmp_path_factory: pytest.TempPathFactory, store: Store) -> Callable[[Path], Shelf]:
    """Gives a filled shelf of an engine; tests work on copies of it."""
    made: dict[Path, Shelf] = {}

    def shelf(binary: Path) -> Shelf:
        if binary not in made:
            made[binary] = Shelf(tmp_path_factory.mktemp("shelf"), binary).fill(store)
        return made[binary]

    return shelf


def _copy_of(shelf: Shelf, root: Path) -> Shelf:
    made = Shelf(root, shelf.binary)
    shutil.copytree(shelf.path, made.path)
    made.known, made.pinned = copy.deepcopy(shelf.known), shelf.pinned
    return made


@pytest.fixture
def shelf(tmp_path: Path, restic_binary: Path, shelves: Callable[[Path], Shelf]) -> Shelf:
    return _copy_of(shelves(restic_binary), tmp_path)


@pytest.fixture
def one_shelf(tmp_path: Path, shelves: Callable[[Path], Shelf]) -> Shelf:
    return _copy_of(shelves(TRIXIE), tmp_path)


def test_old_snapshots_go_their_space_is_freed_and_the_rest_is_sound(shelf):
    foreign = shelf.add("dokumen", 400, claimed=False, host="srv-lain")["snapshot_id"]
    space = sum(pack.stat().st_size for pack in packs(shelf.path))
    gone = [*shelf.names("dokumen")[:5], *shelf.names("arsip")[:1]]
    closed = shelf.thin_out()
    assert (closed["outcome"], closed["cause"], closed["messages"], closed["error_count"]) == ("success", None, [], 0), closed
    done = closed["retention"]
    assert [one["snapshot_id"] for one in done["removed"]] == gone
    assert (done["listed"], done["kept"], done["refusals"], done["unconfirmed"]) == (10, 4, [], [])
    assert done["groups"] == [
        {"dataset": "dokumen", "listed": 7, "kept": 2, "removed": 5, "refused": False},
        {"dataset": "arsip", "listed": 3, "kept": 2, "removed": 1, "refused": False},
    ]
    assert shelf.listed() == {*shelf.names("dokumen"), *shelf.names("arsip"), foreign} - set(gone)
    assert sum(pack.stat().st_size for pack in packs(shelf.path)) < space
    assert integrity_operation.check_integrity(shelf.repository, "full")["outcome"] == "success"
    # Once more there is nothing to do, and nothing is touched.
    before = contents(shelf.path)
    again = shelf.thin_out()
    assert (again["outcome"], again["retention"]["removed"], contents(shelf.path)) == ("success", [], before)


def require_refused(shelf: Shelf, *expected: str, minutes: float = 0) -> None:
    before = contents(shelf.path)
    closed = shelf.thin_out(minutes)
    assert (closed["outcome"], closed["cause"], codes(closed)) == ("failed", "retention_refused", list(expected)), closed["messages"]
    assert (closed["retention"]["refusals"], closed["retention"]["removed"]) == (closed["messages"], [])
    assert contents(shelf.path) == before


@pytest.mark.parametrize("days_ago", [0.5, 4000, -400])
def test_a_snapshot_that_a_server_planted_keeps_everything(shelf, days_ago):
    shelf.add("dokumen", days_ago, claimed=False)
    require_refused(shelf, "retention_unclaimed")


@pytest.mark.parametrize(("days_ago", "claimed_days_ago"), [(4000, 0.5), (-400, 0.5), (0.5, 0.6)])
def test_a_claimed_snapshot_of_another_time_keeps_everything(one_shelf, days_ago, claimed_days_ago):
    entry = one_shelf.add("dokumen", days_ago)
    text = record.to_text(record.utc_now() - datetime.timedelta(days=claimed_days_ago))
    entry.update(not_before=text, not_after=text)
    require_refused(one_shelf, "retention_misdated")


def test_an_unknown_data_set_keeps_everything(one_shelf):
    one_shelf.add("lain", 1, claimed=False)
    require_refused(one_shelf, "retention_unclaimed", "retention_group")


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_clock_that_is_wrong_keeps_everything(one_shelf, minutes):
    require_refused(one_shelf, "retention_clock", minutes=minutes)


def test_good_backups_stay_when_the_newest_is_empty_or_no_success_or_gone(one_shelf):
    one_shelf.known["dokumen"][-1].update(files=0, bytes=0)
    one_shelf.known["arsip"][-1].update(outcome="partial")
    require_refused(one_shelf, "retention_shrunk_files", "retention_no_success")
    one_shelf.known["dokumen"].append({**one_shelf.known["dokumen"][-1], "snapshot_id": "f" * 64, "not_before": record.to_text(record.utc_now())})
    require_refused(one_shelf, "retention_newest_gone", "retention_no_success")


def test_a_refused_data_set_stays_whole_beside_one_that_is_thinned_out(one_shelf):
    one_shelf.known["arsip"][-1].update(outcome="failed")
    closed = one_shelf.thin_out()
    assert (closed["outcome"], closed["cause"], codes(closed)) == ("failed", "retention_refused", ["retention_no_success"])
    assert one_shelf.listed() == {*one_shelf.names("dokumen")[5:], *one_shelf.names("arsip")}
    assert integrity_operation.check_integrity(one_shelf.repository, "full")["outcome"] == "success"


def test_check_mode_says_what_would_go_and_touches_nothing(shelf):
    before = contents(shelf.path)
    problems, removals = retention_operation.rehearse(shelf.repository, shelf.groups(), "srv", record.to_text(record.utc_now()), None)
    assert problems == [] and len(removals) == 6 and contents(shelf.path) == before
    # What was said is what goes, though more may go when it comes to it.
    shelf.allowed = [one["snapshot_id"] for one in removals[:2]]
    closed = shelf.thin_out()
    assert (closed["outcome"], closed["retention"]["removed"], closed["retention"]["kept"]) == ("success", removals[:2], 8)
    assert shelf.listed() == {*shelf.names("dokumen"), *shelf.names("arsip")} - set(shelf.allowed)


def test_a_proved_backup_outlives_the_ones_that_prove_nothing(shelf):
    """restic keeps the newest of a day, and of three days; what an interrupted run left must not take these places."""
    entry = shelf.add("dokumen", 0.9)
    entry["outcome"] = "aborted"
    shelf.known["dokumen"][-1:] = []
    shelf.known["dokumen"].insert(-1, {**entry, "not_before": record.to_text(record.utc_now() - datetime.timedelta(days=1.5))})
    good = [one["snapshot_id"] for one in shelf.known["dokumen"] if one["outcome"] == "success"]
    closed = shelf.thin_out()
    assert (closed["outcome"], closed["messages"]) == ("success", [])
    assert set(good[-2:]) <= shelf.listed() and not shelf.listed().intersection(good[:-2])


@pytest.mark.parametrize("rules", [{"last": 3}, {"daily": 3}, {"weekly": 1}, {"monthly": 1}, {"yearly": 1}, {"last": 1, "daily": 2, "weekly": 2}])
def test_we_count_as_restic_does(shelf, rules):
    listed = [one for one in shelf.repository.restic.snapshots() if "dataset=dokumen" in one["tags"]]
    kept = {one["id"] for found in shelf.repository.restic.forget_dry_run(rules, "srv", ["dataset=dokumen"]) for one in found["keep"]}
    ours = retention_operation._kept(sorted(listed, key=lambda one: one["time"]), rules)
    assert kept <= ours and len(ours - kept) <= 1, "at most the oldest stays longer, and only with an old restic"


def test_the_size_of_a_snapshot_is_that_of_all_its_items(pair):
    (pair.data / "tautan").symlink_to("surat 0.txt")
    os.link(pair.data / "surat 1.txt", pair.data / "sama.txt")
    made = pair.back_up()
    size = pair.primary.restic.size(made["snapshot_id"])
    _snapshot, nodes = pair.primary.restic.nodes(made["snapshot_id"])
    data = [path for path in pair.data.iterdir() if path.name != "sama.txt" and not path.is_symlink()]
    canary = Path(made["manifest"]["canary"])
    assert size == {"files": len(nodes), "bytes": sum(path.stat().st_size for path in [*data, canary])} and len(nodes) > 8
    with pytest.raises(ResticError):
        pair.primary.restic.size("f" * 64)


def test_a_repository_that_is_not_the_pinned_one_is_left_alone(one_shelf):
    one_shelf.pinned = "0" * 64
    before = contents(one_shelf.path)
    closed = one_shelf.thin_out()
    assert (closed["outcome"], closed["cause"], closed["retention"]["listed"]) == ("failed", "repository_replaced", 0)
    assert contents(one_shelf.path) == before


@pytest.mark.parametrize(
    ("script", "cause", "code", "removed"),
    [
        # restic 0.18 ends with 0 although an append-only store refused it.
        ('case "$line" in *" forget "*--dry-run*) ;; *" forget "*) exit 0;; esac', "permission", "removal_refused", 0),
        ('case "$line" in *" prune "*) echo "Fatal: no space left on device" >&2; exit 1;; esac', "no_space", "no_space", 6),
        ('case "$line" in *" prune "*) rm -f {victim};; esac', "snapshot_missing", "retention_lost_others", 6),
    ],
)
def test_what_is_left_decides_whatever_restic_says(one_shelf, script, cause, code, removed):
    victim = one_shelf.path / "snapshots" / one_shelf.names("dokumen")[-2]
    wrapper = one_shelf.root / "restic"
    wrapper.write_text(f'#!/bin/sh\nline=" $* "\n{script.format(victim=victim)}\nexec {one_shelf.binary} "$@"\n', encoding="utf-8")
    wrapper.chmod(0o755)
    one_shelf.binary = wrapper
    closed = one_shelf.thin_out()
    assert (closed["outcome"], closed["cause"], codes(closed)) == ("failed", cause, [code])
    assert len(closed["retention"]["removed"]) == removed and closed["retention"]["kept"] == 10 - removed


def test_a_repository_that_cannot_be_listed_afterwards_leaves_no_claim(one_shelf):
    wrapper = one_shelf.root / "restic"
    script = f'#!/bin/sh\ncase " $* " in *" prune "*) {one_shelf.binary} "$@"; mv {one_shelf.path} {one_shelf.root}/away; exit 0;; esac'
    wrapper.write_text(f'{script}\nexec {one_shelf.binary} "$@"\n', encoding="utf-8")
    wrapper.chmod(0o755)
    one_shelf.binary = wrapper
    closed = one_shelf.thin_out()
    assert (closed["outcome"], closed["cause"], closed["retention"]["removed"]) == ("failed", "repository_missing", [])
    assert len(closed["retention"]["unconfirmed"]) == 6
