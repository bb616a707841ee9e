#!/usr/bin/env bash
# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: restic-binaries.sh DIR
# Provides, on Debian 12 or 13, as root or not:
#   DIR/restic-bookworm, DIR/restic-trixie   the restic of Debian 12 and of Debian 13
#   DIR/rest-server                          the REST server of Debian 13 (Debian 12 has none)
#   DIR/sshd/                                this release's OpenSSH server, unpacked, for tests with a private one
# The system's own restic serves where it is the right one; the rest is taken from the machine's Debian mirror by a private apt
# configuration that leaves the system's alone.

source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

(($# == 1)) || die "usage: restic-binaries.sh DIR"
mkdir -p "$1"
target=$(cd "$1" && pwd -P)
declare -A expected=([bookworm]=0.14 [trixie]=0.18)
own_release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")

# Whether the binary $1 runs and is of the restic series $2.
is_series() {
    [[ -x $1 && "$("$1" version 2>/dev/null)" == "restic $2."* ]]
}

# Whether $1 is the rest-server that checks the SHA-256 of what is uploaded.
is_rest_server() {
    [[ -x $1 && "$("$1" --version 2>/dev/null)" == *" 0.13."* ]]
}

# Prints the URI of the mirror that this system takes its own release from; apt itself reads both styles of its sources.
own_mirror() {
    apt-get indextargets --no-release-info --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Identifier: Packages' |
        awk -v own="$own_release" '($1 == own || $1 ~ /^(old)*stable$/) && $2 == "main" && !found++ { print $3 }'
}

# Downloads packages of the Debian release $1 and unpacks them into the directory $2.
unpack() {
    local release=$1 output=$2 apt=$CACHE/apt-$1 uri keyring=/usr/share/keyrings/debian-archive-keyring.gpg package
    shift 2
    uri=$(own_mirror)
    [[ $uri ]] || die "no Debian mirror found in this system's apt sources; $* of $release cannot be had"
    rm -rf "$apt"
    mkdir -p "$apt"/{state/lists/partial,cache/archives/partial} "$output"
    : >"$apt/status"
    echo "deb [signed-by=$keyring] $uri $release main" >"$apt/sources.list"
    local options=(
        -o "Dir::State=$apt/state" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache"
        -o "Dir::Etc::SourceList=$apt/sources.list" -o "Dir::Etc::SourceParts=/dev/null" -o "Dir::Etc::Preferences=/dev/null"
        -o "Dir::Etc::PreferencesParts=/dev/null" -o "APT::Sandbox::User=$(id -un)" -o "Acquire::Languages=none"
    )
    apt-get -q "${options[@]}" update
    (cd "$apt" && apt-get -q "${options[@]}" download "$@")
    for package in "$apt"/*.deb; do
        dpkg-deb --extract "$package" "$output"
    done
    rm -rf "$apt"
}

# Puts the file $3 of the package $2 of the Debian release $1 at $4.
fetch() {
    echo "Fetching $2 of Debian $1"
    unpack "$1" "$target/unpacked" "$2"
    install -m 0755 "$target/unpacked/$3" "$4"
    rm -rf "$target/unpacked"
}

for release in "${!expected[@]}"; do
    series=${expected[$release]}
    binary=$target/restic-$release
    is_series "$binary" "$series" && continue
    if is_series /usr/bin/restic "$series"; then
        install -m 0755 /usr/bin/restic "$binary"
    else
        fetch "$release" restic usr/bin/restic "$binary"
    fi
    is_series "$binary" "$series" || die "$binary is not restic $series: $("$binary" version 2>&1 || true)"
done

is_rest_server "$target/rest-server" || fetch trixie restic-rest-server usr/bin/restic-rest-server "$target/rest-server"
is_rest_server "$target/rest-server" || die "$target/rest-server is not restic-rest-server 0.13"

if [[ ! -x $target/sshd/usr/sbin/sshd ]]; then
    echo "Fetching openssh-server of Debian $own_release"
    unpack "$own_release" "$target/sshd.new" openssh-server openssh-sftp-server libwrap0
    rm -rf "$target/sshd"
    mv "$target/sshd.new" "$target/sshd"
fi
