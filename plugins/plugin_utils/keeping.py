# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a repository server is given so that it lets in the servers that it keeps repositories for, and nobody else. Pure.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath

from ansible_collections.sicekat.backup.plugins.plugin_utils import htpasswd

CONFIG_DIR = "/etc/sicekat-rest-server"
AUTHORIZED_KEYS = "/var/lib/sicekat-backup/.ssh/authorized_keys"

# What ssh-keygen writes for an ed25519 key (RFC 8709: 32 bytes of key, so 68 characters). It comes from a server that may be in
# foreign hands, so nothing else may get through: a second line would be a second key without our restrictions.
_PUBLIC_KEY = re.compile(r"(ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43})(?: [^\r\n]*)?\n?")
_ENTRY = re.compile(r'command=".*",restrict (\S+ \S+) (\S+)')


def kept(policy: Mapping, keeper: str) -> list[tuple[str, str, str]]:
    """Returns (server, repository, transport) of each repository that a repository server keeps."""
    return [
        (server, name, repository["transport"])
        for server, settings in sorted(policy["servers"].items())
        for name, repository in sorted(settings["repositories"].items())
        if repository["server"] == keeper
    ]


def keepers(policy: Mapping, servers: Iterable[str]) -> list[str]:
    """Returns the repository servers that keep something for some servers."""
    return sorted({one["server"] for server in servers for one in policy["servers"][server]["repositories"].values() if one["server"]})


def password_file(policy: Mapping, keeper: str, password_of: Callable[[str, str], str], salt_secret: str) -> str:
    """Returns the password file of rest-server: one line for each server, whose user name is its inventory name."""
    users = [(server, name) for server, name, transport in kept(policy, keeper) if transport == "rest"]
    return "".join(f"{htpasswd.entry(server, password_of(server, name), salt_secret)}\n" for server, name in users)


def public_key(text: str) -> str | None:
    """Returns "ssh-ed25519 AAAA…" of an OpenSSH public key file, or None if it is anything but one such key."""
    found = _PUBLIC_KEY.fullmatch(text)
    return found[1] if found else None


def authorized_keys(policy: Mapping, keeper: str, current: str, new_keys: Mapping[str, str]) -> tuple[str, list[str]]:
    """Returns the authorized_keys file of a repository server, and the servers that are left out because of what they gave.

    Each key can do nothing but add to its own server's repository. current: the file as it is; its keys stay for servers that are not
    in `new_keys`. new_keys: server -> text of its public key file. sshd takes the first line with a key, so one that another server
    has, or gives too, would lead a server into a foreign repository; only who had it before keeps it.
    """
    servers = [server for server, _name, transport in kept(policy, keeper) if transport == "ssh"]
    known = {found[2]: found[1] for line in current.splitlines() if (found := _ENTRY.fullmatch(line)) and found[2] in servers}
    wanted = {server: public_key(new_keys[server]) if server in new_keys else known.get(server) for server in servers}
    lines, refused = [], []
    for server, key in wanted.items():
        others = [one.get(other) for other in servers if other != server for one in ([known] if known.get(server) == key else [known, wanted])]
        if key is not None and key not in others:
            command = _command(PurePosixPath(policy["repository_servers"][keeper]["path"], server))
            lines.append(f'command="{command}",restrict {key} {server}\n')
        elif server in new_keys or key is not None:
            refused.append(server)
    return "".join(lines), refused


def lets_in_only(current: str, server: str, key: str | None) -> bool:
    """Returns True if an authorized_keys file has one key for a server, this one, and for nobody else, and no line that is not ours."""
    entries = [_ENTRY.fullmatch(line) for line in current.splitlines()]
    ours = [(one[1], one[2]) for one in entries if one]
    return len(ours) == len(entries) and [one for one in ours if key == one[0] or server == one[1]] == [(key, server)]


def _command(path: PurePosixPath) -> str:
    """Returns the forced command as it stands between double quotes in authorized_keys (sshd(8))."""
    return f"rclone serve restic --stdio --append-only {shlex.quote(str(path))}".replace('"', '\\"')
