# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Repositories and repository servers: what they resolve to, and what each mistake is answered with."""

from __future__ import annotations

import base64
import contextlib
import copy
import json

import pytest

from ansible_collections.sicekat.backup.plugins.plugin_utils import pki, policy

SECRET = "rahasia-sekali-jangan-bocor"
KEEPER = {
    "ansible_host": "10.0.0.5",
    "backup_master_secret": SECRET,
    "backup_repository_server": {"path": "/srv/backup/"},
}
SERVER = {
    "backup_datasets": [
        {"name": "dokumen", "kind": "files", "category": "penting", "paths": ["/srv/dokumen"]},
        {"name": "unduhan", "kind": "files", "category": "biasa", "paths": ["/srv/unduhan"]},
    ],
    "backup_categories": {"penting": {"retention": {"daily": 7, "weekly": 4}}, "biasa": None},
    "backup_repositories": {"primary": {"server": "vault"}},
    "backup_master_secret": SECRET,
}
KEEP = {"last": 0, "daily": 7, "weekly": 4, "monthly": 0, "yearly": 0}
ED25519 = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(range(32))).decode()


def keeper(**changes: object) -> dict:
    """Returns a repository server with some of its settings changed; None takes one away."""
    settings = {**KEEPER["backup_repository_server"], **changes}
    return {**KEEPER, "backup_repository_server": {key: value for key, value in settings.items() if value is not None}}


def server(**repositories: object) -> dict:
    """Returns a server with some of its repositories changed."""
    return {**copy.deepcopy(SERVER), "backup_repositories": {**SERVER["backup_repositories"], **repositories}}


def offsite(**settings: object) -> dict:
    """Returns a server with an off-site copy."""
    return server(offsite=settings)


def resolved(**hosts: dict) -> dict:
    return policy.resolve({"vault": KEEPER, "srv": SERVER, **hosts})


def problems(**hosts: dict) -> list[str]:
    """Returns the lines about a sound repository server 'vault', a sound server 'srv' and what is given in their place or besides."""
    try:
        resolved(**hosts)
    except policy.PolicyError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    path.write_text(pki.certificate_authority(SECRET))
    return str(path)


# Restore hosts


def test_a_restore_host_is_any_other_host_of_the_inventory_and_its_own_variables_are_looked_at():
    answer = resolved(srv={**SERVER, "backup_restore_host": "lab"}, lab={"backup_restic": "/opt/restic"})
    assert (answer["servers"]["srv"]["restore_host"], list(answer["restore_hosts"]), answer["without_datasets"]) == ("lab", ["lab"], ["lab"])
    assert (answer["restore_hosts"]["lab"]["restic"], answer["restore_hosts"]["lab"]["server_dir"]) == ("/opt/restic", "/var/lib/si-cekat-server")
    assert list(resolved(srv={**SERVER, "backup_restore_host": "vault"})["restore_hosts"]) == ["vault"]
    assert resolved()["servers"]["srv"]["restore_host"] is None and resolved()["restore_hosts"] == {}
    assert problems(srv={**SERVER, "backup_restore_host": "lab"}, lab={"backup_server_dir": "tmp"}) == [
        "host lab: backup_server_dir: found 'tmp'; allowed: an absolute path without '..'"
    ]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("srv", "found 'srv'; allowed: another host of the inventory, on which the restore tests of this one are done"),
        (["lab"], "found a list; allowed: another host of the inventory, on which the restore tests of this one are done"),
        ("leb", "found 'leb'; allowed: vault, lab (did you mean lab?)"),
    ],
)
def test_a_restore_host_is_named_rightly(value, told):
    assert problems(srv={**SERVER, "backup_restore_host": value}, lab={}) == [f"host srv: backup_restore_host: {told}"]


