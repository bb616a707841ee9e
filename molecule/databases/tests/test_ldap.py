# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directories: slapd keeps running, and every copy is loaded by a server that nobody else can see."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fleet import Fleet, codes

SUFFIX = "dc=contoh,dc=go,dc=id"
DIRECTORY = {"name": "direktori", "kind": "ldap", "category": "penting", "suffix": SUFFIX}
PEOPLE = {"name": "semua orang", "query": "(objectClass=inetOrgPerson)", "equals": 3000}
SERVERS = ("basisdata12", "basisdata13")
# What makes a copy useless or dangerous if it is taken as it is: nobody may read, certificates, replication with other servers, a log file.
HARD = r"""set -e
openssl req -x509 -newkey rsa:2048 -nodes -days 10 -subj /CN=dir -keyout /etc/ldap/uji.key -out /etc/ldap/uji.crt 2>/dev/null
chown openldap /etc/ldap/uji.key
install -d -o openldap /var/lib/ldap-lain
ldapmodify -Q -Y EXTERNAL -H ldapi:/// <<'END'
dn: cn=module{0},cn=config
changetype: modify
add: olcModuleLoad
olcModuleLoad: /usr/lib/ldap/auditlog.la
olcModuleLoad: memberof

dn: cn=config
changetype: modify
replace: olcTLSCertificateKeyFile
olcTLSCertificateKeyFile: /etc/ldap/uji.key
-
replace: olcTLSCertificateFile
olcTLSCertificateFile: /etc/ldap/uji.crt
-
replace: olcServerID
olcServerID: 1 ldap://direktori.contoh.go.id
-
replace: olcAuthzRegexp
olcAuthzRegexp: gidNumber=[0-9]*\+uidNumber=[0-9]*,cn=peercred,cn=external,cn=auth cn=admin,dc=contoh,dc=go,dc=id

dn: olcDatabase={1}mdb,cn=config
changetype: modify
replace: olcAccess
olcAccess: {0}to * by * none
-
replace: olcSyncrepl
olcSyncrepl: {0}rid=001 provider=ldap://192.0.2.9 searchbase="dc=contoh,dc=go,dc=id" bindmethod=simple binddn="cn=a" credentials=b type=refreshOnly

dn: olcOverlay=auditlog,olcDatabase={1}mdb,cn=config
changetype: add
objectClass: olcOverlayConfig
objectClass: olcAuditlogConfig
olcOverlay: auditlog
olcAuditlogFile: /var/lib/ldap/audit.ldif

dn: olcOverlay=memberof,olcDatabase={1}mdb,cn=config
changetype: add
objectClass: olcOverlayConfig
objectClass: olcMemberOf
olcOverlay: memberof

dn: olcDatabase=mdb,cn=config
changetype: add
objectClass: olcMdbConfig
olcDatabase: mdb
olcSuffix: dc=lain,dc=id
olcDbDirectory: /var/lib/ldap-lain
END
"""


def played(fleet: Fleet, server: str, playbook: str, **keys: object) -> dict:
    """Plays a cycle with nothing but a directory to look after, and returns its record."""
    fleet.edit(server, backup_datasets=[{**DIRECTORY, **keys}])
    runs = len(fleet.runs())
    done = fleet.play(playbook, "--limit", f"{server},gudang,localhost")
    assert len(fleet.runs()) == runs + 1, done.text
    return fleet.last(server=server, kind="backup" if playbook == "daily" else "restore_test")


def in_production(fleet: Fleet, server: str) -> str:
    """Returns what a proof must leave alone: the process of slapd and its start, its files and their times, all sockets that are listened on."""
    return fleet.bed.run(
        server,
        "systemctl show slapd --property=MainPID,ExecMainStartTimestamp; find /etc/ldap /var/lib/ldap -printf '%p %T@ %U\\n' | sort;"
        " ss -Hlnp | grep -c slapd; ls -A /var/lib/si-cekat-server/instances",
    ).stdout


