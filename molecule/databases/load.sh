#!/bin/sh
# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: load.sh DIRECTORY
# Makes what a database server of the scenario has to lose; runs there as root, once. DIRECTORY holds staff.py and office.py.

set -eu
cd "$1"

runuser -u postgres -- createdb kepegawaian
python3 staff.py sql postgresql | runuser -u postgres -- psql -X -q -o /dev/null -d kepegawaian
runuser -u postgres -- createdb uji_beban
runuser -u postgres -- pgbench --initialize --scale=10 --quiet uji_beban 2>/dev/null

mariadb --execute='CREATE DATABASE kepegawaian CHARACTER SET utf8mb4'
python3 staff.py sql mariadb | mariadb kepegawaian

# as a migration does it, because ldapadd writes every entry to the disk by itself
systemctl stop slapd
python3 staff.py ldif | runuser -u openldap -- slapadd -q -b dc=contoh,dc=go,dc=id
systemctl start slapd

python3 office.py make /srv/kantor --files 20 >/dev/null

cat >/usr/local/bin/laporan-aset <<'END'
#!/bin/sh
# An application's own export
echo 'nomor;nama;nilai'
seq -f '%.0f;Kursi kerja lipat;250000' 10000
echo '# selesai'
END
chmod 0755 /usr/local/bin/laporan-aset

# A host has no loop devices of its own; the unit mounts again after a loss of power.
cat >/usr/local/sbin/pasang-foto <<'END'
#!/bin/sh
set -e
[ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
for number in $(seq 0 63); do [ -e "/dev/loop$number" ] || mknod "/dev/loop$number" b 7 "$number"; done
mount -o loop /srv/foto.img /srv/foto
END
chmod 0755 /usr/local/sbin/pasang-foto
cat >/etc/systemd/system/pasang-foto.service <<'END'
[Unit]
Description=Btrfs for photographs

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/pasang-foto

[Install]
WantedBy=multi-user.target
END
mkdir /srv/foto
truncate -s 160M /srv/foto.img
mkfs.btrfs -q /srv/foto.img >/dev/null
systemctl enable --quiet --now pasang-foto
btrfs -q subvolume create /srv/foto/pegawai
for number in $(seq 40); do head -c $((number * 1000)) /dev/urandom >"/srv/foto/pegawai/foto $number.jpg"; done
