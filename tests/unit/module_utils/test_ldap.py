# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import itertools
import os
import pwd

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.sicekat.backup.plugins.module_utils import ldif
from ansible_collections.sicekat.backup.plugins.module_utils.sources import ldap

TWO = b"""dn: dc=contoh,dc=go,dc=id
o: Pemerintah
modifyTimestamp: 20251122082640Z

dn:: dWlkPWJ1ZGksZGM9Y29udG9oLGRjPWdvLGRjPWlk
description: a long text
 dn: that goes on
jpegPhoto:: AAdn:
modifyTimestamp: 20251122082639Z

"""


@given(st.lists(st.integers(0, len(TWO))))
def test_entries_are_counted_however_the_text_is_cut(cuts):
    watch = ldif.Watch()
    edges = [0, *sorted(cuts), len(TWO)]
    for start, end in itertools.pairwise(edges):
        watch.take(TWO[start:end])
    assert watch.entries == 2
    assert watch.is_ended()
    assert watch.newest_ns() == 1763800000 * 10**9


@pytest.mark.parametrize("cut", [1, 2, 50, len(TWO) - 4])
def test_a_text_that_was_cut_is_not_ended(cut):
    watch = ldif.Watch()
    watch.take(TWO[:-cut])
    assert not watch.is_ended()


def test_nothing_at_all_is_not_ended_either():
    watch = ldif.Watch()
    watch.take(b"\n\n")
    assert (watch.entries, watch.is_ended(), watch.newest_ns()) == (0, False, None)


@given(st.lists(st.tuples(st.from_regex(r"[a-z][a-zA-Z]{0,9}", fullmatch=True), st.text(st.characters(codec="utf-8"))), min_size=1), st.integers(1, 50))
def test_an_entry_that_is_written_is_read_again(entry, size):
    text = ldif.text_of(entry) * 2
    assert list(ldif.entries(text[at : at + size] for at in range(0, len(text), size))) == [entry, entry]


def test_folded_lines_comments_and_base64_are_understood():
    folded = b"# a remark\n that goes on\ndn: cn=con\n fig\nolcRootPW:: " + base64.b64encode(b"rahasia") + b"\n\n\n\ncn: dua"
    assert list(ldif.entries([folded])) == [[("dn", "cn=config"), ("olcRootPW", "rahasia")], [("cn", "dua")]]


@pytest.mark.parametrize("text", [b"not ldif\n", b"a:: ?\n"])
def test_what_is_no_ldif_is_refused(text):
    with pytest.raises(ValueError, match="not"):
        list(ldif.entries([text]))


@pytest.fixture
def owner(monkeypatch):
    me = pwd.getpwuid(os.getuid())
    monkeypatch.setattr(ldap, "INSTANCE_USER", me.pw_name)
    return me


def test_a_throw_away_configuration_names_nothing_outside_of_its_directory(owner):
    database = [
        ("dn", "olcDatabase={1}mdb,cn=config"), ("olcDatabase", "{1}mdb"), ("olcSuffix", "dc=contoh,dc=go,dc=id"), ("olcDbDirectory", "/var/lib/ldap"),
        ("olcRootDN", "cn=admin,dc=contoh,dc=go,dc=id"), ("olcRootPW", "{SSHA}x"), ("olcSyncrepl", "{0}rid=001 provider=ldap://pusat"),
        ("olcMultiProvider", "TRUE"), ("olcAccess", "{0}to * by * none"), ("olcReadOnly", "TRUE"), ("olcUpdateRef", "ldap://pusat"),
    ]  # fmt: skip
    external = "gidNumber=%d+uidNumber=%d,cn=peercred,cn=external,cn=auth" % (owner.pw_gid, owner.pw_uid)
    assert ldap._isolated(database, "/run/uji", 7) == [
        *database[:3], ("olcDbDirectory", "/run/uji/7-ldap"), ("olcAccess", "{0}to * by * none"), ("olcRootDN", external),
    ]  # fmt: skip
    common = [
        ("olcPidFile", "/run/slapd/slapd.pid"), ("olcArgsFile", "/run/slapd/slapd.args"), ("olcTLSCertificateKeyFile", "/etc/ssl/private/dir.key"),
        ("olcServerID", "1 ldap://dir"), ("olcAuthzRegexp", "{0}a b"), ("olcSecurity", "ssf=128"), ("olcModulePath", "/home/x"),
        ("olcModuleLoad", "{0}/home/x/evil.so"), ("olcAuditlogFile", "{0}/var/log/audit.ldif"), ("olcThreads", "4"),
    ]  # fmt: skip
    assert ldap._isolated(common, "/run/uji", 0) == [
        ("olcPidFile", "/run/uji/0-slapd.pid"), ("olcArgsFile", "/run/uji/0-slapd.args"), ("olcModulePath", "/usr/lib/ldap"),
        ("olcModuleLoad", "{0}evil.so"), ("olcAuditlogFile", "{0}/run/uji/0-audit.ldif"), ("olcThreads", "4"),
    ]  # fmt: skip


def test_the_database_of_a_suffix_is_found_whatever_way_its_name_is_written():
    entries = [
        [("olcDatabase", "{0}config")],
        [("olcDatabase", "{1}mdb"), ("olcSuffix", "dc=lain,dc=id")],
        [("olcDatabase", "{2}mdb"), ("olcSuffix", "{0}DC=Contoh, dc = go,dc=id")],
    ]
    assert ldap._database_of("dc=contoh,dc=go,dc=id", entries) is entries[2]
    assert ldap._database_of("dc=go,dc=id", entries) is None
