# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates that must not be trusted: each ends both servers' backups, restic 0.14 and 0.18, before anything is sent."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest
from fleet import Fleet, codes

from ansible_collections.sicekat.backup.plugins.plugin_utils import pki

KEEPER = "gudang"
FILE = "/etc/sicekat-rest-server/tls.pem"
MASTER = "rahasia-uji-armada-0123456789-abcdefghij"
NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture
def served(backed_up: Fleet) -> Iterator[Fleet]:
    backed_up.bed.run(KEEPER, f"cp -p {FILE} /root/tls.pem")
    yield backed_up
    backed_up.bed.run(KEEPER, f"cp -p /root/tls.pem {FILE}; rm /root/tls.pem; systemctl restart sicekat-rest-server")


@pytest.mark.parametrize(
    ("code", "master", "days", "name"),
    [
        ("certificate_expired", MASTER, -400, None),
        ("certificate_expired", MASTER, 400, None),  # not valid yet
        ("certificate_name", MASTER, 0, "192.0.2.1"),
        ("certificate_unknown", "rahasia-orang-lain-0123456789-abcdefghij", 0, None),
    ],
)
def test_a_wrong_certificate_is_refused_and_named(served: Fleet, code: str, master: str, days: int, name: str | None):
    names = [name or served.bed.address(KEEPER)]
    certificate, key = pki.server_certificate(master, KEEPER, names, NOW + datetime.timedelta(days=days))
    served.bed.run(KEEPER, f"cat >{FILE}; systemctl restart sicekat-rest-server", data=certificate + key)
    played = served.play("daily", limit_s=150)
    assert played.code != 0
    records = served.last_run(kind="backup")
    assert len(records) == 2
    for one in records:
        assert (one["outcome"], one["cause"], codes(one)) == ("failed", "certificate", [code]), one


def test_site_gives_a_server_that_lost_its_certificate_a_new_one(backed_up: Fleet):
    fleet = backed_up
    fleet.bed.run(KEEPER, f"rm {FILE} /etc/sicekat-rest-server/server.pem")
    fleet.done("site")
    fleet.done("daily")
