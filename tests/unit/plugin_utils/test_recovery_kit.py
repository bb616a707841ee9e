# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The paper says of every repository where it lies and what to type, and is readable as printed."""

from __future__ import annotations

import io
import re
from typing import Any

import pypdf
import pytest

from ansible_collections.sicekat.backup.plugins.plugin_utils import recovery
from ansible_collections.sicekat.backup.plugins.plugin_utils.documents import page, recovery_kit

PROOF = {"repository_id": "ab" * 32, "proved_at": "2026-11-22T15:00:00Z"}
OTHER = "OTHER-" * 7 + "OTHER"
ESCROW = "IYYAT-CT5HK-GBIM6-EM3I5-K3WZA-MAQVJ-B4DYI-RHTIJ"


def settings(server: str | None = None) -> dict:
    return {"server": server, "location": "Ruang server"}


POLICY: dict[str, Any] = {
    "repository_servers": {"vault": {"path": "/srv/backup/", "address": "10.0.0.5"}},
    "servers": {
        "web": {"repositories": {"primary": settings("vault"), "archive": settings(), "offsite": settings()}},
        "mail": {"repositories": {"primary": settings(), "offsite": settings()}},
    },
}


def row(server: str, name: str, ca_certificate: bool = False, **given: str) -> dict:
    return recovery.row(POLICY, server, name, given, ca_certificate, PROOF)


def test_a_repository_server_is_reached_at_its_disk() -> None:
    found = row("web", "primary")
    assert (found["kind"], found["host"], found["address"], found["argument"]) == ("server", "vault", "10.0.0.5", "/srv/backup/web")


@pytest.mark.parametrize(("server", "host"), [("web", "vault"), ("mail", "mail")])
def test_a_directory_lies_on_the_host_that_works_with_it(server: str, host: str) -> None:
    found = row(server, "offsite", url="/mnt/arsip/a b")
    assert (found["kind"], found["host"], found["argument"]) == ("directory", host, "'/mnt/arsip/a b'")


def test_an_object_store_needs_its_keys_on_the_paper() -> None:
    found = row("web", "offsite", ca_certificate=True, url="s3:https://store.example/bucket/web", access_key="KUNCI", secret_key="rahasia")
    assert (found["kind"], found["host"], found["keys"]) == ("s3", "store.example", ["KUNCI", "rahasia"])
    assert found["argument"] == "s3:https://store.example/bucket/web --insecure-tls"


def test_a_foreign_rest_server_needs_its_credential_on_the_paper() -> None:
    found = row("web", "offsite", url="rest:https://rest.example/web/", username="web", access_password="p&ss")
    assert (found["kind"], found["argument"]) == ("rest", "rest:https://web:p%26ss@rest.example/web/")


def test_repositories_of_one_place_stand_together() -> None:
    rows = [row("web", "primary"), row("mail", "primary", url="/mnt/a"), {**row("web", "primary"), "server": "other"}]
    assert [(place["host"], len(place["rows"])) for place in recovery.places(rows)] == [("vault", 2), ("mail", 1)]


def test_servers_with_one_secret_have_one_password() -> None:
    both = [("web", "primary", ESCROW), ("web", "offsite", ESCROW), ("mail", "primary", ESCROW)]
    assert recovery.passwords(both) == [{"groups": ESCROW.split("-"), "servers": ["web", "mail"]}]


def test_a_server_with_two_passwords_is_named_with_the_repository() -> None:
    both = [("web", "primary", OTHER), ("web", "archive", ESCROW), ("mail", "primary", ESCROW)]
    assert [one["servers"] for one in recovery.passwords(both)] == [["web/primary"], ["web/archive", "mail"]]


def kit(language: str) -> dict:
    rows = [
        row("web", "primary"),
        row("web", "archive", url="s3:https://store.example/bucket/web", access_key="KUNCI", secret_key="rahasia"),
        row("web", "offsite", url="sftp:user@nas:/web"),
        {**row("mail", "primary", url="/mnt/arsip/mail"), "offboarded_at": "2026-11-20T00:00:00Z"},
    ]
    return {
        "schema": "sicekat.recovery_kit/1", "language": language, "timezone": "Asia/Jakarta", "agency": {"name": "Pemerintah Kabupaten Contoh"},
        "printed_at": "2026-11-22T15:00:00Z", "actor": "admin", "control_node": "kendali", "collection_version": "0.2.0",
        "ledger": {"seq": 7, "hash": "cd" * 32}, "passwords": recovery.passwords([("web", "primary", ESCROW)]), "places": recovery.places(rows),
    }  # fmt: skip


@pytest.mark.parametrize(("language", "title", "word"), [("id", "KIT PEMULIHAN", "REPOSITORI"), ("en", "RECOVERY KIT", "REPOSITORY")])
def test_the_paper_holds_all_that_is_needed(language: str, title: str, word: str) -> None:
    text = "\n".join(one.extract_text() for one in pypdf.PdfReader(io.BytesIO(recovery_kit.render(kit(language)))).pages)
    plain = re.sub(r"\s+", " ", text)
    assert title in plain
    for group in ESCROW.split("-"):
        assert group in plain
    for typed in ("/srv/backup/web", "s3:https://store.example/bucket/web", "KUNCI", "rahasia", "sftp:user@nas:/web", "/mnt/arsip/mail"):
        assert typed in plain
    for command in ("apt-get install --yes restic", f"restic --no-lock -r {word} snapshots", f"restic --no-lock -r {word} restore ID --target /pulih"):
        assert command in plain


def test_nothing_of_the_page_is_fetched() -> None:
    html = page.recovery_kit(kit("id"))
    assert "default-src 'none'" in html
    assert "url(" not in html