@pytest.mark.parametrize(
    ("primary", "is_reached"),
    [
        ({"server": "vault", "transport": "ssh"}, False),
        ({"url": "/srv/lain"}, False),
        ({"url": "sftp:x@nas:/volume1/srv"}, False),
        ({"server": "vault"}, True),
        ({"url": "rest:https://nas:8000/srv/"}, True),
        ({"url": "s3:https://s3.contoh.go.id/cadangan/srv"}, True),
    ],
)
def test_a_restore_host_needs_a_repository_that_another_host_can_reach(primary, is_reached):
    lines = problems(srv={**server(primary=primary), "backup_restore_host": "lab"}, lab={})
    told = "host srv: backup_restore_host: found 'lab'; allowed: nothing, because another host cannot reach the repository primary as it is"
    assert lines == [] if is_reached else (len(lines) == 1 and lines[0].startswith(told))


# What a repository server resolves to


def test_a_repository_server_has_its_defaults():
    assert resolved()["repository_servers"] == {
        "vault": {
            "path": "/srv/backup", "address": "10.0.0.5", "port": 8000, "quota_bytes": None, "free_least_bytes": 1024**3, "allow_from": [],
            "rest_server": None, "max_parallel": 4, "server_dir": "/var/lib/si-cekat-server", "restic": "restic", "upload_limit_kib": None,
            "max_runtime_s": 86400,
        }
    }  # fmt: skip


def test_a_repository_server_as_given(tmp_path):
    binary = tmp_path / "rest-server"
    binary.touch()
    settings = keeper(
        address="cadangan.contoh.go.id", port="8443", quota="500GiB", free_least=5_000_000, allow_from=["10.0.0.0/24", "10.1.0.7", "fd00::/64"],
        rest_server={"source": str(binary), "sha256": "AB" * 32},
    )  # fmt: skip
    entry = resolved(vault={**settings, "backup_max_parallel": 2, "backup_upload_limit": 512})["repository_servers"]["vault"]
    assert {key: entry[key] for key in ("address", "port", "quota_bytes", "free_least_bytes", "max_parallel", "upload_limit_kib")} == {
        "address": "cadangan.contoh.go.id", "port": 8443, "quota_bytes": 500 * 1024**3, "free_least_bytes": 5_000_000, "max_parallel": 2,
        "upload_limit_kib": 512,
    }  # fmt: skip
    assert entry["allow_from"] == ["10.0.0.0/24", "10.1.0.7/32", "fd00::/64"]
    assert entry["rest_server"] == {"source": str(binary), "sha256": "ab" * 32}


@pytest.mark.parametrize(("given", "size"), [("10GB", 10**10), ("1 TiB", 1024**4), ("3kB", 3000), ("3KiB", 3072), (1, 1), ("2048", 2048)])
def test_a_size_is_decimal_or_binary_or_bytes(given, size):
    assert resolved(vault=keeper(quota=given))["repository_servers"]["vault"]["quota_bytes"] == size


def test_the_address_is_the_inventory_name_where_nothing_else_is_given():
    vault = {name: value for name, value in KEEPER.items() if name != "ansible_host"}
    answer = resolved(vault=vault)
    assert answer["repository_servers"]["vault"]["address"] == "vault"
    assert answer["servers"]["srv"]["repositories"]["primary"]["url"] == "rest:https://vault:8000/srv/"


def test_a_repository_server_without_data_sets_is_no_server_and_not_named_as_a_host_without_them():
    answer = resolved(web={})
    assert (list(answer["servers"]), answer["without_datasets"]) == (["srv"], ["web"])


def test_a_host_may_be_both():
    both = {**server(primary={"url": "/mnt/lain"}), **{key: KEEPER[key] for key in ("ansible_host", "backup_repository_server")}}
    answer = resolved(vault=both)
    assert sorted(answer["servers"]) == ["srv", "vault"]
    assert list(answer["repository_servers"]) == ["vault"]


# What repositories resolve to


