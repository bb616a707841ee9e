# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The test bed itself: real hosts, real faults, and nothing that one test leaves to the next."""

from __future__ import annotations

import subprocess

import pytest
from fleet import Fleet

KINDS = {"gudang": "13", "loket": "12", "pajak": "13"}


@pytest.mark.parametrize("host", KINDS)
def test_a_host_is_a_debian_of_its_own_under_systemd(fleet: Fleet, host: str):
    on = fleet.on(host)
    assert on.system_info.distribution == "debian"
    assert on.system_info.release.split(".")[0] == KINDS[host]
    assert on.run("systemctl is-system-running").stdout.strip() == "running"
    assert on.check_output("cat /etc/hostname") == host
    assert on.check_output("ps -o comm= -p 1") == "systemd"
    assert len({fleet.bed.run(name, "cat /etc/machine-id").stdout for name in KINDS}) == len(KINDS)


def test_ansible_comes_as_an_ordinary_user_and_only_sudo_makes_it_root(fleet: Fleet):
    login = fleet.bed.ssh_command("loket")
    assert subprocess.run([*login, "id -u"], capture_output=True, text=True, check=True, timeout=20).stdout.strip() == "1000"
    refused = subprocess.run([*login, "cat /etc/shadow"], capture_output=True, text=True, check=False, timeout=20)
    assert refused.returncode != 0 and "Permission denied" in refused.stderr
    assert fleet.on("loket").check_output("id -u") == "0"


def test_a_host_that_shows_another_key_is_refused(fleet: Fleet):
    known = fleet.bed.path / "known_hosts"
    right = known.read_text()
    other = fleet.bed.address("pajak")
    try:
        known.write_text(right.replace(f"{other},", "192.0.2.1,").replace(f"{fleet.bed.address('loket')},", f"{other},"))
        done = subprocess.run([*fleet.bed.ssh_command("pajak"), "true"], capture_output=True, text=True, check=False, timeout=20)
    finally:
        known.write_text(right)
    assert done.returncode == 255
    assert "verification failed" in done.stderr.lower()


def test_a_cut_line_is_silent_and_heals(fleet: Fleet):
    reach = "timeout 2 bash -c 'exec 3<>/dev/tcp/$0/22; head -c 4 <&3' "
    keeper = fleet.bed.address("gudang")
    assert fleet.bed.run("loket", reach + keeper).stdout == "SSH-"
    fleet.bed.cut("loket", "gudang")
    assert fleet.bed.run("loket", reach + keeper, check=False).returncode == 124
    assert fleet.bed.run("loket", reach + fleet.bed.address("pajak")).stdout == "SSH-"
    fleet.bed.cut("loket", "control")
    assert fleet.bed.run("loket", reach + fleet.bed.gateway, check=False).returncode == 124
    fleet.bed.heal()
    assert fleet.bed.run("loket", reach + keeper).stdout == "SSH-"


def test_a_host_that_lost_its_power_keeps_its_disk_and_nothing_else(fleet: Fleet):
    fleet.bed.run("pajak", "echo tetap >/root/tetap; echo hilang >/run/hilang")
    started = fleet.bed.run("pajak", "stat -c %Y /proc/1").stdout
    fleet.bed.power_off("pajak")
    assert not fleet.bed.running("pajak")
    fleet.bed.power_on("pajak")
    assert fleet.bed.run("pajak", "cat /root/tetap; rm /root/tetap; ls /run/hilang", check=False).stdout == "tetap\n"
    assert fleet.bed.run("pajak", "stat -c %Y /proc/1").stdout != started


def test_a_small_disk_is_full_soon_and_gives_back_what_was_written(fleet: Fleet):
    fleet.bed.run("pajak", "mkdir -p /srv/coba; echo lama >/srv/coba/lama")
    with fleet.bed.small_disk("pajak", "/srv/coba", 2):
        assert fleet.bed.run("pajak", "head -c 3000000 /dev/zero >/srv/coba/besar", check=False).returncode != 0
        fleet.bed.run("pajak", "rm /srv/coba/besar; echo baru >/srv/coba/baru")
    assert fleet.bed.run("pajak", "cat /srv/coba/lama /srv/coba/baru; rm -r /srv/coba").stdout == "lama\nbaru\n"
