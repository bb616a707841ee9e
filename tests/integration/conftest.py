# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site of its own for each test: data, repositories and state in a temporary directory, and the real playbooks on it."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger

ROOT = Path(__file__).resolve().parents[2]
SECRET = "rahasia-uji-yang-cukup-panjang-0123456789"
PLAY_LIMIT_S = 180


class Played:
    """What a playbook left: exit code and everything it wrote."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text


class Site:
    """One server, one data set of kind files, a primary and no archive repository; `variables` can be changed before a play."""

    def __init__(self, root: Path, restic: str) -> None:
        self.root = root
        self.data = root / "data"
        self.data.mkdir(parents=True)
        for number in range(20):
            (self.data / f"surat {number:02}.txt").write_text(f"isi surat {number}\n" * (number + 1), encoding="utf-8")
        self.primary = root / "repositories" / "primary"
        self.variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "backup_state_dir": str(root / "state"),
            "backup_server_dir": str(root / "server"),
            "backup_master_secret": SECRET,
            "backup_restic": restic,
            "backup_categories": {"penting": {"rto": "4h", "rpo": "24h"}},
            "backup_cycles": {cycle: {"day": 1, "start": "00:00", "end": "23:59", "grace": "31d"} for cycle in ("monthly", "restore_test")},
            "backup_repositories": {"primary": {"url": str(self.primary), "location": "Ruang server"}},
            "backup_datasets": [{"name": "dokumen", "kind": "files", "category": "penting", "paths": [str(self.data)]}],
        }
        self.variables["backup_cycles"]["daily"] = {"start": "00:00", "end": "23:59", "grace": "6h"}
        self.variables["backup_cycles"]["weekly"] = {"day": "monday", "start": "00:00", "end": "23:59", "grace": "7d"}
        self.hosts: dict[str, dict] = {"srv-satu": {}}

    @property
    def dataset(self) -> dict:
        return self.variables["backup_datasets"][0]

    def inventory(self) -> Path:
        path = self.root / "hosts.yml"
        path.write_text(yaml.safe_dump({"all": {"vars": self.variables, "hosts": copy.deepcopy(self.hosts)}}), encoding="utf-8")
        return path

    def command(self, playbook: str, *arguments: str) -> list[str]:
        return [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(self.inventory()), f"playbooks/{playbook}.yml", *arguments]

    def play(self, playbook: str, *arguments: str, **environment: str) -> Played:
        done = subprocess.run(
            self.command(playbook, *arguments), cwd=ROOT, env={**os.environ, **environment}, timeout=PLAY_LIMIT_S,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="surrogateescape", check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Played(done.returncode, done.stdout)

    def deployed(self) -> Site:
        done = self.play("site")
        assert done.code == 0, done.text
        return self

    def ledger(self) -> Ledger:
        return Ledger.open(self.root / "state" / "ledger.sqlite3")

    def records(self, **filters: str) -> list[dict]:
        with self.ledger() as ledger:
            assert ledger.verify() == []
            return [one for one in ledger.records() if all(one[key] == value for key, value in filters.items())]

    def last(self, **filters: str) -> dict:
        return self.records(**filters)[-1]

    def status(self) -> dict:
        """Returns the status of each data set as report.yml sees it."""
        from ansible_collections.sicekat.backup.plugins.module_utils import record
        from ansible_collections.sicekat.backup.plugins.plugin_utils import assessment, documentation

        with self.ledger() as ledger:
            policies = [(entry.at, entry.data["policy"]) for entry in ledger.policies()]
            policy = policies[-1][1]
            notes = (documentation.listings(ledger, policy), documentation.measurements(ledger, policy))
            pins = documentation.pins(ledger, policy)
            found = assessment.index(policy, policies, list(ledger.records()), record.utc_now(), pins, ledger.verify(), *notes)
        return {one["dataset"]: one for one in found["status"]}

    def checklists(self) -> list[dict]:
        return [
            json.loads(path.read_text(encoding="utf-8"))
            for path in sorted(self.root.glob("state/checklists/*/*.json"), key=lambda path: path.stat().st_mtime_ns)
        ]

    def codes(self, one: dict) -> list[str]:
        return [message["code"] for message in one["messages"]]


@pytest.fixture(scope="session")
def deployments(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives a site that site.yml has deployed, one for each engine; the others are copies of it, which saves the key derivations."""
    made: dict[str, Path] = {}

    def deployment(restic: str) -> Path:
        if restic not in made:
            made[restic] = Site(tmp_path_factory.mktemp("deployed"), restic).deployed().root
        return made[restic]

    return deployment


@pytest.fixture
def site(tmp_path: Path, restic_binary: Path, deployments: Callable[[str], Path]) -> Site:
    """A deployed site with each of the two supported engines in turn."""
    return _copy(deployments(str(restic_binary)), tmp_path, str(restic_binary))


@pytest.fixture
def any_site(tmp_path: Path, deployments: Callable[[str], Path]) -> Site:
    """A deployed site with one engine, for what does not depend on the engine's version."""
    restic = str(ROOT / ".cache/restic/restic-trixie")
    return _copy(deployments(restic), tmp_path, restic)


@pytest.fixture
def bare_site(tmp_path: Path) -> Site:
    """A site where nothing was deployed yet."""
    return Site(tmp_path / "bare", str(ROOT / ".cache/restic/restic-bookworm"))


@pytest.fixture
def root() -> None:
    """For what only root can make on a machine, such as a full disk."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")


def _copy(deployed: Path, root: Path, restic: str) -> Site:
    site = Site(root, restic)
    for name in ("repositories", "state", "server"):
        shutil.copytree(deployed / name, root / name)
    return site