def test_a_repository_on_a_repository_server():
    assert resolved(srv=server(primary={"server": "vault", "location": "Ruang server"}))["servers"]["srv"]["repositories"]["primary"] == {
        "url": "rest:https://10.0.0.5:8000/srv/", "location": "Ruang server", "server": "vault", "transport": "rest", "retention": {"dokumen": KEEP},
        "ca_certificate": None, "identity_file": None, "host_key": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("transport", "address", "url"),
    [
        ("rest", "fd00::5", "rest:https://[fd00::5]:8000/srv/"),
        ("ssh", "10.0.0.5", "ssh://sicekat-backup@10.0.0.5/srv"),
        ("ssh", "fd00::5", "ssh://sicekat-backup@[fd00::5]/srv"),
    ],
)
def test_the_address_of_a_repository_says_how_it_is_reached(transport, address, url):
    answer = resolved(vault=keeper(address=address), srv=server(primary={"server": "vault", "transport": transport}))
    repository = answer["servers"]["srv"]["repositories"]["primary"]
    assert (repository["url"], repository["transport"]) == (url, transport)


def test_a_foreign_repository_has_no_server():
    repository = resolved(srv=offsite(url="s3:https://s3.example/ember/srv"))["servers"]["srv"]["repositories"]["offsite"]
    assert (repository["url"], repository["server"], repository["transport"]) == ("s3:https://s3.example/ember/srv", None, "url")


def test_retention_of_the_primary_repository_comes_from_the_category_of_each_data_set():
    assert resolved()["servers"]["srv"]["repositories"]["primary"]["retention"] == {"dokumen": KEEP}


def test_retention_of_a_copy_holds_for_all_data_sets():
    repositories = resolved(srv=offsite(url="/mnt/usb", retention={"monthly": 12}))["servers"]["srv"]["repositories"]
    keep = {"last": 0, "daily": 0, "weekly": 0, "monthly": 12, "yearly": 0}
    assert repositories["offsite"]["retention"] == {"dokumen": keep, "unduhan": keep}


def test_without_retention_there_is_none():
    srv = {**SERVER, "backup_categories": {"penting": None, "biasa": None}}
    assert resolved(srv=srv)["servers"]["srv"]["repositories"]["primary"]["retention"] is None


def test_a_host_key_is_kept_without_its_comment():
    settings = {"url": "sftp:backup@nas:/volume1/srv", "identity_file": "/root/.ssh/nas", "host_key": f"{ED25519} root@nas"}
    repository = resolved(srv=offsite(**settings))["servers"]["srv"]["repositories"]["offsite"]
    assert (repository["identity_file"], repository["host_key"]) == ("/root/.ssh/nas", ED25519)


def test_a_policy_holds_no_credential(authority):
    srv = server(
        archive={"url": "rest:https://nas.example/srv", "username": "srv", "access_password": f"{SECRET}-1", "ca_certificate": authority},
        offsite={"url": "s3:https://s3.example/ember/srv", "access_key": f"{SECRET}-2", "secret_key": f"{SECRET}-3"},
    )
    answer = resolved(srv=srv)
    assert answer["servers"]["srv"]["repositories"]["archive"]["ca_certificate"] == authority
    assert SECRET not in json.dumps(answer)


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "s3:https://s3.example/b", "access_key": "KUNCI"},
        {"url": "s3:https://s3.example/b", "access_key": "KUNCI", "secret_key": ["KUNCI"]},
        {"url": "/mnt/usb", "access_password": "KUNCI"},
        {"url": "rest:https://x.example/", "access_password": "KUNCI"},
        {"url": "rest:https://x.example/", "username": "srv:KUNCI", "access_password": "x"},
        {"url": "rest:https://srv:KUNCI@x.example/", "username": "KUNCI", "access_password": "x"},
        {"server": "vault2", "url": "rest:https://srv:KUNCI@x.example/"},
        {"server": "vault2", "secret_key": "KUNCI"},
    ],
)
def test_a_problem_about_a_credential_does_not_show_it(settings):
    (line,) = problems(srv=offsite(**settings), vault2={**KEEPER, "ansible_host": "10.0.0.6"})
    assert "KUNCI" not in line


# Each mistake has one line


