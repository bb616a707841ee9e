# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Root file systems, made once for each Debian release and kept: what a machine needs to be reached, and layers of packages above."""

from __future__ import annotations

import hashlib
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from testbed.system import BedError, locked, remove_tree, run

CACHE = Path(__file__).resolve().parents[3] / ".cache/roots"
SUITES = ("bookworm", "trixie")
VARIANTS = {"-plain": 1, "": 2, "-databases": 3}  # end of a kind's name -> number of its layers
KINDS = [f"{suite}{variant}" for variant in VARIANTS for suite in SUITES]
ADMIN = "admin"  # the user that Ansible logs in as
LDAP_PASSWORD = "rahasia-direktori"

_PLAIN = "systemd,systemd-sysv,dbus,openssh-server,python3,sudo,iproute2,ca-certificates"
_ADDED = ["curl", "faketime", "nftables", "rclone", "restic", "sqlite3"]
_ADDED_BY_SUITE = {"bookworm": [], "trixie": ["restic-rest-server"]}
_DATABASES = ["btrfs-progs", "ldap-utils", "mariadb-server", "postgresql", "procps", "slapd"]
# Debconf's answers; the directory's administrator is cn=admin,dc=contoh,dc=go,dc=id
_ANSWERS = ["slapd slapd/domain string contoh.go.id", "slapd shared/organization string Pemerintah Kabupaten Contoh"]
_ANSWERS += [f"slapd slapd/password{number} password {LDAP_PASSWORD}" for number in (1, 2)]
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_LIMIT_S = 600  # for each step, with a slow mirror
_SETTLE = f"""set -e
useradd --create-home --shell /bin/bash {ADMIN}
echo '{ADMIN} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/{ADMIN}
chmod 0440 /etc/sudoers.d/{ADMIN}
printf '%s\\n' 'HostKey /etc/ssh/ssh_host_ed25519_key' 'PasswordAuthentication no' 'PermitRootLogin no' >/etc/ssh/sshd_config.d/bed.conf
rm -f /etc/ssh/ssh_host_* /etc/machine-id /var/lib/dbus/machine-id
systemctl enable --quiet systemd-networkd
"""
_INSTALL = """printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d
chmod 0755 /usr/sbin/policy-rc.d
debconf-set-selections <<'END'
{answers}
END
apt-get -q update
apt-get -q install --yes --no-install-recommends {packages}
apt-get clean
rm /usr/sbin/policy-rc.d
"""


def layers(kinds: list[str]) -> dict[str, list[Path]]:
    """Returns for each of `kinds` ("trixie", "trixie-plain" without added packages, "trixie-databases" with database servers) its directories.

    The uppermost comes first. Those that the cache lacks are made, each release in a thread of its own.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise BedError(f"unknown kind of host '{kind}'; allowed: {', '.join(KINDS)}")
    wanted: dict[str, int] = {}
    for kind in kinds:
        wanted[_suite(kind)] = max(_number(kind), wanted.get(_suite(kind), 0))
    with locked(CACHE / "lock"), ThreadPoolExecutor() as threads:
        made = dict(zip(wanted, threads.map(_made, wanted, wanted.values()), strict=True))
    return {kind: made[_suite(kind)][-_number(kind) :] for kind in kinds}


def _suite(kind: str) -> str:
    return kind.partition("-")[0]


def _number(kind: str) -> int:
    return VARIANTS[kind.removeprefix(_suite(kind))]


def _made(suite: str, number: int) -> list[Path]:
    """Returns the lower `number` layers of a release, the uppermost first."""
    sources = _sources(suite)
    plain = CACHE / f"{suite}-{_digest(_PLAIN, _SETTLE, sources)}"
    if not plain.is_dir():
        _make(plain, lambda path: _plain(suite, sources, path))
    below = [plain]
    for packages, answers in (([*_ADDED, *_ADDED_BY_SUITE[suite]], []), (_DATABASES, _ANSWERS))[: number - 1]:
        layer = CACHE / f"{below[0].name}-{_digest(*packages, *answers)}"
        if not layer.is_dir():
            _make(layer, partial(_layer, below, packages, answers))
        below = [layer, *below]
    return below


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _make(path: Path, make: object) -> None:
    """Makes a directory under another name first, so that one that is there is whole."""
    partial = path.with_name(f"{path.name}.partial")
    remove_tree(partial)
    try:
        make(partial)
        partial.rename(path)
    except BaseException:
        remove_tree(partial)
        raise


def _plain(suite: str, sources: str, path: Path) -> None:
    run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PLAIN}", suite, path, "-", data=sources, timeout=_LIMIT_S)
    run("chroot", path, "sh", "-c", _SETTLE)


def _layer(below: list[Path], packages: list[str], answers: list[str], path: Path) -> None:
    work, root = path.with_suffix(".work"), path.with_suffix(".root")
    for directory in (path, work, root):
        directory.mkdir(parents=True, exist_ok=True)
    try:
        lower = ":".join(str(layer) for layer in below)
        run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={path},workdir={work}", root)
        # not booted: shares this machine's network, and no service may start
        run(
            "systemd-nspawn", "--quiet", f"--directory={root}", "--register=no", "--keep-unit", "--link-journal=no", "--settings=no",
            "--resolv-conf=replace-host", "--as-pid2", "--setenv=DEBIAN_FRONTEND=noninteractive", "--setenv=LC_ALL=C.UTF-8", "--console=pipe", "sh", "-ec",
            _INSTALL.format(packages=" ".join(packages), answers="\n".join(answers)),
            timeout=_LIMIT_S,
        )  # fmt: skip
    finally:
        remove_tree(root)
        shutil.rmtree(work)


def _sources(suite: str) -> str:
    """Returns apt's sources of a release, from the mirrors that this machine takes its own release from."""
    own = re.search(r"^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text(), re.MULTILINE)
    listed = run("apt-get", "indextargets", "--no-release-info", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Identifier: Packages").stdout
    found = {}
    for release, component, uri in (line.split(maxsplit=2) for line in listed.splitlines()):
        # apt says the suite's name, "oldstable", or its code name
        for suffix in ("", "-security"):
            if component == "main" and (release == f"{own and own[1]}{suffix}" or re.fullmatch(rf"(old)*stable{suffix}", release)):
                found.setdefault(suffix, uri)
    if "" not in found:
        raise BedError("hosts cannot be booted: no Debian mirror found in this machine's apt sources")
    return "".join(f"deb [signed-by={_KEYRING}] {uri} {suite}{suffix} main\n" for suffix, uri in found.items())
