#!/usr/bin/env bash
# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: restic-binaries.sh DIR
# Provides DIR/restic-bookworm and DIR/restic-trixie: the restic of Debian 12 and of Debian 13, on either of them, as root or not.
# The system's own restic serves where it is the right one; the other is taken from the machine's Debian mirror by a private apt
# configuration that leaves the system's alone.

source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

(($# == 1)) || die "usage: restic-binaries.sh DIR"
mkdir -p "$1"
target=$(cd "$1" && pwd -P)
declare -A expected=([bookworm]=0.14 [trixie]=0.18)

# Whether the binary $1 runs and is of the restic series $2.
is_series() {
    [[ -x $1 && "$("$1" version 2>/dev/null)" == "restic $2."* ]]
}

# Prints the URI of the mirror that this system takes its own release from; apt itself reads both styles of its sources.
own_mirror() {
    local codename
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    apt-get indextargets --no-release-info --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Identifier: Packages' |
        awk -v own="$codename" '($1 == own || $1 ~ /^(old)*stable$/) && $2 == "main" && !found++ { print $3 }'
}

# Downloads restic of the Debian release $1 and puts it at $2.
download() {
    local release=$1 output=$2 apt=$CACHE/apt-$1 uri keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    uri=$(own_mirror)
    [[ $uri ]] || die "no Debian mirror found in this system's apt sources; restic of $release cannot be had"
    mkdir -p "$apt"/{state/lists/partial,cache/archives/partial,unpacked}
    : >"$apt/status"
    echo "deb [signed-by=$keyring] $uri $release main" >"$apt/sources.list"
    local options=(
        -o "Dir::State=$apt/state" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache"
        -o "Dir::Etc::SourceList=$apt/sources.list" -o "Dir::Etc::SourceParts=/dev/null" -o "Dir::Etc::Preferences=/dev/null"
        -o "Dir::Etc::PreferencesParts=/dev/null" -o "APT::Sandbox::User=$(id -un)" -o "Acquire::Languages=none"
    )
    apt-get -q "${options[@]}" update
    (cd "$apt" && rm -f restic_*.deb && apt-get -q "${options[@]}" download restic && dpkg-deb --extract restic_*.deb unpacked)
    install -m 0755 "$apt/unpacked/usr/bin/restic" "$output"
    rm -rf "$apt"
}

for release in "${!expected[@]}"; do
    series=${expected[$release]}
    binary=$target/restic-$release
    is_series "$binary" "$series" && continue
    if is_series /usr/bin/restic "$series"; then
        install -m 0755 /usr/bin/restic "$binary"
    else
        echo "Fetching restic $series of Debian $release"
        download "$release" "$binary"
    fi
    is_series "$binary" "$series" || die "$binary is not restic $series: $("$binary" version 2>&1 || true)"
done
