# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-doc renders every plugin and every role of the collection, counted against the files that are there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ANSIBLE_DOC = Path(sys.executable).with_name("ansible-doc")
ENVIRONMENT = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "LC_ALL": "C.UTF-8", "NO_COLOR": "1"}
DIRECTORIES = {"module": "modules", "callback": "callback", "filter": "filter", "lookup": "lookup"}


def ansible_doc(*arguments: str) -> str:
    """Standard output of ansible-doc, which must succeed without a warning."""
    done = subprocess.run([ANSIBLE_DOC, *arguments], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def plugin_files(directory: str) -> set[str]:
    """Names of the plugins that lie in a directory of plugins/."""
    files = (ROOT / "plugins" / directory).glob("*.py")
    return {f"sicekat.backup.{path.stem}" for path in files if not path.stem.startswith("_")}


def role_names() -> list[str]:
    return sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())


def test_the_collection_has_plugins_and_roles_to_document():
    assert plugin_files("modules")
    assert plugin_files("callback")
    assert role_names()


def test_every_action_plugin_is_documented_by_a_module_of_its_name():
    assert plugin_files("action") <= plugin_files("modules")


@pytest.mark.parametrize("kind", [kind for kind, directory in DIRECTORIES.items() if plugin_files(directory)])
def test_every_plugin_is_listed_and_rendered(kind):
    names = plugin_files(DIRECTORIES[kind])
    listed = json.loads(ansible_doc("--type", kind, "--list", "--json", "sicekat.backup"))
    assert set(listed) == names
    documents = json.loads(ansible_doc("--type", kind, "--json", *sorted(names)))
    for name in names:
        assert documents[name]["doc"]["short_description"]
        text = ansible_doc("--type", kind, name)
        assert name in text
        assert "SYNOPSIS" in text.upper() or documents[name]["doc"]["description"]


@pytest.mark.parametrize("role", role_names() if (ROOT / "roles").is_dir() else [])
def test_every_role_is_rendered_with_its_entry_points(role):
    name = f"sicekat.backup.{role}"
    documents = json.loads(ansible_doc("--type", "role", "--json", name))
    assert documents[name]["entry_points"]
    for entry in documents[name]["entry_points"].values():
        assert entry["short_description"]
    assert name in ansible_doc("--type", "role", name)
