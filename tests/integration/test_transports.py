# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Repositories on real servers on loopback: REST over TLS, S3, sftp and a forced command of ssh, with both engines."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pwd
import socket
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.poly1305 import Poly1305

from ansible_collections.sicekat.backup.plugins.module_utils import messages, reach
from ansible_collections.sicekat.backup.plugins.module_utils.restic import Restic
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import ResticError

from . import servers

ROOT = Path(__file__).resolve().parents[2]
BINARIES = {release: str(ROOT / ".cache/restic" / f"restic-{release}") for release in ("bookworm", "trixie")}
WAYS = ("rest", "s3", "sftp", "ssh")
PASSWORD = "kata-sandi-repositori-uji"
USER_PASSWORD = "p@ss/w:ö?#-rest"
ACCESS_KEY = "AKIDUJI"
SECRET_KEY = "Rahasia+/=s3;#x"
SECRETS = (PASSWORD, USER_PASSWORD, SECRET_KEY, "p%40ss%2Fw%3A")
CONTENT = "isi surat\n" * 1000


class Ground:
    """Servers, and repositories on them that are made when they are first asked for, each with one snapshot."""

    def __init__(self, root: Path, stack: contextlib.ExitStack, cheapen: Callable[[Path, str], None]) -> None:
        self.root = root
        self._cheapen = cheapen
        self.authority = servers.Authority()
        self.tls = self.authority.issue(root / "tls")
        self.rest = stack.enter_context(servers.rest_server(root / "rest", {"srv1": USER_PASSWORD, "srv2": "lain"}, self.tls, "--append-only"))
        self.s3 = stack.enter_context(servers.s3_server(root / "s3", ACCESS_KEY, SECRET_KEY, self.tls))
        self.ssh = stack.enter_context(servers.ssh_server(root / "ssh"))
        self.forced = {release: self.ssh.serve_only(root / "forced" / release) for release in BINARIES}
        self.data = root / "data"
        self.data.mkdir()
        (self.data / "surat.txt").write_text(CONTENT, encoding="utf-8")
        self._made: dict[tuple[str, str], str] = {}

    def access(self, way: str, release: str = "trixie") -> dict:
        return {
            "local": {},
            "rest": {"username": "srv1", "password": USER_PASSWORD, "ca_certificate": self.authority.pem},
            "s3": {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY, "ca_certificate": self.authority.pem},
            "sftp": {"identity_file": str(self.ssh.identity), "host_key": self.ssh.host_key},
            "ssh": {"identity_file": str(self.forced[release]), "host_key": self.ssh.host_key},
        }[way]

    def location(self, way: str, name: str = "x") -> str:
        return {
            "local": str(self.root / "local" / name),
            "rest": f"rest:{self.rest}/srv1/{name}/",
            "s3": f"s3:{self.s3}/wadah/{name}",
            "sftp": f"sftp://{self.ssh.user}@127.0.0.1:{self.ssh.port}/{self.root}/sftp-{name}",
            "ssh": f"ssh://{self.ssh.user}@127.0.0.1:{self.ssh.port}",
        }[way]

    def restic(self, release: str, way: str, name: str | None = None, **options: object) -> Restic:
        """Returns the Restic of a repository, which may not be there yet."""
        options.setdefault("access", self.access(way, release))
        return Restic(BINARIES[release], self.location(way, name or release), PASSWORD, **options)

    def filled(self, release: str, way: str) -> tuple[Restic, str]:
        """Returns a repository with one snapshot of one letter, and the snapshot's id."""
        restic = self.restic(release, way)
        if (release, way) not in self._made:
            assert refused("repository_missing", restic.repository_id) == "repository_missing"
            restic.init()
            places = {"rest": f"rest/rest/srv1/{release}", "sftp": f"sftp-{release}", "ssh": f"forced/{release}"}
            if way in places:  # the object store remembers what it has seen
                self._cheapen(self.root / places[way], PASSWORD)
            summary, output = restic.backup([str(self.data)], "srv1", ["sicekat", "dataset=surat"])
            assert output.exit_code == 0
            self._made[release, way] = next(one["id"] for one in restic.snapshots() if one["id"].startswith(summary["snapshot_id"]))
        return restic, self._made[release, way]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, cheap_key: ModuleType) -> Iterator[Ground]:
    with contextlib.ExitStack() as stack:
        yield Ground(tmp_path_factory.mktemp("ways"), stack, cheap_key.cheapen)


