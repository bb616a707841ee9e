# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What site.yml has made of bare hosts, looked at from outside."""

from __future__ import annotations

import re
import socket
import ssl

import pytest
from fleet import Fleet

KEEPER, STORE = "gudang", "/srv/simpanan"
SERVERS = {"loket": "0.14.", "pajak": "0.18."}  # the restic of its Debian
SERVICE = "sicekat-rest-server.service"
USER = "sicekat-backup"
PORT = 8000


def test_the_service_runs_as_a_user_of_its_own_without_any_capability(fleet: Fleet):
    on = fleet.on(KEEPER)
    assert on.service(SERVICE).is_running and on.service(SERVICE).is_enabled
    pid = on.check_output(f"systemctl show --value --property MainPID {SERVICE}")
    status = dict(line.split(":\t", 1) for line in on.check_output(f"cat /proc/{pid}/status").splitlines())
    assert status["Uid"].split()[0] == on.check_output(f"id -u {USER}") != "0"
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"


def test_systemd_itself_finds_the_service_well_hardened(fleet: Fleet):
    verdict = fleet.on(KEEPER).check_output(f"systemd-analyze security --no-pager {SERVICE}").splitlines()[-1]
    assert float(re.search(r": ([\d.]+) ", verdict)[1]) <= 2.0, verdict


def test_the_service_sees_of_the_disk_only_what_it_needs(fleet: Fleet):
    on = fleet.on(KEEPER)
    pid = on.check_output(f"systemctl show --value --property MainPID {SERVICE}")
    inside = f"nsenter --target {pid} --mount --"
    assert on.run(f"{inside} touch {STORE}/loket/coba").rc == 0
    on.check_output(f"rm {STORE}/loket/coba")
    for path in ("/etc/coba", "/var/lib/coba", "/usr/coba"):
        assert on.run(f"{inside} touch {path}").rc != 0, path


def test_nobody_but_the_service_reads_the_store(fleet: Fleet):
    store = fleet.on(KEEPER).file(STORE)
    assert (store.user, store.group, store.mode) == (USER, USER, 0o700)
    found = fleet.bed.run(KEEPER, f"find {STORE} -mindepth 1 ( ! -user {USER} -o -perm /077 )".replace("(", "\\(").replace(")", "\\)"))
    assert found.stdout == ""


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_tls_is_refused_by_the_server(fleet: Fleet, version: ssl.TLSVersion):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with socket.create_connection((fleet.bed.address(KEEPER), PORT), 5) as plain, pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        context.wrap_socket(plain)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_certificate_is_good_for_the_address_and_from_the_authority_that_servers_know(fleet: Fleet, version: ssl.TLSVersion):
    authority = fleet.bed.run("loket", "cat /etc/si-cekat/ca.pem").stdout
    context = ssl.create_default_context(cadata=authority)
    context.minimum_version = context.maximum_version = version
    address = fleet.bed.address(KEEPER)
    with socket.create_connection((address, PORT), 5) as plain, context.wrap_socket(plain, server_hostname=address) as line:
        assert line.version() == version.name.replace("_", ".").replace("TLSv1.", "TLSv1.")


def test_only_networks_that_are_allowed_reach_the_port(fleet: Fleet):
    rules = fleet.bed.run(KEEPER, "nft list ruleset").stdout
    assert str(fleet.bed.subnet) in rules
    fleet.bed.run("loket", "ip address add 10.250.250.2/32 dev host0")
    fleet.bed.run(KEEPER, f"ip route add 10.250.250.2/32 via {fleet.bed.address('loket')}")
    reach = "import socket, sys; s = socket.socket(); s.settimeout(3); s.bind((sys.argv[1], 0)); s.connect((sys.argv[2], int(sys.argv[3])))"
    try:
        own, other = fleet.bed.address("loket"), "10.250.250.2"
        command = f'python3 -c "{reach}" {{}} {fleet.bed.address(KEEPER)} {{}}'
        assert fleet.bed.run("loket", command.format(own, PORT), check=False).returncode == 0
        assert fleet.bed.run("loket", command.format(other, 22), check=False).returncode == 0, "the way is open, only the port is not"
        refused = fleet.bed.run("loket", command.format(other, PORT), check=False)
        assert refused.returncode != 0 and "timed out" in refused.stderr
    finally:
        fleet.bed.run("loket", "ip address delete 10.250.250.2/32 dev host0")
        fleet.bed.run(KEEPER, f"ip route delete 10.250.250.2/32 via {fleet.bed.address('loket')}")


