# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A repository server lets in the servers that it keeps something for, each to its own repository, and nobody else."""

from __future__ import annotations

import bcrypt
import pytest

from ansible_collections.sicekat.backup.plugins.plugin_utils import keeping

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "a" * 43
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "b" * 43


def repository(server: str | None, transport: str = "rest") -> dict:
    return {"server": server, "transport": transport if server else "url"}


POLICY = {
    "repository_servers": {"vault": {"path": "/srv/backup"}, "safe": {"path": "/srv/safe"}},
    "servers": {
        "web": {"repositories": {"primary": repository("vault"), "archive": repository("safe"), "offsite": repository(None)}},
        "mail": {"repositories": {"primary": repository("vault", "ssh")}},
        "files": {"repositories": {"primary": repository("vault", "ssh")}},
        "lone": {"repositories": {"primary": repository(None)}},
    },
}


def allowed(keys: dict[str, str]) -> str:
    return keeping.authorized_keys(POLICY, "vault", "", keys)[0]


def test_what_a_repository_server_keeps() -> None:
    assert keeping.kept(POLICY, "vault") == [("files", "primary", "ssh"), ("mail", "primary", "ssh"), ("web", "primary", "rest")]
    assert keeping.kept(POLICY, "safe") == [("web", "archive", "rest")]


@pytest.mark.parametrize(("keeper", "repository_name"), [("vault", "primary"), ("safe", "archive")])
def test_the_password_file_has_one_line_for_each_server_that_comes_over_tls(keeper: str, repository_name: str) -> None:
    (line,) = keeping.password_file(POLICY, keeper, lambda server, name: f"{server}-{name}", "salt").splitlines()
    user, digest = line.split(":")
    assert user == "web"
    assert bcrypt.checkpw(f"web-{repository_name}".encode(), digest.encode())


def test_nobody_gives_an_empty_password_file() -> None:
    assert keeping.password_file({**POLICY, "servers": {}}, "vault", lambda *_: "", "salt") == ""


def test_a_key_can_only_add_to_its_own_repository() -> None:
    line = f'command="rclone serve restic --stdio --append-only /srv/backup/mail",restrict {KEY} mail\n'
    assert keeping.authorized_keys(POLICY, "vault", "", {"mail": f"{KEY} mail\n"}) == (line, [])


def test_keys_of_servers_that_were_not_asked_stay_and_those_of_servers_that_left_go() -> None:
    both = allowed({"mail": KEY, "files": OTHER_KEY})
    assert keeping.authorized_keys(POLICY, "vault", both, {}) == (both, [])
    assert OTHER_KEY not in keeping.authorized_keys(POLICY, "vault", both, {"files": OTHER_KEY[:-1] + "c"})[0]
    left = {**POLICY, "servers": {name: one for name, one in POLICY["servers"].items() if name != "files"}}
    assert keeping.authorized_keys(left, "vault", both, {}) == (allowed({"mail": KEY}), [])


def test_a_line_that_somebody_added_by_hand_goes() -> None:
    mine = allowed({"mail": KEY})
    assert keeping.authorized_keys(POLICY, "vault", f"{OTHER_KEY} intruder\n{mine}", {}) == (mine, [])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-rsa AAAAB3NzaC1yc2E",
        f"{KEY[:-1]}",
        f"{KEY}\n{OTHER_KEY}\n",
        f'command="sh" {KEY}',
        f"{KEY} a\r{OTHER_KEY}",
        f"{KEY}\n\n",
    ],
)
def test_what_a_server_gives_is_one_key_or_refused(text: str) -> None:
    assert keeping.public_key(text) is None
    file, refused = keeping.authorized_keys(POLICY, "vault", "", {"mail": text, "files": OTHER_KEY})
    assert refused == ["mail"]
    assert keeping.lets_in_only(file, "files", OTHER_KEY)
    assert " mail\n" not in file


def test_a_key_that_another_server_has_or_gives_lets_nobody_else_in() -> None:
    mine = allowed({"mail": KEY})
    assert keeping.authorized_keys(POLICY, "vault", mine, {"mail": KEY, "files": KEY}) == (mine, ["files"])
    assert keeping.authorized_keys(POLICY, "vault", mine, {"files": KEY}) == (mine, ["files"])
    # Neither a new key of who had it, nor that both are new, makes it the other's.
    assert keeping.authorized_keys(POLICY, "vault", mine, {"mail": OTHER_KEY, "files": KEY})[1] == ["files"]
    assert keeping.authorized_keys(POLICY, "vault", "", {"mail": KEY, "files": KEY}) == ("", ["files", "mail"])
    twice = mine + mine.replace("mail", "files")
    assert keeping.authorized_keys(POLICY, "vault", twice, {}) == ("", ["files", "mail"])


def test_only_the_new_key_lets_a_server_in() -> None:
    both = allowed({"mail": KEY, "files": OTHER_KEY})
    assert keeping.lets_in_only(both, "mail", KEY)
    old = both.replace(OTHER_KEY, OTHER_KEY[:-1] + "c").replace(" files", " mail")
    for wrong in ("", old, both + f"{KEY}\n", both + both, both.replace(OTHER_KEY, KEY)):
        assert not keeping.lets_in_only(wrong, "mail", KEY)
    assert not keeping.lets_in_only(both, "mail", None)


def test_a_path_with_quotes_stays_one_argument() -> None:
    policy = {**POLICY, "repository_servers": {"vault": {"path": '/srv/a "b c'}}}
    (line,) = keeping.authorized_keys(policy, "vault", "", {"mail": KEY})[0].splitlines()
    assert line.startswith('command="rclone serve restic --stdio --append-only \'/srv/a \\"b c/mail\'",restrict ')
    assert keeping.authorized_keys(policy, "vault", line, {}) == (line + "\n", [])