@pytest.fixture(params=list(BINARIES))
def release(request: pytest.FixtureRequest) -> str:
    return request.param


def refused(cause: str, work: Callable[[], object], within_s: float = 30) -> str:
    """Calls what must be refused for this cause, and returns the code of the message."""
    begin = time.monotonic()
    with pytest.raises(ResticError) as found:
        work()
    text = messages.english(found.value.message)
    assert found.value.cause == cause, text
    assert time.monotonic() - begin < within_s
    assert not any(secret in text for secret in SECRETS)
    return found.value.message["code"]


def test_each_way_stores_lists_and_gives_back(ground, release):
    for way in WAYS:
        restic, snapshot = ground.filled(release, way)
        assert snapshot in [one["id"] for one in restic.snapshots()]
        pieces: list[bytes] = []
        restic.dump(snapshot, str(ground.data / "surat.txt"), pieces.append)
        assert b"".join(pieces) == CONTENT.encode(), way


def test_a_copy_goes_from_one_way_to_another(ground, release):
    for source, target in (("rest", "s3"), ("s3", "sftp"), ("sftp", "ssh")):
        origin, _snapshot = ground.filled(release, source)
        destination, _other = ground.filled(release, target)
        origin.backup([str(ground.data)], "srv1", [f"dari={source}"])
        newest = origin.snapshots()[-1]["id"]
        destination.copy([newest], origin)
        assert newest in [one.get("original") for one in destination.snapshots()]


def test_two_object_stores_with_keys_of_their_own_are_not_copied_between(ground, release):
    origin, snapshot = ground.filled(release, "s3")
    with servers.s3_server(ground.root / f"s3-{release}", "AKIDLAIN", "lain-lagi", ground.tls) as url:
        access = {"access_key": "AKIDLAIN", "secret_key": "lain-lagi", "ca_certificate": ground.authority.pem}
        destination = Restic(BINARIES[release], f"s3:{url}/wadah/arsip", PASSWORD, access=access)
        assert refused("target_unusable", lambda: destination.copy([snapshot], origin)) == "copy_impossible"


def test_what_an_append_only_server_refuses_to_remove_is_reported_as_refused(ground, release):
    for way in ("rest", "ssh"):
        restic, snapshot = ground.filled(release, way)
        assert refused("permission", lambda restic=restic, snapshot=snapshot: restic.forget([snapshot])) == "removal_refused"
        assert snapshot in [one["id"] for one in restic.snapshots()]
        assert restic.clear_stale_locks() == []
    restic = ground.restic(release, "rest", f"prune-{release}")
    restic.init()
    restic.add_key("kunci-lain")
    other = restic.with_password("kunci-lain").current_key()
    assert refused("permission", lambda: restic.remove_key(other)) == "removal_refused"
    restic.backup([str(ground.data)], "srv1", [])
    local = Restic(BINARIES[release], str(ground.root / "rest/rest/srv1" / f"prune-{release}"), PASSWORD)
    local.forget([one["id"] for one in local.snapshots()])
    assert refused("permission", restic.prune) == "removal_refused"
    local.prune()
    assert local.check("full")[1] is None  # nothing is left to read


def dead(ground: Ground) -> str:
    return f"127.0.0.1:{servers.free_port()}"