def test_the_firewall_and_the_service_are_there_again_after_a_loss_of_power(fleet: Fleet):
    before = fleet.bed.run(KEEPER, "nft list table inet sicekat_rest_server").stdout
    fleet.bed.power_off(KEEPER)
    fleet.bed.power_on(KEEPER)
    assert fleet.bed.run(KEEPER, "nft list table inet sicekat_rest_server").stdout == before
    assert fleet.on(KEEPER).service(SERVICE).is_running


@pytest.mark.parametrize(("server", "version"), SERVERS.items())
def test_a_server_has_its_debians_restic_and_credentials_that_only_root_reads(fleet: Fleet, server: str, version: str):
    on = fleet.on(server)
    assert on.check_output("restic version").startswith(f"restic {version}")
    directory = on.file("/etc/si-cekat")
    assert (directory.user, directory.mode) == ("root", 0o700)
    for name in ("password", "repository"):
        file = on.file(f"/etc/si-cekat/{name}")
        assert (file.user, file.mode) == ("root", 0o600), name


def secrets_of(fleet: Fleet) -> list[str]:
    found = []
    for server in SERVERS:
        found.append(fleet.bed.run(server, "cat /etc/si-cekat/password").stdout.strip())
        found.append(re.search(r"//[^:]+:([^@]+)@", fleet.bed.run(server, "cat /etc/si-cekat/repository").stdout)[1])
    assert len(set(found)) == 4 and min(map(len, found)) >= 32
    return found


def test_no_secret_is_in_a_file_that_others_can_read_nor_in_a_log(backed_up: Fleet):
    fleet = backed_up
    searched = [*secrets_of(fleet), "rahasia-uji-armada"]
    patterns = "".join(f"{secret}\n" for secret in searched)
    for host in (KEEPER, *SERVERS):
        fleet.bed.run(host, "umask 077; cat >/root/cari", data=patterns)
        found = fleet.bed.run(host, r"find / -xdev -type f -perm /044 -size -4M -print0 | xargs -0 grep -laFf /root/cari; true", timeout=120).stdout
        assert found == "", host
        assert fleet.bed.run(host, "journalctl --no-pager -o cat | grep -cFf /root/cari; rm /root/cari").stdout.strip() == "0", host


def test_no_secret_is_on_the_control_nodes_disk(backed_up: Fleet):
    searched = [secret.encode() for secret in (*secrets_of(backed_up), "rahasia-uji-armada")]
    files = [path for path in backed_up.state.rglob("*") if path.is_file()]
    assert any(path.suffix == ".sqlite3" for path in files)
    assert [path for path in files if any(secret in path.read_bytes() for secret in searched)] == []


@pytest.mark.usefixtures("big")
def test_while_a_backup_runs_no_secret_is_in_arguments_or_environments(backed_up: Fleet):
    fleet = backed_up
    searched = [*secrets_of(fleet), "rahasia-uji-armada"]
    playing = fleet.start("daily")
    fleet.uploading(playing, "loket", KEEPER, STORE)
    seen = {host: fleet.bed.run(host, "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; true").stdout for host in (KEEPER, *SERVERS)}
    assert "restic" in seen["loket"]
    for host, text in seen.items():
        assert [secret for secret in searched if secret in text] == [], host
    assert playing.wait().code == 0
