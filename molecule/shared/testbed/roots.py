# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Root file systems, made once for each Debian release and kept: what a machine needs to be reached, and a layer of packages above."""

from __future__ import annotations

import hashlib
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from testbed.system import BedError, locked, remove_tree, run

CACHE = Path(__file__).resolve().parents[3] / ".cache/roots"
SUITES = ("bookworm", "trixie")
ADMIN = "admin"  # the user that Ansible logs in as

_PLAIN = "systemd,systemd-sysv,dbus,openssh-server,python3,sudo,iproute2,ca-certificates"
_ADDED = ["curl", "faketime", "nftables", "rclone", "restic", "sqlite3"]
_ADDED_BY_SUITE = {"bookworm": [], "trixie": ["restic-rest-server"]}
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


def layers(kinds: list[str]) -> dict[str, list[Path]]:
    """Returns for each of `kinds` ("trixie", or "trixie-plain" without added packages) its directories, the uppermost first.

    Those that the cache lacks are made, each release in a thread of its own.
    """
    for kind in kinds:
        if kind.removesuffix("-plain") not in SUITES:
            raise BedError(f"unknown kind of host '{kind}'; allowed: {', '.join(one for suite in SUITES for one in (suite, f'{suite}-plain'))}")
    with locked(CACHE / "lock"), ThreadPoolExecutor() as threads:
        wanted = {suite: any(kind == suite for kind in kinds) for suite in sorted({kind.removesuffix("-plain") for kind in kinds})}
        made = dict(zip(wanted, threads.map(lambda suite: _suite(suite, wanted[suite]), wanted), strict=True))
    return {kind: made[kind.removesuffix("-plain")][-1:] if kind.endswith("-plain") else made[kind] for kind in kinds}


def _suite(suite: str, added: bool) -> list[Path]:
    sources = _sources(suite)
    plain = CACHE / f"{suite}-{_digest(_PLAIN, _SETTLE, sources)}"
    if not plain.is_dir():
        _make(plain, lambda path: _plain(suite, sources, path))
    if not added:
        return [plain]
    packages = [*_ADDED, *_ADDED_BY_SUITE[suite]]
    layer = CACHE / f"{plain.name}-{_digest(*packages)}"
    if not layer.is_dir():
        _make(layer, lambda path: _layer(plain, packages, path))
    return [layer, plain]


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


def _layer(plain: Path, packages: list[str], path: Path) -> None:
    work, root = path.with_suffix(".work"), path.with_suffix(".root")
    for directory in (path, work, root):
        directory.mkdir(parents=True, exist_ok=True)
    try:
        run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={plain},upperdir={path},workdir={work}", root)
        # not booted: shares this machine's network
        run(
            "systemd-nspawn", "--quiet", f"--directory={root}", "--register=no", "--keep-unit", "--link-journal=no", "--settings=no",
            "--resolv-conf=replace-host", "--as-pid2", "--setenv=DEBIAN_FRONTEND=noninteractive", "--console=pipe", "sh", "-ec",
            f"apt-get -q update; apt-get -q install --yes --no-install-recommends {' '.join(packages)}; apt-get clean",
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
