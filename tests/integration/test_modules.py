# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules that can be used by themselves, called as an admin would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "kata-sandi-sendiri"


def call(module: str, *flags: str, **arguments: object) -> dict:
    """Calls one module on this machine and returns its result, with the exit code of the call as "code"."""
    command = [str(Path(sys.executable).with_name("ansible")), "localhost", "-m", f"sicekat.backup.{module}", "-a", json.dumps(arguments), *flags]
    command += ["-e", f"ansible_python_interpreter={sys.executable}", "--one-line"]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)
    assert PASSWORD not in done.stdout + done.stderr
    return {**json.loads(done.stdout[done.stdout.index("=> ") + 3 :]), "code": done.returncode}


@pytest.fixture
def common(tmp_path: Path, restic_binary: Path) -> dict:
    return {"repository": str(tmp_path / "repo"), "password": PASSWORD, "restic": str(restic_binary), "server_dir": str(tmp_path / "server")}


def test_a_repository_is_created_once_used_and_listed(common, tmp_path):
    assert call("repository", "--check", **common)["changed"] and not (tmp_path / "repo").exists()
    made = call("repository", **common)
    assert made["created"] and len(made["repository_id"]) == 64
    again = call("repository", **common, unlock=True)
    assert not again["changed"] and again["repository_id"] == made["repository_id"] and again["locks_removed"] == []
    (tmp_path / "surat.txt").write_text("isi", encoding="utf-8")
    dataset = {"name": "surat", "kind": "files", "paths": [str(tmp_path / "surat.txt")], "record_id": "uji:1"}
    (record,) = call("backup", **common, repository_id=made["repository_id"], host="srv", cycle="daily", datasets=[dataset])["records"]
    assert record["outcome"] == "success"
    listed = call("snapshot_info", **common, dataset="surat")
    assert [one["id"] for one in listed["snapshots"]] == [record["snapshot_id"]] and listed["repository_id"] == made["repository_id"]
    assert call("snapshot_info", **common, snapshots=["ffff"])["snapshots"] == []
    assert call("integrity_check", **common, repository_id=made["repository_id"])["record"]["outcome"] == "success"


def test_a_pinned_repository_that_is_missing_is_not_created(common, tmp_path):
    result = call("repository", **common, repository_id="0" * 64)
    assert result["code"] != 0 and result["cause"] == "repository_missing" and not (tmp_path / "repo").exists()
