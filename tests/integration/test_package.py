# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tarball holds the collection and nothing else, and works where it is installed, away from the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
ALLOWED = {
    "CHANGELOG.md",
    "COPYING",
    "FILES.json",
    "MANIFEST.json",
    "README.md",
    "changelogs",
    "docs",
    "meta",
    "playbooks",
    "plugins",
    "requirements.txt",
    "roles",
}


def run(command: str, *arguments: object, cwd: Path, **environment: object) -> str:
    """Standard output of a program of the virtual environment, which must succeed. The checkout's ansible.cfg is out of reach."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    variables |= {"LC_ALL": "C.UTF-8", "ANSIBLE_HOME": str(cwd / "ansible-home")} | {key: str(value) for key, value in environment.items()}
    program = BIN / command if (BIN / command).exists() else command
    done = subprocess.run([program, *map(str, arguments)], cwd=cwd, env=variables, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, f"{command} {arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def files_below(*directories: str) -> set[str]:
    """What git would carry of these directories of the checkout."""
    listing = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard", "--", *directories], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in listing.stdout.split("\0") if name and (ROOT / name).exists()}


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scratch = tmp_path_factory.mktemp("build")
    stage = run(str(ROOT / "scripts/stage.sh"), scratch / "stage", cwd=scratch).strip()
    run("ansible-galaxy", "collection", "build", stage, "--output-path", scratch, cwd=scratch)
    (built,) = scratch.glob("sicekat-backup-*.tar.gz")
    return built


@pytest.fixture(scope="module")
def installed(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the installed collection under collections/."""
    place = tmp_path_factory.mktemp("installed")
    run("ansible-galaxy", "collection", "install", tarball, "--collections-path", place / "collections", "--offline", cwd=place)
    return place


def test_the_tarball_holds_the_collection_and_nothing_else(tarball):
    with tarfile.open(tarball) as archive:
        files = {member.name for member in archive.getmembers() if not member.isdir()}
        assert all(member.isfile() or member.isdir() for member in archive.getmembers())
    assert {name.split("/")[0] for name in files} == ALLOWED
    parts = ("meta", "playbooks", "plugins", "roles")
    assert {name for name in files if name.startswith(parts)} == files_below(*parts)


def test_an_installed_collection_documents_its_plugins(installed):
    paths = {"ANSIBLE_COLLECTIONS_PATH": installed / "collections"}
    modules = {f"sicekat.backup.{path.stem}" for path in (ROOT / "plugins/modules").glob("*.py")}
    assert set(json.loads(run("ansible-doc", "--json", *sorted(modules), cwd=installed, **paths))) == modules
    listed = json.loads(run("ansible-doc", "--list", "--json", "--type", "callback", "sicekat.backup", cwd=installed, **paths))
    assert set(listed) == {"sicekat.backup.checklist"}


def test_an_installed_collection_backs_up_and_restores_by_its_playbooks_names(installed, tmp_path):
    source = tmp_path / "dokumen"
    source.mkdir()
    (source / "surat.txt").write_text("Dengan hormat\n")
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "backup_datasets": [{"name": "dokumen", "kind": "files", "category": "penting", "paths": [str(source)]}],
        "backup_categories": {"penting": {"rto": "4h", "rpo": "24h"}},
        "backup_repositories": {"primary": {"url": str(tmp_path / "repo")}},
        "backup_master_secret": "hanya-untuk-uji-coba-0123456789",
        "backup_state_dir": str(tmp_path / "state"),
        "backup_server_dir": str(tmp_path / "server"),
        "backup_restic": str(ROOT / ".cache/restic/restic-trixie"),
    }
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps({"all": {"hosts": {"srv-paket": variables}}}))
    for playbook in ("site", "daily", "restore_test"):
        run(
            "ansible-playbook",
            "--inventory",
            inventory,
            f"sicekat.backup.{playbook}",
            cwd=installed,
            ANSIBLE_COLLECTIONS_PATH=installed / "collections",
            ANSIBLE_CALLBACKS_ENABLED="sicekat.backup.checklist",
        )
    checklists = [json.loads(path.read_text()) for path in (tmp_path / "state/checklists").rglob("*.json")]
    assert sorted((checklist["cycle"], checklist["overall"]) for checklist in checklists) == [("daily", "success"), ("restore_test", "success")]
    assert (tmp_path / "state/reports/index.html").is_file()