SERVER_PROBLEMS = {
    "no mapping": ({**KEEPER, "backup_repository_server": "/srv/backup"}, "backup_repository_server: found 11 characters; allowed: a mapping"),
    "a misspelt key": (keeper(qouta="1GB"), "backup_repository_server.qouta: found a name that is not known; allowed: path, address, "),
    "no path": (keeper(path=None), "backup_repository_server.path: found nothing; allowed: an absolute path"),
    "a relative path": (keeper(path="srv"), "backup_repository_server.path: found 'srv'; allowed: an absolute path"),
    "a path with a space": (keeper(path="/srv/my backup"), "backup_repository_server.path: found '/srv/my backup'; allowed: an absolute path of letters"),
    "a directory of the system": (keeper(path="/var//lib/"), "backup_repository_server.path: found '/var/lib'; allowed: a directory of its own"),
    "an address with a port": (keeper(address="10.0.0.5:8000"), "backup_repository_server.address: found '10.0.0.5:8000'; allowed: a name or an IP"),
    "an address that is a url": (keeper(address="https://x"), "backup_repository_server.address: found 'https://x'"),
    "an address that is an option": (keeper(address="-oProxyCommand=x"), "backup_repository_server.address: found '-oProxyCommand=x'"),
    "a port of zero": (keeper(port=0), "backup_repository_server.port: found 0; allowed: a port from 1 to 65535"),
    "a port too high": (keeper(port=65536), "backup_repository_server.port: found 65536"),
    "a size without unit of bytes": (keeper(quota="500G"), "backup_repository_server.quota: found '500G'; allowed: a size above zero such as 500GiB"),
    "a size of zero": (keeper(quota=0), "backup_repository_server.quota: found 0; allowed: a size"),
    "a size that is true": (keeper(free_least=True), "backup_repository_server.free_least: found true; allowed: a size"),
    "networks that are text": (keeper(allow_from="10.0.0.0/24"), "backup_repository_server.allow_from: found '10.0.0.0/24'; allowed: a list of networks"),
    "no network": (keeper(allow_from=["kantor"]), "backup_repository_server.allow_from[0]: found 'kantor'; allowed: a network such as"),
    "a network of a number": (keeper(allow_from=[10]), "backup_repository_server.allow_from[0]: found 10; allowed: a network such as"),
    "a network with bits of a host": (keeper(allow_from=["10.0.0.5/24"]), "allow_from[0]: found '10.0.0.5/24'; allowed: a network such as 10.0.0.0/24, or "),
    "a binary that is not there": (keeper(rest_server={"source": "/no/such/file", "sha256": "0" * 64}), "source: found '/no/such/file'; allowed: an existing"),
    "a binary over plain http": (keeper(rest_server={"source": "http://x/y", "sha256": "0" * 64}), "rest_server.source: found 10 characters; allowed: an"),
    "a binary behind a password": (keeper(rest_server={"source": "https://a:b@x/y", "sha256": "0" * 64}), "rest_server.source: found 15 characters"),
    "a binary without checksum": (keeper(rest_server={"source": "https://x/y"}), "rest_server.sha256: found nothing; allowed: the SHA-256 of the file"),
    "a checksum of another kind": (keeper(rest_server={"source": "https://x/y", "sha256": "0" * 40}), "rest_server.sha256: found '000"),
    "no place at all": ({**KEEPER, "backup_max_parallel": 0}, "backup_max_parallel: found 0; allowed: a whole number from 1"),
    "no secret": ({**KEEPER, "backup_master_secret": None}, "backup_master_secret: found nothing; allowed: at least 24 characters"),
    "a relative directory to work in": ({**KEEPER, "backup_server_dir": "x"}, "backup_server_dir: found 'x'; allowed: an absolute path"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", SERVER_PROBLEMS)
def test_each_mistake_about_a_repository_server_has_one_line(mistake):
    variables, part = SERVER_PROBLEMS[mistake]
    (line,) = problems(vault=variables)
    assert line.startswith("host vault: ")
    assert part in line


def test_the_network_that_was_meant_is_suggested():
    assert problems(vault=keeper(allow_from=["10.0.0.5/24"]))[0].endswith("(did you mean 10.0.0.0/24?)")


def test_two_repository_servers_at_one_address_are_a_problem():
    assert problems(vault2=KEEPER) == [
        "host vault2: backup_repository_server.address: found '10.0.0.5:8000'; allowed: another address or port than repository server vault has"
    ]


def test_two_repository_servers_at_two_ports_are_none():
    assert problems(vault2=keeper(port=8001)) == []


def test_a_mistake_of_a_host_that_is_both_is_told_once():
    both = {**server(primary={"url": "/mnt/lain"}), "backup_repository_server": {"path": "/srv/backup"}, "backup_server_dir": "x", "backup_master_secret": "x"}
    assert len(problems(vault=both, srv={})) == 2


REPOSITORY_PROBLEMS = {
    "neither url nor server": (server(primary={"location": "x"}), "backup_repositories.primary.url: found nothing; allowed: exactly one of url"),
    "both": (server(primary={"server": "vault", "url": "/srv/x"}), "backup_repositories.primary.url: found 6 characters; allowed: exactly one of url"),
    "a server that is not in the inventory": (server(primary={"server": "vaul"}), "primary.server: found 'vaul'; allowed: vault (did you mean vault?)"),
    "a server that keeps nothing": (server(primary={"server": "web"}), "primary.server: found 'web'; allowed: a host with backup_repository_server; this"),
    "the server itself": (server(primary={"server": "srv"}), "primary.server: found 'srv'; allowed: another host, because a backup on the machine"),
    "a server that is no text": (server(primary={"server": ["vault"]}), "primary.server: found a list; allowed: vault"),
    "an unknown transport": (server(primary={"server": "vault", "transport": "scp"}), "primary.transport: found 'scp'; allowed: rest, ssh"),
    "ssh for a copy": (offsite(server="vault2", transport="ssh"), "offsite.transport: found 'ssh'; allowed: rest; ssh is for the repository primary"),
    "a transport of a path": (offsite(url="/mnt/x", transport="rest"), "offsite.transport: found 4 characters; allowed: nothing, because this key belongs"),
    "two repositories on one server": (offsite(server="vault"), "offsite.server: found 'rest:https://10.0.0.5:8000/srv/'; allowed: another place than rep"),
    "a copy in the directory of the repository server": (offsite(url="/srv/backup/x"), "offsite.url: found '/srv/backup/x'; allowed: a path that neither"),
    "retention of primary": (server(primary={"server": "vault", "retention": {"last": 3}}), "primary.retention: found a mapping; allowed: no retention here"),
    "a retention that keeps nothing": (offsite(url="/mnt/x", retention={"last": 0}), "offsite.retention: found nothing; allowed: at least one number above"),
    "an empty retention": (offsite(url="/mnt/x", retention={}), "offsite.retention: found nothing; allowed: at least one number above zero of last"),
    "a retention that is a number": (offsite(url="/mnt/x", retention=7), "offsite.retention: found a value that is not text; allowed: a mapping"),
    "a negative number": (offsite(url="/mnt/x", retention={"last": -1}), "offsite.retention.last: found -1; allowed: a whole number of snapshots"),
    "a misspelt period": (offsite(url="/mnt/x", retention={"dayly": 7}), "offsite.retention.dayly: found a name that is not known"),
    "half of the keys of S3": (offsite(url="s3:https://x.example/b", secret_key="x"), "offsite.access_key: found nothing; allowed: at least 1 characters"),
    "a user without password": (offsite(url="rest:https://x.example/", username="x"), "offsite.access_password: found nothing; allowed: at least 1 "),
    "a user twice": (offsite(url="rest:https://a:b@x.example/", username="x", access_password="y"), "offsite.username: found 1 characters; allowed: a user"),
    "keys of S3 for SFTP": (offsite(url="sftp:x@y:/z", access_key="x"), "offsite.access_key: found 1 characters; allowed: nothing, because this key belongs"),
    "a certificate that is not there": (offsite(url="rest:https://x.example/", ca_certificate="/no/ca.pem"), "ca_certificate: found '/no/ca.pem'; allowed: an"),
    "a certificate that is none": (offsite(url="rest:https://x.example/", ca_certificate=__file__), "ca_certificate: found '/"),
    "a relative certificate": (offsite(url="rest:https://x.example/", ca_certificate="ca.pem"), "ca_certificate: found 'ca.pem'; allowed: an absolute"),
    "a relative identity file": (offsite(url="sftp:x@y:/z", identity_file="id"), "offsite.identity_file: found 'id'; allowed: an absolute path"),
    "an identity file with a quote": (offsite(url="sftp:x@y:/z", identity_file="/k'x"), "offsite.identity_file: found '/k'x'; allowed: an absolute path of"),
    "a host that is an option": (offsite(url="sftp:-oProxyCommand=x:/z"), "offsite.url: found 'sftp:-oProxyCommand=x:/z'; allowed: an absolute path, rest:"),
    "a port that is none": (offsite(url="rest:https://x.example:y/"), "offsite.url: found 'rest:https://x.example:y/'; allowed: an absolute path, rest:"),
    "sftp without a path": (offsite(url="sftp:x@y"), "offsite.url: found 'sftp:***@y'; allowed: an absolute path, rest:https://"),
    "a host key with its name": (offsite(url="sftp:x@y:/z", host_key=f"y {ED25519}"), "offsite.host_key: found 'y ssh-ed25519"),
    "a host key that was cut": (offsite(url="sftp:x@y:/z", host_key=ED25519[:30]), "offsite.host_key: found 'ssh-ed25519"),
    "a host key of another kind": (offsite(url="sftp:x@y:/z", host_key=ED25519.replace("ssh-ed25519 ", "ssh-rsa ")), "offsite.host_key: found 'ssh-rsa"),
    "a secret other than the repository server's": ({**SERVER, "backup_master_secret": SECRET + "!"}, "found 28 characters; allowed: the same secret as host"),
    "no secret": ({**server(primary={"server": "vault", "password": SECRET}), "backup_master_secret": None}, "backup_master_secret: found nothing"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", REPOSITORY_PROBLEMS)
def test_each_mistake_about_a_repository_has_one_line(mistake):
    variables, part = REPOSITORY_PROBLEMS[mistake]
    (line,) = problems(srv=variables, web={}, vault2={**KEEPER, "ansible_host": "10.0.0.6"} if "vault2" in str(variables) else {})
    assert line.startswith("host srv: ")
    assert part in line


def test_a_server_is_needed_where_the_inventory_has_none():
    (line,) = problems(vault={}, srv=SERVER)
    assert line == "host srv: backup_repositories.primary.server: found 'vault'; allowed: a host with backup_repository_server; this one has none"
    (line,) = problems(vault={}, srv=server(primary={"server": "lain"}))
    assert line.endswith("allowed: a host with backup_repository_server, which no other host of the inventory has")


def test_a_mistake_of_the_repository_server_is_not_told_again_by_its_servers():
    assert len(problems(vault={**KEEPER, "backup_repository_server": []}, srv=SERVER, srv2=server())) == 1


@pytest.mark.parametrize("name", ["srv 1", "../srv", ".htpasswd", "-srv", "srv/1", "server:1", "données"])
def test_a_server_whose_name_is_no_directory_is_a_problem(name):
    (line,) = problems(**{name: SERVER})
    assert "inventory_hostname: found '" in line
    assert "allowed: an inventory name of letters, digits" in line


@pytest.mark.parametrize("name", ["data", "locks", "config"])
def test_a_server_whose_name_is_a_part_of_a_repository_is_a_problem(name):
    assert problems(**{name: SERVER}) == [
        f"host {name}: inventory_hostname: found '{name}'; allowed: another inventory name, because each repository has a part of this name"
    ]


def test_any_inventory_name_does_for_a_server_with_a_path_of_its_own():
    assert problems(**{"srv 1": server(primary={"url": "/mnt/lain"})}) == []


ONE_PLACE = [
    ("/mnt/arsip", "/mnt//arsip/"),  # on the disk of the repository server
    ("s3:https://s3.example/b", "s3:https://s3.example/b/"),
    ("rest:https://a:x@nas.example/r", "rest:https://b:y@nas.example/r/"),
    ("rest:https://a:x@nas.example/r", "rest:https://nas.example/r"),
    ("sftp:backup@nas:/r", "sftp:backup@nas:/r"),
]


@pytest.mark.parametrize(("one", "other"), ONE_PLACE)
def test_two_servers_with_one_repository_are_a_problem(one, other):
    (line,) = problems(srv=offsite(url=one), srv2=offsite(url=other))
    assert line.startswith("host srv2: backup_repositories.offsite.url: ")
    assert "allowed: another place than repository offsite of host srv has" in line


def test_the_same_path_on_two_servers_is_two_places():
    assert problems(srv=server(primary={"url": "/mnt/nas"}), srv2=server(primary={"url": "/mnt/nas"})) == []


def test_two_users_of_sftp_have_two_homes():
    assert problems(srv=offsite(url="sftp:a@nas:r"), srv2=offsite(url="sftp:b@nas:r")) == []


# Data sets and places where backups are kept


def test_data_of_a_repository_server_must_not_lie_in_what_it_keeps():
    both = {**server(primary={"url": "/mnt/lain"}), "backup_repository_server": {"path": "/srv"}, "ansible_host": "10.0.0.5"}
    lines = problems(vault={**both, "backup_repository_server": {"path": "/srv/dokumen/simpan"}})
    assert lines == [
        "host vault, data set 'dokumen': paths[0]: found '/srv/dokumen'; allowed: "
        "a path that neither holds nor lies in backup_repository_server.path (/srv/dokumen/simpan), where backups are kept"
    ]


def test_a_copy_on_the_repository_server_is_no_directory_of_the_server():
    assert problems(srv=server(archive={"url": "/srv/dokumen/arsip"})) == []


# Nonsense


FULL = {
    "vault": {
        **keeper(quota="1GB", allow_from=["10.0.0.0/24"], rest_server={"source": "https://x/y", "sha256": "0" * 64}, port=1, address="x"),
        "backup_max_parallel": 1, "backup_server_dir": "/x", "backup_restic": "x", "backup_upload_limit": 1, "backup_max_runtime": 1,
    },
    "srv": {
        **server(
            primary={"server": "vault", "transport": "ssh", "location": "x", "password": SECRET},
            archive={"url": "sftp:x@y:/z", "identity_file": "/x", "host_key": ED25519, "retention": {"last": 1}},
            offsite={"url": "rest:https://x/y", "username": "x", "access_password": "x", "ca_certificate": "/x"},
        ),
        "backup_cycles": {"daily": {"start": "01:00", "end": "02:00", "start_by": "01:30", "grace": 1}},
        "backup_spread": 1, "backup_keep_least": 1, "backup_reconnect": 1,
    },
}  # fmt: skip


def variants(value: object, nonsense: object) -> list:
    """Returns copies of a value, each with one part of it, at any depth, replaced by nonsense."""
    found = [nonsense]
    if isinstance(value, dict):
        found += [{**value, key: other} for key, part in value.items() for other in variants(part, nonsense)]
        found += [{**value, nonsense: 1}] if isinstance(nonsense, str) else []
    if isinstance(value, list):
        found += [[*value[:number], other, *value[number + 1 :]] for number, part in enumerate(value) for other in variants(part, nonsense)]
    return found


@pytest.mark.parametrize("nonsense", [None, True, -1, 1.5, "\0", "/", "://[", [[]], {"": {}}], ids=repr)
def test_nonsense_anywhere_is_at_most_a_problem(nonsense):
    for name, variables in FULL.items():
        for variable in variables:
            for value in variants(variables[variable], nonsense):
                with contextlib.suppress(policy.PolicyError):  # which has told every problem already
                    policy.resolve({**FULL, name: {**variables, variable: value}})