FAULTS = {
    "a dead server": ("network", "network_refused", lambda ground, way: (f"{way}:https://{dead(ground)}/srv1/x", {})),
    "a name that is none": ("network", "network_name", lambda ground, way: (f"{way}:https://tidak-ada.invalid/srv1/x", {})),
    "a wrong CA": ("certificate", "certificate_unknown", lambda ground, way: (None, {"ca_certificate": servers.Authority().pem})),
    "no CA": ("certificate", "certificate_unknown", lambda ground, way: (None, {"ca_certificate": None})),
    "another name": ("certificate", "certificate_name", lambda ground, way: (ground.location(way).replace("127.0.0.1", "localhost"), {})),
    "a wrong credential": ("credential", "credential_refused", lambda ground, way: (None, {"password": "bukan", "secret_key": "bukan"})),
    "an unknown user": ("credential", "credential_refused", lambda ground, way: (None, {"username": "srv9", "access_key": "AKID9"})),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_way_is_told_at_once_with_its_cause(ground, release, fault):
    cause, code, make = FAULTS[fault]
    for way in ("rest", "s3"):
        location, changes = make(ground, way)
        restic = Restic(BINARIES[release], location or ground.location(way), PASSWORD, access=ground.access(way) | changes)
        for work in (restic.repository_id, lambda restic=restic: restic.backup([str(ground.data)], "srv1", [])):
            assert refused(cause, work) == code


def test_the_repository_of_another_server_is_refused(ground, release):
    location = ground.location("rest").replace("/srv1/", "/srv2/")
    restic = Restic(BINARIES[release], location, PASSWORD, access=ground.access("rest"))
    assert refused("credential", restic.repository_id) == "credential_refused"


def test_a_certificate_that_has_expired_is_refused(ground, release):
    tls = ground.authority.issue(ground.root / f"expired-{release}", days=(-30, -1))
    with servers.rest_server(ground.root / f"rest-expired-{release}", {"srv1": USER_PASSWORD}, tls) as url:
        restic = Restic(BINARIES[release], f"rest:{url}/srv1/", PASSWORD, access=ground.access("rest"))
        assert refused("certificate", restic.repository_id) == "certificate_expired"


def test_a_server_that_takes_connections_and_says_nothing_is_given_up(ground, monkeypatch):
    monkeypatch.setattr(reach, "LIMIT_S", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        location = f"rest:https://127.0.0.1:{silent.getsockname()[1]}/srv1/"
        assert refused("network", Restic(BINARIES["trixie"], location, PASSWORD, access=ground.access("rest")).repository_id) == "network_silent"


def test_ssh_refuses_what_it_does_not_know(ground, release):
    other_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8yZyZ7xN3xG2Yw0PqyO0G9Jq3k3V0yqVt4cJm3mXqH"
    faults = [
        ({"host_key": other_key}, "certificate", "host_key_refused"),
        ({"host_key": None}, "certificate", "host_key_refused"),
        ({"identity_file": str(ground.ssh.root / "host")}, "credential", "credential_refused"),
    ]
    for way in ("sftp", "ssh"):
        for changes, cause, code in faults:
            restic = ground.restic(release, way, access=ground.access(way) | changes)
            assert refused(cause, restic.repository_id) == code
        down = ground.location(way).replace(str(ground.ssh.port), str(servers.free_port()))
        assert refused("network", Restic(BINARIES[release], down, PASSWORD, access=ground.access(way)).repository_id) == "network_refused"


def test_a_server_without_space_ends_the_backup_at_once_and_leaves_no_lock(ground, release, tmp_path):
    (tmp_path / "besar").write_bytes(os.urandom(20 << 20))
    with servers.rest_server(ground.root / f"rest-full-{release}", {"srv1": USER_PASSWORD}, ground.tls, "--append-only", "--max-size", "5000000") as url:
        restic = Restic(BINARIES[release], f"rest:{url}/srv1/", PASSWORD, access=ground.access("rest"))
        restic.init()
        assert refused("no_space", lambda: restic.backup([str(tmp_path)], "srv1", [])) == "no_space"
        assert not list((ground.root / f"rest-full-{release}/rest/srv1/locks").iterdir())


def test_the_longest_run_time_and_the_upload_limit_hold(ground, release, tmp_path):
    (tmp_path / "besar").write_bytes(os.urandom(8 << 20))
    restic = Restic(BINARIES[release], str(tmp_path / "repo"), PASSWORD, upload_limit=200, max_runtime=3)
    restic.init()
    begin = time.monotonic()
    assert refused("timeout", lambda: restic.backup([str(tmp_path / "besar")], "srv1", [])) == "timeout"
    assert 2.5 < time.monotonic() - begin < 10
    assert refused("timeout", lambda: restic.backup([str(ground.data)], "srv1", [])) == "timeout"


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user can pass through, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="sicekat-uji-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def test_restic_runs_as_the_user_to_whom_the_repository_belongs(ground, release, open_directory):
    if os.geteuid() != 0:
        pytest.skip("needs root to run restic as another user")
    user = pwd.getpwnam("nobody")
    directory, letter = open_directory / "repo", open_directory / "surat.txt"
    directory.mkdir(mode=0o700)
    os.chown(directory, user.pw_uid, user.pw_gid)
    letter.write_text("isi", encoding="utf-8")
    restic = Restic(BINARIES[release], str(directory), PASSWORD, cache_dir="/root/cache", run_as="nobody")
    restic.init()
    restic.backup([str(letter)], "srv1", [])
    (snapshot,) = restic.snapshots()
    restic.add_key("kunci-lain")
    restic.remove_key(restic.with_password("kunci-lain").current_key())
    assert refused("wrong_password", restic.with_password("kunci-lain").repository_id) == "wrong_password"
    away = ground.restic(release, "s3", f"run-as-{release}", run_as="nobody")
    away.init(restic)
    away.copy([snapshot["id"]], restic)
    assert [one["original"] for one in away.snapshots()] == [snapshot["id"]]
    restic.forget([snapshot["id"]])
    restic.prune()
    assert {path.stat().st_uid for path in directory.rglob("*")} == {user.pw_uid}
    assert refused("permission", Restic(BINARIES[release], str(directory), PASSWORD, run_as="tidak-ada").repository_id) == "run_as_impossible"


def plant_lock(repository: Path, age: timedelta) -> Path:
    """Writes a lock as a host that lost its power leaves it, encrypted as restic does (its design document, "Keys, Encryption and MAC")."""
    key = json.loads(next((repository / "keys").iterdir()).read_bytes())
    derived = Scrypt(salt=b64decode(key["salt"]), length=64, n=key["N"], r=key["r"], p=key["p"]).derive(PASSWORD.encode())
    sealed = b64decode(key["data"])
    master = json.loads(_ctr(derived[:32], sealed[:16], sealed[16:-16]))
    lock = {"time": (datetime.now(UTC) - age).isoformat(), "exclusive": False, "hostname": "srv-padam", "username": "root", "pid": 7}
    nonce = os.urandom(16)
    text = _ctr(b64decode(master["encrypt"]), nonce, json.dumps(lock).encode())
    r, s = b64decode(master["mac"]["r"]), _block(b64decode(master["mac"]["k"]), nonce)
    content = nonce + text + Poly1305.generate_tag(r + s, text)
    path = repository / "locks" / hashlib.sha256(content).hexdigest()
    path.write_bytes(content)
    return path


def _ctr(key: bytes, nonce: bytes, data: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.CTR(nonce)).encryptor().update(data)


def _block(key: bytes, data: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(data)


def test_the_lock_of_a_host_that_lost_its_power_is_cleared_after_half_an_hour(release, tmp_path):
    restic = Restic(BINARIES[release], str(tmp_path), PASSWORD)
    restic.init()
    fresh, stale = plant_lock(tmp_path, timedelta(minutes=5)), plant_lock(tmp_path, timedelta(minutes=31))
    (holder,) = restic.clear_stale_locks()
    assert "srv-padam" in holder and fresh.exists() and not stale.exists()
    assert restic.clear_stale_locks() == []
    fresh.unlink()
    plant_lock(tmp_path, timedelta(minutes=31))
    assert ["srv-padam" in holder for holder in restic.prune().cleared_locks] in ([True], [])
    assert not list((tmp_path / "locks").iterdir())


def call(module: str, directory: Path, **arguments: object) -> tuple[dict, str]:
    """Calls a module as an admin would, with all that is secret in a file of variables; returns its result and the whole output."""
    flags = ["--check"] if arguments.pop("check", False) else []
    (directory / "variables.json").write_text(json.dumps(arguments), encoding="utf-8")
    command = [str(Path(sys.executable).with_name("ansible")), "localhost", "-m", f"sicekat.backup.{module}", "-vvv", *flags]
    command += ["-a", json.dumps({name: "{{ %s }}" % name for name in arguments}), "-e", f"@{directory / 'variables.json'}"]
    command += ["-e", f"ansible_python_interpreter={sys.executable}"]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)
    text = done.stdout + done.stderr
    return json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("=> ") + 3 :])[0], text


