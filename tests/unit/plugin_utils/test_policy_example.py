# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory to copy resolves as it is, with nothing but its secrets, and shows every variable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.sicekat.backup.plugins.plugin_utils import policy

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "inventories/example"
SECRETS = {"backup_master_secret": "rahasia-untuk-menguji-contoh", "offsite_access_key": "AKSES", "offsite_secret_key": "RAHASIA"}
# Given on the command line for one run.
ON_THE_COMMAND_LINE = {"backup_replace_repository", "backup_accept_change"}

pytestmark = pytest.mark.skipif(not EXAMPLE.is_dir(), reason="a staged copy has no inventories")


def test_the_example_resolves_and_its_policy_holds_no_secret(tmp_path):
    (tmp_path / "secrets.json").write_text(json.dumps(SECRETS))
    environment = {
        **os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_LOCAL_TEMP": str(tmp_path), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        "LC_ALL": "C.UTF-8", "NO_COLOR": "1",
    }  # fmt: skip
    ansible = Path(sys.executable).with_name("ansible")
    command = [ansible, "-i", EXAMPLE, "srv-cadangan", "-m", "sicekat.backup.policy_validate", "--check", "-e", f"@{tmp_path}/secrets.json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not any(secret in done.stdout for secret in SECRETS.values())
    resolved = json.loads(done.stdout[done.stdout.index("{") :])["policy"]
    assert sorted(resolved["servers"]) == ["kendali", "srv-absensi", "srv-arsip"]
    assert list(resolved["repository_servers"]) == ["srv-cadangan"]
    repositories = resolved["servers"]["srv-arsip"]["repositories"]
    assert {name: one["url"] for name, one in repositories.items()} == {
        "primary": "rest:https://192.0.2.5:8000/srv-arsip/",
        "archive": "/mnt/arsip/srv-arsip",
        "offsite": "s3:https://s3.contoh.go.id/cadangan-satpolpp/srv-arsip",
    }
    assert all(one["retention"].keys() == {"dokumen", "indeks-surat"} for one in repositories.values())


def test_the_example_shows_every_variable():
    text = "".join(path.read_text() for path in EXAMPLE.rglob("*.yml"))
    assert [name for name in policy.KNOWN_VARIABLES if name not in text and name not in ON_THE_COMMAND_LINE] == []
