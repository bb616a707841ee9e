# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is derived from the one secret, and that it never changes: a changed derivation would lock every repository."""

from __future__ import annotations

import re

import bcrypt
import pytest

from ansible_collections.sicekat.backup.plugins.plugin_utils import htpasswd, secrets

MASTER = "rahasia-induk-untuk-pengujian"
VARIABLES = {
    "backup_master_secret": MASTER,
    "backup_repositories": {"primary": {"server": "vault"}, "offsite": {"url": "s3:https://x/y", "password": "milik-sendiri"}},
}


def test_derivations_never_change():
    # Computed by hand from RFC 5869 with hmac alone.
    assert secrets.derive(MASTER, "srv-1", "repository/primary") == "8-Db75NLkX3Un6Aqp5VQJJ2kManhXBRW6Zk28HH29i4"
    assert secrets.transport_password(VARIABLES, "srv-1", "primary", version=2) == "NWuoMaspIhTC-xhLIATogXASEdX6C8RQlkHToggXSCs"
    assert secrets.escrow_password(MASTER) == "SCJNJ-VHY5K-JWPL4-DM7SD-EOGFA-SC4U5-QZ4ML-NEFJ5"


def test_a_derived_password_has_256_bits_that_fit_into_a_url():
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", secrets.derive(MASTER, "srv-1", "repository/primary"))


def test_every_host_purpose_version_and_master_has_its_own():
    derived = [
        secrets.repository_password(VARIABLES, "srv-1", "primary"),
        secrets.repository_password(VARIABLES, "srv-1", "primary", version=2),
        secrets.repository_password(VARIABLES, "srv-2", "primary"),
        secrets.transport_password(VARIABLES, "srv-1", "primary"),
        secrets.transport_password(VARIABLES, "srv-1", "primary", version=2),
        secrets.transport_password({**VARIABLES, "backup_master_secret": MASTER + "!"}, "srv-1", "primary"),
    ]
    assert len(set(derived)) == len(derived)


@pytest.mark.parametrize("version", [1, 2])
def test_a_password_of_the_inventory_goes_before_the_derived_one_in_every_version(version):
    assert secrets.repository_password(VARIABLES, "srv-1", "offsite", version=version) == "milik-sendiri"


def test_the_escrow_password_is_eight_groups_that_can_be_typed_from_paper():
    assert re.fullmatch(r"([A-Z2-7]{5}-){7}[A-Z2-7]{5}", secrets.escrow_password(MASTER))
    others = [secrets.escrow_password(MASTER + "!"), secrets.escrow_password(MASTER, "srv-1"), secrets.escrow_password(MASTER, "srv-2")]
    assert len({secrets.escrow_password(MASTER), *others}) == 4


# The password file of a repository server


def test_the_line_opens_with_the_password_alone():
    user, hashed = htpasswd.entry("srv-1", "sandi", MASTER).split(":")
    assert user == "srv-1"
    assert re.fullmatch(r"\$2b\$08\$[./A-Za-z0-9]{53}", hashed)
    assert bcrypt.checkpw(b"sandi", hashed.encode())
    assert not bcrypt.checkpw(b"sandi2", hashed.encode())


def test_the_same_input_gives_the_same_line_and_another_gives_another_salt():
    lines = {htpasswd.entry(*values) for values in [("a", "p", "s"), ("a", "p", "s"), ("b", "p", "s"), ("a", "q", "s"), ("a", "p", "t")]}
    assert len({line.split(":")[1][7:29] for line in lines}) == len(lines) == 4


@pytest.mark.parametrize(("user", "password"), [("srv:1", "x"), ("srv\n1", "x"), ("srv", "x" * 73)])
def test_what_a_password_file_cannot_hold_is_an_error_and_not_a_cut_password(user, password):
    with pytest.raises(ValueError, match=r"user name|72 bytes"):
        htpasswd.entry(user, password, MASTER)