def test_the_modules_for_several_repositories(ground, tmp_path, cheap_key):
    release = "trixie"
    restic, snapshot = ground.filled(release, "rest")
    identity = restic.repository_id()
    place = {"server": "srv1", "repository": restic.repository, "password": PASSWORD, "repository_id": identity, "access": ground.access("rest")}
    other = {**place, "server": "srv2", "repository_id": "0" * 64}
    down = {**place, "server": "srv3", "repository": f"rest:https://{dead(ground)}/x/"}
    common = {"restic": BINARIES[release], "server_dir": str(tmp_path / "server")}
    listed, text = call("repository_listing", tmp_path, repositories=[place, other, down], path=str(tmp_path), **common)
    assert [one["cause"] for one in listed["listings"]] == [None, "repository_replaced", "network"]
    assert snapshot in [one["id"] for one in listed["listings"][0]["snapshots"]] and listed["listings"][1]["snapshots"] == []
    assert 0 < listed["free_bytes"] < listed["total_bytes"] and listed["clock"].endswith("Z")
    measured, _text = call("repository_listing", tmp_path, repositories=[], path=str(tmp_path / "tidak-ada"), **common)
    assert "tidak-ada" in measured["msg"]

    local = tmp_path / "repo"
    place = {"server": "srv1", "repository": str(local), "password": PASSWORD, "repository_id": Restic(BINARIES[release], str(local), PASSWORD).init()}
    cheap_key.cheapen(local, PASSWORD)
    wanted = [{**place, "passwords": ["amplop-rahasia"]}, {**other, "passwords": ["amplop-rahasia"]}]
    seen, more = call("repository_keys", tmp_path, repositories=wanted, check=True, **common)
    assert seen["changed"] and [(one["opened"], one["added"], one["cause"]) for one in seen["results"]] == [(0, 1, None), (0, 0, "repository_replaced")]
    done, _text = call("repository_keys", tmp_path, repositories=wanted, **common)
    assert done["changed"] and (done["results"][0]["opened"], done["results"][0]["added"]) == (1, 1)
    again, _text = call("repository_keys", tmp_path, repositories=wanted, **common)
    assert not again["changed"] and again["results"][0]["opened"] == 1
    rotated = [{**place, "password": "amplop-rahasia", "passwords": ["kata-sandi-baru"], "remove": [PASSWORD, "amplop-rahasia"]}]
    done, last = call("repository_keys", tmp_path, repositories=rotated, **common)
    (result,) = done["results"]
    assert (result["opened"], result["added"], result["removed"]) == (1, 1, 1) and result["problem"], "the key that it is opened with must stay"
    opened = {password: not _refuses(local, release, password) for password in (PASSWORD, "amplop-rahasia", "kata-sandi-baru")}
    assert opened == {PASSWORD: False, "amplop-rahasia": True, "kata-sandi-baru": True}
    for secret in (*SECRETS, "amplop-rahasia", "kata-sandi-baru"):
        assert secret not in text + more + last


