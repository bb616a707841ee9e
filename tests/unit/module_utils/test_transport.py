# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a location and its access come to. That restic and the servers agree is tested in tests/integration/test_transports.py."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import ResticError
from ansible_collections.sicekat.backup.plugins.module_utils.transport import Means, Transport

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8yZyZ7xN3xG2Yw0PqyO0G9Jq3k3V0yqVt4cJm3mXqH"


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/srv/backup/srv1", ("local", None, None)),
        ("rest:https://vault:8000/srv1/", ("rest", "vault", 8000)),
        ("rest:http://10.0.0.5/srv1/", ("rest", "10.0.0.5", 80)),
        ("s3:https://s3.example.org/bucket/path", ("s3", "s3.example.org", 443)),
        ("s3:s3.example.org/bucket", ("s3", "s3.example.org", 443)),
        ("sftp:cadangan@nas:/srv/backup", ("sftp", "nas", 22)),
        ("sftp://cadangan@nas:2222//srv/backup", ("sftp", "nas", 2222)),
        ("ssh://sicekat-backup@vault", ("ssh", "vault", 22)),
        ("b2:bucket:path", ("other", None, None)),
    ],
)
def test_a_location_tells_the_way(location, expected):
    found = Transport(location, {})
    assert (found.kind, found.host, found.port) == expected


@pytest.mark.parametrize("user", ["srv1", "a b"])
@given(password=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1))
def test_credentials_for_rest_survive_the_way_through_a_url(user, password):
    from urllib.parse import unquote, urlsplit

    found = Transport("rest:https://vault:8000/srv1/", {"username": user, "password": password})
    url = urlsplit(found.restic_location[len("rest:") :])
    assert (url.hostname, url.port, url.path) == ("vault", 8000, "/srv1/")
    assert (unquote(url.username), unquote(url.password)) == (user, password) == found.credential
    assert "@" not in found.shown and password in found.secrets


def test_a_user_part_within_the_location_stays_allowed_and_is_not_shown():
    found = Transport("rest:https://srv1:p%40ss@vault/srv1/", {})
    assert found.credential == ("srv1", "p@ss") and found.restic_location == found.location
    assert "ss@" not in found.shown and {"p@ss", "p%40ss"} <= set(found.secrets)


def test_ssh_always_checks_the_host_and_never_asks():
    access = {"identity_file": "/etc/sicekat/id", "host_key": HOST_KEY + " root@nas"}
    for location in ("sftp:u@nas:/x", "ssh://u@nas:2222"):
        words = shlex.split(Transport(location, access).ssh_command)
        assert words[0] == "ssh" and {"StrictHostKeyChecking=yes", "BatchMode=yes", "UserKnownHostsFile=none", "IdentitiesOnly=yes"} <= set(words)
        assert "KnownHostsCommand=/bin/echo %H " + HOST_KEY in words
        assert words[words.index("--") + 1] == "nas"
    assert '"' not in Transport("ssh://u@nas", access).ssh_command  # restic reads -o as a CSV field
    known = shlex.split(Transport("ssh://u@nas", {"known_hosts": "/etc/si-cekat/known_hosts"}).ssh_command)
    assert {"UserKnownHostsFile=/etc/si-cekat/known_hosts", "GlobalKnownHostsFile=none", "StrictHostKeyChecking=yes"} <= set(known)
    assert "KnownHosts" not in Transport("sftp:u@nas:/x", {}).ssh_command


@pytest.mark.parametrize(
    ("location", "access"),
    [
        ("ssh://-oProxyCommand=x", {}),
        ("ssh://-l@nas", {}),
        ("ssh://u@na's", {}),
        ("sftp:-oProxyCommand=x:/x", {}),
        ("sftp:nas", {}),
        ("rest:ftp://nas/x", {}),
        ("rest:https://nas:port/x", {}),
        ("s3:https:///bucket", {}),
        ("ssh://u@nas", {"identity_file": "/x' -o ProxyCommand=y"}),
        ("ssh://u@nas", {"known_hosts": "relative"}),
        ("ssh://u@nas", {"host_key": "ssh-ed25519 AAAA'; x"}),
        ("rest:https://vault/srv1/", {"ca_certificate": "/etc/ssl/ca.pem"}),
    ],
)
def test_what_is_no_address_is_refused(location, access):
    with pytest.raises(ResticError) as refused:
        Transport(location, access)
    assert refused.value.cause == "target_unusable"


def test_a_copy_that_needs_two_of_one_kind_is_refused_unless_they_are_the_same():
    one = Transport("s3:https://a/b", {"access_key": "A", "secret_key": "1"})
    other = Transport("s3:https://c/d", {"access_key": "B", "secret_key": "2"})
    twin = Transport("s3:https://a/c", {"access_key": "A", "secret_key": "1"})
    assert Means(one, twin).keys == ("A", "1")
    for pair in ((one, other), (Transport("sftp:u@a:/x", {}), Transport("sftp:u@b:/x", {})), (one, Transport("s3:https://c/d", {}))):
        with pytest.raises(ResticError) as refused:
            Means(*pair)
        assert refused.value.cause == "target_unusable"
    mixed = Means(Transport("sftp:u@a:/x", {}), Transport("ssh://u@b", {}))
    assert [option.split("=")[0] for option in mixed.options] == ["sftp.command", "rclone.program"]


def test_own_authorities_do_not_shut_out_a_server_with_a_public_certificate():
    pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    own = Transport("rest:https://vault/srv1/", {"ca_certificate": pem})
    public = Transport("s3:https://s3.example.org/b", {})
    assert Means(own).authorities == pem and Means(public).authorities == ""
    both = Means(public, own).authorities
    assert both.endswith(pem) and both.count("BEGIN CERTIFICATE") > 50
