# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files with secrets are written whole, are never readable by others, and stay alone when they are right."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.sicekat.backup.plugins.modules import protected_files

OWN = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}


def wanted(path: Path, **changes: str) -> dict:
    return {"path": str(path), "mode": "0600", "state": "file", **OWN, **changes}


def bring_about(file: dict, check_mode: bool, content: object = "rahasia\n") -> bool:
    return protected_files.bring_about(file, content, check_mode)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_written_with_its_mode_and_then_left_alone(tmp_path: Path) -> None:
    file = wanted(tmp_path / "password", mode="0640")
    assert bring_about(file, check_mode=False)
    assert (tmp_path / "password").read_text() == "rahasia\n"
    assert mode_of(tmp_path / "password") == 0o640
    assert not bring_about(file, check_mode=False)
    assert os.listdir(tmp_path) == ["password"]


@pytest.mark.parametrize("umask", [0, 0o077])
def test_the_mode_does_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        bring_about(wanted(tmp_path / "ca.pem", mode="0644"), check_mode=False)
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "ca.pem") == 0o644


def test_others_can_read_it_at_no_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the content is written the file is ours alone, whatever lay there with whatever mode."""
    path = tmp_path / "password"
    path.write_text("lama")
    path.chmod(0o666)
    seen = []
    rename, fchown = os.rename, os.fchown

    def look_at_new(*arguments: object) -> None:
        seen.extend((mode_of(one), one.read_text()) for one in tmp_path.iterdir() if one != path)
        fchown(*arguments)

    def look_before_rename(*arguments: object) -> None:
        seen.extend((mode_of(one), one.read_text()) for one in tmp_path.iterdir() if one != path)
        rename(*arguments)

    monkeypatch.setattr(protected_files.os, "fchown", look_at_new)
    monkeypatch.setattr(protected_files.os, "rename", look_before_rename)
    assert bring_about(wanted(path), check_mode=False)
    assert seen == [(0o600, ""), (0o600, "rahasia\n")]


@pytest.mark.parametrize(("mode", "content"), [("0600", "baru\n"), ("0400", "rahasia\n")])
def test_what_differs_is_corrected(tmp_path: Path, mode: str, content: str) -> None:
    bring_about(wanted(tmp_path / "password"), check_mode=False)
    assert bring_about(wanted(tmp_path / "password", mode=mode), check_mode=False, content=content)
    assert not bring_about(wanted(tmp_path / "password", mode=mode), check_mode=False, content=content)


@pytest.mark.parametrize("content", [None, {"a": "b"}])
def test_a_file_without_text_is_a_mistake_and_not_an_empty_file(tmp_path: Path, content: object) -> None:
    with pytest.raises(ValueError, match="no text"):
        bring_about(wanted(tmp_path / "password"), check_mode=False, content=content)
    assert list(tmp_path.iterdir()) == []


def test_check_mode_says_so_and_writes_nothing(tmp_path: Path) -> None:
    assert bring_about(wanted(tmp_path / "new"), check_mode=True)
    assert bring_about(wanted(tmp_path / "no such directory" / "new"), check_mode=True)
    assert bring_about(wanted(tmp_path / "new", owner="nobody-of-this-name"), check_mode=True)
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_replaced_and_what_it_leads_to_is_untouched(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("rahasia\n")
    elsewhere.chmod(0o600)
    (tmp_path / "password").symlink_to(elsewhere)
    assert bring_about(wanted(tmp_path / "password"), check_mode=False)
    assert not (tmp_path / "password").is_symlink()
    assert bring_about(wanted(tmp_path / "password", state="absent"), check_mode=False)
    assert elsewhere.read_text() == "rahasia\n"


def test_a_file_that_must_go_is_removed_once(tmp_path: Path) -> None:
    bring_about(wanted(tmp_path / "password"), check_mode=False)
    gone = wanted(tmp_path / "password", state="absent")
    assert bring_about(gone, check_mode=True)
    assert bring_about(gone, check_mode=False)
    assert not bring_about(gone, check_mode=False)


def test_an_unknown_owner_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="nobody-of-this-name"):
        bring_about(wanted(tmp_path / "password", owner="nobody-of-this-name"), check_mode=False)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    for state in ("file", "absent"):
        with pytest.raises(IsADirectoryError):
            bring_about(wanted(tmp_path, state=state), check_mode=False)


def test_what_a_file_holds_reaches_neither_the_hosts_log_nor_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """A secret of several lines passes Ansible's masking where it stands in a list."""
    logged = []
    monkeypatch.setattr(AnsibleModule, "log", lambda _self, text, log_args=None: logged.append(f"{text} {log_args}"))
    path = str(tmp_path / "tls.pem")
    files = [{"path": path, "mode": "0600", **OWN}]
    with patch_module_args({"files": files, "contents": {path: "-----BEGIN PRIVATE KEY-----\nrahasia\n"}}), pytest.raises(SystemExit):
        protected_files.main()
    assert path in logged[0]
    result = capsys.readouterr().out
    assert path in result
    for text in (logged[0], result):
        assert "rahasia" not in text
        assert "PRIVATE KEY" not in text
