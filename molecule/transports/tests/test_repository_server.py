# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A repository server of Debian 12 with a given binary, and the way to it by SSH with a forced command."""

from __future__ import annotations

import hashlib

import pytest
from fleet import ROOT, Fleet

KEEPER, STORE = "brankas", "/srv/brankas"
SSH = "ssh -i /etc/si-cekat/id_ed25519 -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=/etc/si-cekat/known_hosts"


def digest(name: str) -> str:
    return hashlib.sha256((ROOT / ".cache/restic" / name).read_bytes()).hexdigest()


def test_the_service_runs_the_binary_that_was_given(fleet: Fleet):
    on = fleet.on(KEEPER)
    pid = on.check_output("systemctl show --value --property MainPID sicekat-rest-server.service")
    given = on.file(on.check_output(f"readlink /proc/{pid}/exe"))
    assert (given.user, given.mode) == ("root", 0o755)
    assert given.sha256sum == digest("rest-server")


def test_another_binary_than_was_meant_is_not_copied(fleet: Fleet):
    fleet.edit(KEEPER, backup_repository_server={
        "path": STORE, "port": 8443, "free_least": "16MiB", "rest_server": {"source": str(ROOT / ".cache/restic/restic-trixie"), "sha256": "0" * 64},
    })  # fmt: skip
    played = fleet.play("site")
    assert played.code != 0 and digest("restic-trixie") in played.text
    on = fleet.on(KEEPER)
    assert on.file("/usr/local/sbin/sicekat-rest-server").sha256sum == digest("rest-server")
    assert on.service("sicekat-rest-server").is_running


def test_the_key_of_a_server_opens_no_shell_and_no_way_through(backed_up: Fleet):
    fleet = backed_up
    target = f"sicekat-backup@{fleet.bed.address(KEEPER)}"
    for asked in ("id", "sh -c id", "rclone serve restic --stdio /srv/brankas/lapor", "cat /etc/passwd"):
        done = fleet.bed.run("kasir", f"timeout 10 {SSH} {target} '{asked}' </dev/null", check=False)
        assert "uid=" not in done.stdout and "root:" not in done.stdout, done.stdout
    refused = fleet.bed.run(
        "kasir", f"timeout 10 {SSH} -N -L 9999:127.0.0.1:22 {target} & sleep 3; timeout 3 bash -c 'exec 3<>/dev/tcp/127.0.0.1/9999; head -c 4 <&3'", check=False
    )
    assert "SSH-" not in refused.stdout
    sftp = fleet.bed.run("kasir", f"echo ls | timeout 10 {SSH.replace('ssh ', 'sftp ', 1)} -b - {target}", check=False)
    assert sftp.returncode != 0


def test_a_server_by_ssh_adds_and_removes_nothing(backed_up: Fleet):
    fleet = backed_up
    files = f"cd {STORE}/kasir && find . -type f ! -path './locks/*' -exec sha256sum {{}} + | sort"
    before = fleet.bed.run(KEEPER, files).stdout
    snapshots = fleet.snapshots("kasir", KEEPER, STORE)
    fleet.bed.run("kasir", f"timeout 40 /etc/si-cekat/restic forget --prune {sorted(snapshots)[0]}; /etc/si-cekat/restic unlock --remove-all", check=False)
    assert set(before.splitlines()) <= set(fleet.bed.run(KEEPER, files).stdout.splitlines())
    assert fleet.snapshots("kasir", KEEPER, STORE) == snapshots


def test_the_files_that_came_by_ssh_belong_to_the_service_too(backed_up: Fleet):
    assert backed_up.bed.run(KEEPER, f"find {STORE} -mindepth 1 ! -user sicekat-backup").stdout == ""
    assert backed_up.snapshots("kasir", KEEPER, STORE)


@pytest.mark.timeout(200)
def test_a_repository_server_that_shows_another_host_key_is_refused(backed_up: Fleet):
    fleet = backed_up
    swap = "cd /etc/ssh && cp -p ssh_host_ed25519_key /root/asli && rm ssh_host_ed25519_key && ssh-keygen -q -t ed25519 -N '' -f /root/lain"
    known, original = fleet.bed.path / "known_hosts", (fleet.bed.path / "known_hosts").read_text()
    fleet.bed.run(KEEPER, f"{swap} && cp /root/lain ssh_host_ed25519_key && systemctl restart ssh")
    try:
        new = fleet.bed.run(KEEPER, "cut -d' ' -f1,2 /root/lain.pub").stdout.strip()
        address = fleet.bed.address(KEEPER)
        # the control node was told of the new key, the server was not
        known.write_text("".join(line for line in original.splitlines(True) if not line.startswith(f"{address},")) + f"{address},{KEEPER} {new}\n")
        assert fleet.play("daily", limit_s=150).code != 0
        assert {one["outcome"] for one in fleet.last_run(server="kasir", kind="backup")} == {"failed"}
        assert {one["outcome"] for one in fleet.last_run(server="lapor", kind="backup")} == {"success"}
    finally:
        known.write_text(original)
        fleet.bed.run(KEEPER, "cp -p /root/asli /etc/ssh/ssh_host_ed25519_key && rm /root/asli /root/lain* && systemctl restart ssh")
    fleet.done("daily")
