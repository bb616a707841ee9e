# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The three that are compared: restic by itself, our playbooks, and borgmatic. Each has a directory of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECRET = "hanya-untuk-pengukuran-0123456789"
ENVIRONMENT = {**os.environ, "LC_ALL": "C.UTF-8", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "RESTIC_PASSWORD": SECRET}


class BenchError(Exception):
    """A program of the bench failed; the text holds its output."""


def run(*command: object, cwd: Path = ROOT) -> None:
    """Runs a program without a terminal; raises BenchError if it fails."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")


class Raw:
    """restic alone, with a new repository."""

    def __init__(self, directory: Path, restic: str) -> None:
        self.directory = directory
        self.restic = (restic, "--quiet", "--repo", directory / "repo", "--cache-dir", directory / "cache")
        self.sources: list[Path] = []
        run(*self.restic, "init")

    def backup(self, source: Path) -> None:
        run(*self.restic, "backup", source)
        if source not in self.sources:
            self.sources.append(source)

    def restore_all(self, target: Path) -> None:
        """Restores the newest snapshot of each source, one below the other."""
        for source in self.sources:
            run(*self.restic, "restore", "latest", "--path", source, "--target", target / source.name)

    def remove(self) -> None:
        shutil.rmtree(self.directory)


class Ours:
    """The playbooks with an inventory of one host; deployed when made."""

    def __init__(self, directory: Path, restic: str, sources: list[Path], sample: int | str = 100) -> None:
        self.directory = directory
        self.inventory = directory / "hosts.json"
        directory.mkdir()
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "backup_datasets": [{"name": source.name, "kind": "files", "category": "penting", "paths": [str(source)]} for source in sources],
            "backup_categories": {"penting": {"rto": "4h", "rpo": "24h"}},
            "backup_repositories": {"primary": {"url": str(directory / "repo")}},
            "backup_master_secret": SECRET,
            "backup_state_dir": str(directory / "state"),
            "backup_server_dir": str(directory / "server"),
            "backup_restic": restic,
            "backup_sample": sample,
        }
        self.inventory.write_text(json.dumps({"all": {"hosts": {"srv-bench": variables}}}))
        self.play("site")

    def play(self, name: str) -> None:
        run(Path(sys.executable).with_name("ansible-playbook"), "--inventory", self.inventory, ROOT / "playbooks" / f"{name}.yml")

    def remove(self) -> None:
        shutil.rmtree(self.directory)


class Borgmatic:
    """borgmatic with a new repository that holds a first backup."""

    @staticmethod
    def installed() -> bool:
        return bool(shutil.which("borgmatic") and shutil.which("borg"))

    def __init__(self, directory: Path, source: Path) -> None:
        directory.mkdir()
        self.config = directory / "config.yaml"
        settings = {
            "source_directories": [str(source)],
            "repositories": [{"path": str(directory / "repo"), "label": "bench"}],
            "encryption_passphrase": SECRET,
            "compression": "zstd,3",
            "borg_base_directory": str(directory / "base"),
        }
        self.config.write_text(json.dumps(settings))
        run("borgmatic", "--config", self.config, "init", "--encryption", "repokey-blake2")
        self.create()

    def create(self) -> None:
        run("borgmatic", "--config", self.config, "create")