@pytest.fixture
def hard(fleet: Fleet) -> Iterator[Fleet]:
    """basisdata13 with a configuration that is hard to copy, until the test is over."""
    kept = "/etc/ldap /var/lib/ldap"
    fleet.bed.run("basisdata13", f"systemctl stop slapd; tar -C / -cf /var/tmp/ldap.tar {kept} 2>/dev/null; systemctl start slapd")
    fleet.bed.run("basisdata13", HARD)
    try:
        yield fleet
    finally:
        undo = f"systemctl stop slapd; rm -rf {kept} /var/lib/ldap-lain; tar -C / -xf /var/tmp/ldap.tar; rm /var/tmp/ldap.tar; systemctl start slapd"
        fleet.bed.run("basisdata13", undo)


@pytest.mark.parametrize("server", SERVERS)
def test_a_throw_away_server_proves_the_directory_and_is_gone(fleet: Fleet, server: str):
    assert played(fleet, server, "daily")["outcome"] == "success"
    before = in_production(fleet, server)
    tested = played(fleet, server, "restore_test", assertions=[PEOPLE, {"name": "tidak ada", "query": "uid=tidak-ada", "max": 0}])
    assert (tested["outcome"], tested["restore"]["database"]) == ("success", "sound")
    assert tested["restore"]["rows"] > 3000
    assert [(one["found"], one["result"]) for one in tested["restore"]["assertions"]] == [("3000", "passed"), ("0", "passed")]
    assert tested["restore"]["phases_ms"]["load"] > 0
    assert in_production(fleet, server) == before


def test_an_assertion_that_does_not_hold_is_red(fleet: Fleet):
    assert played(fleet, "basisdata12", "daily")["outcome"] == "success"
    wrong = [PEOPLE, {**PEOPLE, "name": "terlalu banyak", "equals": 3001}, {**PEOPLE, "name": "bukan filter", "query": "orang"}]
    tested = played(fleet, "basisdata12", "restore_test", assertions=wrong)
    assert (tested["outcome"], tested["cause"]) == ("failed", "restored_differs")
    assert [one["result"] for one in tested["restore"]["assertions"]] == ["passed", "failed", "failed"]


def test_a_copy_of_a_hard_configuration_is_proved_without_touching_what_it_names(hard: Fleet):
    server = "basisdata13"
    assert played(hard, server, "daily")["outcome"] == "success"
    before = in_production(hard, server)
    tested = played(hard, server, "restore_test", assertions=[PEOPLE])
    assert (tested["outcome"], tested["messages"]) == ("success", [])
    assert in_production(hard, server) == before


def test_a_directory_is_backed_up_while_slapd_is_stopped(fleet: Fleet):
    fleet.bed.run("basisdata12", "systemctl stop slapd")
    try:
        assert played(fleet, "basisdata12", "daily")["outcome"] == "success"
        # nor did the backup start one
        assert fleet.bed.run("basisdata12", "pgrep slapd", check=False).stdout == ""
    finally:
        fleet.bed.run("basisdata12", "systemctl start slapd")
    assert fleet.bed.run("basisdata12", f"ldapsearch -x -LLL -b {SUFFIX} -s base dn").stdout.startswith("dn: ")


@pytest.mark.parametrize(("keys", "code"), [({"suffix": "dc=salah,dc=id"}, "source_ldap_suffix"), ({"config_dir": "/etc/ldap/tidak-ada"}, "source_missing")])
def test_what_is_not_there_is_named(fleet: Fleet, keys: dict, code: str):
    failed = played(fleet, "basisdata12", "daily", **keys)
    assert (failed["outcome"], codes(failed)) == ("failed", [code])


def test_a_directory_without_entries_is_no_backup(fleet: Fleet):
    empty = (
        "install -d -o openldap /var/lib/ldap-kosong; ldapadd -Q -Y EXTERNAL -H ldapi:/// <<END\ndn: olcDatabase=mdb,cn=config\n"
        "objectClass: olcMdbConfig\nolcDatabase: mdb\nolcSuffix: dc=kosong,dc=id\nolcDbDirectory: /var/lib/ldap-kosong\nEND"
    )
    fleet.bed.run("basisdata12", f"grep -rq dc=kosong /etc/ldap/slapd.d || {{ {empty}\n}}")
    failed = played(fleet, "basisdata12", "daily", suffix="dc=kosong,dc=id")
    assert (failed["outcome"], failed["cause"], codes(failed)) == ("failed", "source_empty", ["source_ldap_empty"])
