# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real servers for repositories on loopback: rest-server, an S3 endpoint, an SSH server of our own; and certificates for them.

Each is a context manager that ends what it started.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import getpass
import hashlib
import ipaddress
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROOT = Path(__file__).resolve().parents[2]
REST_SERVER = ROOT / ".cache/restic/rest-server"
SSHD = ROOT / ".cache/restic/sshd"
RCLONE = Path(sys.executable).with_name("rclone")


class Authority:
    """A certificate authority of a test's own."""

    def __init__(self, name: str = "CA uji") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = self._sign(self._name, self._key.public_key(), (-1, 30), x509.BasicConstraints(ca=True, path_length=0))
        self.pem = _pem(self._certificate)

    def issue(self, directory: Path, name: str = "127.0.0.1", days: tuple[int, int] = (-1, 30)) -> tuple[Path, Path]:
        """Writes certificate and key for a host name or address, valid between these days from now; returns their paths."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            other_name: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            other_name = x509.DNSName(name)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        names = x509.SubjectAlternativeName([other_name])
        certificate = self._sign(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key(), days, names, usage)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "server.crt").write_text(_pem(certificate), encoding="ascii")
        secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (directory / "server.key").write_bytes(secret)
        return directory / "server.crt", directory / "server.key"

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, days: tuple[int, int], *extensions: x509.ExtensionType) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        begin, end = (now + datetime.timedelta(days=number) for number in days)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(begin).not_valid_after(end)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(self._key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextlib.contextmanager
def running(command: list[object], port: int, log: Path, **options: object) -> Iterator[subprocess.Popen]:
    """Runs a server until the block ends; gives it once its port answers."""
    with log.open("ab") as output:
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options)
    try:
        deadline = time.monotonic() + 20
        while True:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text(encoding="utf-8", errors="replace")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


@contextlib.contextmanager
def rest_server(root: Path, users: dict[str, str], tls: tuple[Path, Path], *flags: str, port: int | None = None) -> Iterator[str]:
    """Serves root/rest, a private directory for each user; gives the URL without user."""
    (root / "rest").mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    entries = [f"{user}:{{SHA}}{base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()}\n" for user, password in users.items()]
    (root / "htpasswd").write_text("".join(entries), encoding="ascii")
    command = [REST_SERVER, "--path", root / "rest", "--listen", f"127.0.0.1:{port}", "--private-repos", "--htpasswd-file", root / "htpasswd"]
    with running([*command, "--tls", "--tls-cert", tls[0], "--tls-key", tls[1], *flags], port, root / "rest.log"):
        yield f"https://127.0.0.1:{port}"


@contextlib.contextmanager
def s3_server(root: Path, access_key: str, secret_key: str, tls: tuple[Path, Path]) -> Iterator[str]:
    """Serves root/s3 as buckets; gives the URL."""
    (root / "s3").mkdir(parents=True)
    port = free_port()
    # By the environment, as a test must not put its own key where it looks for leaks.
    environment = {**os.environ, "RCLONE_AUTH_KEY": f'"{access_key},{secret_key}"', "RCLONE_CONFIG": os.devnull}
    command = [RCLONE, "serve", "s3", "--cert", tls[0], "--key", tls[1], "--addr", f"127.0.0.1:{port}", root / "s3"]
    with running(command, port, root / "s3.log", env=environment):
        yield f"https://127.0.0.1:{port}"


class SSHServer:
    """user: who may log in. identity: path of the private key that lets him do anything. host_key: the server's public key as one line."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = free_port()
        self.user = getpass.getuser()
        self.host_key = self._key("host")
        self.identity = root / "identity"
        self._allow(self._key("identity"))

    def serve_only(self, directory: Path) -> Path:
        """Makes a key that lets one do nothing but add to one repository, and returns its path."""
        directory.mkdir(parents=True)
        name = f"forced-{directory.name}"
        command = shlex.join([str(RCLONE), "serve", "restic", "--stdio", "--append-only", str(directory)])
        self._allow(f'command="{command}",restrict {self._key(name)}')
        return self.root / name

    def _key(self, name: str) -> str:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "uji", "-f", self.root / name], check=True, timeout=30)
        return (self.root / f"{name}.pub").read_text(encoding="ascii").strip()

    def _allow(self, line: str) -> None:
        with (self.root / "authorized_keys").open("a", encoding="ascii") as file:
            file.write(line + "\n")


@contextlib.contextmanager
def ssh_server(root: Path) -> Iterator[SSHServer]:
    """Runs this release's sshd with a configuration, host key and user list of its own; nothing of the machine's is changed."""
    root.mkdir(parents=True)
    server = SSHServer(root)
    lines = [f"Port {server.port}", "ListenAddress 127.0.0.1", f"HostKey {root}/host", f"AuthorizedKeysFile {root}/authorized_keys", "StrictModes no"]
    lines += ["PasswordAuthentication no", "KbdInteractiveAuthentication no", "PermitRootLogin prohibit-password", "PidFile none"]
    lines += ["Subsystem sftp internal-sftp"]
    session = SSHD / "usr/lib/openssh/sshd-session"
    lines += [f"SshdSessionPath {session}", f"SshdAuthPath {session.with_name('sshd-auth')}"] if session.exists() else []
    (root / "sshd_config").write_text("\n".join(lines) + "\n", encoding="utf-8")
    libraries = ":".join(str(path.parent) for path in SSHD.glob("usr/lib/*/libwrap.so.0"))
    command = [str(SSHD / "usr/sbin/sshd"), "-D", "-e", "-f", str(root / "sshd_config")]
    if os.geteuid() == 0:
        # As root it wants a user and a directory that a machine without openssh-server lacks: both in a mount namespace of its own.
        shutil.copy("/etc/passwd", root / "passwd")
        with (root / "passwd").open("a", encoding="ascii") as file:
            file.write("sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n")
        prepare = f"mount --bind {shlex.quote(str(root / 'passwd'))} /etc/passwd && mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec {shlex.join(command)}"
        command = ["unshare", "--mount", "sh", "-c", prepare]
    with running(command, server.port, root / "sshd.log", env={**os.environ, "LD_LIBRARY_PATH": libraries}):
        yield server