def _refuses(repository: Path, release: str, password: str) -> bool:
    with contextlib.suppress(ResticError):
        Restic(BINARIES[release], str(repository), password).repository_id()
        return False
    return True


def test_no_secret_stands_where_other_users_can_read_it(ground, release, tmp_path):
    (tmp_path / "besar").write_bytes(os.urandom(3 << 20))
    seen: set[bytes] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            for process in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    command = (process / "cmdline").read_bytes()
                    if b"serve\0s3" not in command:  # our test double, which gets its key by its environment
                        seen.add(command + (process / "environ").read_bytes())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        for way in WAYS:
            restic = ground.filled(release, way)[0]
            restic = ground.restic(release, way, upload_limit=2000)
            restic.backup([str(tmp_path / "besar")], "srv1", [])
        newest = ground.filled(release, "rest")[0].snapshots()[-1]["id"]
        ground.restic(release, "s3", upload_limit=2000).copy([newest], ground.filled(release, "rest")[0])
    finally:
        stop.set()
        thread.join()
    everything = b"".join(seen)
    assert everything.count(BINARIES[release].encode()) >= 5 and b"AWS_SHARED_CREDENTIALS_FILE=/dev/fd/" in everything
    written = b"".join(path.read_bytes() for path in [*ground.root.rglob("*.log"), *tmp_path.rglob("*")] if path.is_file())
    for secret in SECRETS:
        assert secret.encode() not in everything and secret.encode() not in written
