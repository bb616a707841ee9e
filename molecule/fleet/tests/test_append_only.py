# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server in the hands of an attacker, who has all that is on it: it can add, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
import ssl
from dataclasses import dataclass

import pytest
from fleet import Fleet

KEEPER, STORE = "gudang", "/srv/simpanan"
SERVERS = {"loket": "0.14.", "pajak": "0.18."}  # the restic of its Debian
PARTS = ("data", "index", "snapshots", "keys")


@dataclass
class Way:
    """A server's own way to the repository server."""

    address: str
    port: int
    user: str
    password: str
    authority: str

    def ask(self, method: str, path: str, body: bytes | None = None, user: str | None = None, password: str | None = None) -> tuple[int, bytes]:
        context = ssl.create_default_context(cadata=self.authority)
        line = http.client.HTTPSConnection(self.address, self.port, timeout=10, context=context)
        secret = f"{self.user if user is None else user}:{self.password if password is None else password}"
        try:
            line.request(method, path, body, {"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()})
            answer = line.getresponse()
            return answer.status, answer.read()
        finally:
            line.close()


def way(fleet: Fleet, server: str) -> Way:
    location = fleet.bed.run(server, "cat /etc/si-cekat/repository").stdout.strip()
    user, password, address, port = re.fullmatch(r"rest:https://([^:]+):([^@]+)@([^:]+):(\d+)/.*", location).groups()
    return Way(address, int(port), user, password, fleet.bed.run(server, "cat /etc/si-cekat/ca.pem").stdout)


def stored(fleet: Fleet, server: str) -> str:
    """Every file of a repository with the digest of its content; locks come and go."""
    return fleet.bed.run(KEEPER, f"cd {STORE}/{server} && find . -type f ! -path './locks/*' -exec sha256sum {{}} + | sort").stdout


def one_of(fleet: Fleet, server: str, part: str) -> str:
    """The path in the interface of one stored file of each part."""
    if part == "config":
        return f"/{server}/config"
    return f"/{server}/{part}/" + fleet.bed.run(KEEPER, f"find {STORE}/{server}/{part} -type f -printf '%f\\n' | head -1").stdout.strip()


@pytest.mark.parametrize("part", [*PARTS, "config"])
def test_it_cannot_delete_what_it_has_stored(backed_up: Fleet, part: str):
    before = stored(backed_up, "loket")
    assert way(backed_up, "loket").ask("DELETE", one_of(backed_up, "loket", part))[0] == 403
    assert stored(backed_up, "loket") == before


@pytest.mark.parametrize("part", [*PARTS, "config"])
def test_it_cannot_overwrite_what_it_has_stored(backed_up: Fleet, part: str):
    before = stored(backed_up, "loket")
    assert way(backed_up, "loket").ask("POST", one_of(backed_up, "loket", part), b"sampah")[0] in (400, 403)
    assert stored(backed_up, "loket") == before


def test_it_cannot_store_what_is_not_what_its_name_says(backed_up: Fleet):
    name = hashlib.sha256(b"yang lain").hexdigest()
    assert way(backed_up, "loket").ask("POST", f"/loket/data/{name}", b"sampah")[0] == 400
    assert name not in stored(backed_up, "loket")


@pytest.mark.parametrize("path", ["/loket/../pajak/config", "/loket/data/../../../pajak/config", "/pajak/config", "/pajak/snapshots/", "//pajak/config", "/"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_it_cannot_reach_the_data_of_another_server(backed_up: Fleet, method: str, path: str):
    before = stored(backed_up, "pajak")
    data = b"x" if method == "POST" else None
    status, body = way(backed_up, "loket").ask(method, path, data)
    if status == 301:  # to the same path in its shortest form
        status, body = way(backed_up, "loket").ask(method, "/pajak/config", data)
    assert status in (400, 401, 403, 404, 405), (status, body[:200])
    assert b"snapshots" not in body and b"pajak" not in body
    assert stored(backed_up, "pajak") == before


@pytest.mark.parametrize(("user", "password"), [("pajak", None), ("loket", "salah"), ("loket", ""), ("", ""), ("../loket", None)])
def test_without_the_right_name_and_password_nothing_is_told(backed_up: Fleet, user: str, password: str | None):
    assert way(backed_up, "loket").ask("GET", "/loket/config", user=user, password=password)[0] == 401


def test_it_cannot_make_another_repository(backed_up: Fleet):
    assert way(backed_up, "loket").ask("POST", "/lain/?create=true")[0] in (401, 403)
    assert "lain" not in backed_up.bed.run(KEEPER, f"ls {STORE}").stdout.split()


@pytest.mark.parametrize("server", SERVERS)
def test_restic_cannot_forget_or_prune_whatever_it_says(backed_up: Fleet, server: str):
    """restic 0.14 tries for three quarters of a minute; 0.18 ends with exit code 0, has removed nothing and added an index."""
    fleet = backed_up
    before = stored(fleet, server)
    newest = fleet.bed.run(server, "/etc/si-cekat/restic snapshots --json --no-lock").stdout
    snapshot = re.findall(r'"short_id":"(\w+)"', newest)[-1]
    fleet.bed.run(server, f"timeout 20 /etc/si-cekat/restic forget --prune {snapshot}; /etc/si-cekat/restic unlock --remove-all", check=False)
    assert set(before.splitlines()) <= set(stored(fleet, server).splitlines())
    assert fleet.bed.run(server, "/etc/si-cekat/restic snapshots --json --no-lock").stdout == newest


def test_after_all_this_the_repositories_are_whole(backed_up: Fleet):
    backed_up.bed.run("loket", "/etc/si-cekat/restic check --read-data", timeout=120)
    backed_up.done("daily")
    assert {one["outcome"] for one in backed_up.last_run()} == {"success"}
