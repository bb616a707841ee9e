# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates as clients judge them: openssl verify, and TLS handshakes over loopback."""

from __future__ import annotations

import datetime
import hashlib
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from ansible_collections.sicekat.backup.plugins.plugin_utils import pki

MASTER = "rahasia-induk-untuk-pengujian"
NAMES = ["localhost", "srv-cadangan", "127.0.0.1", "::1"]
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def made() -> tuple[str, str]:
    """(certificate, key) of a repository server."""
    return pki.server_certificate(MASTER, "srv-cadangan", NAMES, NOW)


def openssl(*arguments: str | Path) -> str:
    """Standard output of openssl, which must succeed."""
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def saved(directory: Path, **texts: str) -> list[Path]:
    """Writes each text to a file of its name and returns the paths."""
    for name, text in texts.items():
        (directory / name).write_text(text)
    return [directory / name for name in texts]


def shake_hands(directory: Path, made: tuple[str, str], authority: str, name: str, most: ssl.TLSVersion) -> str | None:
    """Returns the TLS version that a client which trusts `authority` and asks for `name` agrees on with the server; raises ssl.SSLError."""
    certificate, key = saved(directory, certificate=made[0], key=made[1])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cadata=authority)
    client.maximum_version = most

    def serve(listener: socket.socket) -> None:
        connection, _address = listener.accept()
        with connection:
            connection.settimeout(10)
            try:
                with server.wrap_socket(connection, server_side=True) as tls:
                    tls.recv(1)
            except OSError:
                pass  # the client turned away

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            with socket.create_connection(listener.getsockname(), timeout=10) as plain, client.wrap_socket(plain, server_hostname=name) as tls:
                return tls.version()
        finally:
            thread.join()


def test_the_authority_is_the_same_to_the_byte_for_ever():
    assert pki.certificate_authority(MASTER) == pki.certificate_authority(MASTER)
    assert hashlib.sha256(pki.certificate_authority(MASTER).encode()).hexdigest() == "cf1f533c903992661c9e330465bc1be0c6faca1e446c5d04cd8774e35bde29f0"


def test_another_secret_is_another_authority_of_another_name(tmp_path):
    one, other = saved(tmp_path, one=pki.certificate_authority(MASTER), other=pki.certificate_authority(MASTER + "!"))
    assert openssl("x509", "-in", one, "-noout", "-subject") != openssl("x509", "-in", other, "-noout", "-subject")


def test_openssl_holds_the_chain_for_good_by_name_and_by_address(made, tmp_path):
    authority, certificate = saved(tmp_path, authority=pki.certificate_authority(MASTER), certificate=made[0])
    for check in (["-verify_hostname", "srv-cadangan"], ["-verify_ip", "127.0.0.1"], ["-verify_ip", "::1"]):
        openssl("verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", authority, *check, certificate)


def test_the_authority_lives_thirty_years_and_signs_nothing_but_servers(made, tmp_path):
    (authority, certificate) = saved(tmp_path, authority=pki.certificate_authority(MASTER), certificate=made[0])
    text = openssl("x509", "-in", authority, "-noout", "-text")
    assert "CA:TRUE, pathlen:0" in text
    assert "Not Before: Jan  1 00:00:00 2026 GMT" in text
    assert "Not After : Jan  1 00:00:00 2056 GMT" in text
    text = openssl("x509", "-in", certificate, "-noout", "-text")
    assert "CA:FALSE" in text
    assert "TLS Web Server Authentication" in text


@pytest.mark.parametrize("most", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_client_that_trusts_the_authority_shakes_hands(made, tmp_path, name, most):
    assert shake_hands(tmp_path, made, pki.certificate_authority(MASTER), name, most) == most.name.replace("_", ".")


@pytest.mark.parametrize(("secret", "name"), [(MASTER + "!", "localhost"), (MASTER, "srv-lain")])
def test_a_client_turns_away_from_another_authority_and_from_another_name(made, tmp_path, secret, name):
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(tmp_path, made, pki.certificate_authority(secret), name, ssl.TLSVersion.TLSv1_3)


def test_a_client_turns_away_from_an_expired_certificate(tmp_path):
    old = pki.server_certificate(MASTER, "srv-cadangan", NAMES, NOW - 399 * DAY)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        shake_hands(tmp_path, old, pki.certificate_authority(MASTER), "localhost", ssl.TLSVersion.TLSv1_3)


def test_two_certificates_of_a_server_have_two_keys(made):
    assert pki.server_certificate(MASTER, "srv-cadangan", NAMES, NOW)[1] != made[1]


@pytest.mark.parametrize("later", [0 * DAY, 337 * DAY])
def test_a_good_certificate_is_left_alone(made, later):
    assert pki.needs_renewal(made[0], MASTER, "srv-cadangan", [*reversed(NAMES), "localhost"], NOW + later) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"current_pem": None}, "missing"),
        ({"current_pem": ""}, "missing"),
        ({"current_pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, "missing"),
        ({"master": MASTER + "!"}, "other_authority"),
        ({"names": NAMES[1:]}, "other_names"),
        ({"names": [*NAMES, "10.0.0.5"]}, "other_names"),
        ({"host": "srv-lain"}, "other_names"),
        ({"current_pem": pki.certificate_authority(MASTER)}, "other_names"),
        ({"now": NOW + 338 * DAY}, "expires"),
        ({"now": NOW + 500 * DAY}, "expires"),
        ({"now": NOW - DAY}, "expires"),
    ],
)
def test_a_certificate_that_must_be_made_anew_has_a_reason(made, changes, reason):
    given = {"current_pem": made[0], "master": MASTER, "host": "srv-cadangan", "names": NAMES, "now": NOW, **changes}
    assert pki.needs_renewal(**given) == reason


def test_only_the_certificates_of_a_file_are_read(made, tmp_path):
    (path,) = saved(tmp_path, bundle="# ours\n" + made[1] + pki.certificate_authority(MASTER) + made[0])
    assert pki.read_certificates(str(path)) == pki.certificate_authority(MASTER) + made[0]


def test_a_file_without_certificate_is_an_error(made, tmp_path):
    (path,) = saved(tmp_path, key=made[1])
    with pytest.raises(ValueError, match="PEM"):
        pki.read_certificates(str(path))
