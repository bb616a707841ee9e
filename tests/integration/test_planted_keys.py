# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Key files that a server in foreign hands adds to its append-only repository keep nobody out, cost nothing, and are found."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pwd
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ansible_collections.sicekat.backup.plugins.module_utils import restic_process as engine
from ansible_collections.sicekat.backup.plugins.module_utils.restic import Restic
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import ResticError
from ansible_collections.sicekat.backup.plugins.modules import repository_keys, repository_listing
from ansible_collections.sicekat.backup.plugins.modules.repository import ensure
from ansible_collections.sicekat.backup.plugins.plugin_utils.access import Access

PASSWORD = "kata-sandi-sendiri"
MANY = 60  # restic 0.18 tries 20
COSTLY = 1 << 20  # scrypt's N; with r = 8 it takes 1 GiB and some seconds, and restic takes no higher one


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user can pass through, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="sicekat-uji-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def made(path: Path, binary: Path, cheap_key: ModuleType) -> str:
    """Makes a repository and returns the id of its key."""
    Restic(str(binary), str(path), PASSWORD).init()
    cheap_key.cheapen(path, PASSWORD)
    (key,) = (path / "keys").iterdir()
    return key.name


def plant(repository: Path, cost: int) -> str:
    """Adds a key file that no password of ours opens, as who knows the format writes it, and returns its id."""
    key: dict[str, Any] = json.loads(next((repository / "keys").iterdir()).read_bytes())
    content = json.dumps({**key, "N": cost, "salt": base64.b64encode(os.urandom(64)).decode(), "username": os.urandom(8).hex()}).encode()
    name = hashlib.sha256(content).hexdigest()
    (repository / "keys" / name).write_bytes(content)
    return name


def arguments(path: Path, binary: Path, directory: Path, **more: object) -> dict:
    return {
        "restic": str(binary), "server_dir": str(directory), "upload_limit": None, "max_runtime": 3600, "repository": str(path), "password": PASSWORD,
        "repository_id": None, "repository_name": "primary", "location": "", "access": {}, "run_as": None, "key_hint": None, "server": "srv", **more,
    }  # fmt: skip


def test_planted_keys_are_not_tried_and_are_found(tmp_path, restic_binary, cheap_key):
    ours = made(tmp_path / "repo", restic_binary, cheap_key)
    restic = Restic(str(restic_binary), str(tmp_path / "repo"), PASSWORD)
    identity = restic.repository_id()
    planted = {plant(tmp_path / "repo", COSTLY) for _number in range(MANY)}
    hinted = Restic(str(restic_binary), str(tmp_path / "repo"), PASSWORD, key_hint=ours)
    begin = time.monotonic()
    assert hinted.repository_id() == identity
    assert hinted.current_key() == ours
    assert hinted.with_password(PASSWORD).repository_id() == identity
    place = arguments(tmp_path / "repo", restic_binary, tmp_path, repository_id=identity, key_hint=ours)
    found = repository_listing.listing_of({**place, "known_keys": [ours]}, place)
    assert (found["problem"], set(found["strange_keys"])) == (None, planted)
    assert repository_listing.listing_of({**place, "known_keys": None}, place)["strange_keys"] is None
    assert repository_listing.listing_of({**place, "known_keys": [ours, *planted]}, place)["strange_keys"] == []
    other = Restic(str(restic_binary), str(tmp_path / "other"), "lain")
    other.init(hinted)
    (tmp_path / "surat.txt").write_text("isi", encoding="utf-8")
    hinted.backup([str(tmp_path / "surat.txt")], "srv", [])
    (snapshot,) = hinted.snapshots()
    other.copy([snapshot["id"]], hinted)
    assert [one["original"] for one in other.snapshots()] == [snapshot["id"]]
    assert time.monotonic() - begin < 60


