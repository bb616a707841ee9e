# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The copy of the ledger is of one moment, and what comes back is proved to the head that it had then."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import Copy, Finding, SourceError
from ansible_collections.sicekat.backup.plugins.module_utils.sources.kinds import source_for
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import Workspace
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger


class _Clock:
    def phase(self, _name: str) -> contextlib.AbstractContextManager:
        return contextlib.nullcontext()


class Node:
    """A control node with a ledger of some entries, and its source."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.state = place / "state"
        self.inventory = place / "inventory"
        self.inventory.mkdir()
        (self.inventory / "hosts.yml").write_text("all: {}\n")
        with Ledger.open(self.state / "ledger.sqlite3", create=True) as ledger:
            for number in range(20):
                ledger.append("note", {"number": number, "text": "Catatan → \u2028"})
        (self.state / "manifests").mkdir()
        (self.state / "manifests/a.json").write_text("{}")
        self.workspace = Workspace(str(place / "work"))
        self.workspace.make()
        dataset = {"name": "kendali", "kind": "control_node", "paths": [str(self.inventory)], "state_dir": str(self.state)}
        self.source = source_for(dataset, self.workspace)

    def grow(self) -> None:
        with Ledger.open(self.state / "ledger.sqlite3") as ledger:
            ledger.append("note", {"number": 99})

    def restored(self, change: str = "") -> Finding:
        """Returns what the source says of a copy of its paths; change: SQL that was done to the ledger in the copy."""
        root = self.place / "restored"
        for path in self.source.paths():
            shutil.copytree(path, str(root) + path)
        if change:
            with contextlib.closing(sqlite3.connect(f"{root}{self.source.paths()[-1]}/ledger.sqlite3")) as copy:
                for guard in ("never_update", "never_delete"):
                    copy.execute(f"DROP TRIGGER {guard}")
                copy.execute(change)
                copy.commit()
        return self.source.prove(Copy(str(root), self.source.paths(), self.source.evidence(), None, _Clock(), self.workspace))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.source.clean()


def test_the_copy_holds_ledger_manifests_and_paths_of_one_moment(node: Node):
    node.source.prepare()
    node.grow()  # the run that makes the backup goes on writing
    assert node.source.paths() == [str(node.inventory), node.workspace.path("spool", "kendali")]
    assert sorted(os.listdir(node.source.paths()[1])) == ["ledger.sqlite3", "manifests"]
    assert node.source.evidence()["head"]["seq"] == 20
    assert node.restored().state == "sound"


def test_a_restored_ledger_goes_on_where_it_ended(node: Node):
    node.source.prepare()
    shutil.rmtree(node.state)
    shutil.copytree(node.source.paths()[1], node.state)
    node.grow()
    with Ledger.open(node.state / "ledger.sqlite3") as ledger:
        assert ledger.verify() == []
        assert ledger.head()["seq"] == 21
    with contextlib.closing(sqlite3.connect(node.state / "ledger.sqlite3")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entries SET body = replace(body, 'Catatan', 'Catatin') WHERE seq = 7",
        "UPDATE entries SET hash = hex(zeroblob(32)) WHERE seq = 7",
        "DELETE FROM entries WHERE seq = 20",
        "DELETE FROM entries WHERE seq = 7",
    ],
)
def test_an_altered_or_cut_copy_is_damaged(node: Node, change: str):
    node.source.prepare()
    assert node.restored(change).state == "damaged"


def test_without_the_head_of_backup_time_nothing_is_proved(node: Node):
    node.source.prepare()
    node.source._evidence = {key: value for key, value in node.source.evidence().items() if key != "head"}
    finding = node.restored()
    assert (finding.state, "20, and None" in finding.reason) == ("damaged", True)


def test_a_ledger_that_was_altered_is_not_backed_up(node: Node):
    with contextlib.closing(sqlite3.connect(node.state / "ledger.sqlite3")) as connection:
        connection.execute("DROP TRIGGER never_update")
        connection.execute("UPDATE entries SET body = replace(body, 'Catatan', 'Catatin') WHERE seq = 7")
        connection.commit()
    with pytest.raises(SourceError) as caught:
        node.source.prepare()
    assert caught.value.message["code"] == "source_ledger_unsound"


@pytest.mark.parametrize(("missing", "code"), [("inventory", "source_missing"), ("state", "source_missing")])
def test_what_is_not_there_is_not_backed_up(node: Node, missing: str, code: str):
    shutil.rmtree(node.place / missing)
    assert node.source.problem()["code"] == code
