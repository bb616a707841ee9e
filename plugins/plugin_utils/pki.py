# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The agency's own certificate authority for its repository servers, derived from backup_master_secret: there is no key file to lose or steal.

Everything is ECDSA on P-256 with SHA-256, which every TLS 1.2 and 1.3 client takes.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible_collections.sicekat.backup.plugins.plugin_utils import secrets

# Fixed, because the authority is made anew each time that it is needed and must be the same to the byte.
_AUTHORITY_FROM = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_AUTHORITY_UNTIL = datetime.datetime(2056, 1, 1, tzinfo=datetime.UTC)

_VALID = datetime.timedelta(days=398)  # the most that TLS clients accept (CA/Browser Forum, ballot SC31)
_RENEW_BEFORE = datetime.timedelta(days=60)
_CLOCKS_DIFFER = datetime.timedelta(hours=1)  # a server whose clock is late must not see a certificate of the future

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_COMMON_NAME_MOST = 64  # characters (RFC 5280, ub-common-name)


def certificate_authority(master: str) -> str:
    """Returns the authority's certificate as PEM text, the same at every call."""
    return _pem(_authority(master)[0])


def server_certificate(master: str, host: str, names: Iterable[str], now: datetime.datetime) -> tuple[str, str]:
    """Returns (certificate, key) of a repository server as PEM texts, valid for 398 days, with a key that is new each time.

    host: its inventory name. names: the DNS names and IP addresses under which it is reached. now: an aware datetime.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    authority, authority_key = _authority(master)
    key = ec.generate_private_key(ec.SECP256R1())
    valid_from = now - _CLOCKS_DIFFER
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(host[:_COMMON_NAME_MOST]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid_from)
        .not_valid_after(valid_from + _VALID)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in sorted(set(names))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    key_pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return _pem(certificate), key_pem.decode()


def read_certificates(path: str) -> str:
    """Returns the certificates of a PEM file of this machine, and nothing else that the file holds.

    Raises OSError where it cannot be read, and ValueError where it holds no certificate.
    """
    from cryptography import x509

    return "".join(_pem(certificate) for certificate in x509.load_pem_x509_certificates(Path(path).read_bytes()))


def needs_renewal(current_pem: str | None, master: str, host: str, names: Iterable[str], now: datetime.datetime) -> str | None:
    """Returns why a server's certificate must be made anew, or None if it is good.

    The reasons: missing (none, or no certificate), other_authority, other_names (also another host), expires (fewer than 60 days are left, or not
    valid yet).
    """
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    try:
        current = x509.load_pem_x509_certificate((current_pem or "").encode())
    except ValueError:
        return "missing"
    try:
        current.verify_directly_issued_by(_authority(master)[0])
    except (ValueError, TypeError, InvalidSignature):  # another name, another kind of key, another key
        return "other_authority"
    try:
        held = {str(getattr(name, "value", name)) for name in current.extensions.get_extension_for_class(x509.SubjectAlternativeName).value}
    except x509.ExtensionNotFound:  # the authority's own certificate
        held = set()
    wanted = {str(_general_name(name).value) for name in names}
    if held != wanted or current.subject != _name(host[:_COMMON_NAME_MOST]):
        return "other_names"
    if not current.not_valid_before_utc <= now < current.not_valid_after_utc - _RENEW_BEFORE:
        return "expires"
    return None


def _authority(master: str) -> tuple[Any, Any]:
    """Returns (certificate, private key) of the authority."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    # 128 bits more than the curve's order has, so that no key is likelier than another (FIPS 186-5, A.2.1).
    number = int.from_bytes(secrets.derive_bytes(master, "", "certificate-authority", 48), "big")
    key = ec.derive_private_key(number % (_P256_ORDER - 1) + 1, ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    digest = hashlib.sha256(public).digest()
    # Two authorities never share a name, so that a client which knows both takes the right one.
    name = _name(f"SI CEKAT backup CA {digest[:4].hex()}")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(digest[:16], "big") or 1)
        .not_valid_before(_AUTHORITY_FROM)
        .not_valid_after(_AUTHORITY_UNTIL)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    )
    return certificate, key


def _name(common_name: str) -> Any:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> Any:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(**uses: bool) -> Any:
    from cryptography import x509

    nothing = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign", "encipher_only",
         "decipher_only"), False,
    )  # fmt: skip
    return x509.KeyUsage(**{**nothing, **uses})


def _pem(certificate: Any) -> str:
    from cryptography.hazmat.primitives import serialization

    return certificate.public_bytes(serialization.Encoding.PEM).decode()