def test_without_knowing_our_key_many_planted_ones_keep_us_out(tmp_path, restic_binary, cheap_key):
    """Why the hint is needed; should restic change, this tells."""
    ours = made(tmp_path / "repo", restic_binary, cheap_key)
    for _number in range(MANY):
        plant(tmp_path / "repo", 2)
    wrong = Restic(str(restic_binary), str(tmp_path / "repo"), PASSWORD, key_hint=ours).with_password("bukan")
    with pytest.raises(ResticError):
        wrong.repository_id()


def test_the_module_says_which_key_it_opened(tmp_path, restic_binary):
    given = dict(arguments(tmp_path / "repo", restic_binary, tmp_path / "server"), unlock=False, chunker_repository=None)
    found = ensure(given, check_mode=False)
    assert [one.name for one in (tmp_path / "repo" / "keys").iterdir()] == [found["key_id"]]
    assert ensure({**given, "repository": str(tmp_path / "none")}, check_mode=True)["key_id"] == ""


def test_the_keys_that_passwords_open_are_named(tmp_path, restic_binary, cheap_key):
    ours = made(tmp_path / "repo", restic_binary, cheap_key)
    identity = Restic(str(restic_binary), str(tmp_path / "repo"), PASSWORD, key_hint=ours).repository_id()
    place = arguments(tmp_path / "repo", restic_binary, tmp_path, repository_id=identity, key_hint=ours, passwords=["baru", PASSWORD], remove=[])
    assert repository_keys.settle(place, place, True)["key_ids"] == [None, ours]
    found = repository_keys.settle(place, place, False)
    assert found["problem"] is None and found["key_ids"][1] == ours and sorted(found["present"]) == sorted(found["key_ids"])
    rotated = {**place, "password": "baru", "key_hint": found["key_ids"][0], "passwords": ["baru"], "remove": [PASSWORD]}
    strange = plant(tmp_path / "repo", 2)
    left = repository_keys.settle(rotated, rotated, False)
    assert left["problem"] is None
    assert (left["removed"], left["key_ids"]) == (1, found["key_ids"][:1])
    assert set(left["present"]) == {strange, *left["key_ids"]}


def test_a_planted_key_cannot_take_the_memory_of_a_repository_server(open_directory, restic_binary, cheap_key, monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("needs root to run restic as another user")
    repository = open_directory / "repo"
    ours = made(repository, restic_binary, cheap_key)
    plant(repository, COSTLY)
    user = pwd.getpwnam("nobody")
    for path in (repository, *repository.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid)
    restic = Restic(str(restic_binary), str(repository), PASSWORD, run_as="nobody", key_hint=ours)
    restic.repository_id()
    monkeypatch.setattr(engine, "MEMORY_LIMIT_BYTES", 512 << 20)
    with pytest.raises(ResticError) as found:
        restic.with_password("bukan").repository_id()
    assert found.value.cause != "wrong_password"  # which it would be, had the key been tried


def test_the_ledger_knows_all_keys_of_a_repository_also_after_a_rotation_and_names_a_planted_one(any_site):
    keys = any_site.primary / "keys"

    def known() -> set[str]:
        with any_site.ledger() as ledger:
            found = Access({"repository_servers": {}, "servers": {}}, dict, ledger).known_keys("srv-satu", "primary")
            proved = ledger.newest("escrow_proved", "srv-satu", "primary")
        assert found is not None
        assert proved["password_of"] == "srv-satu"
        return set(found)

    before = known()
    assert before == {one.name for one in keys.iterdir()} and len(before) == 2
    strange = plant(any_site.primary, 2)
    refused = any_site.play("rotate", "-e", "rotate_server=srv-satu")
    assert refused.code != 0 and strange in refused.text, refused.text
    (keys / strange).unlink()
    done = any_site.play("rotate", "-e", "rotate_server=srv-satu")
    assert done.code == 0, done.text
    after = known()
    assert after == {one.name for one in keys.iterdir()} and len(after & before) == 1
